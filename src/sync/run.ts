/** One run of a feed, from taking its lock to saying how it ended. */

import { messageOf, OperatorError, TaxiiError } from '../errors.ts';
import type { Collection } from '../taxii/api-roots.ts';
import type { Clock } from './clock.ts';
import { describePeer, type Feed, findFeed } from './feed.ts';
import { remember } from './feed-history.ts';
import {
  addCounts,
  type CurrentRun,
  type FeedState,
  LostLock,
  openSession,
  type RunReport,
  type Session,
} from './feed-state.ts';
import { dropTraces } from './feeds.ts';
import { type MirrorLimits, mirrorDeletions, usualShare } from './mirror.ts';
import { type PullDeps, pull } from './pull.ts';
import { push, type Target } from './push.ts';
import { nextRunAt } from './schedule.ts';
import { type Source, SourceError } from './source.ts';

export interface OpenSource {
  readonly source: Source;
  /** As origins name it. */
  readonly upstream: string;
  close(): Promise<void>;
}

export interface OpenTarget {
  readonly target: Target;
  close(): Promise<void>;
}

/** Opens the other ends of feeds. Both throw SourceError. */
export interface Peers {
  openSource(feed: Feed, signal: AbortSignal): Promise<OpenSource>;
  openTarget(feed: Feed, signal: AbortSignal): Promise<OpenTarget>;
}

export interface RunDeps extends PullDeps {
  readonly clock: Clock;
  readonly peers: Peers;
  /** Our collection of this id; undefined: no file declares it. */
  readonly findCollection: (id: string) => Collection | undefined;
}

export interface RunOptions {
  /** Whether to begin at the beginning, whatever was read before. */
  readonly fromStart: boolean;
  readonly resurrect: boolean;
  /** What a comparison with the upstream may delete; absent: as usual. */
  readonly mirror?: MirrorLimits;
  /** Looked at when the lock is taken: whether the feed is to run, as it stands then. */
  readonly isWanted?: (state: FeedState) => boolean;
  readonly onProgress?: (run: CurrentRun) => void;
}

export const usualRun: RunOptions = { fromStart: false, resurrect: false };

export interface RunResult extends RunReport {
  /** When it runs next; null: not by itself. */
  readonly nextRunAt: string | null;
  /** Milliseconds that the other end wants to be left alone. */
  readonly retryAfter: number | undefined;
  /** What ended it that nobody foresaw: a fault of this program, most likely. */
  readonly unforeseen: unknown;
}

/** Ends a run that is not to fail for it. The next one goes on. */
export class Stopped extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'Stopped';
  }
}

/** Milliseconds between two signs of life, and looks at what the operator wants. */
const heartbeat = 5_000;
/** How long work that was told to end is waited for. */
const grace = 30_000;

/** Throws the reason why this feed, as it is now, is not to run on. */
async function assertWanted({ store }: RunDeps, feed: Feed): Promise<void> {
  const now = await findFeed(store, feed.name);
  if (now === undefined) throw new Stopped('it was removed');
  if (now.paused && !feed.paused) throw new Stopped('it was paused');
  if (now.revision !== feed.revision || now.createdAt !== feed.createdAt)
    throw new Stopped('its settings were changed');
}

/** Keeps the lock, and ends the run at its deadline or when the operator says so, until `over` is aborted. */
async function watch(
  deps: RunDeps,
  feed: Feed,
  session: Session,
  abort: AbortController,
  over: AbortSignal,
): Promise<void> {
  const { clock } = deps;
  const end = clock.now() + feed.deadline * 1000;
  for (;;) {
    await clock.wait(Math.max(0, Math.min(heartbeat, end - clock.now())), over);
    if (over.aborted) return;
    try {
      if (clock.now() >= end) throw new Stopped(`its deadline of ${feed.deadline} seconds is over`);
      await assertWanted(deps, feed);
      await session.update(() => ({}));
    } catch (error) {
      // A store that is away for a moment is no reason: the run's own writes tell.
      if (error instanceof Stopped || error instanceof LostLock) abort.abort(error);
    }
  }
}

function getCollection({ findCollection }: RunDeps, { name, collection }: Feed): Collection {
  const found = findCollection(collection);
  if (found !== undefined) return found;
  throw new SourceError(
    `no file of HUIJU_COLLECTIONS declares the collection ${collection} any more: declare it, or remove the feed ${name} and add it anew`,
    'never',
  );
}

function isMirrorDue({ clock }: RunDeps, { mirrorEvery }: Feed, { mirroredAt }: FeedState, isAsked: boolean): boolean {
  if (mirrorEvery === null) return false;
  if (isAsked || mirroredAt === null) return true;
  const passed = clock.now() - Date.parse(mirroredAt);
  // One of the future is that of a clock that was set back.
  return passed < 0 || passed >= mirrorEvery * 1000;
}

async function pullAll(
  deps: RunDeps,
  feed: Feed,
  session: Session,
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  const collection = getCollection(deps, feed);
  const { source, upstream, close } = await deps.peers.openSource(feed, signal);
  try {
    const job = { feed, collection, session, signal, upstream, resurrect: options.resurrect };
    await pull(deps, job, source);
    if (!isMirrorDue(deps, feed, session.state(), options.mirror !== undefined)) return;
    const began = new Date(deps.clock.now()).toISOString();
    await mirrorDeletions(deps.store, job, source, options.mirror ?? { allowEmpty: false, maxShare: usualShare });
    await session.update(() => ({ mirroredAt: began }));
  } finally {
    await close();
  }
}

async function pushAll(deps: RunDeps, feed: Feed, session: Session, signal: AbortSignal): Promise<void> {
  getCollection(deps, feed);
  const { target, close } = await deps.peers.openTarget(feed, signal);
  try {
    await push({ store: deps.store, now: deps.clock.now }, { feed, session, signal }, target);
  } finally {
    await close();
  }
}

async function work(
  deps: RunDeps,
  feed: Feed,
  session: Session,
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  // It was read before the lock was taken.
  await assertWanted(deps, feed);
  if (options.fromStart || session.state().walk !== feed.walk) {
    await session.update(() => ({ position: null, walk: feed.walk }));
  }
  if (feed.direction === 'pull') await pullAll(deps, feed, session, options, signal);
  else await pushAll(deps, feed, session, signal);
}

interface Ended {
  readonly outcome: RunReport['outcome'];
  readonly error: unknown;
}

/** Rejects when work has been told to end for long and has not: what hangs in the operating system cannot be ended. */
function whenHanging(clock: Clock, signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const begin = (): void =>
      void clock.wait(grace, over).then(() => {
        if (!over.aborted) reject(signal.reason);
      });
    if (signal.aborted) begin();
    else signal.addEventListener('abort', begin, { once: true });
  });
}

/** How the work ended. Whatever it was thrown by, an end that was asked for is what counts. */
async function attempt(clock: Clock, job: Promise<void>, signal: AbortSignal): Promise<Ended> {
  const over = new AbortController();
  // Work that is left behind can harm nothing: its session is closed.
  job.catch(() => undefined);
  try {
    await Promise.race([job, whenHanging(clock, signal, over.signal)]);
    return { outcome: 'completed', error: undefined };
  } catch (thrown) {
    const error: unknown = signal.aborted ? signal.reason : thrown;
    return { outcome: error instanceof Stopped ? 'stopped' : 'failed', error };
  } finally {
    over.abort();
  }
}

function isForeseen(error: unknown): boolean {
  return [SourceError, OperatorError, TaxiiError, Stopped].some((kind) => error instanceof kind);
}

/** Whether somebody has to change something first. */
function isFinal(error: unknown): boolean {
  return error instanceof OperatorError || (error instanceof SourceError && error.retry === 'never');
}

/** Lets go of the feed and says when it runs next. Throws LostLock: then another run says so. */
async function conclude(deps: RunDeps, began: Feed, session: Session, ended: Ended): Promise<RunResult> {
  const { clock, store } = deps;
  const { outcome, error } = ended;
  if (error instanceof LostLock) throw error;
  const { run, failures: before } = session.state();
  if (run === null) throw new Error(`The run of ${began.name} has ended already.`);
  const report: RunReport = {
    beganAt: run.beganAt,
    endedAt: new Date(clock.now()).toISOString(),
    outcome,
    error: outcome === 'completed' ? null : `${isForeseen(error) ? '' : 'internal error: '}${messageOf(error)}`,
    counts: run.counts,
    bytes: run.bytes,
  };
  const retryAfter = error instanceof SourceError ? error.retryAfter : undefined;
  const found = await findFeed(store, began.name);
  const feed = found ?? began;
  const failures = outcome === 'failed' ? before + 1 : 0;
  const ending = {
    failures,
    isFinal: isFinal(error),
    isUnfinished: outcome === 'stopped',
    retryAfter,
  };
  const next = nextRunAt(feed, Date.parse(run.beganAt), clock.now(), ending, clock.random);
  const planned = next === undefined ? null : new Date(next).toISOString();
  // Before the lock goes: who removes the feed then finds all of it.
  if (found !== undefined) await remember(store, feed.name, report);
  await session.update((state) => ({
    run: null,
    lastRun: report,
    totals: addCounts(state.totals, run.counts),
    failures,
    nextRunAt: planned,
    ...(outcome === 'completed' && { inStepAt: run.beganAt }),
    // A feed that reads everything each time begins anew, but for a walk that did not come to its end.
    ...(outcome === 'completed' && feed.full && { position: null }),
  }));
  // Who removed it may have looked before this run began.
  if (found === undefined) await dropTraces(store, began.name);
  const unforeseen = outcome === 'completed' || isForeseen(error) ? undefined : error;
  return { ...report, nextRunAt: planned, retryAfter, unforeseen };
}

/**
 * Runs a feed until it is in step, fails or is stopped; `signal`'s reason is then a Stopped. Undefined: another run has
 * it, or it is not wanted any more. Throws only what keeps the state from being written.
 */
export async function runFeed(
  deps: RunDeps,
  feed: Feed,
  options: RunOptions,
  signal: AbortSignal,
): Promise<RunResult | undefined> {
  const opened = await openSession(deps, feed.name, options.isWanted);
  if (opened === undefined) return undefined;
  const session: Session = {
    ...opened,
    update: async (change) => {
      await opened.update(change);
      const { run } = opened.state();
      if (run !== null) options.onProgress?.(run);
    },
  };
  const abort = new AbortController();
  const passOn = (): void => abort.abort(signal.reason);
  signal.addEventListener('abort', passOn);
  if (signal.aborted) passOn();
  const watching = new AbortController();
  abort.signal.addEventListener('abort', () => watching.abort());
  const watched = watch(deps, feed, session, abort, watching.signal);
  try {
    const ended = await attempt(deps.clock, work(deps, feed, session, options, abort.signal), abort.signal);
    watching.abort();
    await watched;
    return await conclude(deps, feed, session, ended);
  } catch (error) {
    if (error instanceof LostLock) return undefined;
    throw error;
  } finally {
    watching.abort();
    signal.removeEventListener('abort', passOn);
  }
}

/** A run in words: what it did and to whom. */
export function describeRun(feed: Feed, { outcome, counts, error }: RunReport): string {
  const { added, duplicate, refused, withheld, gone } = counts;
  const done = `${added} added, ${duplicate} duplicate, ${refused} refused, ${withheld} withheld, ${gone} gone`;
  const direction = feed.direction === 'pull' ? 'from' : 'to';
  const words = `feed ${feed.name} ${direction} ${describePeer(feed.peer)}: ${outcome}: ${done}`;
  return error === null ? words : `${words}; ${error}`;
}
