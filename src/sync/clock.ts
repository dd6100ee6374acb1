/** Time as feeds see it; tests pass one that runs as fast as they like. */

import { setTimeout as pause } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after so many milliseconds, or when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 up to 1. */
  random(): number;
}

// Longer ones would end at once: a timer has 31 bits.
const longestWait = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  wait: async (ms, signal) => {
    // It rejects when it is aborted: then the wait is over too.
    await pause(Math.min(ms, longestWait), undefined, { signal }).catch(() => undefined);
  },
  random: Math.random,
};
