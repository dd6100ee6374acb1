/** Times on the command line. */

import { findMicros } from '../stix/timestamp.ts';
import type { Micros } from '../store/store.ts';

/** A date, its first moment in UTC, or an RFC 3339 time; undefined when it is neither. */
export function findTime(text: string): Micros | undefined {
  return findMicros(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
}
