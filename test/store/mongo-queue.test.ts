import { describe, expect, test } from '@jest/globals';
import { TaxiiError } from '../../src/errors.ts';
import { createQueues } from '../../src/store/mongo/queue.ts';
import type { Submission } from '../../src/store/mongo/write-objects.ts';
import type { AddOutcome } from '../../src/store/store.ts';
import { objects } from './versions.ts';

const some = (count: number): Submission[] =>
  objects(count).map((version) => ({ delivery: undefined, submitter: 'u', version }));
const added = (list: readonly Submission[]): AddOutcome[] =>
  list.map((_, n) => ({ outcome: 'added', dateAdded: n + 1 }));

describe('the queue of changes of a collection', () => {
  test('puts additions that wait together into one block, up to its size, and gives each its outcomes', async () => {
    const blocks: number[] = [];
    const queues = createQueues(async (_, list) => {
      blocks.push(list.length);
      return added(list);
    });
    const counts = [1, 400, 2, 500, 200];
    const results = await Promise.all(counts.map((count) => queues.add('c', some(count))));
    expect(blocks).toEqual([1, 902, 200]);
    expect(results.map((outcomes) => outcomes.length)).toEqual(counts);
    expect(results[2]?.map(({ dateAdded }) => dateAdded)).toEqual([401, 402]);
  });

  test('keeps the order of additions and other changes, and collections wait for none but themselves', async () => {
    const done: string[] = [];
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const queues = createQueues(async (collection, list) => {
      if (collection === 'slow') await held;
      done.push(`${collection} ${list.length}`);
      return added(list);
    });
    const slow = [queues.add('slow', some(1)), queues.run('slow', async () => done.push('slow deleted'))];
    await queues.add('quick', some(2));
    release();
    await Promise.all([...slow, queues.add('slow', some(3))]);
    expect(done).toEqual(['quick 2', 'slow 1', 'slow deleted', 'slow 3']);
    await queues.settled();
  });

  test('when the database is not there, nobody waits for it a second time; another failure is its own', async () => {
    const failures: Error[] = [new TaxiiError('unavailable', 'no answer'), new Error('a fault')];
    let asked = 0;
    const queues = createQueues(async (_, list) => {
      asked += 1;
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return added(list);
    });
    const first = [queues.add('c', some(1)), queues.run('c', async () => 'done'), queues.add('c', some(1))];
    for (const result of await Promise.allSettled(first))
      expect(result).toMatchObject({ reason: { message: 'no answer' } });
    expect(asked).toBe(1);
    const second = [queues.add('c', some(1)), queues.run('c', async () => 'done')];
    expect((await Promise.allSettled(second)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  test('takes a bounded number of changes', async () => {
    const queues = createQueues(() => new Promise(() => {}));
    for (let n = 0; n < 10_001; n += 1) queues.add('c', []).catch(() => {});
    await expect(async () => queues.add('c', [])).rejects.toMatchObject({ code: 'unavailable' });
  });
});
