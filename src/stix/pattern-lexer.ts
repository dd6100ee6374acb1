/** Reads the tokens of a STIX pattern: words, symbols and the constants of STIX 2.1 §9.2. */

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

  constructor(offset: number, message: string) {
    super(message);
    this.name = 'PatternError';
    this.offset = offset;
  }
}

const apostrophe = 0x27;
const backslash = 0x5c;
const doubleSymbols = new Set(['==', '!=', '<>', '<=', '>=']);
const singleSymbols = new Set(['[', ']', '(', ')', ':', '.', ',', '*', '=', '<', '>']);

// Sticky, and each loop is over one class of characters, so that no character is looked at more than twice.
// §9.4: white space is what Unicode calls so.
const whiteSpace = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*/y;
const word = /[A-Za-z_][A-Za-z0-9_-]*/y;
const number = /-?(?:[0-9]*\.)?[0-9]+/y;

function endOf(form: RegExp, pattern: string, offset: number): number {
  form.lastIndex = offset;
  return form.test(pattern) ? form.lastIndex : offset;
}

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
      throw new PatternError(at, 'After a backslash only an apostrophe or a backslash may follow; write \\\\ for one.');
    }
    at = run;
  }
  throw new PatternError(open, 'The apostrophe that opens here is never closed.');
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
  readonly expected: string;
}

const forms: Readonly<Record<string, Form>> = {
  b: { kind: 'binary', isRight: isBase64, expected: 'base64 with its padding' },
  h: {
    kind: 'hex',
    isRight: (text) => text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text),
    expected: 'an even number of hexadecimal digits',
  },
  t: {
    kind: 'timestamp',
    isRight: (text) => timestamp.test(text),
    expected: "a time in UTC such as t'2024-03-01T08:00:00Z'",
  },
};

function readWord(pattern: string, offset: number): Token {
  const end = endOf(word, pattern, offset);
  const text = pattern.slice(offset, end);
  const form = text.length === 1 && pattern.charCodeAt(end) === apostrophe ? forms[text] : undefined;
  if (form === undefined) return { kind: 'word', text, offset, end };
  const token = readQuoted(form.kind, pattern, offset, end);
  if (form.isRight(token.text)) return token;
  throw new PatternError(offset, `Expected ${form.expected}, found ${quoted(token.text)}.`);
}

function readNumber(pattern: string, offset: number, end: number): Token {
  const text = pattern.slice(offset, end);
  if (/[A-Za-z0-9_.]/.test(pattern.charAt(end))) {
    throw new PatternError(offset, `A number ends in ${quoted(pattern.charAt(end))}; strings stand in apostrophes.`);
  }
  if (text.includes('.')) return { kind: 'float', text, offset, end };
  if (/^-?0[0-9]/.test(text)) throw new PatternError(offset, 'An integer is written without leading zeros.');
  if (!Number.isSafeInteger(Number(text))) {
    throw new PatternError(offset, 'An integer must be between -(2^53)+1 and 2^53-1.');
  }
  return { kind: 'integer', text, offset, end };
}

const hints: Readonly<Record<string, string>> = {
  '"': "Strings and names stand in apostrophes ('), not in quotation marks.",
  '+': 'A positive number is written without the plus sign.',
};

function readSymbol(pattern: string, offset: number): Token {
  const pair = pattern.slice(offset, offset + 2);
  const text = doubleSymbols.has(pair) ? pair : pair.charAt(0);
  if (text.length === 2 || singleSymbols.has(text)) return { kind: 'symbol', text, offset, end: offset + text.length };
  const character = String.fromCodePoint(pattern.codePointAt(offset) as number);
  throw new PatternError(offset, hints[character] ?? `${quoted(character)} has no meaning here.`);
}

/** The token that begins at `from` or after the white space there. Throws a PatternError where there is none. */
export function readToken(pattern: string, from: number): Token {
  const offset = endOf(whiteSpace, pattern, from);
  if (offset === pattern.length) return { kind: 'end', text: '', offset, end: offset };
  if (pattern.charCodeAt(offset) === apostrophe) return readQuoted('string', pattern, offset, offset);
  const isWord = /[A-Za-z_]/.test(pattern.charAt(offset));
  if (isWord) return readWord(pattern, offset);
  const end = endOf(number, pattern, offset);
  return end > offset ? readNumber(pattern, offset, end) : readSymbol(pattern, offset);
}
