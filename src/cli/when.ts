/** Times on the command line: how long, or when. */

import { findMicros } from '../stix/timestamp.ts';
import type { Micros } from '../store/store.ts';

const unitMicros = new Map([
  ['m', 60_000_000],
  ['h', 3_600_000_000],
  ['d', 86_400_000_000],
]);

/** A time span such as 30d, 12h or 45m; undefined when it is none. */
export function findSpan(text: string): Micros | undefined {
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (unitMicros.get(unit) ?? 0);
}

/** A date, its first moment in UTC, or an RFC 3339 time; undefined when it is neither. */
export function findTime(text: string): Micros | undefined {
  return findMicros(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
}
