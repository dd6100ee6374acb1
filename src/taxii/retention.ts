/**
 * Takes away what is older than it is to be kept: objects of collections with `expire_after`, statuses, tombstones. In small
 * steps with rests between them, so that nobody waits for it; several processes may do so on one store at once.
 */

import { setTimeout as wait } from 'node:timers/promises';
import type { Micros, Store } from '../store/store.ts';
import { statusLifetime } from './add-objects.ts';
import type { ApiRoot } from './api-roots.ts';

export interface RetentionOptions {
  readonly store: Pick<Store, 'expireObjects' | 'dropTombstones' | 'dropStatuses' | 'listCollectionStates'>;
  readonly roots: readonly ApiRoot[];
  readonly now: () => Micros;
  /** Microseconds of a clock that nobody can set. */
  readonly steadyNow?: () => Micros;
  /** Lets a step's worth of the access log go that is too old; new entries do so too, where there are any. */
  readonly dropAccess: () => Promise<void>;
  /** Hears how many versions of a collection have expired, when a sweep is over. */
  readonly onExpired: (collection: string, versions: number) => void;
  /** Hears why a sweep ended early, once until one succeeds. The next one goes on. */
  readonly onFault: (error: unknown) => void;
  /** Ends after so many milliseconds, or when the signal says so. Tests replace it. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Retention {
  /** Waits for the step under way. May be called twice. */
  close(): Promise<void>;
}

/** Feeds that bring back what was deleted here longer ago are new publications. */
export const tombstoneLifetime: Micros = 400 * 86_400_000_000;

/**
 * A clock that was set is believed after it has run on for so long: one that stands in the year 2050 for some minutes must
 * not expire everything. It costs no more than that sweeps wait.
 */
const believedAfter: Micros = 10 * 60_000_000;
// Clocks that are kept in step are slewed by less between two sweeps.
const leastJump: Micros = 60_000_000;
// At a start nothing tells whether the clock was set but the newest that the store has: ahead of it by more it waits too.
const plausibleLead: Micros = 7 * 86_400_000_000;

const firstPauseMs = 1_000;
const sweepPauseMs = 5 * 60_000;
// A few milliseconds of SQLite's writer, or one block in MongoDB.
const stepLength = 50;
// After a step others have the store for four times as long as it took.
const restFactor = 4;
const leastRestMs = 20;

/** A kind of thing that grows old. A step resolves to how many went; 0: none is left. */
interface Chore {
  readonly collection?: string;
  step(): Promise<number>;
}

async function pauseQuietly(ms: number, signal: AbortSignal): Promise<void> {
  // It rejects when it is aborted: then the pause is over too.
  await wait(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

/** Returns a function that tells whether the clock, which shows `present`, is believed. */
function createClockWatch({ store, steadyNow = () => performance.now() * 1_000 }: RetentionOptions) {
  let offset: number | undefined;
  let since = 0;
  return async (present: Micros): Promise<boolean> => {
    const steady = steadyNow();
    if (offset === undefined) {
      const newest = (await store.listCollectionStates()).reduce((high, { highWater }) => Math.max(high, highWater), 0);
      since = present - newest <= plausibleLead ? steady - believedAfter : steady;
    } else if (Math.abs(present - steady - offset) > leastJump) since = steady;
    offset = present - steady;
    return steady - since >= believedAfter;
  };
}

function listChores({ store, roots, dropAccess }: RetentionOptions, present: Micros): Chore[] {
  const chores = roots.flatMap(({ collections }) =>
    collections.flatMap(({ id, expireAfter }): Chore[] => {
      if (expireAfter === undefined) return [];
      return [{ collection: id, step: () => store.expireObjects(id, present - expireAfter, stepLength) }];
    }),
  );
  return [
    ...chores,
    { step: () => store.dropStatuses(present - statusLifetime, stepLength) },
    { step: () => store.dropTombstones(present - tombstoneLifetime, stepLength) },
    { step: () => dropAccess().then(() => 0) },
  ];
}

/** Starts to sweep: soon, and every few minutes from then on. */
export function startRetention(options: RetentionOptions): Retention {
  const { now, onExpired, onFault, pause = pauseQuietly } = options;
  const isBelieved = createClockWatch(options);
  const ending = new AbortController();
  const { signal } = ending;
  let isFailing = false;

  async function takeStep({ collection, step }: Chore, expired: Map<string, number>): Promise<boolean> {
    if (signal.aborted) return false;
    const began = performance.now();
    const count = await step();
    if (count === 0) return false;
    if (collection !== undefined) expired.set(collection, (expired.get(collection) ?? 0) + count);
    await pause(Math.max(leastRestMs, restFactor * (performance.now() - began)), signal);
    return true;
  }

  /** One step of each in turn, until none has anything left: a collection with much to do delays no other. */
  async function doAll(expired: Map<string, number>): Promise<void> {
    const present = now();
    if (!(await isBelieved(present))) return;
    for (let chores = listChores(options, present); chores.length > 0; ) {
      const left: Chore[] = [];
      for (const chore of chores) if (await takeStep(chore, expired)) left.push(chore);
      chores = left;
    }
  }

  async function sweep(): Promise<void> {
    const expired = new Map<string, number>();
    try {
      await doAll(expired);
      isFailing = false;
    } catch (error) {
      if (!isFailing) onFault(error);
      isFailing = true;
    }
    for (const [collection, versions] of expired) onExpired(collection, versions);
  }

  async function run(): Promise<void> {
    await pause(firstPauseMs, signal);
    while (!signal.aborted) {
      await sweep();
      // Processes that were started together drift apart.
      await pause(sweepPauseMs * (0.75 + Math.random() / 2), signal);
    }
  }

  const running = run();
  return {
    close() {
      ending.abort();
      return running;
    },
  };
}
