/** The clocks of this machine. */

import { microsNow } from '../../stix/timestamp.ts';
import type { Micros } from '../store.ts';
import type { Timing } from './documents.ts';

export function createTiming(clockOffset: Micros = 0): Timing {
  return {
    now: () => microsNow() + clockOffset,
    elapsed: () => performance.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: Math.random,
  };
}
