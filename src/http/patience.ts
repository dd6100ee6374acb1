/** A minimum speed instead of a time limit: slow lines may take all day, drips may not. */

import type { EventEmitter } from 'node:events';
import type { Pace } from './limits.ts';

export interface Patience {
  /** The client has moved so many bytes on: that buys it time, up to the whole grace. */
  earn(bytes: number): void;
  /** Waits for the first of the events. False when the client's time was up before. */
  wait(emitter: EventEmitter, events: readonly string[]): Promise<boolean>;
  /** The client's time is up: the wait under way and all later ones end with false. */
  end(): void;
  /** What the client has moved so far, and the milliseconds that were spent on waiting for it. */
  soFar(): { readonly bytes: number; readonly waited: number };
}

/** Waits for the first of the events; false when so many milliseconds went by before, or the signal came. */
export function firstOf(
  emitter: EventEmitter,
  events: readonly string[],
  within: number,
  signal?: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (inTime: boolean): void => {
      clearTimeout(timer);
      for (const event of events) emitter.off(event, moved);
      signal?.removeEventListener('abort', ended);
      resolve(inTime);
    };
    const moved = (): void => settle(true);
    const ended = (): void => settle(false);
    const timer = setTimeout(settle, within, false);
    for (const event of events) emitter.on(event, moved);
    signal?.addEventListener('abort', ended);
  });
}

/** For one body. Only time spent in `wait` counts: how long the server takes is not the client's fault. */
export function createPatience({ grace, bytesPerSecond }: Pace): Patience {
  const over = new AbortController();
  let left = grace;
  let bytes = 0;
  let waited = 0;
  let since: number | undefined;
  const waitingFor = (): number => (since === undefined ? 0 : performance.now() - since);
  return {
    earn: (moved) => {
      bytes += moved;
      left = Math.min(grace, left + (moved / bytesPerSecond) * 1000);
    },
    wait: async (emitter, events) => {
      if (over.signal.aborted) return false;
      since = performance.now();
      const inTime = await firstOf(emitter, events, Math.max(left, 1), over.signal);
      left -= waitingFor();
      waited += waitingFor();
      since = undefined;
      return inTime;
    },
    end: () => over.abort(),
    soFar: () => ({ bytes, waited: waited + waitingFor() }),
  };
}
