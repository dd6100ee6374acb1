import { GCProfiler } from 'node:v8';
import { expect, test } from '@jest/globals';
import { noteShortLived } from '../../src/short-lived.ts';

const mebibyte = 1024 ** 2;

/** What V8 collected while so many buffers of a MiB were made and let go. */
function collectionsDuring(buffers: number, note: (bytes: number) => void): string[] {
  const profiler = new GCProfiler();
  profiler.start();
  for (let made = 0; made < buffers; made += 1) note(Buffer.allocUnsafeSlow(mebibyte).length);
  return (profiler.stop()?.statistics ?? []).map(({ gcType }) => gcType);
}

test('the young part of the heap is collected for every twenty MiB of short-lived buffers, and not by itself', () => {
  const countYoung = (note: (bytes: number) => void): number =>
    collectionsDuring(200, note).filter((kind) => kind === 'Scavenge').length;
  expect(countYoung(() => undefined)).toBe(0);
  const young = countYoung(noteShortLived);
  expect(young).toBeGreaterThanOrEqual(9);
  expect(young).toBeLessThanOrEqual(12);
});
