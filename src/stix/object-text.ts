/**
 * The first layer: JSON text on which parsers disagree is refused before anything looks at its meaning, so that
 * everyone who reads an object later reads the same object.
 */

import { isWhole } from './decimal.ts';
import type { Fault, Text } from './issue.ts';
import { pointerTo, quoted } from './pointer.ts';

/** Arrays and objects may be nested so deep, the object itself included. */
export const maxDepth = 100;
const maxFaults = 20;

export interface ReadObject {
  /** Undefined when the text could not be read; of one that is too deep only what names it. */
  readonly value: unknown;
  readonly faults: Fault[];
  /** Whether there is a null anywhere in it. */
  readonly holdsNull: boolean;
  /** Whether there is an empty list anywhere in it. */
  readonly holdsEmptyList: boolean;
}

const quote = 0x22;
const backslash = 0x5c;

/** The index of the quotation mark that ends the string that begins at `start`; the end of the text when none does. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = end - 1;
    while (text.charCodeAt(slashes) === backslash) slashes -= 1;
    if ((end - slashes) % 2 === 1) return end;
  }
  return text.length;
}

interface Survey {
  readonly members: number;
  readonly depth: number;
  /** A double may not hold one of the numbers as it is written. */
  readonly inexactNumbers: boolean;
  readonly holdsNull: boolean;
  readonly holdsEmptyList: boolean;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isEmptyList(text: string, open: number): boolean {
  let next = open + 1;
  while (text.charCodeAt(next) <= 0x20) next += 1;
  return text.charCodeAt(next) === 0x5d;
}

// One pass that jumps over strings; outside of them every colon is a member.
function survey(text: string): Survey {
  let members = 0;
  let depth = 0;
  let deepest = 0;
  let digits = 0;
  let inexactNumbers = false;
  let holdsNull = false;
  let holdsEmptyList = false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (isDigit(code) || (code === 0x2e && digits > 0)) {
      // A double tells any two decimals of 15 digits apart, so it cannot make one of them whole.
      digits += 1;
      if (digits > 16) inexactNumbers = true;
      continue;
    }
    if (code === quote) i = endOfString(text, i);
    else if (code === 0x3a) members += 1;
    else if (code === 0x7b || code === 0x5b) {
      deepest = Math.max(deepest, ++depth);
      if (code === 0x5b && !holdsEmptyList) holdsEmptyList = isEmptyList(text, i);
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
    else if (code === 0x6e) holdsNull = true;
    else if (digits > 0 && (code === 0x65 || code === 0x45)) inexactNumbers = true;
    digits = 0;
  }
  return { members, depth: deepest, inexactNumbers, holdsNull, holdsEmptyList };
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') members += countMembers(item);
    return members;
  }
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    members += 1;
    if (typeof member === 'object') members += countMembers(member);
  }
  return members;
}

/**
 * What a number such as 1.0000000000000000001 is read as: one that is not whole, and as near as a double comes, so that
 * a message which shows it misleads nobody.
 */
function fractionNear(value: number): number {
  const near = value + Math.max(Math.abs(value), 1) * 2 ** -50;
  return Number.isInteger(near) ? 0.5 : near;
}

// The types of the library do not know the reviver's third parameter yet.
function parseExactly(text: string): unknown {
  return JSON.parse(text, (_name: string, value: unknown, ...[context]: { readonly source?: string }[]) =>
    typeof value === 'number' && Number.isInteger(value) && !isWhole(context?.source ?? '')
      ? fractionNear(value)
      : value,
  );
}

function isName(text: string, afterString: number): boolean {
  let i = afterString;
  while (text.charCodeAt(i) <= 0x20) i += 1;
  return text[i] === ':';
}

function duplicateNames(text: string): Fault[] {
  const faults: Fault[] = [];
  const open: { names: Set<string> | undefined; step: string | number }[] = [];
  for (let i = 0; i < text.length && faults.length < maxFaults; i += 1) {
    const code = text.charCodeAt(i);
    const top = open.at(-1);
    if (code === 0x7b) open.push({ names: new Set(), step: '' });
    else if (code === 0x5b) open.push({ names: undefined, step: 0 });
    else if (code === 0x7d || code === 0x5d) open.pop();
    else if (code === 0x2c && typeof top?.step === 'number') top.step += 1;
    if (code !== quote) continue;
    const end = endOfString(text, i);
    if (isName(text, end + 1) && top?.names !== undefined) {
      const name = JSON.parse(text.slice(i, end + 1)) as string;
      top.step = name;
      if (top.names.has(name))
        faults.push(
          duplicateFault(
            name,
            open.slice(0, -1).map(({ step }) => step),
          ),
        );
      top.names.add(name);
    }
    i = end;
  }
  return faults;
}

function duplicateFault(name: string, path: readonly (string | number)[]): Fault {
  return {
    code: 'JSON-duplicate-name',
    path: pointerTo(path),
    text: {
      en: `The name ${quoted(name)} occurs more than once in one object (RFC 8259 §4); keep one of them.`,
      zh: `名称 ${quoted(name)} 在同一对象中出现多次（RFC 8259 §4），请只保留一个。`,
    },
  };
}

function textFault(text: string): Text | undefined {
  if (text.includes('\u0000')) return { en: 'holds the character U+0000', zh: '含有字符 U+0000' };
  return text.isWellFormed() ? undefined : { en: 'holds half of a surrogate pair', zh: '含有不成对的代理码元' };
}

/** Strings and names that are no Unicode text, or hold NUL, which many databases and languages cut at. */
function characterFaults(value: unknown, path: (string | number)[], faults: Fault[]): void {
  if (faults.length >= maxFaults) return;
  const fault = typeof value === 'string' ? textFault(value) : undefined;
  if (fault !== undefined) faults.push(characterFault(path, { en: 'The string', zh: '字符串' }, fault));
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const nameFault = textFault(key);
    if (nameFault !== undefined) faults.push(characterFault(path, { en: 'A name', zh: '某个名称' }, nameFault));
    path.push(nameFault === undefined ? key : '?');
    characterFaults(member, path, faults);
    path.pop();
  }
}

function characterFault(path: readonly (string | number)[], subject: Text, fault: Text): Fault {
  const text: Text = {
    en: `${subject.en} ${fault.en}; remove the escape sequence.`,
    zh: `${subject.zh}${fault.zh}，请删去该转义序列。`,
  };
  return { code: 'JSON-characters', path: pointerTo(path), text };
}

function failed(code: string, text: Text, value?: unknown): ReadObject {
  return { value, faults: [{ code, path: '', text }], holdsNull: false, holdsEmptyList: false };
}

/** What names an object, without the rest of it. */
function namesIn(text: string): unknown {
  try {
    const { id, type, created, modified } = JSON.parse(text) as Record<string, unknown>;
    const names = Object.entries({ id, type, created, modified });
    return Object.fromEntries(names.filter(([, value]) => typeof value === 'string'));
  } catch {
    return undefined;
  }
}

const tooDeep: Text = {
  en: `The object is nested deeper than ${maxDepth} levels; flatten it.`,
  zh: `对象嵌套超过 ${maxDepth} 层，请减少层次。`,
};
const noJson: Text = { en: 'The text is not JSON (RFC 8259).', zh: '文本不是 JSON（RFC 8259）。' };

/**
 * Reads the text of one object. Faults are what parsers disagree on: duplicate names, lone surrogates, NUL, depth. The
 * value is fit for checks only: a number that a double would round to a whole one is read as a fraction.
 */
export function readObject(text: string, depthAllowed = maxDepth): ReadObject {
  const { members, depth, inexactNumbers, holdsNull, holdsEmptyList } = survey(text);
  if (depth > depthAllowed) return failed('JSON-depth', tooDeep, namesIn(text));
  let value: unknown;
  try {
    value = inexactNumbers ? parseExactly(text) : JSON.parse(text);
  } catch {
    return failed('JSON-syntax', noJson);
  }
  const faults = members === countMembers(value) ? [] : duplicateNames(text);
  if (text.includes('\\u') || !text.isWellFormed()) characterFaults(value, [], faults);
  return { value, faults: faults.slice(0, maxFaults), holdsNull, holdsEmptyList };
}
