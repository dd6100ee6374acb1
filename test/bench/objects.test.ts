/** What is measured with has to be what a server accepts, and the same in each run. */

import { describe, expect, test } from '@jest/globals';
import { createRandom, makeCatalogueObject, makeCollection, toNewVersion, types } from '../../bench/objects.ts';
import { checkObject } from '../../src/stix/check-object.ts';

const count = 10_000;
const collection = [...makeCollection(count)].map(toNewVersion);

function keysOf(versions: typeof collection): string[] {
  return versions.map(({ id, versionKey }) => `${id} ${versionKey}`);
}

describe('a generated collection', () => {
  test('has objects that are valid and without warnings', () => {
    const found = collection
      .slice(0, 500)
      .concat(collection.filter(({ type }) => type === types.rare))
      .flatMap(({ text }) => {
        const { errors, warnings } = checkObject(text, 'spec');
        return [...errors, ...warnings];
      });
    expect(found).toEqual([]);
  });

  test('is the same when it is made again', () => {
    expect([...makeCollection(count)].map(toNewVersion)).toEqual(collection);
  });

  test('has each version once, and replaces one version of five by a later one', () => {
    expect(new Set(keysOf(collection)).size).toBe(count);
    const held = new Map<string, string>();
    let replaced = 0;
    for (const { id, versionKey } of collection) {
      const before = held.get(id);
      if (before !== undefined) {
        replaced += 1;
        expect(String(versionKey) > before).toBe(true);
      }
      held.set(id, String(versionKey));
    }
    expect(replaced).toBe(count / 5);
  });

  test('has many of the common types, ten of the rare one and none of the absent one', () => {
    const countOf = (wanted: readonly string[]) => collection.filter(({ type }) => wanted.includes(type)).length;
    expect(countOf([types.common])).toBeGreaterThan(count / 3);
    expect(countOf(types.several)).toBeGreaterThan(count / 5);
    const rare = collection.filter(({ type }) => type === types.rare);
    expect(new Set(rare.map(({ id }) => id)).size).toBe(10);
    expect(countOf([types.absent])).toBe(0);
  });

  test('has objects of 850 bytes on average', () => {
    const bytes = collection.reduce((sum, { text }) => sum + text.length, 0);
    expect(bytes / count).toBeGreaterThan(750);
    expect(bytes / count).toBeLessThan(950);
  });
});

describe('objects as catalogues of techniques have them', () => {
  const random = createRandom(1);
  const texts = Array.from({ length: 400 }, (_, number) => JSON.stringify(makeCatalogueObject(number + 1, random)));

  test('are valid', () => {
    expect(texts.flatMap((text) => checkObject(text, 'spec').errors)).toEqual([]);
  });

  test('have the size of those of ATT&CK', () => {
    const mean = texts.join('').length / texts.length;
    expect(mean).toBeGreaterThan(1200);
    expect(mean).toBeLessThan(1900);
  });
});
