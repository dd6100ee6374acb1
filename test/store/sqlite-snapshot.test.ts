import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { restoreStore } from '../../src/store/open-store.ts';
import { openFile } from '../../src/store/sqlite/connection.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { NewVersion, SnapshotPart, Store } from '../../src/store/store.ts';
import { useTempFolder } from './temp-folder.ts';
import { all, key, objects, observable, version } from './versions.ts';

const everyone = { user: 'ann', onlySubmitter: false };

async function partsOf(store: Store): Promise<SnapshotPart[]> {
  const parts: SnapshotPart[] = [];
  for await (const part of store.readSnapshot()) parts.push(part);
  return parts;
}

async function* each(parts: Iterable<SnapshotPart>): AsyncGenerator<SnapshotPart> {
  yield* parts;
}

describe('a store that is restored', () => {
  const pathOf = useTempFolder();
  const left = randomUUID();
  const right = randomUUID();

  /** A store with some of everything: versions out of order, deletions of the newest, records, access. */
  async function fill(path: string): Promise<Store> {
    const store = await openSqliteStore({ path });
    const [one, two, three] = objects(3) as [NewVersion, NewVersion, NewVersion];
    await store.addObjects(left, 'ann', [one, version(one.id, '2030-01-01T00:00:00.000Z'), two]);
    await store.addObjects(right, 'bob', [three, observable('ipv4-addr--1', { value: '1' })], { origin: 'a feed' });
    await store.deleteObject(right, three.id, all, everyone);
    await store.deleteObject(left, two.id, all, everyone);
    await store.putRecord('user', 'ann', 0, { roles: ['a'] }, { team: 'red' });
    await store.putRecord('user', 'ann', 1, { roles: ['b'] }, { team: 'blue' });
    await store.putStatus({ id: randomUUID(), apiRoot: 'hub', submitter: 'ann', text: '{}', completedAt: 5 }, 0);
    const access = {
      client: '::1',
      agent: '',
      method: 'GET',
      endpoint: 'objects',
      status: 200,
      errorCode: null,
    } as const;
    const counts = { objects: 1, bytes: 2, ms: 3 };
    const entry = { ...access, ...counts, at: 4_000, collection: left, user: 'ann' };
    await store.recordAccess([entry], { since: 0, ofUsers: 10, ofNobody: 10 });
    return store;
  }

  async function restored(name: string): Promise<[original: Store, copy: Store]> {
    const original = await fill(pathOf(`${name}/original.db`));
    await restoreStore({ kind: 'sqlite', path: pathOf(`${name}/copy/huiju.db`) }, original.readSnapshot());
    return [original, await openSqliteStore({ path: pathOf(`${name}/copy/huiju.db`) })];
  }

  test('answers everything as the first one does', async () => {
    const [original, copy] = await restored('same');
    expect(await partsOf(copy)).toEqual(await partsOf(original));
    for (const collection of [left, right]) {
      expect(await copy.getCollectionState(collection)).toEqual(await original.getCollectionState(collection));
      const query = { versions: [{ all: false, first: true, last: false, exact: [key(1)] }] };
      expect(await copy.findRecords(collection, query, { limit: 10 })).toEqual(
        await original.findRecords(collection, query, { limit: 10 }),
      );
      expect(await copy.findChanges(collection, 0, 100)).toEqual(await original.findChanges(collection, 0, 100));
    }
    const red = await copy.queryRecords('user', { key: { name: 'team', value: 'red' }, limit: 5 });
    const blue = await copy.queryRecords('user', { key: { name: 'team', value: 'blue' }, limit: 5 });
    expect([red.length, blue.length]).toEqual([0, 1]);
    await Promise.all([original.close(), copy.close()]);
  });

  test('goes on where the first one was: cursors of pollers and of changes stay valid', async () => {
    const [original, copy] = await restored('cursors');
    const { highWater } = await original.getCollectionState(right);
    const changes = [...(await original.findChanges(left, 0, 100)), ...(await original.findChanges(right, 0, 100))];
    const lastSeq = Math.max(...changes.map(({ seq }) => seq));
    // Published again, what was the newest and was deleted gets a later date_added and a later seq.
    const [again] = await copy.addObjects(right, 'bob', objects(1));
    expect(again?.dateAdded).toBeGreaterThan(highWater);
    const polled = await copy.findRecords(right, { versions: [all], addedAfter: highWater }, { limit: 10 });
    expect(polled.records).toHaveLength(1);
    expect((await copy.findChanges(right, lastSeq, 10)).map(({ seq }) => seq)).toEqual([lastSeq + 1]);
    await Promise.all([original.close(), copy.close()]);
  });

  test('is one file for its owner only, sound and in no need of its maker', async () => {
    const [original, copy] = await restored('sound');
    await Promise.all([original.close(), copy.close()]);
    const path = pathOf('sound/copy/huiju.db');
    expect(readdirSync(pathOf('sound/copy'))).toEqual(['huiju.db']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(pathOf('sound/copy')).mode & 0o777).toBe(0o700);
    const db = openFile(path);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    db.close();
  });

  test.each(['', '-wal'])('takes no place where there is a file huiju.db%s', async (ending) => {
    const path = pathOf(`taken${ending}.db`);
    writeFileSync(path + ending, 'mine');
    await expect(restoreStore({ kind: 'sqlite', path }, each([]))).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringContaining(`something at ${path}${ending} already`),
    });
    expect(readdirSync(pathOf('.')).filter((name) => name.startsWith(`taken${ending}.db`))).toHaveLength(1);
  });

  test('is not there when its parts end with an error, do not fit together, or came too late', async () => {
    const path = pathOf('none/huiju.db');
    const store = await fill(pathOf('source.db'));
    const parts = await partsOf(store);
    await store.close();
    const failing = async function* () {
      yield* parts.slice(0, 4);
      throw new Error('lost the source');
    };
    await expect(restoreStore({ kind: 'sqlite', path }, failing())).rejects.toThrow('lost the source');
    const orphans = parts.filter(({ part }) => part !== 'collection');
    await expect(restoreStore({ kind: 'sqlite', path }, each(orphans))).rejects.toThrow(/but not that/);
    const twice = [...parts, ...parts.filter(({ part }) => part === 'record')];
    await expect(restoreStore({ kind: 'sqlite', path }, each(twice))).rejects.toMatchObject({ name: 'OperatorError' });
    expect(existsSync(pathOf('none'))).toBe(false);
    const overtaken = async function* () {
      yield* parts;
      writeFileSync(path, 'faster');
    };
    await expect(restoreStore({ kind: 'sqlite', path }, overtaken())).rejects.toMatchObject({ name: 'OperatorError' });
    expect(readdirSync(pathOf('none'))).toEqual(['huiju.db']);
    expect(existsSync(`${path}.partial`)).toBe(false);
  });
});
