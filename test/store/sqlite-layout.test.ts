import { statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { makeDurable, openFile } from '../../src/store/sqlite/connection.ts';
import { assertOurs, layoutSteps, prepareLayout } from '../../src/store/sqlite/layout.ts';
import { openSqliteGlimpse, openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useTempFolder } from './temp-folder.ts';
import { all, key, newId, time, version } from './versions.ts';

const older = ['CREATE TABLE notes (text TEXT)', "INSERT INTO notes VALUES ('kept')"];

function tables(db: Database.Database): unknown[] {
  return db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all();
}

describe('the layout of the file', () => {
  const pathOf = useTempFolder();

  test('a new store has the newest layout, in a folder and a file for its owner only', async () => {
    const path = pathOf('new/deep/huiju.db');
    await (await openSqliteStore({ path })).close();
    const db = openFile(path);
    expect(db.pragma('user_version', { simple: true })).toBe(layoutSteps.length);
    db.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(pathOf('new/deep')).mode & 0o777).toBe(0o700);
  });

  test('an older layout is upgraded step by step, and its data is kept', () => {
    const db = makeDurable(openFile(pathOf('older.db')));
    prepareLayout(db, older);
    prepareLayout(db, [...older, 'ALTER TABLE notes ADD COLUMN more INTEGER', 'UPDATE notes SET more = 1']);
    expect(db.prepare('SELECT * FROM notes').all()).toEqual([{ text: 'kept', more: 1 }]);
    expect(db.pragma('user_version', { simple: true })).toBe(4);
    db.close();
  });

  test('the first layout that was released becomes the newest at start, with all that it holds', async () => {
    const path = pathOf('first.db');
    const db = makeDurable(openFile(path));
    prepareLayout(db, layoutSteps.slice(0, 1));
    expect(tables(db)).not.toContain('access');
    db.exec("INSERT INTO collections (id, high_water, versions) VALUES ('c', 5, 7)");
    db.exec("INSERT INTO records VALUES ('user', 'ann', 3, '{\"roles\":[]}')");
    db.close();
    const store = await openSqliteStore({ path });
    expect(await store.getCollectionState('c')).toMatchObject({ highWater: 5, versions: 7 });
    expect(await store.findRecord('user', 'ann')).toEqual({ id: 'ann', revision: 3, document: { roles: [] } });
    expect(await store.findAccess({ collection: 'c', since: 0 }, 10)).toEqual({ entries: [], next: undefined });
    await store.close();
  });

  test('a store of before the rules about versions knows of its objects and deletions what they need', async () => {
    const path = pathOf('rules.db');
    const db = makeDurable(openFile(path));
    prepareLayout(db, layoutSteps.slice(0, 2));
    db.exec("INSERT INTO collections (id, high_water, versions) VALUES ('c', 3, 3); UPDATE sequence SET last = 4");
    const insert = db.prepare(`INSERT INTO objects
      (seq, collection, date_added, is_last, is_first, length, id, type, spec_version, version, version_key, submitter, digest, text)
      VALUES (?, 1, ?, ?, ?, 9, @id, @type, @specVersion, @version, @versionKey, 'ann', @digest, @text)`);
    const [gone, ended, made] = [newId(), newId(), newId()];
    const creator = { created_by_ref: newId('identity') };
    insert.run(1, 1, 0, 1, version(ended, time(1)));
    insert.run(2, 2, 1, 0, version(ended, time(2), { revoked: true }));
    insert.run(3, 3, 1, 1, version(made, time(1), creator));
    db.prepare("INSERT INTO tombstones VALUES (4, 1, ?, '2024-01-01T00:00:01.500Z', 1, 2, 'ann')").run(gone);
    db.close();
    const store = await openSqliteStore({ path });
    const outcomes = await store.addObjects('c', 'ann', [
      version(ended, time(3)),
      version(made, time(2)),
      version(made, time(2), { ...creator, created: time(1) }),
      version(made, time(2), creator),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['revoked', 'other-creator', 'created-changed', 'added']);
    const delivery = { withholdDeleted: { exceptBy: 'feed' } };
    const brought = await store.addObjects('c', 'feed', [version(gone, '2024-01-01T00:00:01.50Z')], delivery);
    expect(brought).toEqual([{ outcome: 'withheld', dateAdded: 1 }]);
    const found = await store.findProvenance('c', [{ id: made, versionKey: key(1) }]);
    expect(found).toEqual([{ dateAdded: 3, submitter: 'ann', origin: null }]);
    await store.close();
  });

  test('a store whose access log had a row for each entry keeps all of them', async () => {
    const path = pathOf('access.db');
    const db = makeDurable(openFile(path));
    prepareLayout(db, layoutSteps.slice(0, 5));
    const insert = db.prepare(`INSERT INTO access
      (seq, at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms, error_code)
      VALUES (?, ?, ?, ?, '::1', 'poller "汇"', 'GET', 'objects', ?, 2, 3, 4, ?)`);
    for (let n = 1; n <= 1200; n += 1) insert.run(n, 10_000 - n, n % 3 === 0 ? 'other' : 'c', 'ann', 200, null);
    insert.run(Number.MIN_SAFE_INTEGER, 9_500, 'c', null, null, 'login-required');
    db.close();
    const store = await openSqliteStore({ path });
    const entry = { client: '::1', agent: 'poller "汇"', method: 'GET', endpoint: 'objects' } as const;
    const counts = { objects: 2, bytes: 3, ms: 4 };
    const { entries } = await store.findAccess({ collection: 'c', since: 0 }, 1_000);
    expect(entries.length).toBe(801);
    expect(entries.map(({ at }) => at)).toEqual(entries.map(({ at }) => at).toSorted((x, y) => y - x));
    const ofAnn = { ...entry, ...counts, collection: 'c', user: 'ann', status: 200, errorCode: null };
    expect(entries[0]).toEqual({ ...ofAnn, at: 9_999 });
    expect(entries.find(({ user }) => user === null)).toEqual({
      ...{ ...ofAnn, at: 9_500, user: null, status: null, errorCode: 'login-required' },
    });
    // New entries come behind the old ones.
    await store.recordAccess([{ ...ofAnn, at: 20_000 }], { since: 0, ofUsers: 401, ofNobody: 10 });
    const kept = await store.findAccess({ collection: 'other', since: 0 }, 1_000);
    expect(kept.entries.length).toBeLessThan(400);
    expect((await store.findAccess({ collection: 'c', since: 10_000 }, 1)).entries).toEqual([{ ...ofAnn, at: 20_000 }]);
    await store.close();
  });

  test('an origin is one row for all versions that have it, and goes with the last of them', async () => {
    const path = pathOf('origins.db');
    const store = await openSqliteStore({ path });
    const db = openFile(path);
    const rows = () => db.prepare('SELECT text, versions FROM origin_texts').all();
    const ids = ['x', 'y'].map(() => newId());
    await store.addObjects('c', 'ann', [version(ids[0] ?? '', time(1)), version(ids[1] ?? '', time(1))], {
      origin: 'feed',
    });
    await store.addObjects('d', 'ann', [version(ids[0] ?? '', time(1))], { origin: 'feed' });
    expect(rows()).toEqual([{ text: 'feed', versions: 3 }]);
    await store.deleteObject('c', ids[0] ?? '', all, { user: 'ann', onlySubmitter: false });
    expect(rows()).toEqual([{ text: 'feed', versions: 2 }]);
    for (const collection of ['c', 'd']) await store.expireObjects(collection, Number.MAX_SAFE_INTEGER, 10);
    expect(rows()).toEqual([]);
    expect(db.prepare('SELECT count(*) FROM object_origins').pluck().get()).toBe(0);
    db.close();
    await store.close();
  });

  test('a store of any layout that was released can be looked at, and stays as it is', async () => {
    for (let layout = 1; layout <= layoutSteps.length; layout += 1) {
      const path = pathOf(`glimpse-${layout}.db`);
      const db = makeDurable(openFile(path));
      prepareLayout(db, layoutSteps.slice(0, layout));
      db.exec("INSERT INTO collections (id, high_water, versions) VALUES ('c', 5, 7)");
      const glimpse = openSqliteGlimpse(path);
      expect(await glimpse?.listCollectionStates()).toMatchObject([{ collection: 'c', versions: 7 }]);
      expect(await glimpse?.findRecord('user', 'ann')).toBeUndefined();
      await glimpse?.close();
      expect(db.pragma('user_version', { simple: true })).toBe(layout);
      db.close();
    }
  });

  test('a step that fails leaves the file as it was', () => {
    const db = makeDurable(openFile(pathOf('failed.db')));
    prepareLayout(db, older);
    expect(() => prepareLayout(db, [...older, 'CREATE TABLE half (x)', 'no SQL'])).toThrow('syntax error');
    expect(db.pragma('user_version', { simple: true })).toBe(2);
    expect(tables(db)).toEqual(['notes']);
    db.close();
  });

  test('a newer layout is refused with what to do, and untouched', async () => {
    const path = pathOf('newer.db');
    const db = makeDurable(openFile(path));
    prepareLayout(db, [...layoutSteps, 'CREATE TABLE later (x)']);
    const known = layoutSteps.length;
    const reason = `newer Huiju (layout ${known + 1}; this one knows up to ${known}): run the newer`;
    expect(() => assertOurs(db)).toThrow(reason);
    db.close();
    await expect(openSqliteStore({ path })).rejects.toMatchObject({ name: 'OperatorError' });
  });

  test('a file of another program is refused and untouched', async () => {
    const path = pathOf('foreign.db');
    const db = new Database(path);
    db.exec('CREATE TABLE theirs (x)');
    db.close();
    await expect(openSqliteStore({ path })).rejects.toThrow(/is not a Huiju store/);
    const again = new Database(path);
    expect(tables(again)).toEqual(['theirs']);
    expect(again.pragma('journal_mode', { simple: true })).toBe('delete');
    again.close();
  });

  test('a file that is no database, and a path that cannot be written, are refused', async () => {
    const path = pathOf('text.db');
    writeFileSync(path, 'not a database, but long enough to have a header '.repeat(100));
    await expect(openSqliteStore({ path })).rejects.toThrow(/is not an SQLite file/);
    await expect(openSqliteStore({ path: `${path}/huiju.db` })).rejects.toThrow(/cannot be opened for writing/);
  });
});
