import { expect, test } from '@jest/globals';
import { createRecency } from '../../src/recency.ts';

function fill(names: readonly string[]) {
  const recency = createRecency<number>();
  names.forEach((name, place) => {
    recency.set(name, place);
  });
  return recency;
}

test('what came first is stale first, unless it was asked for since', () => {
  const recency = fill(['a', 'b', 'c']);
  expect(recency.findStale()).toBe('a');
  expect(recency.find('a')).toBe(0);
  expect(recency.findStale()).toBe('b');
  recency.delete('b');
  expect(recency.findStale()).toBe('c');
  recency.delete('c');
  expect(recency.findStale()).toBe('a');
  recency.delete('a');
  expect(recency.findStale()).toBeUndefined();
  expect(recency.size).toBe(0);
});

test('when all were asked for, the oldest of them is stale', () => {
  const recency = fill(['a', 'b', 'c']);
  for (const name of ['c', 'b', 'a']) recency.find(name);
  expect(recency.findStale()).toBe('a');
  expect(recency.size).toBe(3);
});

test('what is set again is new, and another value', () => {
  const recency = fill(['a', 'b']);
  recency.set('a', 7);
  expect(recency.findStale()).toBe('b');
  expect(recency.find('a')).toBe(7);
  expect(recency.size).toBe(2);
});
