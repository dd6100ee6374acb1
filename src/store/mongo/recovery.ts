/** Finishes what calls have left lying that failed, as soon as the database is back: nobody has to wait for it then. */

import { setTimeout as wait } from 'node:timers/promises';

const pauseMs = 250;
const longestPauseMs = 4_000;

/** `finish` rejects as long as the database cannot be used. */
export function createRecovery(finish: () => Promise<void>) {
  const ending = new AbortController();
  const { signal } = ending;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    for (let ms = pauseMs; !signal.aborted; ms = Math.min(longestPauseMs, ms * 2)) {
      await wait(ms, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const isDone = await finish().then(
        () => true,
        () => false,
      );
      if (isDone) return;
    }
  }

  return {
    /** There is something to finish. */
    start(): void {
      running ??= run().finally(() => {
        running = undefined;
      });
    },
    /** Ends the attempts, and waits for the one under way. */
    async close(): Promise<void> {
      ending.abort();
      await running;
    },
  };
}
