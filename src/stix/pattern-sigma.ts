/**
 * A light look at Sigma rules, line by line: YAML is not read as such, only what stands at the margin, where a block
 * mapping has its keys. Documents written in flow style (JSON for example) pass.
 */

import type { Text } from './issue.ts';
import { type Finding, type FindPatternFaults, type Line, linesOf, maxFindings } from './pattern-language.ts';

const mappingText = {
  en: 'A Sigma rule is a YAML mapping, lines such as "title: …", "logsource:" and "detection:".',
  zh: 'Sigma 规则是 YAML 映射，由 "title: …"、"logsource:"、"detection:" 等行组成。',
};
const keyText = {
  en: 'A line at the margin of a YAML mapping needs a key and a colon; indent what belongs to the line before.',
  zh: 'YAML 映射中不缩进的行须有键和冒号；属于上一行的内容请缩进。',
};
const tabText = {
  en: 'YAML is indented with spaces, not with tabs.',
  zh: 'YAML 用空格缩进，不能用制表符。',
};
const conditionText = {
  en: 'The "detection" has no "condition"; add one that says how its parts combine.',
  zh: '"detection" 中没有 "condition"，请补充各部分如何组合。',
};

function missingText(names: readonly string[]): Text {
  const list = names.map((name) => `"${name}"`).join(', ');
  return { en: `The Sigma rule should have ${list}.`, zh: `该 Sigma 规则应有 ${list}。` };
}

// A colon ends a key where white space or the end of the line follows.
const endOfKey = /:(?=\s|$)/;
const marker = /^(?:---|\.\.\.)(?=\s|$)/;

function unquoted(key: string): string {
  return key.trim().replaceAll(/^["']|["']$/g, '');
}

function isOdd(text: string, character: string): boolean {
  return text.split(character).length % 2 === 0;
}

// What may go on over the next lines, whatever their margin.
function mayContinue(text: string): boolean {
  if (!/["'[\]{}]/.test(text)) return false;
  if (isOdd(text, '"') || isOdd(text, "'")) return true;
  const count = (character: string): number => text.split(character).length;
  return count('[') !== count(']') || count('{') !== count('}');
}

/** The documents of a file, each the lines that say something. One that begins on the line of its marker is not read. */
function* documentsOf(pattern: string): Generator<readonly Line[]> {
  let lines: Line[] = [];
  for (const line of linesOf(pattern)) {
    const content = line.text.trim();
    if (marker.test(line.text)) {
      yield lines;
      lines = [];
    } else if (content !== '' && !content.startsWith('#')) lines.push(line);
  }
  yield lines;
}

type Add = (level: Finding['level'], offset: number, text: Text) => void;

interface Margin {
  /** What stands under each key, the line of the key first. */
  readonly blocks: ReadonlyMap<string, readonly Line[]>;
  /** Whether every line was read: flow style, tags and values over several lines are not. */
  readonly isWhole: boolean;
}

function isTabbed({ text }: Line, before: Line | undefined): boolean {
  const isKey = endOfKey.test(text.trim()) || text.trim().startsWith('- ');
  return text.startsWith('\t') && isKey && before?.text.trimEnd().endsWith(':') === true;
}

function readMargin(lines: readonly Line[], add: Add): Margin {
  const blocks = new Map<string, Line[]>();
  let block: Line[] = [];
  for (const [index, line] of lines.entries()) {
    const { text, offset } = line;
    if (isTabbed(line, lines[index - 1])) add('error', offset, tabText);
    // Items of a list may stand at the margin of their key.
    if (!/^(?:\s|-\s|-$)/.test(text)) {
      if (/^[[{?!&*%]/.test(text)) return { blocks, isWhole: false };
      const end = text.search(endOfKey);
      if (end <= 0) {
        add('error', offset, blocks.size === 0 ? mappingText : keyText);
        return { blocks, isWhole: false };
      }
      block = [];
      blocks.set(unquoted(text.slice(0, end)), block);
    }
    block.push(line);
    if (mayContinue(text)) return { blocks, isWhole: false };
  }
  return { blocks, isWhole: true };
}

function checkBlocks(blocks: Margin['blocks'], start: number, add: Add): void {
  const isOther = blocks.has('correlation') || blocks.has('filter');
  const needed = isOther ? ['title'] : ['title', 'logsource', 'detection'];
  const missing = needed.filter((name) => !blocks.has(name));
  if (missing.length > 0) add('warning', start, missingText(missing));
  const detection = blocks.get('detection');
  const [head] = detection ?? [];
  if (head !== undefined && detection?.some(({ text }) => text.includes('condition')) === false) {
    add('warning', head.offset, conditionText);
  }
}

/** Finds what is no mapping of YAML (an error), and rules without what every rule has (a warning). */
export const findSigmaFaults: FindPatternFaults = (pattern) => {
  const findings: Finding[] = [];
  // A byte order mark is no indentation.
  const skipped = pattern.startsWith('\ufeff') ? 1 : 0;
  const add: Add = (level, offset, text) => {
    if (findings.length < maxFindings) findings.push({ level, offset: offset + skipped, text });
  };
  // Collections give one part for all rules, then parts of rules.
  const isCollection = /^action[ \t]*:/m.test(pattern);
  for (const lines of documentsOf(pattern.slice(skipped))) {
    const { blocks, isWhole } = readMargin(lines, add);
    const [first] = lines;
    if (isWhole && !isCollection && blocks.size > 0) checkBlocks(blocks, first?.offset ?? 0, add);
  }
  return findings;
};
