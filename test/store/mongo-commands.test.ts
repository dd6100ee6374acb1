import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Document, MongoClient } from 'mongodb';
import { indexes } from '../../src/store/mongo/layout.ts';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import type { ObjectQuery, Store } from '../../src/store/store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { all, exact, first, key, last, newId, objects, observable, time, version } from './versions.ts';

const found = findEngine();

const isObject = (value: unknown): value is Document => typeof value === 'object' && value !== null;

/** Whether a condition names single values. */
function isEquality(condition: unknown): boolean {
  if (!isObject(condition) || '_bsontype' in condition) return true;
  return Object.keys(condition).every((operator) => operator === '$in' || operator === '$eq');
}

// Few entries are read past for it: TAXII asks for none of them.
const residual = ['user'];

/** Whether no field of a filter that names values is left to be judged behind the index. */
function isExact(keys: readonly string[], filter: Document): boolean {
  return Object.keys(filter).every(
    (name) => keys.includes(name) || name.startsWith('$') || residual.includes(name) || !isEquality(filter[name]),
  );
}

/** Whether an index finds what the filter asks for in the order of `sort`. */
function isCovered(keys: readonly string[], filter: Document, sort: readonly string[]): boolean {
  const equal = keys.findIndex((name) => !(name in filter && isEquality(filter[name])));
  const fixed = equal === -1 ? keys.length : equal;
  const rest = keys.slice(fixed);
  if (sort.length > 0) {
    // Fields that have one value each are in every order.
    const wanted = sort.filter((name) => !keys.slice(0, fixed).includes(name));
    return (
      wanted.every((name, at) => rest[at] === name) &&
      (fixed > 0 || Object.keys(filter).every((name) => keys[0] === name))
    );
  }
  return fixed > 1 || (fixed === 1 && (keys.length === 1 || (rest[0] ?? '') in filter));
}

/** What is looked up by itself. */
function partsOf(filter: Document): Document[] {
  return Object.keys(filter).join() === '$or' ? filter.$or : [filter];
}

const sortOf = (sort: Document): string[] => [...(sort instanceof Map ? sort.keys() : Object.keys(sort))];

function indexesOf(collection: string): string[][] {
  const declared: Readonly<Record<string, Readonly<Record<string, { readonly key: object }>>>> = indexes;
  return [['_id'], ...Object.values(declared[collection] ?? {}).map(({ key: keys }) => Object.keys(keys))];
}

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'what the MongoDB store sends', () => {
  const sent: Document[] = [];
  let engine: Engine;
  let url: string;
  let store: Store;
  let shapes: Document[];

  const collection = randomUUID();
  const everywhere = { user: 'u', onlySubmitter: false };

  /** Every method, and every listed shape of a query. */
  async function useAll(): Promise<void> {
    const id = newId();
    const versions = [1, 2, 3].map((n) => version(id, time(n)));
    await store.addObjects(collection, 'u', [...versions, ...objects(5), observable(newId('ipv4-addr'))]);
    await store.addObjects(collection, 'u', [version(id, time(4)), ...versions]);
    const narrowings: Partial<ObjectQuery>[] = [
      {},
      { types: ['indicator'] },
      { types: ['indicator', 'tool'] },
      { ids: [id] },
      { ids: [id, newId()] },
    ];
    const from = sent.length;
    for (const narrowing of narrowings)
      for (const selector of [all, first, last, exact(key(2))])
        for (const addedAfter of [undefined, 1])
          await store.findObjects(
            collection,
            { ...narrowing, versions: [selector], ...(addedAfter !== undefined && { addedAfter }) },
            { limit: 3, maxBytes: 1_000_000 },
          );
    shapes = sent.slice(from).filter((command) => command.find === 'versions' && command.sort !== undefined);
    await store.findRecords(collection, { versions: [last] }, { limit: 3 });
    await store.hasObject(collection, id);
    await store.deleteObject(collection, id, last, everywhere);
    const delivery = { withholdDeleted: { exceptBy: 'feed' } };
    await store.addObjects(collection, 'feed', [version(id, time(4)), observable(newId('ipv4-addr'))], delivery);
    await store.findProvenance(collection, [{ id, versionKey: key(3) }]);
    for await (const part of store.readSnapshot())
      if (part.part === 'sequence') await store.deleteObject(collection, id, last, everywhere);
    await store.expireObjects(collection, Number.MAX_SAFE_INTEGER, 2);
    await store.findChanges(collection, 0, 10);
    await store.dropTombstones(Number.MAX_SAFE_INTEGER, 10);
    await store.getCollectionState(collection);
    await store.listCollectionStates();
    await store.putStatus({ id: randomUUID(), apiRoot: 'a', submitter: 'u', text: '{}', completedAt: 1 }, 2);
    await store.findStatus('a', 'x');
    await store.dropStatuses(1, 1);
    await store.putRecord('kind', 'x', 0, {}, { team: 'red' });
    await store.putRecord('kind', 'x', 1, {}, { team: 'red' });
    await store.findRecord('kind', 'x');
    await store.queryRecords('kind', { limit: 5 });
    await store.queryRecords('kind', { limit: 5, key: { name: 'team', value: 'red' }, after: 'a' });
    await store.deleteRecord('kind', 'x', 2);
    const asked = {
      at: 5,
      collection,
      user: 'u',
      client: '192.0.2.1',
      agent: '',
      method: 'GET',
      endpoint: 'objects',
    } as const;
    const entry = { ...asked, status: 200, objects: 1, bytes: 1, ms: 1, errorCode: null };
    await store.recordAccess([entry, { ...entry, user: null }], { since: 9, ofUsers: 5, ofNobody: 5 });
    await store.recordAccess([entry, { ...entry, user: null }], { since: 0, ofUsers: 5, ofNobody: 5 });
    const { next } = await store.findAccess({ collection, since: 0 }, 1);
    await store.findAccess({ collection, since: 0, ...(next !== undefined && { next }) }, 1);
    await store.listAccessTotals();
  }

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    url = engine.newUrl();
    store = await openMongoStore({ url, observe: (command) => sent.push(command) });
    await useAll();
  });
  afterAll(async () => {
    await store?.close();
    await engine?.stop();
  });

  test('has every write acknowledged by a majority, from the journal', () => {
    const names = ['insert', 'update', 'delete', 'findAndModify', 'createIndexes'];
    const writes = sent.filter((command) => names.some((name) => name in command));
    expect(new Set(writes.flatMap((command) => names.filter((name) => name in command)))).toEqual(new Set(names));
    for (const { writeConcern } of writes) expect(writeConcern).toMatchObject({ w: 'majority', j: true });
  });

  test('has reads of what a majority has, on the stable API', () => {
    const reads = sent.filter((command) => 'find' in command);
    for (const { readConcern } of reads) expect(readConcern).toEqual({ level: 'majority' });
    for (const command of sent.filter((each) => !('getMore' in each)))
      expect(command).toMatchObject({ apiVersion: '1', apiStrict: true });
  });

  // They hold a few documents each, or one is read of them.
  const small = ['meta', 'holds', 'collections', 'access_totals', 'counters'];

  test('has only reads and changes that an index answers, in its order', () => {
    const reads = sent.filter((command) => 'find' in command && !small.includes(command.find));
    expect(reads.length).toBeGreaterThan(50);
    const uncovered = reads.filter(
      ({ find, filter, sort = {} }) =>
        !indexesOf(find).some((keys) =>
          partsOf(filter).every((part) => isExact(keys, part) && isCovered(keys, part, sortOf(sort))),
        ),
    );
    expect(uncovered.map(({ find, filter, sort }) => JSON.stringify({ find, filter, sort }))).toEqual([]);
    const changes = sent.flatMap((command) => {
      const list: Document[] = command.updates ?? command.deletes ?? [];
      return list.map(({ q }) => ({ collection: String(command.update ?? command.delete), q }));
    });
    const blind = changes.filter(
      (change) =>
        !small.includes(change.collection) &&
        !indexesOf(change.collection).some((keys) => isCovered(keys, change.q, [])),
    );
    expect(blind.map((change) => JSON.stringify(change)).filter((text) => !text.includes('"_id"'))).toEqual([]);
  });

  test('asks for the state of a collection by one read', async () => {
    const from = sent.length;
    await store.getCollectionState(collection);
    expect(sent.slice(from)).toMatchObject([{ find: 'collections', filter: { _id: collection } }]);
  });

  test('asks for the provenance of a version, and of the last one, without reading past others of the object', async () => {
    const [id, address] = [newId(), newId('ipv4-addr')];
    await store.addObjects(
      collection,
      'u',
      [1, 2, 3].map((n) => version(id, time(n))),
    );
    for (const value of ['10.0.0.1', '10.0.0.2'])
      await store.addObjects(collection, 'u', [observable(address, { value })]);
    const from = sent.length;
    const names = [
      { id, versionKey: key(1) },
      { id, versionKey: key(3) },
      { id: address, versionKey: null },
    ];
    expect((await store.findProvenance(collection, names)).map((one) => one?.submitter)).toEqual(['u', 'u', 'u']);
    expect(sent.slice(from).map(({ find, hint, filter }) => [find, hint, filter.places])).toEqual([
      ['collections', undefined, undefined],
      ['versions', 'by_identity', undefined],
      ['versions', 'by_id', 'last'],
    ]);
    // As where it has lost its place, to a version in a higher slot than is to be read.
    const client = await new MongoClient(url).connect();
    const rows = client.db().collection('versions');
    await rows.updateOne({ collection, id: address, places: 'last' }, { $set: { places: ['all'] } });
    await client.close();
    expect(await store.findProvenance(collection, names)).toMatchObject([{}, {}, { submitter: 'u' }]);
  });

  test('asks for tombstones by the names of versions, of the whole object only where it has no versions of its own', async () => {
    const [id, address] = [newId(), newId('ipv4-addr')];
    const many = Array.from({ length: 250 }, (_, n) => version(newId(), time(n)));
    const delivery = { withholdDeleted: { exceptBy: 'feed' } };
    const from = sent.length;
    const versions = [version(id, time(1)), version(id, time(1), { name: 'other' }), observable(address), ...many];
    await store.addObjects(collection, 'feed', versions, delivery);
    const asked = sent.slice(from).filter(({ find, hint }) => find === 'versions' && hint === 'by_identity');
    const ranges: Document[] = asked.flatMap(({ filter }) => filter.$or);
    expect(asked.slice(0, 2).map(({ filter }) => filter.$or.length)).toEqual([200, 52]);
    expect(ranges.slice(0, 2)).toEqual([
      { collection, id, identity: { $gte: `deleted/${key(1)}@`, $lt: `deleted/${key(1)}A` } },
      { collection, id: address, identity: { $gte: 'deleted/', $lt: 'deleted0' } },
    ]);
  });

  test('asks for a page once, whatever its shape, and names an index that answers it', () => {
    expect(shapes).toHaveLength(40);
    for (const { hint, filter, sort } of shapes) {
      const keys = Object.keys(indexes.versions[hint as keyof typeof indexes.versions].key);
      expect(isExact(keys, filter) && isCovered(keys, filter, sortOf(sort))).toBe(true);
    }
  });

  // Only a real one explains its plans; without it, the test above holds each query against the declared indexes.
  const isReal = 'kind' in found && found.kind !== 'java';
  describe('as the database explains it', () => {
    if (!isReal) return;
    test('finds each page by an index, and sorts nothing', async () => {
      const client = await new MongoClient(url).connect();
      try {
        for (const { find, filter, sort, limit, hint } of shapes) {
          const command = { explain: { find, filter, sort, limit, hint }, verbosity: 'queryPlanner' };
          const { queryPlanner } = await client.db().command(command);
          const plan = JSON.stringify(queryPlanner.winningPlan);
          expect(plan).toContain('IXSCAN');
          expect(plan).not.toMatch(/"stage":"(?:SORT|COLLSCAN)"/);
        }
      } finally {
        await client.close();
      }
    });
  });

  describe('and what becomes of it when there is no database', () => {
    test('a start says so, without the password', async () => {
      const opened = openMongoStore({ url: 'mongodb://huiju:secret@127.0.0.1:9/x?serverSelectionTimeoutMS=200' });
      await expect(opened).rejects.toThrow(/^the store mongodb:\/\/127\.0\.0\.1:9\/x cannot be opened: /);
    });
  });
});
