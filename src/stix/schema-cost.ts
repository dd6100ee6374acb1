/** What it takes to judge a value by one subschema, so that a budget can bound what schemas of others cost. */

import { isObject } from './json-value.ts';

/** Units, each well below a microsecond; what the subschemas within take is not among them. */
export type Cost = (value: unknown) => number;

/** Names, characters or parts of a constant that one unit pays for. */
const perUnit = 8;

// Each name is looked for in the value, whether or not the value has it; those of the first kind by much code.
const dependentKeywords = ['dependentRequired', 'dependentSchemas', 'dependencies'];
const namedKeywords = ['properties', 'required'];
const constantKeywords = ['const', 'enum'];
// These go through all names of the value.
const nameCounting = `additionalProperties maxProperties minProperties patternProperties propertyNames
  unevaluatedProperties`.split(/\s+/);

function lengthOf(value: unknown): number {
  return isObject(value) ? Object.keys(value).length : Array.isArray(value) ? value.length : 0;
}

function partsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return value === undefined ? 0 : 1;
  return 1 + total(Object.values(value).map(partsOf));
}

function total(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0);
}

function countNames(value: Readonly<Record<string, unknown>>): number {
  let count = 0;
  for (const _name in value) count += 1;
  return count;
}

/** How to tell, of any value, what judging it by the keywords of this subschema takes at the most: one unit or more. */
export function costOf(schema: Readonly<Record<string, unknown>>): Cost {
  const dependents = total(dependentKeywords.map((keyword) => lengthOf(schema[keyword])));
  const names = total(namedKeywords.map((keyword) => lengthOf(schema[keyword])));
  const constants = total(constantKeywords.map((keyword) => partsOf(schema[keyword])));
  const fixed = 1 + dependents + Math.floor((names + constants) / perUnit);
  const countsNames = nameCounting.some((keyword) => schema[keyword] !== undefined);
  const readsText = schema.minLength !== undefined || schema.maxLength !== undefined;
  return (value) => {
    if (readsText && typeof value === 'string') return fixed + value.length / perUnit;
    return countsNames && isObject(value) ? fixed + countNames(value) : fixed;
  };
}
