/** When a feed runs next: by its schedule while all is well, later and later when it fails. Pure, but for the random number. */

import { Cron } from 'croner';
import { messageOf, OperatorError } from '../errors.ts';
import type { Feed, Schedule } from './feed.ts';

/** How a run ended, as far as the next one depends on it. */
export interface Ending {
  /** Runs that failed in a row, this one included; 0: it did not fail. */
  readonly failures: number;
  /** Whether somebody has to change something first. */
  readonly isFinal: boolean;
  /** Whether there is more to do: it was stopped, or reached its deadline. */
  readonly isUnfinished: boolean;
  /** Milliseconds after which the other end wants to be asked again. */
  readonly retryAfter: number | undefined;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

const firstPause = 10 * second;
/** After so many failures the circuit is open: a single run probes it now and then. */
export const maxFailures = 7;
const firstProbe = 15 * minute;
const longestProbe = 6 * hour;
/** Whoever names a later time is not believed. */
const longestRetryAfter = 7 * 24 * hour;
const resumePause = 5 * second;

/** Throws OperatorError when it is no cron expression, or one that never comes. */
export function assertCron(expression: string): void {
  try {
    if (new Cron(expression, { timezone: 'UTC' }).nextRun() !== null) return;
  } catch (error) {
    throw new OperatorError(`${JSON.stringify(expression)} is no cron expression: ${messageOf(error)}`);
  }
  throw new OperatorError(`${JSON.stringify(expression)} never comes: give a cron expression that does`);
}

/** The next moment after `after`; undefined: never by itself. */
function nextByPlan(schedule: Schedule, after: number): number | undefined {
  if (schedule.kind === 'manual') return undefined;
  if (schedule.kind === 'every') return after + schedule.seconds * second;
  return new Cron(schedule.expression, { timezone: 'UTC' }).nextRun(new Date(after))?.getTime();
}

/** Milliseconds to stay away after so many failures in a row. */
function backOff(failures: number): number {
  if (failures < maxFailures) return firstPause * 2 ** (failures - 1);
  return Math.min(firstProbe * 2 ** Math.min(failures - maxFailures, 16), longestProbe);
}

/** When to run after a run that began and ended then (milliseconds); undefined: not by itself. */
export function nextRunAt(
  feed: Pick<Feed, 'schedule' | 'jitter'>,
  began: number,
  now: number,
  { failures, isFinal, isUnfinished, retryAfter = 0 }: Ending,
  random: () => number,
): number | undefined {
  // A run that began later than now ended by a clock that was set back.
  const planned = nextByPlan(feed.schedule, Math.min(began, now));
  if (planned === undefined) return undefined;
  const notBefore = now + Math.min(retryAfter, longestRetryAfter);
  if (failures > 0) {
    const pause = backOff(isFinal ? Math.max(failures, maxFailures) : failures);
    // Those that failed together come back apart.
    return Math.max(now + pause * (0.75 + random() / 2), notBefore);
  }
  if (isUnfinished) return Math.max(now + resumePause, notBefore);
  return Math.max(planned, now) + random() * feed.jitter * second;
}

/** When a feed that has not run yet does so first. */
export function firstRunAt(
  feed: Pick<Feed, 'schedule' | 'jitter'>,
  now: number,
  random: () => number,
): number | undefined {
  // An interval begins now; a cron expression names its time.
  const first = feed.schedule.kind === 'every' ? now : nextByPlan(feed.schedule, now);
  return first === undefined ? undefined : first + random() * feed.jitter * second;
}
