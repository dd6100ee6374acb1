/**
 * Takes away what is older than it is to be kept: objects of collections with `expire_after`, statuses, tombstones. In small
 * steps with rests between them, so that nobody waits for it; several processes may do so on one store at once.
 */

import { setTimeout as wait } from 'node:timers/promises';
import type { Micros, Store } from '../store/store.ts';
import { statusLifetime } from './add-objects.ts';
import type { ApiRoot } from './api-roots.ts';

export interface RetentionOptions {
  readonly store: Pick<Store, 'expireObjects' | 'dropTombstones' | 'dropStatuses'>;
  readonly roots: readonly ApiRoot[];
  readonly now: () => Micros;
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

function listChores({ store, roots, now }: RetentionOptions): Chore[] {
  const present = now();
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
  ];
}

/** Starts to sweep: soon, and every few minutes from then on. */
export function startRetention(options: RetentionOptions): Retention {
  const { onExpired, onFault, pause = pauseQuietly } = options;
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
    for (let chores = listChores(options); chores.length > 0; ) {
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
