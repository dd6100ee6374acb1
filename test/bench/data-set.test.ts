import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { collection, type DataSet, openDataSet } from '../../bench/data-set.ts';
import { createQuestions, getShape, shapes } from '../../bench/questions.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';

const count = 6000;
const cache = mkdtempSync(join(tmpdir(), 'huiju-data-set-'));
let data: DataSet;
let store: Store;

beforeAll(async () => {
  for (const name of [`objects-${count}-of-old-rules`, 'objects-7-of-old-rules']) mkdirSync(join(cache, name));
  data = await openDataSet(count, undefined, cache);
  store = await openStore(data.location);
});

afterAll(async () => {
  await store.close();
  rmSync(cache, { recursive: true, force: true });
});

describe('a data set', () => {
  test('has as many versions as it should, and what there is to ask for', async () => {
    const { versions, highWater } = await store.getCollectionState(collection);
    expect([versions, data.facts.end]).toEqual([count, highWater]);
    const { first } = await store.findRecords(collection, { versions: [getAll()] }, { limit: 1 });
    expect(data.facts.begin).toBe(first);
  });

  test('is made once', async () => {
    const file = data.store.replace('sqlite:', '');
    const { ino } = statSync(file);
    expect((await openDataSet(count, undefined, cache)).store).toBe(data.store);
    expect(statSync(file).ino).toBe(ino);
  });

  test('takes the place of one of its size that was made by other rules, and of no other', () => {
    expect(readdirSync(cache).filter((name) => name.startsWith(`objects-${count}-`))).toHaveLength(1);
    expect(existsSync(join(cache, 'objects-7-of-old-rules'))).toBe(true);
  });
});

function getAll() {
  return { all: true, first: false, last: false, exact: [] };
}

describe('the questions', () => {
  const asked = shapes.filter(({ depth }) => depth !== 'end');

  test.each(asked.map((shape) => [`${shape.name}, ${shape.limit}, ${shape.depth}`, shape] as const))(
    'of %s are all different and have answers',
    async (_name, shape) => {
      const question = createQuestions(data.facts, shape);
      const paths = Array.from({ length: 3000 }, (_, n) => question(n).path);
      expect(new Set(paths).size).toBe(paths.length);
      const pages = [0, 10, 2999].map((n) => store.findRecords(collection, question(n).query, { limit: shape.limit }));
      const counts = (await Promise.all(pages)).map((page) => page.count);
      const isEmpty = shape.name === 'an absent type' || (shape.name === 'a rare type' && shape.depth === 'deep');
      if (!isEmpty) expect(Math.min(...counts)).toBeGreaterThan(0);
    },
  );

  test.each(['last versions', 'all versions', 'first versions', 'a common type', 'several types'])(
    'of %s lead to full pages at every depth',
    async (name) => {
      for (const depth of ['first', 'deep'] as const) {
        const { query } = createQuestions(data.facts, getShape(name, depth))(500);
        expect((await store.findRecords(collection, query, { limit: 100 })).count).toBe(100);
      }
    },
  );

  test('of an empty poll have no answer', async () => {
    const { query } = createQuestions(data.facts, getShape('an empty poll', 'end'))(0);
    expect((await store.findRecords(collection, query, { limit: 100 })).count).toBe(0);
  });
});
