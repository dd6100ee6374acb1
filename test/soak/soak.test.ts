/**
 * Mixed load on a whole server: pollers, publishers, deletions, imports and backups. What it holds when they have left is
 * what it held after the first quarter of the time. Every answer of the run is checked by the load itself.
 */

import { beforeAll, describe, expect, test } from '@jest/globals';
import { type SoakResult, soak } from '../../bench/soak.ts';
import { program } from '../support/huiju.ts';

const seconds = Number(process.env.HUIJU_TEST_SOAK_SECONDS ?? 12);
/** The heap breathes, and caches fill up to their bounds; a page kept for each request would be hundreds of megabytes. */
const breath = { share: 1.3, megabytes: 96 };

describe(`after ${seconds} seconds of mixed load`, () => {
  let result: SoakResult;

  beforeAll(
    async () => {
      const parts = [seconds / 4, (seconds * 3) / 4] as const;
      result = await soak({ program: [process.execPath, program], seconds: parts, server: undefined });
    },
    (seconds * 3 + 120) * 1000,
  );

  test('everything was done in both parts', () => {
    const { first, last } = result;
    const idle = [first, last].flatMap(({ done }) => Object.entries(done).filter(([, count]) => count === 0));
    expect(idle).toEqual([]);
  });

  test('the log tells of no error', () => {
    expect(result.faults).toBe(0);
  });

  test('no file, socket or thread was left behind', () => {
    const { first, last } = result;
    expect(last.atRest.handles).toBeLessThanOrEqual(first.atRest.handles);
    expect(last.atRest.threads).toBeLessThanOrEqual(first.atRest.threads);
  });

  test('memory is where it was', () => {
    const { first, last } = result;
    expect(last.atRest.megabytes).toBeLessThanOrEqual(first.atRest.megabytes * breath.share + breath.megabytes);
  });
});
