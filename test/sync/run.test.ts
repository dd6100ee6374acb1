import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import { OperatorError } from '../../src/errors.ts';
import { changeRecord } from '../../src/hub/records.ts';
import { findVersionKey } from '../../src/stix/timestamp.ts';
import type { Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/sync/clock.ts';
import { feedKind } from '../../src/sync/feed.ts';
import { listRuns } from '../../src/sync/feed-history.ts';
import { getState, LostLock, noCounts, openSession, stateKind } from '../../src/sync/feed-state.ts';
import { findOrigin } from '../../src/sync/pull.ts';
import { walkQuarantine } from '../../src/sync/quarantine.ts';
import { runFeed, Stopped, usualRun } from '../../src/sync/run.ts';
import { SourceError } from '../../src/sync/source.ts';
import { useStore } from '../hub/use-store.ts';
import { newAddress } from '../support/stix-objects.ts';
import { newIdentity } from '../support/taxii-server.ts';
import { collect } from './collect.ts';
import { batch, createLab, fakeSource, type Lab } from './feed-lab.ts';

const { store } = useStore();
const labs: Lab[] = [];
const never = new AbortController().signal;

function newLab(...args: Parameters<typeof createLab> extends [unknown, ...infer Rest] ? Rest : never): Lab {
  const lab = createLab(store(), ...args);
  labs.push(lab);
  return lab;
}

afterAll(() => Promise.all(labs.slice(0, 1).map((lab) => lab.close())));

const key = (version: unknown): string => findVersionKey(String(version)) ?? '';

describe('a run that pulls', () => {
  test('stores what comes as the feed, with its origin, and keeps the position of each batch', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const [a, b] = [newIdentity(), newIdentity()];
    const dates = { dateAddedFirst: '2026-01-01T00:00:00.000001Z', dateAddedLast: '2026-01-02T00:00:00.000002Z' };
    lab.follow(fakeSource([batch(1, [a], dates), batch(2, [b])]));
    const result = await runFeed(lab.deps, feed, usualRun, never);
    expect(result).toMatchObject({ outcome: 'completed', error: null, counts: { ...noCounts, added: 2 }, bytes: 200 });
    expect(await lab.ids()).toEqual([a.id, b.id]);
    const [provenance] = await store().findProvenance(lab.collection.id, [{ id: a.id, versionKey: key(a.modified) }]);
    expect(provenance?.submitter).toBe(`feed:${feed.name}`);
    expect(findOrigin(provenance?.origin ?? null)).toEqual({
      feed: feed.name,
      upstream: 'https://up.example/root/collections/1/',
      date_added: [dates.dateAddedFirst, dates.dateAddedLast],
    });
    const state = await getState(store(), feed.name);
    expect(state).toMatchObject({ position: { at: 2 }, run: null, lastDateAdded: dates.dateAddedLast, failures: 0 });
    expect(await listRuns(store(), feed.name)).toHaveLength(1);
  });

  test('keeps an origin that the store takes, however long the dates are that the upstream sends', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    lab.follow(
      fakeSource([batch(1, [newIdentity()], { dateAddedFirst: '9'.repeat(5000), dateAddedLast: '9'.repeat(5000) })]),
    );
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      outcome: 'completed',
      counts: { added: 1 },
    });
    expect((await getState(store(), feed.name)).lastDateAdded).toHaveLength(64);
    const [id = ''] = await lab.ids();
    const [provenance] = await store().findProvenance(lab.collection.id, [{ id, versionKey: '2024-05-06T07:08:09' }]);
    expect(provenance?.origin?.length).toBeLessThan(2048);
  });

  test('goes on where it failed, and counts what it stored before', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const objects = [newIdentity(), newIdentity(), newIdentity()];
    const [one, two, three] = objects.map((object, index) => batch(index + 1, [object]));
    if (one === undefined || two === undefined || three === undefined) throw new Error('three batches');
    lab.follow(fakeSource([one, new SourceError('the server is tired', 'later'), two]));
    const failed = await runFeed(lab.deps, feed, usualRun, never);
    expect(failed).toMatchObject({
      outcome: 'failed',
      error: 'the server is tired',
      counts: { ...noCounts, added: 1 },
    });
    expect(await getState(store(), feed.name)).toMatchObject({ position: { at: 1 }, failures: 1, run: null });
    lab.follow(fakeSource([one, two, three]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, added: 2 } });
    expect(await lab.ids()).toEqual(objects.map(({ id }) => id));
    expect(await getState(store(), feed.name)).toMatchObject({ failures: 0, totals: { ...noCounts, added: 3 } });
  });

  test('reads a batch again whose position was not kept: nothing is lost and nothing is there twice', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const object = newIdentity();
    const broken = {
      ...store(),
      putRecord: async (kind: string, ...rest: never[]) => {
        if (kind === stateKind && (await lab.ids()).length > 0) throw new Error('the power failed');
        return (store().putRecord as (...all: unknown[]) => Promise<boolean>)(kind, ...rest);
      },
    };
    lab.follow(fakeSource([batch(1, [object])]));
    await expect(runFeed({ ...lab.deps, store: broken }, feed, usualRun, never)).rejects.toThrow('the power failed');
    // As after a kill: the lock is still there, and its holder is not.
    await changeRecord(store(), stateKind, feed.name, ({ document }) => ({
      document: {
        ...(document as object),
        run: { ...(document as { run: object }).run, until: '2020-01-01T00:00:00Z' },
      },
      keys: {},
    }));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, duplicate: 1 } });
    expect(await lab.ids()).toEqual([object.id]);
  });

  test('puts what is refused into quarantine and goes on', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const good = newIdentity();
    const bad = { ...newIdentity(), name: 5 };
    const unreadable = { code: 'malformed-json', message: 'broken in mid-page', text: '{"id":' };
    lab.follow(fakeSource([batch(1, [bad, good]), unreadable]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      outcome: 'completed',
      counts: { ...noCounts, added: 1, refused: 2 },
    });
    const entries = await collect(walkQuarantine(store(), feed.name));
    expect(entries.map(({ id, text, errors }) => [id, text, errors[0]?.code])).toEqual([
      [bad.id, JSON.stringify(bad), expect.stringMatching(/^STIX-/)],
      [null, '{"id":', 'malformed-json'],
    ]);
    expect(entries.map(({ isCut }) => isCut)).toEqual([false, true]);
  });

  test('stores only what the feed asks for, whatever the upstream gives', async () => {
    const [a, b, address] = [newIdentity(), newIdentity(), newAddress()];
    const nameless = { type: 'identity' };
    for (const [filters, expected] of [
      [{ types: ['identity'] }, [a.id, b.id]],
      [{ ids: [b.id, address.id] }, [b.id, address.id]],
      [{ types: ['identity'], ids: [b.id, address.id] }, [b.id]],
    ] as const) {
      const own = newLab();
      const feed = await own.addFeed({ filters: { versions: 'all', ...filters } });
      own.follow(fakeSource([batch(1, [a, b, address, nameless])]));
      expect(await runFeed(own.deps, feed, usualRun, never)).toMatchObject({
        counts: { added: expected.length, refused: 1 },
      });
      expect(await own.ids()).toEqual(expected);
    }
  });

  test('refuses what exceeds its own ceiling, unmarked objects included when they count as more', async () => {
    const lab = newLab();
    const feed = await lab.addFeed({ ceiling: 'green', unmarkedAs: 'amber' });
    const green = newIdentity({ object_marking_refs: ['marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb'] });
    lab.follow(fakeSource([batch(1, [green, newIdentity()])]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { added: 1, refused: 1 } });
    expect(await lab.ids()).toEqual([green.id]);
  });

  test('leaves out what was deleted here, unless it is told otherwise', async () => {
    const lab = newLab();
    const feed = await lab.addFeed({ full: true });
    const objects = [newIdentity(), newAddress()];
    lab.follow(fakeSource([batch(1, objects)]));
    await runFeed(lab.deps, feed, usualRun, never);
    const all = { all: true, first: false, last: false, exact: [] };
    for (const { id } of objects) {
      await store().deleteObject(lab.collection.id, id, all, { user: 'alice', onlySubmitter: false });
    }
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, withheld: 2 } });
    expect(await lab.ids()).toEqual([]);
    const told = await runFeed(lab.deps, feed, { ...usualRun, resurrect: true }, never);
    expect(told).toMatchObject({ counts: { ...noCounts, added: 2 } });
  });

  test('leaves out what is deleted here while it is being checked', async () => {
    const lab = newLab();
    const feed = await lab.addFeed({ full: true });
    const [kept, deleted, late] = [newIdentity(), newIdentity(), newIdentity()];
    lab.follow(fakeSource([batch(1, [kept, deleted])]));
    await runFeed(lab.deps, feed, usualRun, never);
    const { checker } = lab.deps;
    const slow: typeof checker = {
      ...checker,
      check: async (...args) => {
        const checked = await checker.check(...args);
        const all = { all: true, first: false, last: false, exact: [] };
        await store().deleteObject(lab.collection.id, deleted.id, all, { user: 'alice', onlySubmitter: false });
        return checked;
      },
    };
    lab.follow(fakeSource([batch(1, [kept, deleted, late])]));
    const counts = { ...noCounts, added: 1, duplicate: 1, withheld: 1 };
    expect(await runFeed({ ...lab.deps, checker: slow }, feed, usualRun, never)).toMatchObject({ counts });
    expect(await lab.ids()).toEqual([kept.id, late.id]);
  });

  test('that reads everything each time begins anew, but goes on with a walk that was cut', async () => {
    const lab = newLab();
    const feed = await lab.addFeed({ full: true });
    const [one, two] = [batch(1, [newIdentity()]), batch(2, [newIdentity()])];
    lab.follow(fakeSource([one, new SourceError('cut', 'later')]));
    await runFeed(lab.deps, feed, usualRun, never);
    lab.follow(fakeSource([one, two]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, added: 1 } });
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, duplicate: 2 } });
  });

  test('begins at the beginning when the feed asks for something else now', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    lab.follow(fakeSource([batch(1, [newIdentity()])]));
    await runFeed(lab.deps, feed, usualRun, never);
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: noCounts });
    await changeRecord(store(), feedKind, feed.name, ({ document }) => ({
      document: { ...(document as object), walk: 1 },
      keys: {},
    }));
    const changed = { ...feed, walk: 1, revision: 2 };
    expect(await runFeed(lab.deps, changed, usualRun, never)).toMatchObject({ counts: { duplicate: 1 } });
    expect(await runFeed(lab.deps, changed, usualRun, never)).toMatchObject({ counts: noCounts });
  });

  test('tells a fault of this program from one of the upstream', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const fault = new TypeError('undefined is not a function');
    lab.follow(fakeSource([fault]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      outcome: 'failed',
      error: 'internal error: undefined is not a function',
      unforeseen: fault,
    });
    lab.follow(fakeSource([new SourceError('down', 'later')]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ error: 'down', unforeseen: undefined });
  });

  test('is tried again late when a person has to do something first, soon otherwise', async () => {
    const lab = newLab();
    for (const [error, least, most] of [
      [new SourceError('down', 'later'), 5, 60],
      [new SourceError('401', 'never'), 600, 3600],
      [new OperatorError('the key file is missing'), 600, 3600],
    ] as const) {
      const feed = await lab.addFeed({ schedule: { kind: 'every', seconds: 1 } });
      lab.follow(fakeSource([error]));
      const result = await runFeed(lab.deps, feed, usualRun, never);
      const wait = (Date.parse(result?.nextRunAt ?? '') - Date.parse(result?.endedAt ?? '')) / 1000;
      expect(wait).toBeGreaterThan(least);
      expect(wait).toBeLessThan(most);
    }
  });

  test('says what the upstream says in one line of bounded length that steers no terminal', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    lab.follow(fakeSource([new SourceError(`a\n\u001b[31mb\u009b\u202e${'x'.repeat(10_000)}`, 'never')]));
    const result = await runFeed(lab.deps, feed, usualRun, never);
    expect(result?.error).toMatch(/^a\?\?\[31mb\?\?x+$/);
    expect(result?.error?.length).toBeLessThan(3000);
  });

  test('fails for good when no file declares its collection', async () => {
    const lab = newLab({ findCollection: () => undefined });
    const feed = await lab.addFeed();
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('no file of HUIJU_COLLECTIONS declares'),
    });
  });
});

describe('the lock', () => {
  test('lets one run have a feed at a time', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const session = await lab.openSession(feed);
    lab.follow(fakeSource([]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toBeUndefined();
    await session.update(() => ({ run: null }));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ outcome: 'completed' });
  });

  test('that was lost stops a run at its next write, which changes nothing', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const late = await lab.openSession(feed);
    await changeRecord(store(), stateKind, feed.name, ({ document }) => ({
      document: { ...(document as object), run: null },
      keys: {},
    }));
    const session = await lab.openSession(feed);
    await expect(late.update(() => ({ position: { at: 99 } }))).rejects.toThrow(LostLock);
    await session.update(() => ({ position: { at: 1 } }));
    await expect(late.update(() => ({ position: { at: 99 } }))).rejects.toThrow(LostLock);
    expect((await getState(store(), feed.name)).position).toEqual({ at: 1 });
  });

  test('is gone when a run has ended: it writes no more', async () => {
    const lab = newLab();
    const session = await lab.openSession(await lab.addFeed());
    await session.update(() => ({ run: null }));
    await expect(session.update(() => ({ position: { at: 99 } }))).rejects.toThrow(LostLock);
  });

  test('is kept when a write fails and another takes effect', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    const { putRecord } = store();
    let fails = true;
    const flaky: Store = {
      ...store(),
      // The worst of failures: it took effect, and nobody was told.
      putRecord: async (...args) => {
        const done = await putRecord(...args);
        if (!fails || args[0] !== stateKind || args[2] === 0) return done;
        fails = false;
        throw new Error('the answer was lost');
      },
    };
    const session = await openSession({ store: flaky, clock: systemClock }, feed.name);
    if (session === undefined) throw new Error('the feed is taken');
    await expect(session.update(() => ({ position: { at: 1 } }))).rejects.toThrow('the answer was lost');
    await session.update(({ position }) => ({ position: { at: Number(position?.at) + 1 } }));
    expect((await getState(store(), feed.name)).position).toEqual({ at: 2 });
  });

  test('of a process that was killed on this machine is free at once', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    await lab.openSession(feed);
    const { hostname } = await import('node:os');
    // No process has this number.
    const holder = `${hostname()}:4194305:0`;
    await changeRecord(store(), stateKind, feed.name, ({ document }) => ({
      document: { ...(document as object), run: { ...(document as { run: object }).run, holder } },
      keys: {},
    }));
    lab.follow(fakeSource([]));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ outcome: 'completed' });
  });

  test('of another machine holds until its time is over', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    await lab.openSession(feed);
    const holdUntil = (until: string) =>
      changeRecord(store(), stateKind, feed.name, ({ document }) => ({
        document: {
          ...(document as object),
          run: { ...(document as { run: object }).run, holder: 'elsewhere:1:1', until },
        },
        keys: {},
      }));
    lab.follow(fakeSource([]));
    // Nine minutes: its clock may be ahead of ours.
    for (const ahead of [30_000, 540_000]) {
      await holdUntil(new Date(Date.now() + ahead).toISOString());
      expect(await runFeed(lab.deps, feed, usualRun, never)).toBeUndefined();
    }
    // Those of a clock that was wrong are over as well.
    for (const until of ['2020-01-01T00:00:00.000Z', '2999-01-01T00:00:00.000Z']) {
      await holdUntil(until);
      expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ outcome: 'completed' });
    }
  });
});

describe('a run is stopped', () => {
  /** A source that yields nothing until it is aborted. */
  const endless = {
    async *walk(_from: unknown, signal: AbortSignal) {
      yield batch(1, [newIdentity()]);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      signal.throwIfAborted();
    },
  };
  /** Waits pass at once, and time with them. */
  function fastClock() {
    let time = Date.parse('2026-01-01T00:00:00Z');
    return {
      now: () => time,
      random: () => 0.5,
      wait: async (ms: number) => {
        time += ms;
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
  }

  test.each([
    ['when the operator pauses it', { paused: true }, 'it was paused'],
    ['when its settings are changed', { pageSize: 5 }, 'its settings were changed'],
  ])('%s', async (_when, change, error) => {
    const lab = newLab({ clock: fastClock() });
    const feed = await lab.addFeed({ schedule: { kind: 'every', seconds: 3600 }, deadline: 1_000_000 });
    lab.follow(endless);
    const running = runFeed(lab.deps, feed, usualRun, never);
    await changeRecord(store(), feedKind, feed.name, ({ document }) => ({
      document: { ...(document as object), ...change },
      keys: {},
    }));
    expect(await running).toMatchObject({ outcome: 'stopped', error });
    expect(await getState(store(), feed.name)).toMatchObject({ run: null, failures: 0 });
  });

  test('when it is removed', async () => {
    const lab = newLab({ clock: fastClock() });
    const feed = await lab.addFeed({ deadline: 1_000_000 });
    lab.follow(endless);
    const running = runFeed(lab.deps, feed, usualRun, never);
    await store().deleteRecord(feedKind, feed.name, 1);
    expect(await running).toMatchObject({ outcome: 'stopped', error: 'it was removed' });
  });

  test('before it begins, when it was removed since it was read, and leaves nothing behind', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    lab.follow(fakeSource([batch(1, [newIdentity()])]));
    await store().deleteRecord(feedKind, feed.name, 1);
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      outcome: 'stopped',
      error: 'it was removed',
    });
    expect(await lab.ids()).toEqual([]);
    expect(await store().findRecord(stateKind, feed.name)).toBeUndefined();
    expect(await listRuns(store(), feed.name)).toEqual([]);
  });

  test('before it begins, when its settings were changed since they were read', async () => {
    const lab = newLab();
    const feed = await lab.addFeed({ schedule: { kind: 'every', seconds: 3600 } });
    lab.follow(fakeSource([batch(1, [newIdentity()])]));
    const { name, revision, ...settings } = feed;
    await store().putRecord(feedKind, name, revision, { ...settings, ceiling: 'clear' }, {});
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ outcome: 'stopped' });
    expect(await lab.ids()).toEqual([]);
  });

  test('at its deadline, and goes on soon', async () => {
    const clock = fastClock();
    const lab = newLab({ clock });
    const feed = await lab.addFeed({ schedule: { kind: 'every', seconds: 86_400 }, deadline: 60 });
    lab.follow(endless);
    const result = await runFeed(lab.deps, feed, usualRun, never);
    expect(result).toMatchObject({ outcome: 'stopped', error: 'its deadline of 60 seconds is over' });
    expect(Date.parse(result?.nextRunAt ?? '') - clock.now()).toBeLessThan(60_000);
  });

  test('at its deadline also when its source hangs and hears nothing', async () => {
    const lab = newLab({ clock: fastClock() });
    const feed = await lab.addFeed({ deadline: 60 });
    let wake: () => void = () => undefined;
    lab.follow({
      async *walk() {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        yield batch(1, [newIdentity()]);
      },
    });
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ outcome: 'stopped' });
    // What it does when it wakes moves no position.
    wake();
    lab.follow(fakeSource([]));
    await runFeed(lab.deps, feed, usualRun, never);
    expect((await getState(store(), feed.name)).position).toBeNull();
  });

  test('by who runs it, for the reason that is given', async () => {
    const lab = newLab();
    const feed = await lab.addFeed();
    lab.follow(endless);
    const abort = new AbortController();
    const running = runFeed(
      lab.deps,
      feed,
      { ...usualRun, onProgress: () => abort.abort(new Stopped('enough')) },
      abort.signal,
    );
    expect(await running).toMatchObject({ outcome: 'stopped', error: 'enough' });
  });
});

test('the history keeps the last hundred runs, the newest first', async () => {
  const lab = newLab();
  const feed = await lab.addFeed();
  // One that finds nothing takes no place.
  lab.follow(fakeSource([]));
  await runFeed(lab.deps, feed, usualRun, never);
  expect(await listRuns(store(), feed.name)).toEqual([]);
  for (let run = 0; run < 103; run += 1) {
    lab.follow(fakeSource([new SourceError(`failure ${run} ${randomUUID().slice(0, 0)}`.trim(), 'later')]));
    await runFeed(lab.deps, feed, usualRun, never);
  }
  const runs = await listRuns(store(), feed.name);
  expect(runs).toHaveLength(100);
  expect(runs[0]?.error).toBe('failure 102');
});
