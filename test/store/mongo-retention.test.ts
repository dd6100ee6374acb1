import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Document, MongoClient } from 'mongodb';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { restoreMongoStore } from '../../src/store/mongo/restore.ts';
import type { SnapshotPart, Store } from '../../src/store/store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { all, objects } from './versions.ts';

const found = findEngine();

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'what is old in a MongoDB database', () => {
  let engine: Engine;
  let client: MongoClient;
  let store: Store;
  const future = Date.now() * 1_000 + 3_600_000_000;

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    const url = engine.newUrl();
    store = await openMongoStore({ url });
    client = await new MongoClient(url).connect();
  });
  afterAll(async () => {
    await client?.close();
    await store?.close();
    await engine?.stop();
  });
  const collectionOf = (name: string) => client.db().collection<Document & { _id: string }>(name);

  test('of tombstones is told by when it was deleted, also when the tombstones were restored', async () => {
    const collection = randomUUID();
    const [one] = objects(1);
    const id = one?.id ?? '';
    const deletedAt = future - 7_200_000_000;
    async function* parts(): AsyncGenerator<SnapshotPart> {
      yield { part: 'sequence', last: 9 };
      // Nothing was added for long when the version was deleted.
      yield { part: 'collection', collection, highWater: 1_000, generation: 2, versions: 0, bytes: 0 };
      const version = { id, version: one?.version ?? '', dateAdded: 1_000 };
      yield { part: 'tombstone', seq: 9, collection, ...version, deletedAt, deletedBy: 'ann' };
    }
    const url = engine.newUrl();
    await restoreMongoStore(url, parts());
    const restored = await openMongoStore({ url });
    const counts = [await restored.dropTombstones(deletedAt, 10), await restored.dropTombstones(deletedAt + 1, 10)];
    await restored.close();
    expect(counts).toEqual([0, 1]);
  });

  test('of tombstones stays until the deletion is finished', async () => {
    const collection = randomUUID();
    const [one, two] = [objects(1), objects(1)];
    await store.addObjects(collection, 'ann', [...one, ...two]);
    for (const { id } of [...one, ...two])
      await store.deleteObject(collection, id, all, { user: 'ann', onlySubmitter: false });
    const [, second] = await store.findChanges(collection, 0, 10);
    // As if the block of the second one were open still.
    const block = { from: second?.seq, to: second?.seq };
    const states = collectionOf('collections');
    await states.updateOne({ _id: collection }, { $set: { open: [block] } });
    expect(await store.dropTombstones(future, 10)).toBe(1);
    const rows = await collectionOf('versions').find({ collection, age: 'deleted' }).toArray();
    expect(rows.map(({ id }) => id)).toEqual(two.map(({ id }) => id));
    while ((await store.dropTombstones(future, 10)) > 0);
    const slots = await collectionOf('versions').find({ collection }).toArray();
    expect(slots.map(({ age }) => age)).toEqual(Array(4).fill(undefined));
  }, 20_000);
});
