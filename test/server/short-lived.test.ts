import { constants, type NodeGCPerformanceDetail, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { noteShortLived } from '../../src/short-lived.ts';

const mebibyte = 1024 ** 2;
const collected: unknown[] = [];

function isMinor({ detail }: PerformanceEntry & { readonly detail?: NodeGCPerformanceDetail }): boolean {
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR;
}

/** Fills the young part of the heap until V8 collects it by itself. Observers that were there before have heard of it. */
async function haveCollected(): Promise<void> {
  let isOver = false;
  const observer = new PerformanceObserver((list) => {
    isOver ||= list.getEntries().some(isMinor);
  });
  observer.observe({ type: 'gc' });
  while (!isOver) {
    for (let n = 0; n < 10_000; n += 1) garbage = { n, garbage: [n, String(n)] };
    await new Promise((resolve) => setImmediate(resolve));
  }
  observer.disconnect();
}
let garbage: unknown;

beforeEach(async () => {
  collected.length = 0;
  Object.assign(globalThis, { gc: (options: unknown) => collected.push(options) });
  noteShortLived(1);
  await haveCollected();
});
afterAll(() => {
  Reflect.deleteProperty(globalThis, 'gc');
  expect(garbage).toBeDefined();
});

test('the young part of the heap is collected for every twenty MiB of short-lived buffers', () => {
  for (let made = 0; made < 100; made += 1) noteShortLived(mebibyte);
  expect(collected).toEqual(Array.from({ length: 5 }, () => ({ type: 'minor' })));
});

test('and not when V8 has just collected it', async () => {
  for (let made = 0; made < 19; made += 1) noteShortLived(mebibyte);
  await haveCollected();
  for (let made = 0; made < 19; made += 1) noteShortLived(mebibyte);
  expect(collected).toEqual([]);
  noteShortLived(mebibyte);
  expect(collected).toHaveLength(1);
});

test('without the option nothing is done', () => {
  Reflect.deleteProperty(globalThis, 'gc');
  noteShortLived(100 * mebibyte);
  Object.assign(globalThis, { gc: (options: unknown) => collected.push(options) });
  noteShortLived(mebibyte);
  expect(collected).toEqual([]);
});
