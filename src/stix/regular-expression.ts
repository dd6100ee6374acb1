/**
 * A light look at regular expressions for others to run (PCRE). Nothing is compiled or executed, and what this does not
 * know passes: it finds what no PCRE takes, by reading the text once.
 */

// Quoted text, comments and verbs have rules of their own.
const unread = /\\Q|\(\?[a-zA-Z^-]*x|\(\?#|\(\*/;

/** Where the escape sequence at `at` ends; `\c` takes the character after it too. */
function endOfEscape(text: string, at: number): number {
  return text[at + 1] === 'c' ? at + 3 : at + 2;
}

// Bounded, so that looking for one costs the same everywhere.
const namedClass = /\[:\^?[a-z]{1,10}:\]/y;

/** Where the class that opens at `open` ends; more than the length when it does not. A `]` that comes first is a member. */
function endOfClass(text: string, open: number): number {
  let at = text[open + 1] === '^' ? open + 2 : open + 1;
  if (text[at] === ']') at += 1;
  while (at < text.length && text[at] !== ']') {
    namedClass.lastIndex = at;
    if (namedClass.test(text)) at = namedClass.lastIndex;
    else at = text[at] === '\\' ? endOfEscape(text, at) : at + 1;
  }
  return at + 1;
}

/** What makes the text no regular expression, as the end of a sentence; undefined when nothing does. */
export function findRegularExpressionFault(text: string): string | undefined {
  if (unread.test(text)) return undefined;
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth < 0) return 'a ")" closes no group';
    if (character === '\\') at = endOfEscape(text, at);
    else at = character === '[' ? endOfClass(text, at) : at + 1;
    if (at > text.length) return character === '[' ? 'a "[" is never closed' : 'it ends in the middle of an escape';
  }
  return depth > 0 ? 'a "(" is never closed' : undefined;
}
