/** A clock that passes as soon as nobody has anything to do, for work that consists of promises alone. */

import type { Clock } from '../../src/sync/clock.ts';
import { createRandom } from '../hostile/generator.ts';

interface Waiter {
  at: number;
  readonly resolve: () => void;
}

export interface VirtualClock extends Clock {
  /** Lets so many milliseconds pass; `onStep` hears of each moment at which something happened. */
  pass(ms: number): Promise<void>;
  /** Sets the clock to another time, by so many milliseconds; waits last as long as they would. */
  set(by: number): void;
  /** Waits that are not over. */
  waiting(): number;
}

export function createVirtualClock(start: number, seed: number): VirtualClock {
  let time = start;
  const random = createRandom(seed);
  const waiters = new Set<Waiter>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  function findNext(): Waiter | undefined {
    let next: Waiter | undefined;
    for (const waiter of waiters) if (next === undefined || waiter.at < next.at) next = waiter;
    return next;
  }

  return {
    now: () => time,
    random,
    set(by) {
      time += by;
      for (const waiter of waiters) waiter.at += by;
    },
    waiting: () => waiters.size,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve();
          return;
        }
        const over = (): void => {
          waiters.delete(waiter);
          signal.removeEventListener('abort', over);
          resolve();
        };
        const waiter: Waiter = { at: time + ms, resolve: over };
        waiters.add(waiter);
        signal.addEventListener('abort', over);
      }),
    async pass(ms) {
      const end = time + ms;
      for (;;) {
        await settle();
        const next = findNext();
        if (next === undefined || next.at > end) break;
        time = next.at;
        next.resolve();
      }
      time = end;
    },
  };
}
