import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { noteShortLived } from '../../src/short-lived.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as NodeJS.GCFunction;
const mebibyte = 1024 ** 2;
const collected: unknown[] = [];

async function collectAndTell(): Promise<void> {
  collect({ type: 'minor' });
  // Observers hear of it later.
  await wait(50);
}

beforeEach(async () => {
  collected.length = 0;
  Object.assign(globalThis, { gc: (options: unknown) => collected.push(options) });
  noteShortLived(1);
  await collectAndTell();
});
afterAll(() => {
  Reflect.deleteProperty(globalThis, 'gc');
});

test('the young part of the heap is collected for every twenty MiB of short-lived buffers', () => {
  for (let made = 0; made < 100; made += 1) noteShortLived(mebibyte);
  expect(collected).toEqual(Array.from({ length: 5 }, () => ({ type: 'minor' })));
});

test('and not when V8 has just collected it', async () => {
  for (let made = 0; made < 19; made += 1) noteShortLived(mebibyte);
  await collectAndTell();
  for (let made = 0; made < 19; made += 1) noteShortLived(mebibyte);
  expect(collected).toEqual([]);
  noteShortLived(mebibyte);
  expect(collected).toHaveLength(1);
});

test('without the option nothing is done', () => {
  Reflect.deleteProperty(globalThis, 'gc');
  expect(() => noteShortLived(100 * mebibyte)).not.toThrow();
  Object.assign(globalThis, { gc: (options: unknown) => collected.push(options) });
  noteShortLived(mebibyte);
  expect(collected).toEqual([]);
});
