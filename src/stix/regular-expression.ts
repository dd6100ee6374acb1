/**
 * A light look at regular expressions for others to run (PCRE). Nothing is compiled or executed, and what this does not
 * know passes: it finds what no PCRE takes, by reading the text once.
 */

import type { Text } from './issue.ts';

/** What is wrong, a clause without a full stop, and where: an index into the expression. */
export type RegularExpressionFault = Text & { readonly offset: number };

const texts = {
  openGroup: { en: 'a "(" is never closed', zh: '"(" 没有闭合' },
  closeGroup: {
    en: 'a ")" closes no group; write \\) for the character',
    zh: '")" 没有对应的 "("；表示该字符请写 \\)',
  },
  openClass: { en: 'a "[" is never closed; write \\[ for the character', zh: '"[" 没有闭合；表示该字符请写 \\[' },
  openComment: { en: 'a comment, "(?#", is never closed', zh: '注释 "(?#" 没有闭合' },
  escape: { en: 'it ends in the middle of an escape', zh: '它在转义序列中间结束' },
  range: { en: 'the range of characters runs backwards', zh: '字符范围的先后颠倒' },
  repeat: {
    en: 'there is nothing before it to repeat; write \\ before it for the character',
    zh: '前面没有可重复的内容；表示该字符请在其前写 \\',
  },
  order: { en: 'the numbers of the repetition run backwards', zh: '重复次数的先后颠倒' },
  count: { en: 'a repetition counts to 65535 at most', zh: '重复次数最多为 65535' },
} as const satisfies Record<string, Text>;

/** Longer expressions pass: reading one must not hold up a thread. */
export const maxExpressionLength = 131_072;

// In extended mode "#" begins a comment; a callout has text of its own.
const unread = /\(\?[a-zA-Z^-]*x|\(\?C/;
// Bounded, so that looking for one costs the same everywhere.
const namedClass = /\[:\^?[a-z]{1,10}:\]/y;
const repetition = /\{([0-9]{1,9})(?:,([0-9]{0,9}))?\}/y;
const verb = /\(\*[A-Z]*[:)]/y;
// What follows the parenthesis may look like a quantifier: (?+1), (?*a), (?<*a).
const opening = /\((?:\?[-<]?[*+]?|\*)?/y;

function matchAt(form: RegExp, text: string, at: number): RegExpExecArray | null {
  form.lastIndex = at;
  return form.exec(text);
}

/** Where the escape sequence at `at` ends: `\c` takes the character after it too, `\Q` all up to `\E`. */
function endOfEscape(text: string, at: number): number {
  if (text[at + 1] !== 'Q') return text[at + 1] === 'c' ? at + 3 : at + 2;
  const end = text.indexOf('\\E', at + 2);
  return end === -1 ? text.length : end + 2;
}

function isPlain(character: string | undefined): boolean {
  return character !== undefined && character >= ' ' && character < '\x7f' && !'\\[]'.includes(character);
}

/** Reads one expression; the methods move on, and the first fault stays. */
class Reader {
  fault: RegularExpressionFault | undefined;
  private readonly text: string;
  private at = 0;
  /** Where the groups begin that are open. */
  private readonly groups: number[] = [];
  private isRepeatable = false;

  constructor(text: string) {
    this.text = text;
  }

  read(): void {
    while (this.at < this.text.length && this.fault === undefined) this.readPart();
    const open = this.groups.at(-1);
    if (open !== undefined) this.refuse('openGroup', open);
  }

  private refuse(what: keyof typeof texts, offset: number): void {
    this.fault ??= { offset, ...texts[what] };
  }

  private readPart(): void {
    const { text, at } = this;
    const character = text[at];
    if (character === '(') this.openGroup();
    else if (character === ')') this.closeGroup();
    else if (character === '[') this.readClass();
    else if (character === '*' || character === '+' || character === '?') this.readQuantifier();
    else if (character === '\\') {
      this.at = endOfEscape(text, at);
      this.isRepeatable = true;
      if (this.at > text.length) this.refuse('escape', at);
    } else {
      if (character === '{') this.checkRepetition();
      this.at += 1;
      this.isRepeatable = character !== '|';
    }
  }

  private openGroup(): void {
    const { text, at } = this;
    if (text.startsWith('(?#', at)) this.skipTo(')', 'openComment');
    else if (text[at + 1] === '*' && matchAt(verb, text, at) !== null) this.skipTo(')', 'openGroup');
    else {
      this.groups.push(at);
      const isPlainGroup = text[at + 1] !== '?' && text[at + 1] !== '*';
      this.at = isPlainGroup ? at + 1 : at + (matchAt(opening, text, at)?.[0].length ?? 1);
      this.isRepeatable = !isPlainGroup;
    }
  }

  private skipTo(end: string, what: keyof typeof texts): void {
    const found = this.text.indexOf(end, this.at);
    if (found === -1) this.refuse(what, this.at);
    this.at = found + 1;
  }

  private closeGroup(): void {
    if (this.groups.pop() === undefined) this.refuse('closeGroup', this.at);
    this.at += 1;
    this.isRepeatable = true;
  }

  private readQuantifier(): void {
    if (!this.isRepeatable) this.refuse('repeat', this.at);
    this.at += 1;
  }

  private checkRepetition(): void {
    const match = matchAt(repetition, this.text, this.at);
    if (match === null || !this.isRepeatable) return;
    const least = Number(match[1]);
    const most = Number(match[2] || match[1]);
    if (Math.max(least, most) > 65_535) this.refuse('count', this.at);
    else if (least > most) this.refuse('order', this.at);
  }

  /** A "]" that comes first in a class is a member. */
  private readClass(): void {
    const { text } = this;
    const open = this.at;
    this.at += text[open + 1] === '^' ? 2 : 1;
    if (text[this.at] === ']') this.at += 1;
    while (this.at < text.length && text[this.at] !== ']') this.readMember();
    if (this.at >= text.length) this.refuse('openClass', open);
    this.at += 1;
    this.isRepeatable = true;
  }

  private readMember(): void {
    const { text, at } = this;
    const [first, hyphen, last] = [text[at], text[at + 1], text[at + 2]];
    if (first === '\\') this.at = endOfEscape(text, at);
    else if (matchAt(namedClass, text, at) !== null) this.at = namedClass.lastIndex;
    else if (hyphen === '-' && isPlain(first) && isPlain(last)) {
      if (String(first) > String(last)) this.refuse('range', at);
      this.at += 3;
    } else this.at += 1;
  }
}

/** What makes the text no regular expression; undefined when nothing does, or when it is too long to be read. */
export function findRegularExpressionFault(text: string): RegularExpressionFault | undefined {
  if (text.length > maxExpressionLength || unread.test(text)) return undefined;
  const reader = new Reader(text);
  reader.read();
  return reader.fault;
}
