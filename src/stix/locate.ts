/** Where things stand in a JSON text, for what is said about a file that somebody wrote by hand. */

import { endOfString } from './object-text.ts';

export interface Position {
  /** From 1, both. */
  readonly line: number;
  readonly column: number;
}

function isName(text: string, after: number): boolean {
  let next = after;
  while (/\s/.test(text[next] ?? '')) next += 1;
  return text[next] === ':';
}

function below(pointer: string, step: string | number): string {
  return `${pointer}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** By JSON Pointer, the offset of each member's name and each item; of names that occur twice the last. */
function indexPointers(text: string): Map<string, number> {
  const offsets = new Map<string, number>([['', Math.max(text.search(/\S/), 0)]]);
  const open: { readonly pointer: string; item: number | undefined }[] = [];
  // The pointer of the value that comes next.
  let pending = '';
  for (let offset = 0; offset < text.length; offset += 1) {
    const character = text[offset] as string;
    if (/[\s:]/.test(character)) continue;
    const container = open.at(-1);
    if (character === '}' || character === ']') open.pop();
    else if (character === ',') {
      if (container?.item !== undefined) container.item += 1;
    } else {
      if (container?.item !== undefined) {
        pending = below(container.pointer, container.item);
        if (!offsets.has(pending)) offsets.set(pending, offset);
      }
      if (character === '{') open.push({ pointer: pending, item: undefined });
      else if (character === '[') open.push({ pointer: pending, item: 0 });
      else if (character === '"') {
        const end = endOfString(text, offset);
        if (container !== undefined && container.item === undefined && isName(text, end + 1)) {
          pending = below(container.pointer, JSON.parse(text.slice(offset, end + 1)) as string);
          offsets.set(pending, offset);
        }
        offset = end;
      }
    }
  }
  return offsets;
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/**
 * Finds places in a text that is JSON: for a JSON Pointer where the member or item begins; for one that leads nowhere
 * (a member that is missing) where the nearest thing around it does.
 */
export function createLocator(text: string): (pointer: string) => Position {
  let offsets: Map<string, number> | undefined;
  return (pointer) => {
    offsets ??= indexPointers(text);
    let found = pointer;
    while (!offsets.has(found)) found = found.slice(0, Math.max(found.lastIndexOf('/'), 0));
    return positionAt(text, offsets.get(found) ?? 0);
  };
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= 0x20 || text.charCodeAt(at) === 0xfeff) at += 1;
  return at;
}

/** Where the value that begins at `from` ends; strings are jumped over. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === '{' || character === '[') depth += 1;
    else if (depth === 0 && (character === ',' || character === '}' || character === ']')) return at;
    else if (character === '}' || character === ']') depth -= 1;
  }
  return text.length;
}

/** Where the member or item of the container at `open` begins; undefined when there is none, or the text is cut off. */
function findMember(text: string, open: number, step: string): number | undefined {
  const isList = text[open] === '[';
  if (!isList && text[open] !== '{') return undefined;
  let at = skipSpace(text, open + 1);
  for (let index = 0; at < text.length && text[at] !== ']' && text[at] !== '}'; index += 1) {
    let name = String(index);
    if (!isList) {
      const end = endOfString(text, at);
      name = end < text.length ? (JSON.parse(text.slice(at, end + 1)) as string) : '';
      at = skipSpace(text, skipSpace(text, end + 1) + 1);
    }
    if (name === step) return at < text.length ? at : undefined;
    at = skipSpace(text, endOfValue(text, at) + 1);
  }
  return undefined;
}

/**
 * Where the value begins that the pointer leads to; when it leads nowhere, the nearest thing around it that is there.
 * The text is JSON that may be cut off at its end. Columns count characters (code points).
 */
export function locateValue(text: string, pointer: string): Position {
  let offset = skipSpace(text, 0);
  for (const step of pointer.split('/').slice(1)) {
    const next = findMember(text, offset, step.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (next === undefined) break;
    offset = next;
  }
  let line = 1;
  let start = 0;
  for (let feed = text.indexOf('\n'); feed !== -1 && feed < offset; feed = text.indexOf('\n', start)) {
    line += 1;
    start = feed + 1;
  }
  let column = 1;
  for (let at = start; at < offset; at += 1) {
    const code = text.charCodeAt(at);
    // The second half of a pair, and a byte order mark, are no characters of their own.
    if ((code < 0xdc00 || code > 0xdfff) && code !== 0xfeff) column += 1;
  }
  return { line, column };
}
