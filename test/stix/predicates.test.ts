/** The functions that say at once that an object is valid say so of just those that the full validators accept. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createPredicateWriter } from '../../bin/predicates.ts';
import * as quickPatterns from '../../src/stix/quick-patterns.ts';
import { createPredicates, spec, strict } from '../../src/stix/validators.generated.js';
import { mutate, mutations } from './mutations.ts';
import type { Json } from './schema-files.ts';
import { objectTypes, type StixObject, validObjects } from './valid-object.ts';

const seed = Number(process.env.HUIJU_TEST_SEED ?? '20210610');
const numRuns = Number(process.env.HUIJU_TEST_RUNS ?? '25');
const predicates = createPredicates(quickPatterns);
const validators = { spec, strict };
const policies = ['spec', 'strict'] as const;

function verdicts(schema: string, object: unknown): Record<string, boolean | undefined> {
  return Object.fromEntries(policies.map((policy) => [policy, predicates[policy].get(schema)?.(object)]));
}

function expected(schema: string, object: unknown): Record<string, boolean | undefined> {
  return Object.fromEntries(policies.map((policy) => [policy, validators[policy].get(schema)?.(object)]));
}

/** Every place of the object: what holds it, and its name there. */
function placesOf(value: Json, found: [Record<string, Json>, string][] = []): [Record<string, Json>, string][] {
  if (typeof value !== 'object' || value === null) return found;
  for (const [name, member] of Object.entries(value)) {
    found.push([value as Record<string, Json>, name]);
    placesOf(member, found);
  }
  return found;
}

const uuid = '3f2a0008-6b1d-4c7e-9a55-0d8e5b7c1a42';
const values = fc.constantFrom<Json[]>(
  ...[
    null,
    true,
    false,
    0,
    1,
    -1,
    101,
    1.5,
    2 ** 53,
    '',
    'x',
    'en',
    '2.1',
    '2024-02-30T00:00:00.000Z',
    `file--${uuid}`,
  ],
  ...['2024-02-29T08:00:00Z', '2024-02-29T08:00:00.000Z', 'https://example.com/a%20b', 'https://example.com/a%zz'],
  ...[[], {}, ['x'], [1], [`identity--${uuid}`, 'x'], { x: 1 }, { x_unit: 'x' }, { MD5: 'x' }],
);
const names = fc.constantFrom(
  'x_unit',
  'severity',
  'id',
  'ab',
  'Upper',
  'a b',
  '__proto__',
  'x-ext',
  'name',
  'modified',
);

/** The object with something in it replaced, removed or added. */
function changed(object: StixObject, place: number, how: number, name: string, value: Json): StixObject {
  const copy = structuredClone(object);
  const places = placesOf(copy);
  const [holder, key] = places[place % places.length] ?? [copy, 'id'];
  if (how === 0) holder[key] = value;
  else if (how === 1) Object.defineProperty(Array.isArray(holder) ? copy : holder, name, { value, enumerable: true });
  else if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
  return copy;
}

describe.each(objectTypes)('the predicate for %s', (type) => {
  test('takes what is generated from the schema', () => {
    fc.assert(
      fc.property(validObjects(type), (object) => expect(predicates.spec.get(type)?.(object)).toBe(true)),
      { seed, numRuns },
    );
  });

  test('agrees with the validator on objects in which something is changed', () => {
    const changes = [fc.nat(1e6), fc.nat(2), names, values] as const;
    fc.assert(
      fc.property(fc.tuple(validObjects(type), ...changes), ([object, place, how, name, value]) => {
        const other = changed(object, place, how, name, value);
        expect(verdicts(type, other)).toEqual(expected(type, other));
      }),
      { seed, numRuns: numRuns * 4 },
    );
  });

  test('agrees with the validator on what is no object', () => {
    for (const value of [null, [], 'x', 1]) expect(verdicts(type, value)).toEqual(expected(type, value));
  });
});

test('the predicates agree with the validators on every mutation that breaks a rule', () => {
  const lines = readFileSync(new URL('../fixtures/stix/valid.ndjson', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const valid = lines.map((line) => (JSON.parse(line) as { object: StixObject }).object);
  for (const mutation of mutations.filter(({ as }) => as === undefined || as === 'strict')) {
    const object = valid.find(({ type }) => type === mutation.type);
    if (object === undefined || typeof mutation.change === 'function') continue;
    const broken: unknown = JSON.parse(mutate(object, mutation));
    expect([mutation.code, verdicts(mutation.type, broken)]).toEqual([mutation.code, expected(mutation.type, broken)]);
  }
});

describe('a pattern that is written by hand', () => {
  const patternOf = (name: string): RegExp => {
    const file = new URL(`../../schemas/common/${name}.json`, import.meta.url);
    return new RegExp((JSON.parse(readFileSync(file, 'utf8')) as { pattern: string }).pattern, 'u');
  };
  const piece = fc.constantFrom('a', 'z', 'A', 'F', 'G', '0', '8', '9', '-', '--', '_', 'é', '中', '\n', ' ', '€');
  const character = fc.tuple(fc.nat(300), piece);

  test.each([
    ['identifier', quickPatterns.isIdentifier, [`file--${uuid}`, `x-unit--a--${uuid.toUpperCase()}`, `abc--${uuid}`]],
    ['property-name', quickPatterns.isPropertyName, ['id', 'abc', 'x_unit_1', 'a'.repeat(250)]],
  ] as const)('%s takes what the pattern of the schema takes', (name, isRight, examples) => {
    const pattern = patternOf(name);
    const lengths = [1, 2, 3, 4, 247, 248, 249, 250, 251].map((length) => 'a'.repeat(length));
    const edges = lengths.flatMap((text) => [text, `${text}--${uuid}`, `${text}-b--${uuid}`, `${text}---${uuid}`]);
    for (const text of [...examples, ...edges, uuid, `--${uuid}`]) {
      expect([text, isRight(text)]).toEqual([text, pattern.test(text)]);
    }
    const replaced = fc.tuple(fc.constantFrom(...examples), fc.array(character, { maxLength: 2 }), fc.boolean());
    const texts = replaced.map(([example, changes, isInserted]) =>
      changes.reduce((text, [at, other]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + other + text.slice(isInserted ? place : place + 1);
      }, example as string),
    );
    fc.assert(
      fc.property(texts, (text) => expect([text, isRight(text)]).toEqual([text, pattern.test(text)])),
      { seed, numRuns: numRuns * 100 },
    );
  });
});

test('a property that a closed part of the schema does not name is refused, whatever the whole names', () => {
  const [whole, part] = ['https://schemas.example/whole.json', 'https://schemas.example/part.json'];
  const schemas: Record<string, Record<string, unknown>> = {
    [whole]: { $id: whole, $ref: 'part.json', properties: { outer: { type: 'string' } } },
    [part]: { $id: part, type: 'object', properties: { inner: { type: 'string' } }, unevaluatedProperties: false },
  };
  const { write, code } = createPredicateWriter({
    find: (id) => schemas[id] ?? {},
    takesName: () => true,
    byHand: new Map(),
  });
  const name = write(whole);
  const takes = new Function('value', `${code()} return ${name}(value);`);
  expect([{ inner: 'x' }, { outer: 'x' }, { other: 'x' }].map((value) => takes(value))).toEqual([true, false, false]);
});

test('a keyword that cannot be written stops the build', () => {
  const schema = { type: 'string', minLength: 1 };
  const { write } = createPredicateWriter({ find: () => schema, takesName: () => true, byHand: new Map() });
  expect(() => write('https://schemas.example/one.json')).toThrow('"minLength" of https://schemas.example/one.json');
});
