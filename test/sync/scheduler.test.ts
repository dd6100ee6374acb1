import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/store/store.ts';
import { defaultSettings, type Feed, type FeedSettings, hostOf } from '../../src/sync/feed.ts';
import { listRuns } from '../../src/sync/feed-history.ts';
import { getState } from '../../src/sync/feed-state.ts';
import { addFeed, editFeed, type FeedsDeps, pauseFeed, removeFeed, resumeFeed } from '../../src/sync/feeds.ts';
import type { Peers, RunResult } from '../../src/sync/run.ts';
import { type Scheduler, startScheduler } from '../../src/sync/scheduler.ts';
import { SourceError } from '../../src/sync/source.ts';
import { createRandom } from '../hostile/generator.ts';
import { batch, createLab } from './feed-lab.ts';
import { createMemoryStore, credulousChecker } from './memory-store.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';

const start = Date.parse('2026-01-05T00:00:00Z');
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** What an upstream does at each walk: how long it takes, and whether it fails. */
type Behaviour = (feed: Feed, at: number) => { readonly ms: number; readonly error?: SourceError };

interface World {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly operator: FeedsDeps;
  /** Begin and end of each walk. */
  readonly walks: { readonly feed: string; readonly host: string; readonly began: number; ended: number }[];
  readonly faults: unknown[];
  readonly results: RunResult[];
  /** Starts another process on the store. */
  startProcess(): Scheduler;
  add(name: string, settings: Partial<FeedSettings>, host?: string): Promise<void>;
}

const schedulers: { scheduler: Scheduler; clock: VirtualClock }[] = [];

afterEach(async () => {
  for (const { scheduler, clock } of schedulers.splice(0)) {
    const closed = scheduler.close();
    await clock.pass(1);
    await closed;
  }
});

function createWorld(behave: Behaviour = () => ({ ms: second })): World {
  const clock = createVirtualClock(start, 1);
  const store = createMemoryStore();
  const walks: World['walks'] = [];
  const faults: unknown[] = [];
  const results: RunResult[] = [];
  const peers: Peers = {
    openSource: async (feed) => ({
      upstream: feed.name,
      close: async () => undefined,
      source: {
        async *walk(from, signal) {
          const walk = {
            feed: feed.name,
            host: hostOf(feed) ?? '',
            began: clock.now(),
            ended: Number.POSITIVE_INFINITY,
          };
          walks.push(walk);
          const { ms, error } = behave(feed, clock.now());
          await clock.wait(ms, signal);
          walk.ended = clock.now();
          signal.throwIfAborted();
          if (error !== undefined) throw error;
          const at = Number(from?.at ?? 0) + 1;
          yield batch(at, [{ id: `${feed.name}-${at % 50}` }]);
        },
      },
    }),
    openTarget: () => Promise.reject(new Error('nothing is pushed')),
  };
  const lab = createLab(store, { clock, peers, checker: credulousChecker });
  void lab.close();
  const operator: FeedsDeps = { store, clock, secretKeys: async () => [] };
  return {
    clock,
    store,
    operator,
    walks,
    faults,
    results,
    startProcess() {
      const scheduler = startScheduler({
        ...lab.deps,
        onRun: (_feed, result) => results.push(result),
        onFault: (error) => faults.push(error),
      });
      schedulers.push({ scheduler, clock });
      return scheduler;
    },
    async add(name, settings, host = 'up.example') {
      await addFeed(operator, {
        name,
        direction: 'pull',
        peer: { kind: 'taxii', root: `https://${host}/root/`, collection: '1' },
        collection: lab.collection.id,
        settings: { ...defaultSettings, login: null, ...settings },
      });
    },
  };
}

const every = (seconds: number) => ({ schedule: { kind: 'every', seconds } as const });

function countWalks({ walks }: World, feed: string): number {
  return walks.filter((walk) => walk.feed === feed).length;
}

/** The most walks at one moment, of those that a test picks. */
function mostAtOnce(walks: World['walks']): number {
  return Math.max(
    0,
    ...walks.map(({ began }) => walks.filter((walk) => walk.began <= began && began < walk.ended).length),
  );
}

describe('the scheduler', () => {
  test('notices within seconds that a feed was added, changed, paused, resumed and removed', async () => {
    const world = createWorld();
    world.startProcess();
    await world.clock.pass(minute);
    await world.add('a', every(3600));
    await world.clock.pass(5 * second);
    expect(countWalks(world, 'a')).toBe(1);
    await editFeed(world.operator, 'a', every(10));
    await world.clock.pass(minute);
    expect(countWalks(world, 'a')).toBeGreaterThan(5);
    await pauseFeed(world.operator, 'a');
    await world.clock.pass(5 * second);
    const paused = countWalks(world, 'a');
    await world.clock.pass(hour);
    expect(countWalks(world, 'a')).toBe(paused);
    await resumeFeed(world.operator, 'a');
    await world.clock.pass(5 * second);
    expect(countWalks(world, 'a')).toBe(paused + 1);
    const removing = removeFeed(world.operator, 'a');
    await world.clock.pass(minute);
    await removing;
    const removed = countWalks(world, 'a');
    await world.clock.pass(hour);
    expect(countWalks(world, 'a')).toBe(removed);
    expect(await world.store.queryRecords('feed-state', { limit: 10 })).toEqual([]);
    expect(world.faults).toEqual([]);
  });

  test('runs a feed once at a time and as often as it says, however many processes there are', async () => {
    const world = createWorld(() => ({ ms: 40 * second }));
    for (let process = 0; process < 3; process += 1) world.startProcess();
    await world.add('a', every(60));
    await world.clock.pass(2 * hour);
    expect(mostAtOnce(world.walks)).toBe(1);
    expect(countWalks(world, 'a')).toBeGreaterThan(100);
    expect(countWalks(world, 'a')).toBeLessThanOrEqual(121);
  });

  test('runs four feeds at once, two of a host', async () => {
    const world = createWorld(() => ({ ms: 10 * minute }));
    world.startProcess();
    for (let index = 0; index < 12; index += 1)
      await world.add(`f${index}`, every(60), index < 8 ? 'big.example' : `h${index}.example`);
    await world.clock.pass(3 * hour);
    expect(mostAtOnce(world.walks)).toBe(4);
    expect(mostAtOnce(world.walks.filter(({ host }) => host === 'big.example'))).toBe(2);
    expect(new Set(world.walks.map(({ feed }) => feed)).size).toBe(12);
  });

  test('leaves a whole host alone for as long as it asks one feed to', async () => {
    const world = createWorld((feed, at) =>
      feed.name === 'a' && at < start + 10 * minute
        ? { ms: 0, error: new SourceError('429', 'later', 30 * minute) }
        : { ms: 0 },
    );
    world.startProcess();
    await world.add('a', every(60));
    await world.clock.pass(3 * second);
    await world.add('b', every(60));
    await world.clock.pass(29 * minute);
    expect(world.walks.map(({ feed }) => feed)).toEqual(['a']);
    await world.clock.pass(5 * minute);
    expect(new Set(world.walks.map(({ feed }) => feed))).toEqual(new Set(['a', 'b']));
  });

  test('asks a failing upstream ever more seldom, and as usual when it is well again', async () => {
    const world = createWorld((_feed, at) =>
      at < start + 24 * hour ? { ms: 0, error: new SourceError('down', 'later') } : { ms: 0 },
    );
    world.startProcess();
    await world.add('a', every(60));
    await world.clock.pass(24 * hour);
    expect(countWalks(world, 'a')).toBeLessThan(20);
    expect(await getState(world.store, 'a')).toMatchObject({ failures: countWalks(world, 'a') });
    await world.clock.pass(12 * hour);
    const before = countWalks(world, 'a');
    await world.clock.pass(hour);
    expect(countWalks(world, 'a') - before).toBeGreaterThanOrEqual(58);
  });

  test('stops runs where they are when the server ends, and another goes on at once', async () => {
    const world = createWorld(() => ({ ms: hour }));
    const first = world.startProcess();
    await world.add('a', every(86_400));
    await world.clock.pass(minute);
    const closing = first.close();
    await world.clock.pass(second);
    await closing;
    expect(world.results).toMatchObject([{ outcome: 'stopped', error: 'the server ended' }]);
    world.startProcess();
    await world.clock.pass(minute);
    expect(world.walks).toHaveLength(2);
  });

  test.each([['goes on'], ['is started again']])(
    'runs on when the clock was set back by a year and it %s',
    async (how) => {
      const world = createWorld();
      const first = world.startProcess();
      await world.clock.pass(5 * second);
      world.clock.set(8760 * hour);
      await world.add('a', every(60));
      await world.clock.pass(5 * minute);
      if (how === 'is started again') {
        const closed = first.close();
        await world.clock.pass(1);
        await closed;
      }
      world.clock.set(-8760 * hour);
      const before = countWalks(world, 'a');
      if (how === 'is started again') world.startProcess();
      await world.clock.pass(5 * minute);
      expect(before).toBe(5);
      expect(countWalks(world, 'a')).toBeGreaterThanOrEqual(10);
    },
  );

  test('does not wait for a host until a time of before the clock was set back', async () => {
    const world = createWorld(() => ({ ms: second, error: new SourceError('429', 'later', hour) }));
    world.startProcess();
    await world.clock.pass(5 * second);
    world.clock.set(8760 * hour);
    await world.add('a', every(60));
    await world.clock.pass(minute);
    world.clock.set(-8760 * hour);
    await world.clock.pass(minute);
    expect(countWalks(world, 'a')).toBe(2);
  });

  test('leaves a host alone as long as it asks for, though the clock is corrected by seconds', async () => {
    const world = createWorld(() => ({ ms: second, error: new SourceError('429', 'later', hour) }));
    world.startProcess();
    await world.add('a', every(60));
    await world.clock.pass(minute);
    await world.add('b', every(60));
    world.clock.set(-5 * second);
    await world.clock.pass(30 * minute);
    expect([countWalks(world, 'a'), countWalks(world, 'b')]).toEqual([1, 0]);
  });

  test('does not mind clocks of servers that differ by minutes', async () => {
    const world = createWorld();
    world.startProcess();
    await world.add('a', every(3600));
    await world.clock.pass(minute);
    world.clock.set(-5 * minute);
    await world.clock.pass(30 * minute);
    expect(countWalks(world, 'a')).toBe(1);
  });

  test('tells of a store that is away once, and goes on when it is back', async () => {
    const world = createWorld();
    const { findRecord } = world.store;
    world.startProcess();
    await world.add('a', every(60));
    await world.clock.pass(minute);
    const before = countWalks(world, 'a');
    world.store.findRecord = () => Promise.reject(new Error('no store'));
    await world.clock.pass(10 * minute);
    const faults = world.faults.length;
    expect(faults).toBeGreaterThan(0);
    expect(faults).toBeLessThan(5);
    world.store.findRecord = findRecord;
    await world.clock.pass(10 * minute);
    expect(countWalks(world, 'a')).toBeGreaterThan(before + 5);
  });
});

/** Collects garbage and tells what is left. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

test('a week of a hundred feeds ends with the memory and the handles of its first hour', async () => {
  const random = createRandom(7);
  const world = createWorld((feed) => {
    const ms = Math.floor(random() * 20 * second);
    const luck = random();
    if (feed.name.endsWith('7') && luck < 0.3) return { ms, error: new SourceError('cut in mid-page', 'later') };
    if (feed.name.endsWith('8') && luck < 0.1) return { ms, error: new SourceError('429', 'later', 10 * minute) };
    if (feed.name.endsWith('99')) return { ms, error: new SourceError('401', 'never') };
    return { ms };
  });
  world.startProcess();
  for (let index = 0; index < 100; index += 1) {
    const schedule =
      index % 5 === 0
        ? { kind: 'cron' as const, expression: `${index % 60} * * * *` }
        : { kind: 'every' as const, seconds: 900 + 60 * (index % 30) };
    await world.add(`feed-${index}`, { schedule, jitter: 120 }, `host-${index % 20}.example`);
  }
  await world.clock.pass(hour);
  const firstHour = {
    heap: heapUsed(),
    waiting: world.clock.waiting(),
    handles: process.getActiveResourcesInfo().length,
  };
  let runs = 0;
  let most = 0;
  for (let day = 0; day < 7; day += 1) {
    await world.clock.pass(day === 6 ? 23 * hour : 24 * hour);
    runs += world.walks.length;
    most = Math.max(most, mostAtOnce(world.walks.slice(-2000)));
    world.walks.length = 0;
    world.results.length = 0;
  }
  // Runs under way have their waits: as many as there may be at once.
  const end = { heap: heapUsed(), waiting: world.clock.waiting(), handles: process.getActiveResourcesInfo().length };
  expect(end.heap - firstHour.heap).toBeLessThan(20 * 1024 ** 2);
  expect(end.waiting).toBeLessThanOrEqual(1 + 4 * 2);
  expect(end.handles).toBeLessThanOrEqual(firstHour.handles);
  expect(most).toBeLessThanOrEqual(4);
  expect(runs).toBeGreaterThan(30_000);
  expect(world.faults).toEqual([]);
  expect(await listRuns(world.store, 'feed-7')).toHaveLength(100);
});
