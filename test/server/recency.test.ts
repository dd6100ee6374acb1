import { expect, test } from '@jest/globals';
import { createRecency } from '../../src/recency.ts';

function fill(names: readonly string[]) {
  const recency = createRecency<number>();
  names.forEach((name, place) => {
    recency.set(name, place);
  });
  return recency;
}

test('what came first is taken first, unless it was asked for since', () => {
  const recency = fill(['a', 'b', 'c', 'd']);
  expect(recency.takeStale()).toEqual(['a', 0]);
  expect(recency.find('b')).toBe(1);
  expect(recency.takeStale()).toEqual(['c', 2]);
  expect(recency.delete('d')).toBe(3);
  expect(recency.size).toBe(1);
  expect(recency.takeStale()).toEqual(['b', 1]);
  expect(recency.takeStale()).toBeUndefined();
  expect(recency.size).toBe(0);
});

test('when all were asked for, the oldest of them is taken, and that has been the turn of the others', () => {
  const recency = fill(['a', 'b', 'c']);
  for (const name of ['c', 'b', 'a']) recency.find(name);
  expect(recency.takeStale()).toEqual(['a', 0]);
  recency.find('b');
  expect(recency.takeStale()).toEqual(['c', 2]);
});

test('what is set again is new, and another value', () => {
  const recency = fill(['a', 'b']);
  recency.find('a');
  recency.set('a', 7);
  expect(recency.size).toBe(2);
  expect(recency.takeStale()).toEqual(['b', 1]);
  expect(recency.takeStale()).toEqual(['a', 7]);
});
