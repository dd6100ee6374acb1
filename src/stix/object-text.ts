/**
 * The first layer: JSON text on which parsers disagree is refused before anything looks at its meaning, so that
 * everyone who reads an object later reads the same object.
 */

import { isWhole } from './decimal.ts';
import type { Issue } from './issue.ts';
import { pointerTo, shortened } from './pointer.ts';

/** Arrays and objects may be nested so deep, the object itself included. */
export const maxDepth = 100;
const maxIssues = 20;

export interface ReadObject {
  /** Undefined when the text could not be read; of one that is too deep only what names it. */
  readonly value: unknown;
  readonly issues: Issue[];
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
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

// One pass that jumps over strings; outside of them every colon is a member.
function survey(text: string): Survey {
  let members = 0;
  let depth = 0;
  let deepest = 0;
  let digits = 0;
  let inexactNumbers = false;
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
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    else if (digits > 0 && (code === 0x65 || code === 0x45)) inexactNumbers = true;
    digits = 0;
  }
  return { members, depth: deepest, inexactNumbers };
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

function duplicateNames(text: string): Issue[] {
  const issues: Issue[] = [];
  const open: { names: Set<string> | undefined; step: string | number }[] = [];
  for (let i = 0; i < text.length && issues.length < maxIssues; i += 1) {
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
        issues.push(
          duplicateIssue(
            name,
            open.slice(0, -1).map(({ step }) => step),
          ),
        );
      top.names.add(name);
    }
    i = end;
  }
  return issues;
}

function duplicateIssue(name: string, path: readonly (string | number)[]): Issue {
  return {
    code: 'JSON-duplicate-name',
    path: pointerTo(path),
    message: `The name "${shortened(name)}" occurs more than once in one object (RFC 8259 §4); keep one of them.`,
  };
}

function textFault(text: string): string | undefined {
  if (text.includes('\u0000')) return 'holds the character U+0000';
  return text.isWellFormed() ? undefined : 'holds half of a surrogate pair';
}

/** Strings and names that are no Unicode text, or hold NUL, which many databases and languages cut at. */
function characterIssues(value: unknown, path: (string | number)[], issues: Issue[]): void {
  if (issues.length >= maxIssues) return;
  const fault = typeof value === 'string' ? textFault(value) : undefined;
  if (fault !== undefined) issues.push(characterIssue(path, `The string ${fault}`));
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const nameFault = textFault(key);
    if (nameFault !== undefined) issues.push(characterIssue(path, `A name ${nameFault}`));
    path.push(nameFault === undefined ? key : '?');
    characterIssues(member, path, issues);
    path.pop();
  }
}

function characterIssue(path: readonly (string | number)[], what: string): Issue {
  return { code: 'JSON-characters', path: pointerTo(path), message: `${what}; remove the escape sequence.` };
}

function failed(code: string, message: string, value?: unknown): ReadObject {
  return { value, issues: [{ code, path: '', message }] };
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

/**
 * Reads the text of one object. Issues are what parsers disagree on: duplicate names, lone surrogates, NUL, depth. The
 * value is fit for checks only: a number that a double would round to a whole one is read as a fraction.
 */
export function readObject(text: string, depthAllowed = maxDepth): ReadObject {
  const { members, depth, inexactNumbers } = survey(text);
  if (depth > depthAllowed) {
    const message = `The object is nested deeper than ${maxDepth} levels; flatten it.`;
    return failed('JSON-depth', message, namesIn(text));
  }
  let value: unknown;
  try {
    value = inexactNumbers ? parseExactly(text) : JSON.parse(text);
  } catch {
    return failed('JSON-syntax', 'The text is not JSON (RFC 8259).');
  }
  const issues = members === countMembers(value) ? [] : duplicateNames(text);
  if (text.includes('\\u') || !text.isWellFormed()) characterIssues(value, [], issues);
  return { value, issues: issues.slice(0, maxIssues) };
}
