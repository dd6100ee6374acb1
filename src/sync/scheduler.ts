/**
 * Runs feeds when they are due: in any number of processes at once, since whoever takes a feed's lock runs it. Looks
 * every two seconds, by one small read, whether the operator has changed any feed.
 */

import { walkRecords } from '../hub/records.ts';
import { changesOf } from './changes.ts';
import type { Feed } from './feed.ts';
import { feedKind, hostOf, parseFeed } from './feed.ts';
import { type FeedState, getState, isRunning, plannedAt } from './feed-state.ts';
import { type RunDeps, type RunResult, runFeed, Stopped, usualRun } from './run.ts';
import { firstRunAt } from './schedule.ts';

export interface SchedulerDeps extends RunDeps {
  /** Hears of each run that has ended. */
  readonly onRun: (feed: Feed, result: RunResult) => void;
  /** Hears of what went wrong beyond a run: the store is away, for example. */
  readonly onFault: (error: unknown) => void;
}

export interface Scheduler {
  /** Stops runs where they are, which is where the next ones go on. May be called twice. */
  close(): Promise<void>;
}

const maxRuns = 4;
const maxRunsOfHost = 2;
const lookEvery = 2_000;
/** By less a clock may be set back without anybody minding. */
const slightStep = 60_000;
/** When to look again at a feed that another process runs. */
const lookAgain = 15_000;

interface Entry {
  feed: Feed;
  /** Milliseconds since the epoch; undefined: not by itself. */
  dueAt: number | undefined;
  isRunning: boolean;
}

function dueOf(feed: Feed, state: FeedState, now: number, random: () => number): number | undefined {
  if (feed.paused || feed.schedule.kind === 'manual') return undefined;
  return plannedAt(state, now) ?? firstRunAt(feed, now, random);
}

/** Starts to run feeds when they are due. */
export function startScheduler(deps: SchedulerDeps): Scheduler {
  const { store, clock, onRun, onFault } = deps;
  const ending = new AbortController();
  const { signal } = ending;
  let entries = new Map<string, Entry>();
  let changes = -1;
  let lookedAt = clock.now();
  const running = new Set<Promise<void>>();
  /** Hosts that want to be left alone, until then. */
  const quietHosts = new Map<string, number>();

  async function load(): Promise<void> {
    const revision = await changesOf(store);
    if (revision === changes) return;
    const loaded = new Map<string, Entry>();
    for await (const record of walkRecords(store, feedKind)) {
      const feed = parseFeed(record);
      const dueAt = dueOf(feed, await getState(store, feed.name), clock.now(), clock.random);
      loaded.set(feed.name, { feed, dueAt, isRunning: entries.get(feed.name)?.isRunning ?? false });
    }
    entries = loaded;
    changes = revision;
  }

  function canStart({ feed, isRunning: busy }: Entry): boolean {
    if (busy || running.size >= maxRuns) return false;
    const host = hostOf(feed);
    if (host === undefined) return true;
    const others = [...entries.values()].filter((entry) => entry.isRunning && hostOf(entry.feed) === host);
    return others.length < maxRunsOfHost && (quietHosts.get(host) ?? 0) <= clock.now();
  }

  /** Whether it is still due: another process may have run it meanwhile. */
  const isDue = (state: FeedState): boolean => (plannedAt(state, clock.now()) ?? 0) <= clock.now();

  async function runEntry(feed: Feed): Promise<number | undefined> {
    const result = await runFeed(deps, feed, { ...usualRun, isWanted: isDue }, signal);
    if (result === undefined) {
      const state = await getState(store, feed.name);
      return isRunning(state, clock.now()) ? clock.now() + lookAgain : dueOf(feed, state, clock.now(), clock.random);
    }
    const host = hostOf(feed);
    if (result.retryAfter !== undefined && host !== undefined) quietHosts.set(host, clock.now() + result.retryAfter);
    if (result.unforeseen !== undefined) onFault(result.unforeseen);
    onRun(feed, result);
    return result.nextRunAt === null ? undefined : Date.parse(result.nextRunAt);
  }

  function start(entry: Entry): void {
    entry.isRunning = true;
    const { name } = entry.feed;
    const settle = (dueAt: number | undefined): void => {
      // The feeds may have been read anew meanwhile.
      for (const known of new Set([entry, entries.get(name)])) {
        if (known === undefined) continue;
        known.isRunning = false;
        if (known.feed.revision === entry.feed.revision) known.dueAt = dueAt;
      }
    };
    const run = runEntry(entry.feed).then(settle, (error: unknown) => {
      onFault(error);
      settle(clock.now() + lookAgain);
    });
    const tracked = run.finally(() => running.delete(tracked));
    running.add(tracked);
  }

  /** Plans anew when the clock was set back: what was to be by the old one may be far away now. */
  function watchClock(now: number): void {
    const isSetBack = now < lookedAt - slightStep;
    lookedAt = now;
    if (isSetBack) changes = -1;
    for (const [host, until] of quietHosts) if (until <= now || isSetBack) quietHosts.delete(host);
  }

  async function look(): Promise<void> {
    watchClock(clock.now());
    await load();
    const due = [...entries.values()].filter(({ dueAt }) => dueAt !== undefined && dueAt <= clock.now());
    due.sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0));
    for (const entry of due) if (canStart(entry)) start(entry);
  }

  async function loop(): Promise<void> {
    let isFailing = false;
    while (!signal.aborted) {
      try {
        await look();
        isFailing = false;
      } catch (error) {
        if (!isFailing) onFault(error);
        isFailing = true;
      }
      await clock.wait(lookEvery, signal);
    }
    await Promise.all(running);
  }

  const looping = loop();
  return {
    close() {
      ending.abort(new Stopped('the server ended'));
      return looping;
    },
  };
}
