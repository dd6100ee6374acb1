import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Document, MongoClient } from 'mongodb';
import { TaxiiError } from '../../src/errors.ts';
import { type Connection, connect } from '../../src/store/mongo/connection.ts';
import type { ObjectDatabase } from '../../src/store/mongo/documents.ts';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { createObjectDatabase } from '../../src/store/mongo/object-database.ts';
import { createTiming } from '../../src/store/mongo/timing.ts';
import { createTurns } from '../../src/store/mongo/turns.ts';
import { createObjectWriter } from '../../src/store/mongo/write-objects.ts';
import type { Store } from '../../src/store/store.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { type Engine, findEngine, findUnfitForProxy, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { all, newId, objects, walk } from './versions.ts';

const found = findEngine();
const unfit = findUnfitForProxy(found);

describeWith('mongodb', unfit, 'a block of slots that a call has left lying in MongoDB', () => {
  let engine: Engine;
  let url: string;
  let store: Store;
  let client: MongoClient;
  let connection: Connection;

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    url = engine.newUrl();
    store = await openMongoStore({ url });
    client = await new MongoClient(url).connect();
    connection = await connect(url);
  });
  afterAll(async () => {
    await connection?.close();
    await client?.close();
    await store?.close();
    await engine?.stop();
  });
  const states = () => client.db().collection<Document & { _id: string }>('collections');

  type Fault = (database: ObjectDatabase, fail: () => void) => Partial<ObjectDatabase>;
  const faults: Readonly<Record<string, Fault>> = {
    'before it had its slots for sure': (database, fail) => ({
      async allocate(...given) {
        const isAllocated = await database.allocate(...given);
        fail();
        return isAllocated;
      },
    }),
    'before they were filled': (database, fail) => ({
      async insertVersions(...given) {
        fail();
        return database.insertVersions(...given);
      },
    }),
    'before it was closed': (database, fail) => ({
      async close(...given) {
        fail();
        return database.close(...given);
      },
    }),
  };

  test.each(Object.entries(faults))(
    'is finished by the next call of the process at once, when it failed %s',
    async (_, fault) => {
      const collection = randomUUID();
      let failures = 0;
      const database = createObjectDatabase(connection);
      const faulty = fault(database, () => {
        failures += 1;
        if (failures === 1) throw new TaxiiError('unavailable', 'the network is away');
      });
      // For whom no time passes, who never loses patience with others.
      const timing = { ...createTiming(), elapsed: () => 0 };
      const broken: ObjectDatabase = { ...database, ...faulty };
      const writer = createObjectWriter(broken, createTurns(broken, timing), timing);
      const add = () =>
        writer.addObjects(
          collection,
          objects(2).map((version) => ({ submitter: 'ann', delivery: undefined, version })),
        );
      await expect(add()).rejects.toThrow('the network is away');
      expect((await add()).map(({ outcome }) => outcome)).toEqual(['added', 'added']);
      const gone = await walk(store, collection, { versions: [all] });
      const [id = ''] = gone.at(-1)?.split(' ') ?? [];
      failures = 0;
      const remove = () => writer.deleteObject(collection, id, all, { user: 'ann', onlySubmitter: false });
      if (faulty.insertVersions === undefined) await expect(remove()).rejects.toThrow('the network is away');
      await remove();
      expect(await store.hasObject(collection, id)).toBe(false);
    },
  );

  test('is finished when the database is back, though nobody calls', async () => {
    const collection = randomUUID();
    const proxy = await startFaultyProxy(url);
    const behind = await openMongoStore({ url: proxy.urlOf(url) });
    try {
      await behind.addObjects(collection, 'ann', objects(1));
      const allocated = async () => (await states().findOne({ _id: collection }))?.allocated;
      const before = await allocated();
      proxy.set('cut-after-writes');
      // What is cut is the answer to the allocation, or what follows it.
      while (String(await allocated()) === String(before))
        await behind.addObjects(collection, 'ann', objects(1)).catch(() => {});
      proxy.set('none');
      while ((await states().findOne({ _id: collection }))?.open.length > 0);
      expect(await store.addObjects(collection, 'ann', objects(1))).toMatchObject([{ outcome: 'added' }]);
    } finally {
      await behind.close();
      await proxy.close();
    }
  }, 30_000);

  test('of several processes that died is waited for beside the others, not after them', async () => {
    const collection = randomUUID();
    await store.addObjects(collection, 'ann', objects(1));
    const { highWater } = await store.getCollectionState(collection);
    const open = [1, 2, 3, 4, 5].map((n) => ({ from: highWater + n, to: highWater + n }));
    await states().updateOne({ _id: collection }, { $set: { open, allocated: highWater + 5 } });
    // A clock of its own, in which nothing but pauses takes time.
    let time = 0;
    const sleep = async (ms: number) => {
      time += ms;
    };
    const timing = { ...createTiming(), elapsed: () => time, sleep };
    const database = createObjectDatabase(connection);
    const writer = createObjectWriter(database, createTurns(database, timing), timing);
    const submissions = objects(1).map((version) => ({ submitter: 'ann', delivery: undefined, version }));
    expect(await writer.addObjects(collection, submissions)).toMatchObject([{ outcome: 'added' }]);
    // Three seconds for all, and half a second for each that follows, whose owner may be alive.
    expect(time).toBeGreaterThan(5_000);
    expect(time).toBeLessThan(6_000);
  });

  test('of a process that died is finished by a sweep, where nobody writes any more', async () => {
    const collection = randomUUID();
    const id = newId();
    await store.addObjects(collection, 'ann', objects(1));
    const { highWater } = await store.getCollectionState(collection);
    const deletion = { ids: [id], versions: [highWater], by: 'ann', at: highWater };
    const open = [{ from: highWater + 1, to: highWater + 1, deletion }];
    await states().updateOne({ _id: collection }, { $set: { open, allocated: highWater + 1 } });
    await store.dropTombstones(0, 10);
    expect(await states().findOne({ _id: collection })).toMatchObject({ open: [] });
  }, 20_000);
});
