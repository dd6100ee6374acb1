import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { dropOldAccess } from '../../src/hub/access-log.ts';
import { microsNow } from '../../src/stix/timestamp.ts';
import type { Store } from '../../src/store/store.ts';
import type { ApiRoot, Collection } from '../../src/taxii/api-roots.ts';
import { type Retention, startRetention, tombstoneLifetime } from '../../src/taxii/retention.ts';
import { useStore } from '../hub/use-store.ts';
import { all, last, names, objects, walk } from '../store/versions.ts';

const hour = 3_600_000_000;
const everything = { versions: [all] };

function declare(...collections: Partial<Collection>[]): readonly ApiRoot[] {
  const common = { title: 'T', read: [], write: [], validation: 'spec' } as const;
  const list = collections.map((one) => ({ id: randomUUID(), ...common, ...one }));
  return [{ name: 'hub', title: 'Hub', isDefault: true, emptyObjects: false, collections: list }];
}

/** Sweeps when it is told to; rests between steps are as short as can be. */
function sweeper(
  store: Parameters<typeof startRetention>[0]['store'] & Pick<Store, 'recordAccess'>,
  roots: readonly ApiRoot[],
) {
  // What a test adds to the clock has passed by, unless `jump` says that the clock was only set.
  const clock: { offset: number; fixed?: number; jump: number } = { offset: 0, jump: 0 };
  const passed = () => clock.fixed ?? microsNow() + clock.offset;
  const faults: unknown[] = [];
  const expired: [string, number][] = [];
  const rests: number[] = [];
  let go: (() => void) | undefined;
  let rested: (() => void) | undefined;
  const pause = async (ms: number, signal: AbortSignal) => {
    rests.push(ms);
    if (ms < 1_000) return new Promise<void>((resolve) => setImmediate(resolve));
    rested?.();
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      go = resolve;
      signal.addEventListener('abort', () => resolve());
    });
  };
  const retention: Retention = startRetention({
    store,
    roots,
    pause,
    now: () => passed() + clock.jump,
    steadyNow: passed,
    dropAccess: () => dropOldAccess(store, () => passed() + clock.jump),
    onExpired: (collection, versions) => expired.push([collection, versions]),
    onFault: (error) => faults.push(error),
  });
  /** Resolves when the sweep is over. */
  const sweep = () =>
    new Promise<void>((resolve) => {
      rested = resolve;
      go?.();
    });
  return { clock, faults, expired, rests, sweep, close: () => retention.close() };
}

describe('what is older than its collection keeps', () => {
  const { store, another } = useStore();

  test('goes, also the last version; what is younger stays, and so does all in collections that keep everything', async () => {
    const [brief, long, lasting] = [randomUUID(), randomUUID(), randomUUID()];
    const roots = declare({ id: brief, expireAfter: hour }, { id: long, expireAfter: 3 * hour }, { id: lasting });
    const some = objects(120);
    for (const id of [brief, long, lasting]) await store().addObjects(id, 'ann', some);
    const { clock, expired, sweep, close } = sweeper(store(), roots);
    await sweep();
    expect(expired).toEqual([]);
    clock.offset = 2 * hour;
    await sweep();
    expect(expired).toEqual([[brief, 120]]);
    expect(await walk(store(), brief, everything)).toEqual([]);
    for (const id of [long, lasting]) expect(await walk(store(), id, everything)).toEqual(names(some));
    expect(await store().findChanges(brief, 0, 1)).toMatchObject([{ op: 'delete', deletedBy: '(retention)' }]);
    await close();
  });

  test('goes once, whatever the clock does, and what comes meanwhile stays', async () => {
    const id = randomUUID();
    const { clock, expired, sweep, close } = sweeper(store(), declare({ id, expireAfter: hour }));
    await store().addObjects(id, 'ann', objects(3));
    clock.offset = 2 * hour;
    await sweep();
    const again = objects(2);
    await store().addObjects(id, 'ann', again);
    for (const offset of [-10 * hour, 0, -hour]) {
      clock.offset = offset;
      await sweep();
    }
    expect(await walk(store(), id, everything)).toEqual(names(again));
    expect(expired).toEqual([[id, 3]]);
    expect((await store().findChanges(id, 0, 100)).filter(({ op }) => op === 'delete')).toHaveLength(3);
    await close();
  });

  test('stays while the clock is set ahead for some minutes, and goes by a clock that has run on', async () => {
    const id = randomUUID();
    const { clock, expired, sweep, close } = sweeper(store(), declare({ id, expireAfter: hour }));
    await store().addObjects(id, 'ann', objects(3));
    await sweep();
    clock.jump = 24 * 365 * 24 * hour;
    for (const minutes of [0, 5, 9]) {
      clock.offset = (minutes / 60) * hour;
      await sweep();
    }
    clock.jump = 0;
    await sweep();
    expect(expired).toEqual([]);
    clock.jump = 24 * 365 * 24 * hour;
    for (const minutes of [20, 25, 31]) {
      clock.offset = (minutes / 60) * hour;
      await sweep();
    }
    expect(expired).toEqual([[id, 3]]);
    await close();
  });

  test('stays at a start with a clock far ahead of all that is there, until that has run on', async () => {
    const own = await another('ahead');
    const id = randomUUID();
    await own.addObjects(id, 'ann', objects(3));
    const { clock, expired, sweep, close } = sweeper(own, declare({ id, expireAfter: hour }));
    clock.offset = 8 * 24 * hour;
    await sweep();
    clock.offset += hour / 7;
    expect(expired).toEqual([]);
    await sweep();
    expect(expired).toEqual([]);
    clock.offset += hour / 5;
    await sweep();
    expect(expired).toEqual([[id, 3]]);
    await close();
  });

  test('stays at a start with a clock far ahead, also where the store cannot be asked at first', async () => {
    const own = await another('silent');
    const id = randomUUID();
    await own.addObjects(id, 'ann', objects(3));
    let isSilent = true;
    const listCollectionStates: Store['listCollectionStates'] = async () => {
      if (isSilent) throw new Error('the database does not answer');
      return own.listCollectionStates();
    };
    const { clock, expired, faults, sweep, close } = sweeper(
      { ...own, listCollectionStates },
      declare({ id, expireAfter: hour }),
    );
    clock.offset = 8 * 24 * hour;
    await sweep();
    isSilent = false;
    await sweep();
    expect([faults.length, expired]).toEqual([1, []]);
    clock.offset += hour / 5;
    await sweep();
    expect(expired).toEqual([[id, 3]]);
    await close();
  });

  test('of the access log goes too, when nobody asks for anything', async () => {
    const own = await another('access');
    const id = randomUUID();
    const asked = {
      client: '::1',
      agent: '',
      method: 'GET',
      endpoint: 'objects',
      status: 200,
      errorCode: null,
    } as const;
    const entry = { ...asked, objects: 1, bytes: 2, ms: 3, collection: id, user: 'ann', at: microsNow() };
    await own.recordAccess([entry, { ...entry, user: null }], { since: 0, ofUsers: 10, ofNobody: 10 });
    const { clock, sweep, close } = sweeper(own, declare({ id }));
    const count = async () => (await own.findAccess({ collection: id, since: 0 }, 10)).entries.length;
    for (const days of [1, 29]) {
      clock.offset = days * 24 * hour;
      await sweep();
      expect(await count()).toBe(2);
    }
    clock.offset = 31 * 24 * hour;
    await sweep();
    expect(await count()).toBe(0);
    await close();
  });

  test('is swept by another process where one has ended', async () => {
    const id = randomUUID();
    const roots = declare({ id, expireAfter: hour });
    await store().addObjects(id, 'ann', objects(200));
    let steps = 0;
    const ending: Store = {
      ...store(),
      expireObjects: async (...given) => {
        steps += 1;
        if (steps === 2) void first.close();
        return store().expireObjects(...given);
      },
    };
    const first = sweeper(ending, roots);
    first.clock.offset = 2 * hour;
    await first.sweep();
    await first.close();
    expect(first.faults).toEqual([]);
    expect((await store().getCollectionState(id)).versions).toBe(100);
    const second = sweeper(store(), roots);
    second.clock.offset = 2 * hour;
    await second.sweep();
    await second.close();
    expect((await store().getCollectionState(id)).versions).toBe(0);
  });

  test('does not keep pollers from what is there: each object that stays is seen once', async () => {
    const id = randomUUID();
    const slow = 30 * 24 * hour;
    const old = objects(300);
    await store().addObjects(id, 'ann', old);
    const { clock, sweep, close } = sweeper(store(), declare({ id, expireAfter: slow }));
    await sweep();
    // Everything goes that was added before the sweep.
    clock.fixed = (await store().getCollectionState(id)).highWater + 1 + slow;
    const seen: string[] = [];
    let after = 0;
    const poll = async () => {
      const page = await store().findRecords(id, { versions: [last], addedAfter: after }, { limit: 7 });
      seen.push(...page.records.map((record) => record.id));
      after = page.last ?? after;
      return page.more;
    };
    await poll();
    const sweeping = sweep();
    const young = objects(40);
    const publish = async () => {
      for (const one of young) {
        await store().addObjects(id, 'bob', [one]);
        await poll();
      }
    };
    await Promise.all([sweeping, publish()]);
    while (await poll());
    const left = (await walk(store(), id, everything)).map((line) => line.split(' ')[0]);
    expect(left).toEqual(young.map((one) => one.id));
    expect(left.filter((one) => seen.filter((each) => each === one).length !== 1)).toEqual([]);
    expect(new Set(seen).size).toBe(seen.length);
    await close();
  });

  test('is taken in steps, one collection after the other, with rests between them', async () => {
    const [much, little] = [randomUUID(), randomUUID()];
    const order: string[] = [];
    const counting = {
      ...store(),
      expireObjects: async (collection: string, before: number, limit: number) => {
        order.push(collection === much ? 'much' : 'little');
        if (collection === little) await wait(30);
        return store().expireObjects(collection, before, limit);
      },
    };
    await store().addObjects(much, 'ann', objects(120));
    await store().addObjects(little, 'ann', objects(1));
    const roots = declare({ id: much, expireAfter: hour }, { id: little, expireAfter: hour });
    const { clock, rests, sweep, close } = sweeper(counting, roots);
    clock.offset = 2 * hour;
    await sweep();
    expect(order).toEqual(['much', 'little', 'much', 'little', 'much', 'much']);
    const short = rests.filter((ms) => ms < 1_000);
    expect(short).toHaveLength(4);
    expect(Math.min(...short)).toBeGreaterThanOrEqual(20);
    // Four times as long as the slow step took.
    expect(Math.max(...short)).toBeGreaterThan(100);
    await close();
  });

  test('of statuses and tombstones goes too, when nobody publishes', async () => {
    const own = await another('old');
    const id = randomUUID();
    const [one, two] = [objects(1), objects(1)];
    await own.addObjects(id, 'ann', [...one, ...two]);
    await own.deleteObject(id, one[0]?.id ?? '', all, { user: 'ann', onlySubmitter: false });
    const status = { id: randomUUID(), apiRoot: 'hub', submitter: 'ann', text: '{}', completedAt: microsNow() };
    await own.putStatus(status, 0);
    const { clock, sweep, close } = sweeper(own, declare({ id }));
    clock.offset = 47 * hour;
    await sweep();
    expect(await own.findStatus('hub', status.id)).toEqual(status);
    clock.offset = 49 * hour;
    await sweep();
    expect(await own.findStatus('hub', status.id)).toBeUndefined();
    clock.offset = tombstoneLifetime - hour;
    await sweep();
    expect(await own.findChanges(id, 0, 9)).toMatchObject([{ op: 'add' }, { op: 'delete', deletedBy: 'ann' }]);
    clock.offset = tombstoneLifetime + hour;
    await sweep();
    expect(await own.findChanges(id, 0, 9)).toMatchObject([{ op: 'add' }]);
    expect(await walk(own, id, everything)).toEqual(names(two));
    await close();
  });

  test('is tried again when the store fails, which is told once until it works', async () => {
    const id = randomUUID();
    await store().addObjects(id, 'ann', objects(1));
    const state = { fails: true };
    const failing = {
      ...store(),
      dropStatuses: async () => {
        if (state.fails) throw new Error('the disk is full');
        return 0;
      },
    };
    const { clock, expired, faults, sweep, close } = sweeper(failing, declare({ id, expireAfter: hour }));
    await sweep();
    await sweep();
    expect(faults).toEqual([new Error('the disk is full')]);
    state.fails = false;
    clock.offset = 2 * hour;
    await sweep();
    expect(expired).toEqual([[id, 1]]);
    state.fails = true;
    await sweep();
    expect(faults).toHaveLength(2);
    await close();
    await close();
  });

  test('is left alone once it is closed, also in its first rest', async () => {
    const asked: string[] = [];
    const watched = {
      ...store(),
      dropStatuses: async () => {
        asked.push('statuses');
        return 0;
      },
    };
    const retention = startRetention({
      ...{ store: watched, roots: [], now: microsNow, dropAccess: async () => {} },
      onExpired: () => {},
      onFault: () => {},
    });
    await retention.close();
    expect(asked).toEqual([]);
  });
});
