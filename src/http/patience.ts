/** A minimum speed instead of a time limit: slow lines may take all day, drips may not. */

import type { EventEmitter } from 'node:events';
import type { Pace } from './limits.ts';

export interface Patience {
  /** The client has moved so many bytes on: that buys it time, up to the whole grace. */
  earn(bytes: number): void;
  /** Waits for the first of the events. False when the client's time was up before. */
  wait(emitter: EventEmitter, events: readonly string[]): Promise<boolean>;
}

/** Waits for the first of the events; false when so many milliseconds went by before. */
export function firstOf(emitter: EventEmitter, events: readonly string[], within: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (inTime: boolean): void => {
      clearTimeout(timer);
      for (const event of events) emitter.off(event, moved);
      resolve(inTime);
    };
    const moved = (): void => settle(true);
    const timer = setTimeout(settle, within, false);
    for (const event of events) emitter.on(event, moved);
  });
}

/** For one body. Only time spent in `wait` counts: how long the server takes is not the client's fault. */
export function createPatience({ grace, bytesPerSecond }: Pace): Patience {
  let left = grace;
  return {
    earn: (bytes) => {
      left = Math.min(grace, left + (bytes / bytesPerSecond) * 1000);
    },
    wait: async (emitter, events) => {
      const start = performance.now();
      const inTime = await firstOf(emitter, events, Math.max(left, 1));
      left -= performance.now() - start;
      return inTime;
    },
  };
}
