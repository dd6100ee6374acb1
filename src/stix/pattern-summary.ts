/**
 * What a STIX pattern looks for, in a form that is the same for patterns that look for the same: for search, and to tell
 * duplicates. How comparisons are joined is not part of it.
 */

import type { Comparison, Constant, ObjectPath, Operator, Pattern } from './pattern.ts';
import { findVersionKey } from './timestamp.ts';

export interface SoughtValue {
  readonly type: 'string' | 'number' | 'boolean' | 'bytes' | 'timestamp';
  /** Strings without escapes; numbers without needless zeros; bytes in lower-case hex; times without zeros at the end. */
  readonly value: string;
}

/** One comparison. NOT with = or != is written as the other one; IN with a single value as =. */
export interface Sought {
  /** As a pattern has it, apostrophes only where they are needed: `file:hashes.'SHA-256'`. */
  readonly path: string;
  readonly negated: boolean;
  readonly operator: Operator;
  /** Distinct and sorted; none for EXISTS. */
  readonly values: readonly SoughtValue[];
}

function printName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `'${name.replaceAll(/['\\]/g, '\\$&')}'`;
}

/** The path as a pattern has it, in its shortest spelling. */
export function printPath({ objectType, steps }: ObjectPath): string {
  const texts = steps.map((step) => ('index' in step ? `[${step.index}]` : `.${printName(step.name)}`));
  return `${objectType}:${texts.join('').slice(1)}`;
}

// On the text: a float may have more digits than a number holds.
function normaliseNumber(text: string): string {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  let end = fraction.length;
  while (end > 0 && fraction[end - 1] === '0') end -= 1;
  const digits = `${whole.replace(/^0+/, '') || '0'}${end === 0 ? '' : `.${fraction.slice(0, end)}`}`;
  return text.startsWith('-') && digits !== '0' ? `-${digits}` : digits;
}

function normalise({ type, value }: Constant): SoughtValue {
  switch (type) {
    case 'integer':
    case 'float':
      return { type: 'number', value: normaliseNumber(value) };
    case 'hex':
      return { type: 'bytes', value: value.toLowerCase() };
    case 'binary':
      return { type: 'bytes', value: Buffer.from(value, 'base64').toString('hex') };
    case 'timestamp':
      return { type, value: findVersionKey(value) ?? value.replace(/Z$/, '') };
    default:
      return { type, value };
  }
}

// One key for each value: the name of a type has no space.
function keyOf({ type, value }: SoughtValue): string {
  return `${type} ${value}`;
}

function distinct<T>(items: readonly T[], key: (item: T) => string): T[] {
  const byKey = new Map(items.map((item) => [key(item), item] as const));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}

function summarise({ path, negated, operator, values }: Comparison): Sought {
  const sought = distinct(values.map(normalise), keyOf);
  const single = operator === 'IN' && sought.length === 1 ? '=' : operator;
  const isEquality = single === '=' || single === '!=';
  const opposite = single === '=' ? '!=' : '=';
  return {
    path: printPath(path),
    negated: negated && !isEquality,
    operator: negated && isEquality ? opposite : single,
    values: sought,
  };
}

/** The comparisons of a pattern: distinct, sorted, in normal form. Equal for patterns that differ only in spelling or order. */
export function summarisePattern({ comparisons }: Pick<Pattern, 'comparisons'>): readonly Sought[] {
  return distinct(comparisons.map(summarise), (sought) => JSON.stringify(sought));
}
