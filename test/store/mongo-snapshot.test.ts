import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { type Document, MongoClient } from 'mongodb';
import { createTally } from '../../src/store/backup-file.ts';
import { copyStore } from '../../src/store/copy.ts';
import { connect } from '../../src/store/mongo/connection.ts';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { createObjectDatabase } from '../../src/store/mongo/object-database.ts';
import type { NewVersion, SnapshotPart, Store } from '../../src/store/store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { all, first, last, newId, objects, time, version, walk } from './versions.ts';

const found = findEngine();
const by = { user: 'ann', onlySubmitter: false };
const everything = { versions: [all] };
const future = Date.now() * 1_000 + 3_600_000_000;

type ObjectPart = Extract<SnapshotPart, { part: 'object' }>;

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'a snapshot of a MongoDB database', () => {
  let engine: Engine;
  let url: string;
  let client: MongoClient;
  let store: Store;
  let other: Store;

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    url = engine.newUrl();
    [store, other] = await Promise.all([openMongoStore({ url }), openMongoStore({ url })]);
    client = await new MongoClient(url).connect();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await client?.close();
    await Promise.all([store?.close(), other?.close()]);
    await engine?.stop();
  });
  const rowsOf = (name: string) => client.db().collection<Document & { _id: string }>(name);
  const countKept = (collection: string) => rowsOf('versions').countDocuments({ collection, places: 'kept' });

  /** Reads a snapshot, and does something at its first object. */
  async function readWhile(collection: string, act: () => Promise<unknown>): Promise<ObjectPart[]> {
    const tally = createTally();
    const parts: ObjectPart[] = [];
    for await (const part of store.readSnapshot()) {
      tally.add(part);
      if (part.part === 'collection' && part.collection === collection) await act();
      if (part.part === 'object' && part.collection === collection) parts.push(part);
    }
    expect(tally.findIncomplete()).toBeUndefined();
    return parts;
  }

  /** Adds objects of three versions each. */
  async function addObjects(collection: string, count: number): Promise<NewVersion[]> {
    const ids = Array.from({ length: count }, () => newId());
    const versions = [2, 1, 3].flatMap((n) => ids.map((id) => version(id, time(n))));
    await store.addObjects(collection, 'ann', versions, { origin: 'feed one' });
    return versions;
  }

  test('has positions in collections of before it began, and all other records of when they are read', async () => {
    const collection = randomUUID();
    await addObjects(collection, 1);
    const kinds = ['feed-state', 'user'];
    for (const kind of kinds) await store.putRecord(kind, collection, 0, { at: 'before' }, {});
    const documents = new Map<string, unknown>();
    for await (const part of store.readSnapshot()) {
      if (part.part === 'collection' && part.collection === collection)
        for (const kind of kinds) await other.putRecord(kind, collection, 1, { at: 'meanwhile' }, {});
      if (part.part === 'record' && part.id === collection) documents.set(part.kind, part.document);
    }
    expect(documents).toEqual(
      new Map([
        ['feed-state', { at: 'before' }],
        ['user', { at: 'meanwhile' }],
      ]),
    );
  });

  test('has what was there when it began, whatever is deleted, expires and is published again meanwhile', async () => {
    const collection = randomUUID();
    const versions = await addObjects(collection, 4);
    const [a = '', b = '', c = ''] = versions.map(({ id }) => id);
    const parts = await readWhile(collection, async () => {
      await other.deleteObject(collection, a, last, by);
      await other.deleteObject(collection, b, first, by);
      await other.deleteObject(collection, c, all, by);
      await other.addObjects(collection, 'ann', versions);
      await other.deleteObject(collection, a, last, by);
      await other.expireObjects(collection, future, 3);
    });
    expect(parts.map(({ text }) => text)).toEqual(versions.map(({ text }) => text));
    expect(parts.map(({ isFirst, isLast }) => [isFirst, isLast])).toEqual([
      ...Array(4).fill([false, false]),
      ...Array(4).fill([true, false]),
      ...Array(4).fill([false, true]),
    ]);
    expect(new Set(parts.map(({ submitter, origin }) => `${submitter} ${origin}`))).toEqual(new Set(['ann feed one']));
  });

  test('shows nobody else what it keeps, and leaves nothing of it', async () => {
    const collection = randomUUID();
    const [one, two] = (await addObjects(collection, 2)) as [NewVersion, NewVersion];
    await readWhile(collection, async () => {
      await other.deleteObject(collection, one.id, all, by);
      expect(await countKept(collection)).toBe(3);
      expect(await other.hasObject(collection, one.id)).toBe(false);
      for (const selector of [all, first, last])
        expect((await walk(other, collection, { versions: [selector] })).join()).not.toContain(one.id);
      expect(await other.findProvenance(collection, [one])).toEqual([undefined]);
      const changes = await other.findChanges(collection, 0, 10);
      expect(changes.filter(({ id }) => id === one.id).map(({ op }) => op)).toEqual(['delete', 'delete', 'delete']);
    });
    expect(await countKept(collection)).toBe(0);
    expect(JSON.stringify(await rowsOf('versions').find({ collection }).toArray())).not.toContain(one.text);
    expect(await walk(store, collection, everything)).toHaveLength(3);
    for await (const part of store.readSnapshot()) {
      if (part.part === 'sequence') await other.deleteObject(collection, two.id, all, by);
      if (part.part === 'object') break;
    }
    expect([await countKept(collection), await rowsOf('holds').countDocuments()]).toEqual([0, 0]);
    expect(await rowsOf('collections').countDocuments({ holds: { $nin: [{}, null] } })).toBe(0);
  });

  test('keeps what is deleted from flags that were on their way', async () => {
    const ownUrl = engine.newUrl();
    const own = await openMongoStore({ url: ownUrl });
    const connection = await connect(ownUrl);
    try {
      await own.addObjects('c', 'ann', objects(2));
      const database = createObjectDatabase(connection);
      const held = await database.findVersionsIn('c', 0, Number.MAX_SAFE_INTEGER);
      await database.keepVersions('c', new Map(held.map(({ dateAdded }) => [dateAdded, dateAdded + 1])));
      const changes = held.map(({ dateAdded, revision, ...flags }) => ({ dateAdded, revision, flags }));
      expect(await database.setFlags('c', changes)).toBe(0);
      expect(await database.findVersionsIn('c', 0, Number.MAX_SAFE_INTEGER)).toEqual([]);
    } finally {
      await Promise.all([own.close(), connection.close()]);
    }
  });

  test('that another one outlasts leaves what that one needs', async () => {
    const collection = randomUUID();
    const versions = await addObjects(collection, 2);
    const parts = await readWhile(collection, async () => {
      const later = other.readSnapshot()[Symbol.asyncIterator]();
      await later.next();
      await other.deleteObject(collection, versions[0]?.id ?? '', all, by);
      await later.return?.();
      while ((await other.dropTombstones(0, 10)) > 0);
    });
    expect(parts.map(({ text }) => text)).toEqual(versions.map(({ text }) => text));
  });

  test('whose reader died leaves nothing for ever', async () => {
    const collection = randomUUID();
    const [one] = (await addObjects(collection, 2)) as [NewVersion];
    const hold = { 'holds.dead': true };
    await rowsOf('collections').updateOne({ _id: collection }, { $set: hold });
    await rowsOf('holds').insertOne({ _id: 'dead', until: future });
    await store.deleteObject(collection, one.id, all, by);
    const started = performance.now();
    const clock = jest.spyOn(performance, 'now').mockReturnValue(started);
    while ((await store.dropTombstones(0, 2)) > 0);
    // It renews once more.
    await rowsOf('holds').updateOne({ _id: 'dead' }, { $set: { until: 8 } });
    clock.mockReturnValue(started + 601_000);
    while ((await store.dropTombstones(0, 2)) > 0);
    expect(await countKept(collection)).toBe(3);
    clock.mockReturnValue(started + 1_202_000);
    while ((await store.dropTombstones(0, 2)) > 0);
    clock.mockRestore();
    expect(await countKept(collection)).toBe(0);
    expect(await rowsOf('holds').countDocuments()).toBe(0);
  });

  test('whose reader died before it held anything leaves nothing for ever', async () => {
    await rowsOf('holds').insertOne({ _id: 'early', until: 1 });
    await store.dropTombstones(0, 2);
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 601_000);
    await store.dropTombstones(0, 2);
    clock.mockRestore();
    expect(await rowsOf('holds').countDocuments()).toBe(0);
  });

  test('takes half an hour, and its reader is not taken for dead, who renews', async () => {
    const collection = randomUUID();
    const versions = await addObjects(collection, 6);
    const started = performance.now();
    let minutes = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => started + minutes * 60_000);
    // The clock that can be set stands still.
    jest.spyOn(Date, 'now').mockReturnValue(Date.now());
    const texts: string[] = [];
    for await (const part of store.readSnapshot()) {
      while (minutes < 30 && (await other.dropTombstones(0, 10)) > 0);
      minutes += 2;
      if (part.part === 'collection') await other.deleteObject(collection, versions[0]?.id ?? '', all, by);
      if (part.part === 'object' && part.collection === collection) texts.push(part.text);
    }
    jest.restoreAllMocks();
    expect(minutes).toBeGreaterThan(30);
    expect(texts).toEqual(versions.map(({ text }) => text));
  });

  test('whose reader renews its hold while another looks at it stays alive', async () => {
    await rowsOf('holds').insertOne({ _id: 'late', until: 7 });
    const sent: Document[] = [];
    const watching = await openMongoStore({ url, observe: (command) => sent.push(command) });
    try {
      await watching.dropTombstones(0, 2);
      const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 601_000);
      await watching.dropTombstones(0, 2);
      clock.mockRestore();
    } finally {
      await watching.close();
    }
    // What it has seen goes, and nothing newer.
    const filters = sent
      .filter((command) => command.delete === 'holds')
      .map(({ deletes }) => JSON.stringify(deletes[0].q));
    expect(filters).toEqual([expect.stringContaining('"until"')]);
  });

  test('is read on though the clocks of others are an hour ahead of its reader', async () => {
    const collection = randomUUID();
    const versions = await addObjects(collection, 2);
    const parts = await readWhile(collection, async () => {
      const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
      while ((await other.dropTombstones(0, 10)) > 0);
      const later = other.readSnapshot()[Symbol.asyncIterator]();
      await later.next();
      clock.mockRestore();
      await other.deleteObject(collection, versions[0]?.id ?? '', all, by);
      await later.return?.();
    });
    expect(parts.map(({ text }) => text)).toEqual(versions.map(({ text }) => text));
  });

  test('that others took for dead says so, and is not read on', async () => {
    await addObjects(randomUUID(), 1);
    const reading = store.readSnapshot()[Symbol.asyncIterator]();
    await reading.next();
    await rowsOf('holds').deleteMany({});
    await expect(reading.next()).rejects.toThrow(
      /was not read for 10 minutes, and what was kept for the command is gone: repeat it/,
    );
  });

  test('whose reader was taken for dead between two renewals is refused in the end', async () => {
    const collection = randomUUID();
    await addObjects(collection, 1);
    await expect(readWhile(collection, () => rowsOf('holds').deleteMany({}))).rejects.toThrow(
      'what was kept for the command is gone',
    );
  });

  test('whose hold was let go by others while it slept is not read on', async () => {
    const collection = randomUUID();
    const [one] = (await addObjects(collection, 1)) as [NewVersion];
    const reading = store.readSnapshot()[Symbol.asyncIterator]();
    await reading.next();
    while ((await other.dropTombstones(0, 10)) > 0);
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 601_000);
    while ((await other.dropTombstones(0, 10)) > 0);
    clock.mockRestore();
    await other.deleteObject(collection, one.id, last, by);
    await expect(reading.next()).rejects.toThrow('was not read for 10 minutes');
  });

  test('stays alive where it reads past much that was deleted long ago', async () => {
    const collection = randomUUID();
    await addObjects(collection, 1);
    const fillers = Array.from({ length: 1_200 }, (_, n) => ({
      date_added: n + 1,
      id: '',
      identity: `filler@${n + 1}`,
    }));
    await client
      .db()
      .collection('versions')
      .insertMany(fillers.map((filler) => ({ collection, ...filler })));
    const sent: Document[] = [];
    const watching = await openMongoStore({ url, observe: (command) => sent.push(command) });
    // Each time that somebody looks at the clock two minutes have passed.
    let minutes = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => {
      minutes += 2;
      return minutes * 60_000;
    });
    try {
      for await (const part of watching.readSnapshot()) expect(part).toBeDefined();
    } finally {
      clock.mockRestore();
      await watching.close();
    }
    const from = sent.findIndex(({ find, filter }) => find === 'versions' && filter.collection === collection);
    const words = sent.slice(from, from + 6).map((command) => Object.keys(command)[0]);
    expect(words).toEqual(['find', 'update', 'getMore', 'update', 'getMore', 'update']);
  });

  test('waits for a deletion whose turn had come before it began', async () => {
    const collection = randomUUID();
    const [one] = (await addObjects(collection, 1)) as [NewVersion];
    await addObjects(collection, 1);
    const [{ seq = 0, dateAdded = 0 } = {}] = await store.findChanges(collection, 0, 1);
    // As if somebody had died in the turn of this deletion.
    const slot = (await store.getCollectionState(collection)).highWater + 1;
    const deletion = { ids: [one.id], versions: [dateAdded], by: 'ann', at: slot };
    const open = [{ from: slot, to: slot, deletion }];
    await rowsOf('collections').updateOne({ _id: collection }, { $set: { open, allocated: slot } });
    const parts = await readWhile(collection, async () => {});
    expect(parts).toHaveLength(5);
    expect(parts.map((part) => part.dateAdded)).not.toContain(seq);
    expect(parts.filter(({ id, isFirst }) => id === one.id && isFirst)).toHaveLength(1);
  }, 20_000);

  test('is whole, and so is a copy, while somebody deletes all the time', async () => {
    const collection = randomUUID();
    const versions = await addObjects(collection, 60);
    const left = [...new Set(versions.map(({ id }) => id))];
    let deleted = 0;
    let isOver = false;
    const deleting = (async () => {
      for (const id of left) {
        if (isOver) return;
        await other.deleteObject(collection, id, deleted % 2 === 0 ? all : last, by);
        deleted += 1;
        await other.addObjects(collection, 'bob', objects(1));
      }
    })();
    try {
      for (let round = 1; round <= 2; round += 1) {
        const before = deleted;
        await copyStore(store, { kind: 'mongodb', url: engine.newUrl() }, 'this');
        await readWhile(collection, async () => {
          // Some go before the objects are read.
          while (deleted < before + 3 && deleted < left.length) await other.getCollectionState(collection);
        });
      }
    } finally {
      isOver = true;
      await deleting;
    }
    expect(deleted).toBeGreaterThan(5);
  }, 60_000);
});
