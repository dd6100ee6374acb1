/** Reads the tokens of a STIX pattern: words, symbols and the constants of STIX 2.1 §9.2. */

import type { Text } from './issue.ts';
import { quoted } from './pointer.ts';

export type ConstantType = 'string' | 'integer' | 'float' | 'boolean' | 'binary' | 'hex' | 'timestamp';

export interface Token {
  readonly kind: 'word' | 'symbol' | 'end' | Exclude<ConstantType, 'boolean'>;
  /** What it says: between apostrophes without its escapes, else as written. */
  readonly text: string;
  readonly offset: number;
  /** Where the text after it begins. */
  readonly end: number;
}

/** Ends the reading of a pattern; `parsePattern` turns it into its result. */
export class PatternError extends Error {
  readonly offset: number;
  readonly text: Text;

  constructor(offset: number, text: Text) {
    super(text.en);
    this.name = 'PatternError';
    this.offset = offset;
    this.text = text;
  }
}

const apostrophe = 0x27;
const backslash = 0x5c;
const hyphen = 0x2d;
const fullStop = 0x2e;
const solidus = 0x2f;
const doubleSymbols = ['==', '!=', '<>', '<=', '>='];
const singleSymbols = [...'[]():.,*=<>'];
// By the code of their first character, since a pattern may have half a million tokens.
const symbolsByCode = Array.from({ length: 128 }, (_, code) => {
  const first = String.fromCharCode(code);
  const pairs = doubleSymbols.filter((pair) => pair.startsWith(first));
  return { single: singleSymbols.find((symbol) => symbol === first), pairs };
});

// Sticky, and each loop is over one class of characters, so that no character is looked at more than twice.
// §9.4: white space is what Unicode calls so.
const whiteSpace = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*/y;
const restOfLine = /[^\r\n]*/y;
const word = /[A-Za-z_][A-Za-z0-9_-]*/y;
const number = /-?(?:[0-9]*\.)?[0-9]+/y;

function endOf(form: RegExp, pattern: string, offset: number): number {
  form.lastIndex = offset;
  return form.test(pattern) ? form.lastIndex : offset;
}

const escapeText: Text = {
  en: 'After a backslash only an apostrophe or a backslash may follow; write \\\\ for one.',
  zh: '反斜杠之后只能是单引号或反斜杠；单个反斜杠请写作 \\\\。',
};

// §9.2: only an apostrophe or a backslash may follow a backslash.
function readQuoted(kind: Token['kind'], pattern: string, offset: number, open: number): Token {
  let text = '';
  let run = open + 1;
  for (let at = run; at < pattern.length; at += 1) {
    const code = pattern.charCodeAt(at);
    if (code === apostrophe) return { kind, text: text + pattern.slice(run, at), offset, end: at + 1 };
    if (code !== backslash) continue;
    text += pattern.slice(run, at);
    run = at + 1;
    const escaped = pattern.charCodeAt(run);
    if (escaped !== apostrophe && escaped !== backslash) {
      throw new PatternError(at, escapeText);
    }
    at = run;
  }
  throw new PatternError(open, {
    en: 'The apostrophe that opens here is never closed.',
    zh: '此处开始的单引号没有结束。',
  });
}

// RFC 4648 §4; line feeds are ignored (§9.2).
function isBase64(text: string): boolean {
  const data = text.replaceAll(/[\r\n]/g, '');
  return data.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(data);
}

// Whether the month has such a day is not a matter of form.
const timestamp =
  /^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?Z$/;

interface Form {
  readonly kind: 'binary' | 'hex' | 'timestamp';
  isRight(text: string): boolean;
  readonly expected: Text;
}

const forms: Readonly<Record<string, Form>> = {
  b: { kind: 'binary', isRight: isBase64, expected: { en: 'base64 with its padding', zh: '带填充的 base64' } },
  h: {
    kind: 'hex',
    isRight: (text) => text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text),
    expected: { en: 'an even number of hexadecimal digits', zh: '偶数个十六进制数字' },
  },
  t: {
    kind: 'timestamp',
    isRight: (text) => timestamp.test(text),
    expected: { en: "a time in UTC such as t'2024-03-01T08:00:00Z'", zh: "UTC 时间，例如 t'2024-03-01T08:00:00Z'" },
  },
};

function readWord(pattern: string, offset: number): Token {
  const end = endOf(word, pattern, offset);
  const text = pattern.slice(offset, end);
  const form = text.length === 1 && pattern.charCodeAt(end) === apostrophe ? forms[text] : undefined;
  if (form === undefined) return { kind: 'word', text, offset, end };
  const token = readQuoted(form.kind, pattern, offset, end);
  if (form.isRight(token.text)) return token;
  throw new PatternError(offset, {
    en: `Expected ${form.expected.en}, found ${quoted(token.text)}.`,
    zh: `应为${form.expected.zh}，实为 ${quoted(token.text)}。`,
  });
}

const leadingZeroText: Text = { en: 'An integer is written without leading zeros.', zh: '整数不写前导零。' };
const rangeText: Text = {
  en: 'An integer must be between -(2^53)+1 and 2^53-1.',
  zh: '整数须在 -(2^53)+1 与 2^53-1 之间。',
};

function readNumber(pattern: string, offset: number, end: number): Token {
  const text = pattern.slice(offset, end);
  if (/[A-Za-z0-9_.]/.test(pattern.charAt(end))) {
    const next = quoted(pattern.charAt(end));
    throw new PatternError(offset, {
      en: `A number ends in ${next}; strings stand in apostrophes.`,
      zh: `数字后紧跟 ${next}；字符串须放在单引号内。`,
    });
  }
  if (text.includes('.')) return { kind: 'float', text, offset, end };
  if (/^-?0[0-9]/.test(text)) throw new PatternError(offset, leadingZeroText);
  if (!Number.isSafeInteger(Number(text))) throw new PatternError(offset, rangeText);
  return { kind: 'integer', text, offset, end };
}

const hints: Readonly<Record<string, Text>> = {
  '"': {
    en: "Strings and names stand in apostrophes ('), not in quotation marks.",
    zh: "字符串和名称须放在单引号（'）内，而非双引号。",
  },
  '+': { en: 'A positive number is written without the plus sign.', zh: '正数不写加号。' },
};

function readSymbol(pattern: string, offset: number): Token {
  const symbols = symbolsByCode[pattern.charCodeAt(offset)];
  const pair = symbols?.pairs.find((symbol) => symbol.charCodeAt(1) === pattern.charCodeAt(offset + 1));
  const text = pair ?? symbols?.single;
  if (text !== undefined) return { kind: 'symbol', text, offset, end: offset + text.length };
  const character = String.fromCodePoint(pattern.codePointAt(offset) as number);
  const meaningless = { en: `${quoted(character)} has no meaning here.`, zh: `${quoted(character)} 在此处没有含义。` };
  throw new PatternError(offset, hints[character] ?? meaningless);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

// Letters and the low line.
function isWordStart(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}

const openComment: Text = {
  en: 'The comment that opens here is never closed; end it with */.',
  zh: '此处开始的注释没有结束，请以 */ 结束。',
};

/** Where the comment that begins there ends; the offset itself when none does. Both kinds are in the grammar that OASIS publishes. */
function endOfComment(pattern: string, offset: number): number {
  if (pattern.startsWith('//', offset)) return endOf(restOfLine, pattern, offset);
  if (!pattern.startsWith('/*', offset)) return offset;
  const close = pattern.indexOf('*/', offset + 2);
  if (close === -1) throw new PatternError(offset, openComment);
  return close + 2;
}

/** Where the next token begins: white space and comments are passed over. */
function skipToToken(pattern: string, from: number): number {
  let offset = skipSpace(pattern, from);
  while (pattern.charCodeAt(offset) === solidus) {
    const end = endOfComment(pattern, offset);
    if (end === offset) break;
    offset = skipSpace(pattern, end);
  }
  return offset;
}

// Most tokens follow each other or one space; the rest is left to the expression.
function skipSpace(pattern: string, from: number): number {
  const offset = pattern.charCodeAt(from) === 0x20 ? from + 1 : from;
  const code = pattern.charCodeAt(offset);
  return code > 0x20 && code < 0x80 ? offset : endOf(whiteSpace, pattern, offset);
}

/** The token that begins at `from` or after the white space and comments there. Throws a PatternError where there is none. */
export function readToken(pattern: string, from: number): Token {
  const offset = skipToToken(pattern, from);
  if (offset === pattern.length) return { kind: 'end', text: '', offset, end: offset };
  const code = pattern.charCodeAt(offset);
  if (code === apostrophe) return readQuoted('string', pattern, offset, offset);
  if (isWordStart(code)) return readWord(pattern, offset);
  const end = isDigit(code) || code === hyphen || code === fullStop ? endOf(number, pattern, offset) : offset;
  return end > offset ? readNumber(pattern, offset, end) : readSymbol(pattern, offset);
}
