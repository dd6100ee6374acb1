/** How much of the processor a thread gets when there is not enough for all. */

import { getPriority, setPriority } from 'node:os';

/**
 * Lets others go first, by so much of nice (1 to 19), unless this thread does more so already. Linux alone has priorities of
 * threads; elsewhere it does nothing.
 */
export function stepBack(nice: number): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, Math.max(getPriority(0), nice));
  } catch {
    // A container may forbid it; then the thread runs as all do.
  }
}
