/**
 * Objects that are generated from the schemas are valid, and one change is refused for the rule that it breaks.
 * `HUIJU_TEST_RUNS` is the number of objects of each type, `HUIJU_TEST_SEED` the seed; fast-check prints the seed and
 * the smallest object that fails.
 */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkBundleHead, checkDocument, checkObject } from '../../src/stix/check-object.ts';
import { rules } from '../../src/stix/rules.ts';
import { types } from '../../src/stix/validators.generated.js';
import { type Mutation, mutate, mutations } from './mutations.ts';
import { objectSchemas, schemaFiles, visitSchema } from './schema-files.ts';
import { objectTypes, type StixObject, validObjects, withoutCustom } from './valid-object.ts';

const seed = Number(process.env.HUIJU_TEST_SEED ?? '20210610');
const numRuns = Number(process.env.HUIJU_TEST_RUNS ?? '25');
const arbitraries = new Map(objectTypes.map((type) => [type, validObjects(type)]));

function objectsOf(type: string): fc.Arbitrary<StixObject> {
  const arbitrary = arbitraries.get(type);
  if (arbitrary === undefined) throw new Error(`there is no type ${type}`);
  return arbitrary;
}

/** Checks texts, since a text is what a report of a failure can show. */
function forAll(texts: fc.Arbitrary<string>, runs: number, check: (text: string) => void): void {
  fc.assert(fc.property(texts, check), { seed, numRuns: runs });
}

describe('any object generated from the schemas', () => {
  test.each(objectTypes)('%s is accepted', (type) => {
    forAll(
      objectsOf(type).map((object) => JSON.stringify(object)),
      numRuns,
      (text) => expect(checkObject(text, 'spec').errors).toEqual([]),
    );
  });

  // Else the property above would hold of objects with nothing in them.
  test.each(types.filter(({ type }) => objectTypes.includes(type)))('$type has each of its properties', (type) => {
    const seen = new Set(fc.sample(objectsOf(type.type), { seed, numRuns: 60 }).flatMap(Object.keys));
    const never = ['defanged', 'modified', 'revoked'].filter(() => type.kind !== 'sco');
    expect(type.properties.filter((name) => !seen.has(name) && !never.includes(name))).toEqual([]);
  });
});

function errorsOf(text: string, as: Mutation['as']): string[] {
  const check = as === 'document' ? checkDocument : as === 'head' ? checkBundleHead : checkObject;
  const { errors } = check(text, as === 'strict' ? 'strict' : 'spec');
  return [...new Set(errors.map(({ code }) => code))];
}

// Of schemas that have no title there; these have.
const neverReached = ['STIX-3.1-pattern', 'STIX-2.4-enum', 'STIX-3.2-constant'];

/** Codes that the sources spell out. */
function spelledCodes(): string[] {
  const files = ['schema-faults', 'check-object', 'object-text'];
  const sources = files.map((name) => readFileSync(new URL(`../../src/stix/${name}.ts`, import.meta.url), 'utf8'));
  const found = sources.flatMap((source) => [...source.matchAll(/'((?:STIX-|JSON-|TLP-|2\.\d+-)[\w.-]+)'/g)]);
  const codes = found.map(([, code = '']) => (code.startsWith('2') ? `STIX-${code}` : code));
  return codes.filter((code) => !neverReached.includes(code));
}

/** Codes that the schemas name: section and title of each part that a value can fail. */
function schemaCodes(): string[] {
  // Whole objects are objects; of predefined extensions, sco-extensions.json says first that they have to be.
  const extensions = [...schemaFiles.keys()].filter((path) => path.startsWith('sco/extensions/'));
  const wholes = new Set([...objectSchemas.values(), ...extensions, 'common/core-sco.json', 'common/core-sdo.json']);
  const codes: string[] = [];
  for (const [path, schema] of schemaFiles) {
    visitSchema(schema, (part, place) => {
      const section = /^STIX 2\.1 §([\d.]*\d)/.exec(String(part.$comment))?.[1];
      const canFail = ['pattern', 'enum', 'const', 'type', 'contains'].some((keyword) => part[keyword] !== undefined);
      if (section === undefined || typeof part.title !== 'string' || !canFail) return;
      if (place !== '' || !wholes.has(path)) codes.push(`STIX-${section}-${part.title}`);
    });
  }
  return codes;
}

describe('one change', () => {
  test('is known for every code of an error', () => {
    const ofRules = rules.filter(({ level }) => level === 'error').map(({ code }) => code);
    const all = [...new Set([...ofRules, ...spelledCodes(), ...schemaCodes()])].sort();
    expect([...new Set(mutations.map(({ code }) => code))].sort()).toEqual(all);
  });

  test.each(mutations)('is refused for $code alone', (mutation) => {
    const changed = objectsOf(mutation.type).map((object) =>
      mutate(mutation.as === 'strict' ? (withoutCustom(object) as StixObject) : object, mutation),
    );
    forAll(changed, Math.ceil(numRuns / 4), (text) => expect(errorsOf(text, mutation.as)).toEqual([mutation.code]));
  });
});
