import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type AccessedRequest, findAccessed, startAccessLog } from '../../src/hub/access-log.ts';
import type { AccessEntry, Store } from '../../src/store/store.ts';
import type { ApiRoot, Collection } from '../../src/taxii/api-roots.ts';
import { useStore } from './use-store.ts';

function declare(...collections: Partial<Collection>[]): ApiRoot {
  const common = { title: 'T', read: [], write: [], validation: 'spec' } as const;
  const all = collections.map((one) => ({ id: randomUUID(), ...common, ...one }));
  return { name: 'hub', title: 'Hub', isDefault: true, emptyObjects: false, collections: all };
}

const request = (path: string, rest: Partial<AccessedRequest> = {}): AccessedRequest => ({
  ...{ at: 1_000, path, user: 'ann', client: '192.0.2.1', agent: 'poller/1', method: 'GET', status: 200 },
  ...{ objects: 2, bytes: 20, ms: 1, errorCode: null },
  ...rest,
});

const silent = { onLoss: () => {}, onExcess: () => {} };

/** A store that keeps batches in memory; `fail` makes it refuse them. */
function memory() {
  const batches: (readonly AccessEntry[])[] = [];
  const state = { fail: undefined as Error | undefined };
  const store: Pick<Store, 'recordAccess'> = {
    recordAccess: async (entries) => {
      if (state.fail !== undefined) throw state.fail;
      batches.push(entries);
    },
  };
  return { store, batches, state };
}

describe('what a path asks for', () => {
  const id = randomUUID();
  const roots = [declare({ id, alias: 'indicators' })];

  test.each<[string, string]>([
    ['/hub/collections/indicators/', 'collection'],
    [`/hub/collections/${id}`, 'collection'],
    ['//hub//collections//indicators//objects//', 'objects'],
    ['/hub/collections/indic%61tors/manifest/', 'manifest'],
    ['/hub/collections/indicators/objects/x--1', 'object'],
    ['/hub/collections/indicators/objects/x--1/versions/', 'versions'],
  ])('%s: %s', (path, endpoint) => {
    expect(findAccessed(roots, path)).toEqual({ collection: id, endpoint });
  });

  test.each([
    '/hub/collections/',
    '/hub/collections/others/objects/',
    '/other/collections/indicators/objects/',
    '/hub/collections/indicators/versions/',
    '/hub/collections/indicators/manifest/x--1/',
    '/hub/collections/indicators/objects/x--1/versions/more/',
    '/hub/collections/%zz/',
    '/',
    `/${'/'.repeat(50_000)}x`,
  ])('%.60s: nothing that is recorded', (path) => {
    expect(findAccessed(roots, path)).toBeUndefined();
  });
});

/** A log into a store that ends the writing of a batch when it is told to. */
function startSlowly(pause: number) {
  /** Of the batches. */
  const lengths: number[] = [];
  let end = () => {};
  const recordAccess: Store['recordAccess'] = (entries) => {
    lengths.push(entries.length);
    return new Promise((resolve) => {
      end = resolve;
    });
  };
  const roots = [declare({ alias: 'c' })];
  const log = startAccessLog({ store: { recordAccess }, roots, now: () => 0, ...silent, pause });
  const record = (count: number): void => {
    for (let n = 0; n < count; n += 1) log.record(request('/hub/collections/c/'));
  };
  return { log, lengths, record, finish: () => end() };
}

describe('the access log', () => {
  const { store } = useStore();

  test('keeps requests to collections in the store, with tidy and short agents', async () => {
    const root = declare({ alias: 'c' });
    const log = startAccessLog({ store: store(), roots: [root], now: () => 2_000, ...silent });
    log.record(request('/hub/collections/c/objects/', { agent: `evil\x1b[2J\x9b ${'x'.repeat(500)}` }));
    log.record(request('/hub/collections/nothing/objects/', { status: 404 }));
    log.record(
      request('/hub/collections/c/manifest/', { at: 3_000, user: null, status: 401, errorCode: 'login-required' }),
    );
    await log.close();
    log.record(request('/hub/collections/c/objects/'));
    const { entries } = await store().findAccess({ collection: root.collections[0]?.id ?? '', since: 0 }, 10);
    expect(entries.map(({ endpoint, status, user }) => [endpoint, status, user])).toEqual([
      ['manifest', 401, null],
      ['objects', 200, 'ann'],
    ]);
    expect(entries[1]?.agent).toBe(`evil?[2J? ${'x'.repeat(110)}`);
  });

  test('writes by itself after a pause, and in batches', async () => {
    const { store: kept, batches } = memory();
    const root = declare({ alias: 'c' });
    const log = startAccessLog({ store: kept, roots: [root], now: () => 0, ...silent, pause: 1 });
    const written = (count: number) => batches.flat().length === count;
    for (let n = 0; n < 1_200; n += 1) log.record(request('/hub/collections/c/', { at: n }));
    while (!written(1_200)) await new Promise((resolve) => setImmediate(resolve));
    expect(batches.map((batch) => batch.length)).toEqual([500, 500, 200]);
    log.record(request('/hub/collections/c/', { at: 1_200 }));
    while (!written(1_201)) await new Promise((resolve) => setImmediate(resolve));
    expect(batches.flat().map(({ at }) => at)).toEqual(Array.from({ length: 1_201 }, (_, n) => n));
    await log.close();
  });

  test('writes no batch of what comes while another is written: it waits for others again', async () => {
    const { log, lengths, record, finish } = startSlowly(500);
    record(500);
    record(499);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lengths).toEqual([500]);
    record(1);
    expect(lengths).toEqual([500, 500]);
    record(3);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lengths).toEqual([500, 500]);
    while (lengths.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(lengths).toEqual([500, 500, 3]);
    finish();
    await log.close();
  });

  test('writes what has waited for its pause as soon as the batch before it is written', async () => {
    const { log, lengths, record, finish } = startSlowly(300);
    record(503);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(lengths).toEqual([500]);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lengths).toEqual([500, 3]);
    finish();
    await log.close();
  });

  test('drops and counts what the store does not take, and what the queue cannot hold', async () => {
    const { store: kept, batches, state } = memory();
    const losses: [number, unknown][] = [];
    const onLoss = (entries: number, error: unknown) => losses.push([entries, error]);
    const roots = [declare({ alias: 'c' })];
    const log = startAccessLog({ store: kept, roots, now: () => 0, ...silent, onLoss, pause: 1 });
    state.fail = new Error('the disk is full');
    // Nothing is written before this turn of the event loop ends.
    for (let n = 0; n < 12_000; n += 1) log.record(request('/hub/collections/c/'));
    await new Promise((resolve) => setImmediate(resolve));
    expect([batches.length, losses.length]).toEqual([0, 0]);
    state.fail = undefined;
    log.record(request('/hub/collections/c/'));
    await log.close();
    expect(batches.flat()).toHaveLength(1);
    expect(losses).toEqual([[12_000, expect.objectContaining({ message: 'the disk is full' })]]);
  });

  test('holds ten thousand entries that the store is slow to take, and counts what comes beyond', async () => {
    const { store: kept, batches } = memory();
    const losses: number[] = [];
    const roots = [declare({ alias: 'c' })];
    const onLoss = (entries: number) => losses.push(entries);
    const log = startAccessLog({ store: kept, roots, now: () => 0, ...silent, onLoss });
    // The first batch is on its way when the queue fills.
    for (let n = 0; n < 10_500 + 7; n += 1) log.record(request('/hub/collections/c/', { at: n }));
    await log.close();
    expect(batches.flat().map(({ at }) => at)).toEqual(Array.from({ length: 10_500 }, (_, n) => n));
    expect(losses).toEqual([7]);
  });

  test('leaves the rest of the queue to users when a thousand requests without login wait', async () => {
    const { store: kept, batches } = memory();
    const losses: number[] = [];
    const onLoss = (entries: number) => losses.push(entries);
    const roots = [declare({ alias: 'c' })];
    const log = startAccessLog({ store: kept, roots, now: () => 0, ...silent, onLoss });
    const anonymous = (n: number) => request('/hub/collections/c/', { user: null, client: `192.0.2.${n}` });
    for (let n = 0; n < 500; n += 1) log.record(request('/hub/collections/c/'));
    for (let n = 0; n < 1_100; n += 1) log.record(anonymous(n));
    log.record(request('/hub/collections/c/', { user: 'late' }));
    await log.close();
    const users = batches.flat().map(({ user }) => user);
    expect([users.filter((user) => user === null).length, users.at(-1)]).toEqual([1_000, 'late']);
    expect(losses).toEqual([100]);
    const next = startAccessLog({ store: kept, roots, now: () => 0, ...silent, onLoss, pause: 1 });
    for (let n = 0; n < 1_600; n += 1) {
      if (n === 800) while (batches.flat().length < 2_300) await new Promise((resolve) => setImmediate(resolve));
      next.record(anonymous(n));
    }
    await next.close();
    expect([batches.flat().length, losses]).toEqual([3_101, [100]]);
  });

  test('keeps a hundred requests without login of an address and minute, and counts the others', async () => {
    const { store: kept, batches } = memory();
    const excesses: number[] = [];
    let clock = 0;
    const roots = [declare({ alias: 'c' })];
    const onExcess = (requests: number) => excesses.push(requests);
    const log = startAccessLog({ store: kept, roots, now: () => clock, ...silent, onExcess });
    const ask = (client: string, user: string | null = null) =>
      log.record(request('/hub/collections/c/', { user, client }));
    for (let n = 0; n < 120; n += 1) ask('192.0.2.1');
    // Neighbours in IPv6 are one, however they are spelled; another network and a user are not.
    for (let n = 0; n < 120; n += 1)
      ask(n % 2 === 0 ? `2001:db8::${n.toString(16)}` : `2001:db8:0:0:1::${n.toString(16)}`);
    for (const client of ['2001:db8:0:1::1', '::ffff:192.0.2.2', '::ffff:192.0.2.3']) ask(client);
    for (let n = 0; n < 120; n += 1) ask('192.0.2.1', 'ann');
    expect(excesses).toEqual([]);
    clock = 60_000_000;
    ask('192.0.2.1');
    expect(excesses).toEqual([40]);
    for (let n = 0; n < 100; n += 1) ask('192.0.2.1');
    await log.close();
    expect(excesses).toEqual([40, 1]);
    expect(batches.flat()).toHaveLength(100 + 100 + 3 + 120 + 100);
  });

  test('keeps its part of them as one of several processes', async () => {
    const { store: kept, batches } = memory();
    const log = startAccessLog({
      store: kept,
      roots: [declare({ alias: 'c' })],
      now: () => 0,
      ...silent,
      processes: 3,
    });
    for (let n = 0; n < 120; n += 1) log.record(request('/hub/collections/c/', { user: null, client: '192.0.2.1' }));
    await log.close();
    expect(batches.flat()).toHaveLength(34);
  });

  test('counts ten thousand addresses in a minute each for itself, and those beyond together', async () => {
    const { store: kept } = memory();
    const excesses: number[] = [];
    const roots = [declare({ alias: 'c' })];
    const onExcess = (requests: number) => excesses.push(requests);
    const log = startAccessLog({ store: kept, roots, now: () => 0, ...silent, onExcess });
    for (let n = 0; n < 10_130; n += 1) log.record(request('/hub/collections/c/', { user: null, client: `host-${n}` }));
    for (let n = 0; n < 50; n += 1) log.record(request('/hub/collections/c/', { user: null, client: 'host-5' }));
    await log.close();
    expect(excesses).toEqual([30]);
  });

  test('keeps addresses as short and tidy as agents: a proxy may have been told anything', async () => {
    const { store: kept, batches } = memory();
    const roots = [declare({ alias: 'c' })];
    const log = startAccessLog({ store: kept, roots, now: () => 0, ...silent });
    log.record(request('/hub/collections/c/', { client: `\x9b2J${'x'.repeat(1_000)}`, agent: 'a\u202eb\u2028' }));
    await log.close();
    expect(batches.flat()).toMatchObject([{ client: `?2J${'x'.repeat(61)}`, agent: 'a?b?' }]);
  });

  test('says at its end what was lost when the store never came back', async () => {
    const { store: kept, state } = memory();
    const losses: number[] = [];
    const roots = [declare({ alias: 'c' })];
    const log = startAccessLog({
      store: kept,
      roots,
      now: () => 0,
      ...silent,
      onLoss: (entries) => losses.push(entries),
    });
    state.fail = new Error('gone');
    log.record(request('/hub/collections/c/'));
    await log.close();
    await log.close();
    expect(losses).toEqual([1]);
  });
});
