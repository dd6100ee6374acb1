/**
 * A light look at the rules of Snort (2 and 3) and Suricata: header, direction, options. What the engines differ on
 * passes, or is a warning.
 */

import type { Text } from './issue.ts';
import { type Finding, type FindPatternFaults, type Line, linesOf, maxFindings } from './pattern-language.ts';

const texts = {
  none: {
    en: 'There is no rule; write one such as alert tcp any any -> any 80 (msg:"…"; sid:1000001;).',
    zh: '没有规则；请写如 alert tcp any any -> any 80 (msg:"…"; sid:1000001;) 的规则。',
  },
  parenthesis: {
    en: 'The options that open here are never closed; end them with ")".',
    zh: '此处开始的选项没有结束，请以 ")" 结尾。',
  },
  bracket: {
    en: 'A list of addresses or ports is never closed; end it with "]".',
    zh: '地址或端口列表没有闭合，请以 "]" 结尾。',
  },
  header: {
    en: 'A header is: action, protocol, address, port, direction, address, port.',
    zh: '规则头依次为：动作、协议、地址、端口、方向、地址、端口。',
  },
  direction: { en: 'The direction is "->" or "<>".', zh: '方向为 "->" 或 "<>"。' },
  action: { en: 'This is no action that is known here, such as "alert".', zh: '不是已知的动作，例如 "alert"。' },
  quote: {
    en: 'The number of quotation marks is odd; end each text, and write \\" within one.',
    zh: '双引号的数目为奇数；请闭合每段文本，其中的双引号写作 \\"。',
  },
  sid: { en: 'The rule has no "sid"; engines tell rules apart by it.', zh: '规则没有 "sid"；引擎以它区分规则。' },
} as const satisfies Record<string, Text>;

interface Dialect {
  readonly actions: ReadonlySet<string>;
  readonly directions: ReadonlySet<string>;
  /** Words that a header may have; what follows are the options. */
  readonly headerLengths: readonly number[];
  /** Whether options may go on over lines that do not end in a backslash. */
  readonly mayWrap: boolean;
}

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

const snort: Dialect = {
  actions: words('alert log pass activate dynamic drop reject sdrop block rewrite react file_id'),
  directions: words('-> <>'),
  // Snort 3: rules about services and files name a protocol alone; the decoder's not even that.
  headerLengths: [1, 2, 7],
  mayWrap: true,
};
const suricata: Dialect = {
  actions: words('alert pass drop reject rejectsrc rejectdst rejectboth config accept'),
  directions: words('-> <> =>'),
  headerLengths: [7],
  mayWrap: false,
};

// Lines of a configuration, which may stand beside rules.
const settings = words(
  'var ipvar portvar config include preprocessor output ruletype event_filter suppress rate_filter',
);

/** A rule with its continued lines, as places in the text. */
interface Rule {
  readonly start: number;
  end: number;
}

function firstWordOf(text: string): string {
  return /^[^\s(]*/.exec(text.trimStart())?.[0] ?? '';
}

// Options are whole when nothing but a comment follows the last parenthesis.
function isClosed(text: string): boolean {
  const close = text.lastIndexOf(')');
  const rest = close === -1 ? '-' : text.slice(close + 1).trim();
  return rest === '' || rest.startsWith('#');
}

type Add = (what: keyof typeof texts, offset: number) => void;

/** The rules among the lines; says of others that look like rules that their action is unknown. */
function readRules(lines: Iterable<Line>, dialect: Dialect, add: Add): readonly Rule[] {
  const rules: Rule[] = [];
  let open: Rule | undefined;
  let stranger: number | undefined;
  let isExplained = false;
  for (const { text, offset } of lines) {
    const word = firstWordOf(text);
    if (text.trim() === '' || word.startsWith('#')) continue;
    const end = offset + text.length;
    if (dialect.actions.has(word)) {
      open = { start: offset + text.search(/\S/), end };
      rules.push(open);
    } else if (open !== undefined) open.end = end;
    else if (settings.has(word) || word.startsWith('/*')) isExplained = true;
    else if (text.includes('(') && text.includes('>')) {
      isExplained = true;
      add('action', offset);
    } else stranger ??= offset;
    if (!dialect.mayWrap || isClosed(text)) open = undefined;
  }
  if (stranger !== undefined && rules.length === 0 && !isExplained) add('none', stranger);
  return rules;
}

/** The words of a header; a list in brackets is one, whatever is in it. Undefined when a bracket has no counterpart. */
function headerWords(text: string): readonly string[] | undefined {
  const found: string[] = [];
  let depth = 0;
  let word = '';
  for (const character of `${text} `) {
    if (character === '[') depth += 1;
    if (character === ']') depth -= 1;
    if (depth < 0) return undefined;
    const isSpace = /\s/.test(character);
    if (!isSpace) word += character;
    // An exclamation mark negates what comes next.
    else if (depth === 0 && word !== '' && word !== '!') {
      found.push(word);
      word = '';
    }
  }
  return depth === 0 ? found : undefined;
}

function checkHeader(text: string, start: number, { directions, headerLengths }: Dialect, add: Add): void {
  const header = headerWords(text);
  const direction = header?.[4];
  if (header === undefined) add('bracket', start);
  else if (!headerLengths.includes(header.length)) add('header', start);
  else if (direction !== undefined && !directions.has(direction)) add('direction', start + text.indexOf(direction));
}

function checkOptions(text: string, start: number, add: Add): void {
  if (text !== '' && !isClosed(text)) add('parenthesis', start);
  if (text.replaceAll(/\\./g, '').split('"').length % 2 === 0) add('quote', start);
  if (!/[(;\s]sid\s*:/.test(text)) add('sid', start);
}

function checkRule(text: string, start: number, dialect: Dialect, add: Add): void {
  const open = text.indexOf('(');
  const length = open === -1 ? text.length : open;
  checkHeader(text.slice(0, length), start, dialect, add);
  checkOptions(text.slice(length), start + length, add);
}

const warnings: ReadonlySet<keyof typeof texts> = new Set(['action', 'quote', 'sid']);

function check(pattern: string, dialect: Dialect): readonly Finding[] {
  const findings: Finding[] = [];
  const add: Add = (what, offset) => {
    const level = warnings.has(what) ? 'warning' : 'error';
    if (findings.length < maxFindings) findings.push({ level, offset, text: texts[what] });
  };
  // A backslash continues the line; spaces in its place keep every offset true.
  const joined = pattern.replaceAll(/\\[ \t]*\r?\n/g, (end) => ' '.repeat(end.length));
  for (const { start, end } of readRules(linesOf(joined), dialect, add)) {
    checkRule(joined.slice(start, end), start, dialect, add);
  }
  return findings;
}

/** Finds what neither Snort 2 nor 3 loads (an error), and what is doubtful: other actions, no `sid`, odd quotation marks. */
export const findSnortFaults: FindPatternFaults = (pattern) => check(pattern, snort);

/** As `findSnortFaults`, for what Suricata loads. */
export const findSuricataFaults: FindPatternFaults = (pattern) => check(pattern, suricata);
