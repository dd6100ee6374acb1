import { randomUUID } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { MongoClient } from 'mongodb';
import { copyStore, digestOf, type SnapshotSummary, type Watch } from '../../src/store/copy.ts';
import { hasStore, openStore, restoreStore, type StoreLocation } from '../../src/store/open-store.ts';
import { openLocked } from '../../src/store/sqlite/restore.ts';
import type { NewVersion, SnapshotPart, Store } from '../../src/store/store.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { useTempFolder } from './temp-folder.ts';
import { all, newId, objects, observable, time, version } from './versions.ts';

const found = findEngine();
const pathOf = useTempFolder();
const collection = randomUUID();
let engine: Engine | undefined;

afterAll(() => engine?.stop());

interface Closable {
  close(): Promise<unknown>;
}

const opened: Closable[] = [];

// A test that fails leaves nothing running, for which jest would wait.
afterEach(async () => {
  jest.restoreAllMocks();
  for (let last = opened.pop(); last !== undefined; last = opened.pop()) await last.close();
});

/** Closes it when the test is over, what was opened last first. */
function closeAfterwards<T extends Closable>(closable: T): T {
  opened.push(closable);
  return closable;
}

const openHere = async (location: StoreLocation) => closeAfterwards(await openStore(location));

/** A place of its own for a store of this kind; there is none yet. */
function newPlace(kind: StoreLocation['kind']): StoreLocation {
  if (kind === 'sqlite') return { kind, path: pathOf(`${randomUUID()}/huiju.db`) };
  if (engine === undefined) throw new Error('there is no MongoDB');
  return { kind, url: engine.newUrl() };
}

/** A store with some of everything: versions out of order, deletions of the newest, records, access with and without login. */
async function fill(location: StoreLocation): Promise<Store> {
  const store = await openStore(location);
  const [id, address, gone] = [newId(), newId('ipv4-addr'), objects(2)];
  await store.addObjects(collection, 'ann', [...objects(4), ...gone, version(id, time(2)), observable(address)]);
  await store.addObjects(randomUUID(), 'bob', objects(3));
  await store.addObjects(collection, 'bob', [version(id, time(3)), version(id, time(1), { name: '汇聚 é "\\' })]);
  for (const each of gone) await store.deleteObject(collection, each.id, all, { user: 'ann', onlySubmitter: false });
  await store.putRecord('user', 'ann', 0, { 2: 'b', roles: ['a'], 1: null }, { team: 'red', unit: 'x' });
  await store.putRecord(
    'user',
    'ann',
    1,
    { roles: ['b'], deep: JSON.parse('{"__proto__":1}') },
    { unit: 'x', team: 'blue' },
  );
  await store.putStatus({ id: randomUUID(), apiRoot: 'r', submitter: 'ann', text: '{"a":1}', completedAt: 7 }, 0);
  const asked = { collection, client: '::1', agent: '', method: 'GET', endpoint: 'objects', errorCode: null } as const;
  const entry = { ...asked, at: 4_000, objects: 1, bytes: 2, ms: 3, status: 200, user: 'ann' };
  await store.recordAccess([entry, { ...entry, user: null, status: null }], { since: 0, ofUsers: 9, ofNobody: 9 });
  return store;
}

/** The same, until the test is over. */
const newFilled = async (location: StoreLocation) => closeAfterwards(await fill(location));

/** What a store holds, as the summary of a copy has it. */
async function summarise(location: StoreLocation): Promise<SnapshotSummary> {
  const store = await openStore(location);
  try {
    return await copyStore(store, newPlace('sqlite'), 'any');
  } finally {
    await store.close();
  }
}

/** Changes one text where a copy is being made, behind its back. */
async function plant(to: StoreLocation): Promise<void> {
  if (to.kind === 'sqlite') {
    const file = `${to.path}.partial`;
    const content = readFileSync(file);
    content.write('modifiee', content.lastIndexOf('"modified"') + 1);
    return writeFileSync(file, content, { flag: 'r+' });
  }
  const client = await MongoClient.connect(to.url);
  const rows = client.db().collection('versions');
  expect((await rows.updateOne({ submitter: 'ann' }, { $set: { submitter: 'eve' } })).modifiedCount).toBe(1);
  await client.close();
}

function declareTests(fromKind: StoreLocation['kind'], toKind: StoreLocation['kind']): void {
  let from: Store;

  beforeAll(async () => {
    if (engine === undefined && !('missing' in found) && [fromKind, toKind].includes('mongodb'))
      engine = await startEngine(found);
    from = await fill(newPlace(fromKind));
  });
  afterAll(() => from?.close());

  test('holds everything that the first one holds, and answers as it does', async () => {
    const place = newPlace(toKind);
    const summary = await copyStore(from, place, 'first');
    expect(summary.counts).toMatchObject({ object: 11, tombstone: 2, record: 1, status: 1, access: 2 });
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
    const to = await openHere(place);
    const bounds = { limit: 100, maxBytes: 1e9 };
    const query = { versions: [all] };
    expect(await to.findObjects(collection, query, bounds)).toEqual(await from.findObjects(collection, query, bounds));
    expect(await to.findRecord('user', 'ann')).toEqual(await from.findRecord('user', 'ann'));
    expect(await to.listAccessTotals()).toEqual(await from.listAccessTotals());
  });

  test('is not kept when it differs from what was read', async () => {
    const place = newPlace(toKind);
    const watch: Watch = async function* (phase, parts) {
      if (phase === 'verify') await plant(place);
      yield* parts;
    };
    await expect(copyStore(from, place, 'first', watch)).rejects.toThrow(
      /differs from what it is of: its 11 parts of the kind object are not those that were read/,
    );
    expect(await hasStore(place)).toBe(false);
    await copyStore(from, place, 'first');
  });

  test('is not kept when a part of it is missing', async () => {
    const watch: Watch = async function* (phase, parts) {
      for await (const part of parts) if (phase === 'copy' || part.part !== 'status') yield part;
    };
    const place = newPlace(toKind);
    await expect(copyStore(from, place, 'first', watch)).rejects.toThrow(
      '1 parts of the kind status were read, and 0 are in it',
    );
    expect(await hasStore(place)).toBe(false);
  });

  test('is refused where there is a store, which stays as it is', async () => {
    const place = newPlace(toKind);
    const there = await openHere(place);
    await there.putRecord('kind', 'x', 0, 'mine', {});
    await expect(copyStore(from, place, 'first')).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(/there is (?:a store|something) at .* already/),
    });
    expect(await there.findRecord('kind', 'x')).toMatchObject({ document: 'mine' });
  });
}

/** Lets a copy end with an error before this part is read, or read back. */
function breakOffAt(at: 'copy' | 'verify', kind: SnapshotPart['part']): Watch {
  return async function* (phase, parts) {
    for await (const part of parts) {
      if (phase === at && part.part === kind) throw new Error('broken off');
      yield part;
    }
  };
}

describe('a copy of sqlite in sqlite', () => {
  declareTests('sqlite', 'sqlite');

  /** What was written of each version where a copy is being made, by its `seq`; the row ids of tombstones. */
  function readPartial(path: string): Map<number, string> {
    const db = new Database(`${path}.partial`, { readonly: true });
    const rows = db.prepare<[], { seq: number; text: string }>('SELECT seq, text FROM objects').all();
    db.close();
    return new Map(rows.map(({ seq, text }) => [seq, text]));
  }

  /** Changes the text of all versions that a copy has written, so that those which are written anew can be told. */
  function brand(path: string): void {
    const db = new Database(`${path}.partial`);
    db.exec("UPDATE objects SET text = replace(text, 'type', 'tipe')");
    db.close();
  }

  test.each([
    ['copy', 'object'],
    ['copy', 'record'],
    ['verify', 'record'],
  ] as const)('broken off in phase %s at a part %s is no store, and is gone on with', async (phase, kind) => {
    const path = pathOf(`${phase}-${kind}/huiju.db`);
    const from = await newFilled(newPlace('sqlite'));
    const place = { kind: 'sqlite', path } as const;
    await expect(copyStore(from, place, 'first', breakOffAt(phase, kind))).rejects.toThrow('broken off');
    // Nor does an empty one come in its place, into which members publish, and behind which nothing can be copied any more.
    await expect(openHere(place)).rejects.toThrow(
      `there is no store at ${path} yet: the restore or copy that is making it in ${path}.partial is under way or was broken off`,
    );
    expect(await hasStore(place)).toBe(false);
    expect(readPartial(path).size).toBe(kind === 'object' ? 0 : 11);
    const summary = await copyStore(from, place, 'first');
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
    expect(readdirSync(dirname(path))).toEqual(['huiju.db']);
    const db = new Database(path);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.prepare("SELECT name FROM sqlite_schema WHERE name = 'copy_of'").all()).toEqual([]);
    db.close();
  });

  test('needs not write again what is there', async () => {
    const path = pathOf('again/huiju.db');
    const from = await newFilled(newPlace('sqlite'));
    const place = { kind: 'sqlite', path } as const;
    await expect(copyStore(from, place, 'first', breakOffAt('copy', 'record'))).rejects.toThrow('broken off');
    brand(path);
    // What was written before is found to be other than what was read, so it was not written again.
    await expect(copyStore(from, place, 'first')).rejects.toThrow('its 11 parts of the kind object are not those');
    await copyStore(from, place, 'first');
  });

  test('goes on from what its source has by then: versions deleted, superseded and added, and other records', async () => {
    const path = pathOf('changed/huiju.db');
    const from = await newFilled(newPlace('sqlite'));
    const place = { kind: 'sqlite', path } as const;
    const [one, two, three] = objects(3) as [NewVersion, NewVersion, NewVersion];
    await from.addObjects(collection, 'ann', [one, two, three], { origin: 'a feed' });
    await expect(copyStore(from, place, 'first', breakOffAt('verify', 'sequence'))).rejects.toThrow('broken off');
    const by = { user: 'ann', onlySubmitter: false };
    await from.deleteObject(collection, two.id, all, by);
    await from.addObjects(collection, 'ann', [version(one.id, time(50)), two], { origin: 'another feed' });
    await from.deleteObject(collection, two.id, all, by);
    await from.putRecord('user', 'ann', 2, { roles: [] }, {});
    const summary = await copyStore(from, place, 'first');
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
    const db = new Database(path, { readonly: true });
    expect(db.prepare('SELECT text, versions FROM origin_texts ORDER BY text').all()).toEqual([
      { text: 'a feed', versions: 2 },
      { text: 'another feed', versions: 1 },
    ]);
    db.close();
  });

  test('loses what was deleted meanwhile, however much that is', async () => {
    const from = await openHere(newPlace('sqlite'));
    const place = newPlace('sqlite');
    await from.addObjects(collection, 'ann', objects(2_500), { origin: 'a feed' });
    await expect(copyStore(from, place, 'first', breakOffAt('verify', 'sequence'))).rejects.toThrow('broken off');
    while ((await from.expireObjects(collection, Number.MAX_SAFE_INTEGER, 1_000)) > 0);
    await from.addObjects(collection, 'ann', objects(10));
    const summary = await copyStore(from, place, 'first');
    expect(summary.counts).toMatchObject({ object: 10, tombstone: 2_500 });
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
  });

  test('loses what was deleted meanwhile behind all that is left', async () => {
    const place = newPlace('sqlite');
    const from = await newFilled(newPlace('sqlite'));
    const newest = objects(3);
    await from.addObjects(collection, 'ann', newest, { origin: 'a feed' });
    await expect(copyStore(from, place, 'first', breakOffAt('verify', 'sequence'))).rejects.toThrow('broken off');
    for (const { id } of newest) await from.deleteObject(collection, id, all, { user: 'ann', onlySubmitter: false });
    const summary = await copyStore(from, place, 'first');
    expect(summary.counts).toMatchObject({ object: 11, tombstone: 5 });
  });

  test('of a store that lacks an object that it counts is refused', async () => {
    const from = await newFilled(newPlace('sqlite'));
    const place = newPlace('sqlite');
    async function* lacking(): AsyncGenerator<SnapshotPart> {
      let objectsLeft = 3;
      for await (const part of from.readSnapshot()) if (part.part !== 'object' || objectsLeft-- > 0) yield part;
    }
    const copying = copyStore({ readSnapshot: lacking }, place, 'first');
    await expect(copying).rejects.toThrow(/has not the objects that it counts: .* Copy again/);
    expect(await hasStore(place)).toBe(false);
    await copyStore(from, place, 'first');
  });

  test('does not write into a file that gave way to another one when it got its lock', () => {
    const partial = pathOf('replaced.partial');
    const replace = (path: string) => {
      const db = new Database(path);
      rmSync(path);
      writeFileSync(path, '');
      return db;
    };
    expect(() => openLocked(partial, replace)).toThrow(`another restore or copy writes ${partial} now`);
    openLocked(partial).close();
  });

  test.each([1, -1])('goes on when its source numbers the versions otherwise, by %i', async (by) => {
    const place = newPlace('sqlite');
    const from = await newFilled(newPlace('sqlite'));
    const shift: Watch = async function* (_phase, parts) {
      for await (const part of parts) yield part.part === 'object' ? { ...part, seq: part.seq + by } : part;
    };
    await expect(copyStore(from, place, 'first', breakOffAt('verify', 'record'))).rejects.toThrow('broken off');
    const shifted = { readSnapshot: () => shift('copy', from.readSnapshot()) as AsyncGenerator<SnapshotPart> };
    const summary = await copyStore(shifted, place, 'first');
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
  });

  test('keeps what was written half a minute ago, also when it is killed', async () => {
    const path = pathOf('killed/huiju.db');
    const from = await newFilled(newPlace('sqlite'));
    const started = performance.now();
    const clock = jest.spyOn(performance, 'now');
    const seen: number[] = [];
    const watch: Watch = async function* (phase, parts) {
      for await (const part of parts) {
        if (phase === 'copy' && part.part === 'object') {
          clock.mockReturnValue(started + part.seq * 20_000);
          copyFileSync(`${path}.partial`, `${path}.killed`);
          if (existsSync(`${path}.partial-journal`)) copyFileSync(`${path}.partial-journal`, `${path}.killed-journal`);
          const db = new Database(`${path}.killed`);
          seen.push(db.prepare<[], number>('SELECT count(*) FROM objects').pluck().get() ?? -1);
          db.close();
        }
        yield part;
      }
    };
    await copyStore(from, { kind: 'sqlite', path }, 'first', watch);
    expect(seen).toHaveLength(11);
    expect(Math.max(...seen)).toBeGreaterThan(6);
  });

  test('starts anew behind one of another store, and behind what is no store', async () => {
    const path = pathOf('broken/huiju.db');
    const place = { kind: 'sqlite', path } as const;
    const [from, other] = [await newFilled(newPlace('sqlite')), await newFilled(newPlace('sqlite'))];
    await expect(copyStore(other, place, 'other', breakOffAt('verify', 'record'))).rejects.toThrow('broken off');
    brand(path);
    await copyStore(from, place, 'first');
    expect(readdirSync(dirname(path))).toEqual(['huiju.db']);
    rmSync(path);
    writeFileSync(`${path}.partial`, 'half a store');
    await copyStore(from, place, 'first');
    expect(readdirSync(dirname(path))).toEqual(['huiju.db']);
  });

  test.each(['copy', 'restore'] as const)('is not disturbed by a %s to the same place', async (kind) => {
    const path = pathOf(`same-${kind}/huiju.db`);
    const place = { kind: 'sqlite', path } as const;
    const from = await newFilled(newPlace('sqlite'));
    const refusals: unknown[] = [];
    const second = () => (kind === 'copy' ? copyStore(from, place, 'first') : restoreStore(place, from.readSnapshot()));
    const watch: Watch = async function* (phase, parts) {
      if (phase === 'verify') await second().catch((error) => refusals.push(error));
      for await (const part of parts) {
        if (part.part === 'sequence' || part.part === 'record') await second().catch((error) => refusals.push(error));
        yield part;
      }
    };
    const summary = await copyStore(from, place, 'first', watch);
    const message = `another restore or copy writes ${path}.partial now: wait for its end, or end it, and run this again`;
    expect(refusals).toEqual(Array(5).fill(expect.objectContaining({ name: 'OperatorError', message })));
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
  });

  test('leaves alone a store whose second name was not taken away when its copy was killed', async () => {
    const path = pathOf('names/huiju.db');
    const from = await newFilled(newPlace('sqlite'));
    const summary = await copyStore(from, { kind: 'sqlite', path }, 'first');
    const moved = { kind: 'sqlite', path: pathOf('names/moved.db') } as const;
    linkSync(path, `${path}.partial`);
    await (await openStore({ kind: 'sqlite', path })).close();
    renameSync(path, moved.path);
    const there = await openHere(moved);
    await copyStore(from, { kind: 'sqlite', path }, 'first');
    await there.putRecord('kind', 'x', 0, {}, {});
    await there.deleteRecord('kind', 'x', 1);
    await there.close();
    expect(digestOf(await summarise(moved))).toBe(digestOf(summary));
    expect(readdirSync(dirname(path)).sort()).toEqual(['huiju.db', 'moved.db']);
  });
});

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'a copy with MongoDB', () => {
  describe('of sqlite in mongodb', () => declareTests('sqlite', 'mongodb'));
  describe('of mongodb in sqlite', () => declareTests('mongodb', 'sqlite'));
  describe('of mongodb in mongodb', () => declareTests('mongodb', 'mongodb'));

  /** Ids that the database gave its documents when they were written, by slot. */
  async function readDocumentIds(place: StoreLocation): Promise<Map<string, string>> {
    const client = await MongoClient.connect(place.kind === 'mongodb' ? place.url : '');
    const rows = await client.db().collection('versions').find({ collection }).toArray();
    await client.close();
    return new Map(rows.map(({ _id, date_added }) => [String(date_added), String(_id)]));
  }

  test.each([
    ['copy', 'sqlite'],
    ['verify', 'sqlite'],
    ['copy', 'mongodb'],
    ['verify', 'mongodb'],
  ] as const)('that was broken off in phase %s goes on, whatever has changed in %s meanwhile', async (phase, kind) => {
    const from = await newFilled(newPlace(kind));
    const place = newPlace('mongodb');
    await expect(copyStore(from, place, 'first', breakOffAt(phase, 'record'))).rejects.toThrow('broken off');
    const before = await readDocumentIds(place);
    const [kept, superseded, doomed] = (await from.findRecords(collection, { versions: [all] }, { limit: 3 })).records;
    const by = { user: 'ann', onlySubmitter: false };
    await from.deleteObject(collection, doomed?.id ?? '', all, by);
    await from.addObjects(collection, 'bob', [version(superseded?.id ?? '', time(9)), ...objects(2)]);
    const gone = objects(1);
    await from.addObjects(collection, 'ann', gone);
    await from.deleteObject(collection, gone[0]?.id ?? '', all, by);
    await from.putRecord('user', 'ann', 2, { roles: [] }, {});
    const summary = await copyStore(from, place, 'first');
    expect(summary.counts).toMatchObject({ object: 13, tombstone: 4, record: 1, status: 1, access: 2 });
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
    const after = await readDocumentIds(place);
    const rewritten = [...before].filter(([slot, id]) => after.get(slot) !== id).map(([slot]) => slot);
    expect(before.size).toBeGreaterThanOrEqual(8);
    expect(rewritten).toEqual(expect.arrayContaining([superseded, doomed].map((each) => String(each?.dateAdded))));
    expect(rewritten).not.toContain(String(kept?.dateAdded));
    // Tombstones are written anew.
    expect(rewritten.length).toBeLessThanOrEqual(4);
  });

  test.each([
    ['copy', 'tombstone'],
    ['copy', 'access'],
    ['verify', 'record'],
  ] as const)(
    'that stopped in phase %s at a part %s opens to nobody, and writes nothing when it wakes',
    async (at, kind) => {
      const from = await newFilled(newPlace('sqlite'));
      const place = newPlace('mongodb');
      const reached = Promise.withResolvers<void>();
      const woken = Promise.withResolvers<void>();
      const stopped = copyStore(from, place, '/first.db', async function* (phase, parts) {
        for await (const part of parts) {
          if (phase === at && part.part === kind) {
            reached.resolve();
            await woken.promise;
          }
          yield part;
        }
      });
      closeAfterwards({
        close: () => {
          woken.resolve();
          return stopped.catch(() => undefined);
        },
      });
      await Promise.race([reached.promise, stopped]);
      const refusal = /^.*\/first\.db is being copied into the database .*, or its copy was broken off: wait, or run/;
      await expect(openStore(place)).rejects.toThrow(refusal);
      await expect(copyStore(from, place, '/second.db')).rejects.toThrow(refusal);
      await expect(restoreStore(place, from.readSnapshot())).rejects.toThrow(refusal);
      const summary = await copyStore(from, place, '/first.db');
      woken.resolve();
      await expect(stopped).rejects.toThrow('another run of the command has taken over: let one run alone');
      expect(digestOf(await summarise(place))).toBe(digestOf(summary));
    },
  );

  test('is gone on with when the database it is made in was away', async () => {
    const from = await newFilled(newPlace('sqlite'));
    const url = engine?.newUrl() ?? '';
    const proxy = closeAfterwards(await startFaultyProxy(url));
    const place = { kind: 'mongodb', url: proxy.urlOf(url) } as const;
    const goesAway: Watch = async function* (phase, parts) {
      for await (const part of parts) {
        if (phase === 'copy' && part.part === 'record') proxy.set('away');
        yield part;
      }
    };
    await expect(copyStore(from, place, 'first', goesAway)).rejects.toThrow(
      /^The database cannot be used now: .*: check that it runs, .* Then copy again, which goes on with what is there\.$/,
    );
    proxy.set('none');
    const before = await readDocumentIds(place);
    expect(before.size).toBeGreaterThan(5);
    const summary = await copyStore(from, place, 'first');
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
    const after = await readDocumentIds(place);
    expect([...before].filter(([slot, id]) => after.get(slot) !== id)).toEqual([]);
  });

  test('says that the database it is of went away, and makes no store', async () => {
    const url = engine?.newUrl() ?? '';
    const proxy = closeAfterwards(await startFaultyProxy(url));
    const from = await newFilled({ kind: 'mongodb', url: proxy.urlOf(url) });
    const path = pathOf('away/huiju.db');
    const goesAway: Watch = async function* (_phase, parts) {
      for await (const part of parts) {
        if (part.part === 'collection') proxy.set('away');
        yield part;
      }
    };
    await expect(copyStore(from, { kind: 'sqlite', path }, 'first', goesAway)).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(/^the database huiju_test_.* cannot be read: .*: check that it runs/),
    });
    expect(await hasStore({ kind: 'sqlite', path })).toBe(false);
  });

  test('of a store where objects are deleted before they are read has them, and the next one has not', async () => {
    const from = await newFilled(newPlace('mongodb'));
    const doomed = objects(1);
    await from.addObjects(collection, 'ann', doomed);
    const by = { user: 'ann', onlySubmitter: false };
    const deletes: Watch = async function* (phase, parts) {
      for await (const part of parts) {
        if (phase === 'copy' && part.part === 'sequence')
          await from.deleteObject(collection, doomed[0]?.id ?? '', all, by);
        yield part;
      }
    };
    const { counts } = await copyStore(from, newPlace('sqlite'), 'first', deletes);
    expect(counts).toMatchObject({ object: 12, tombstone: 2 });
    const next = await copyStore(from, newPlace('sqlite'), 'first');
    expect(next.counts).toMatchObject({ object: 11, tombstone: 3 });
  });

  test('of mongodb in sqlite goes on, whatever has changed meanwhile', async () => {
    const from = await newFilled(newPlace('mongodb'));
    const place = newPlace('sqlite');
    await expect(copyStore(from, place, 'first', breakOffAt('verify', 'sequence'))).rejects.toThrow('broken off');
    const { records } = await from.findRecords(collection, { versions: [all] }, { limit: 3 });
    const by = { user: 'ann', onlySubmitter: false };
    await from.deleteObject(collection, records[1]?.id ?? '', all, by);
    await from.addObjects(collection, 'bob', [version(records[2]?.id ?? '', time(9)), ...objects(2)], {
      origin: 'a feed',
    });
    const summary = await copyStore(from, place, 'first');
    expect(summary.counts).toMatchObject({ object: 13, tombstone: 3 });
    expect(digestOf(await summarise(place))).toBe(digestOf(summary));
  });
});
