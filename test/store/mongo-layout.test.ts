import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Document, MongoClient } from 'mongodb';
import { hasMongoStore, openMongoGlimpse, openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { assertNoMongoStore, restoreMongoStore } from '../../src/store/mongo/restore.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { SnapshotPart, Store } from '../../src/store/store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { useTempFolder } from './temp-folder.ts';
import { all, exact, first, key, last, newId, objects, observable, time, version, walk } from './versions.ts';

const found = findEngine();

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'a MongoDB database as a store', () => {
  const pathOf = useTempFolder();
  let engine: Engine;

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
  });
  afterAll(() => engine?.stop());

  /** Changes the database behind the store's back. */
  async function alter(url: string, change: (client: MongoClient) => Promise<unknown>): Promise<void> {
    const client = await new MongoClient(url).connect();
    await change(client);
    await client.close();
  }
  const setMark = (url: string, fields: Document) =>
    alter(url, (client) =>
      client.db().collection<Document & { _id: string }>('meta').updateOne({ _id: 'store' }, { $set: fields }),
    );

  test('is made by several processes at once, and found again', async () => {
    const url = engine.newUrl();
    expect(await hasMongoStore(url)).toBe(false);
    expect(await openMongoGlimpse(url)).toBeUndefined();
    const stores = await Promise.all([1, 2, 3].map(() => openMongoStore({ url })));
    await stores[0]?.putRecord('kind', 'x', 0, { n: 1 }, {});
    await Promise.all(stores.map((store) => store.close()));
    const glimpse = await openMongoGlimpse(url);
    expect(await glimpse?.findRecord('kind', 'x')).toMatchObject({ document: { n: 1 } });
    await glimpse?.close();
    expect(await hasMongoStore(url)).toBe(true);
    await expect(assertNoMongoStore(url)).rejects.toThrow(/there is a store at .* already/);
  });

  test('is made where another process has begun to, and its mark cannot be read yet', async () => {
    const url = engine.newUrl();
    await alter(url, (client) => client.db().createCollection('meta'));
    expect(await hasMongoStore(url)).toBe(false);
    await (await openMongoStore({ url })).close();
    expect(await hasMongoStore(url)).toBe(true);
  });

  test('that holds something else, or was written by a newer version, is refused and not changed', async () => {
    const foreign = engine.newUrl();
    await alter(foreign, (client) => client.db().collection('books').insertOne({ title: 'x' }));
    await expect(openMongoStore({ url: foreign })).rejects.toThrow(/is not a Huiju store: name another one/);
    await expect(assertNoMongoStore(foreign)).rejects.toThrow(/is not a Huiju store/);
    const newer = engine.newUrl();
    await (await openMongoStore({ url: newer })).close();
    await setMark(newer, { layout: 99 });
    await expect(openMongoStore({ url: newer })).rejects.toThrow(/newer Huiju \(layout 99; this one knows up to 1\)/);
  });

  async function partsOf(store: Store): Promise<SnapshotPart[]> {
    const parts: SnapshotPart[] = [];
    for await (const part of store.readSnapshot()) parts.push(part);
    return parts;
  }
  async function* each(parts: readonly SnapshotPart[], error?: Error) {
    yield* parts;
    if (error !== undefined) throw error;
  }

  test('takes over what a file holds, and what comes after it', async () => {
    const collection = randomUUID();
    const source = await openSqliteStore({ path: pathOf('source.db') });
    const id = newId();
    const address = newId('ipv4-addr');
    const gone = objects(1);
    await source.addObjects(collection, 'ann', [...objects(4), ...gone, version(id, time(2)), observable(address)]);
    await source.addObjects(collection, 'ann', [version(id, time(3)), version(id, time(1), { revoked: false })]);
    await source.deleteObject(collection, gone[0]?.id ?? '', all, { user: 'ann', onlySubmitter: false });
    await source.putRecord('kind', 'x', 0, { a: 1 }, { team: 'red' });
    await source.putStatus({ id: randomUUID(), apiRoot: 'r', submitter: 'ann', text: '{}', completedAt: 7 }, 0);
    const parts = await partsOf(source);
    const url = engine.newUrl();
    await restoreMongoStore(url, each(parts));
    const store = await openMongoStore({ url });
    for (const selector of [all, first, last, exact(key(2))])
      expect(await walk(store, collection, { versions: [selector] })).toEqual(
        await walk(source, collection, { versions: [selector] }),
      );
    const withoutSeq = (list: readonly SnapshotPart[]) => list.map((part) => ({ ...part, seq: 0, last: 0 }));
    expect(withoutSeq(await partsOf(store))).toEqual(withoutSeq(parts));
    expect(await store.queryRecords('kind', { limit: 9, key: { name: 'team', value: 'red' } })).toHaveLength(1);
    const delivery = { withholdDeleted: { exceptBy: 'feed' } };
    const brought = await store.addObjects(collection, 'feed', gone, delivery);
    expect(brought).toMatchObject([{ outcome: 'withheld' }]);
    expect(brought).toEqual(await source.addObjects(collection, 'feed', gone, delivery));
    const again = [
      version(id, time(3)),
      observable(address),
      version(id, time(4)),
      version(id, time(5), { created: time(1) }),
    ];
    const outcomes = await store.addObjects(collection, 'bob', again);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['duplicate', 'duplicate', 'added', 'created-changed']);
    const { highWater } = await source.getCollectionState(collection);
    expect(outcomes[2]?.dateAdded).toBeGreaterThan(highWater);
    expect(await walk(store, collection, { ids: [id], versions: [last] })).toEqual([`${id} ${time(4)}`]);
    await Promise.all([store.close(), source.close()]);
  });

  test('is left empty by a restore that fails, and opens to nobody before one is complete', async () => {
    const url = engine.newUrl();
    const parts: SnapshotPart[] = [{ part: 'sequence', last: 0 }];
    const opened: unknown[] = [];
    async function* interrupted() {
      yield* parts;
      opened.push(await openMongoStore({ url }).catch((error: Error) => error.message));
      throw new Error('the backup ends here');
    }
    await expect(restoreMongoStore(url, interrupted())).rejects.toThrow('the backup ends here');
    expect(opened).toEqual([expect.stringMatching(/a backup is being restored into the database/)]);
    expect(await hasMongoStore(url)).toBe(false);
    await restoreMongoStore(url, each(parts));
    expect(await hasMongoStore(url)).toBe(true);
  });

  test('that goes away makes the store unavailable, soon', async () => {
    if ('missing' in found || found.kind === 'given') return;
    const own = await startEngine(found);
    const store = await openMongoStore({ url: own.newUrl() });
    const collection = randomUUID();
    await store.addObjects(collection, 'ann', objects(1));
    await own.stop();
    const asked = [
      store.findRecords(collection, { versions: [all] }, { limit: 1 }),
      store.addObjects(collection, 'ann', objects(1)),
      store.findRecord('kind', 'x'),
    ];
    for (const result of await Promise.allSettled(asked))
      expect(result).toMatchObject({ reason: { code: 'unavailable' } });
    await store.close();
  });
});
