import { randomUUID } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, jest, test } from '@jest/globals';
import type Database from 'better-sqlite3';
import { beginImmediate, makeDurable, openFile } from '../../src/store/sqlite/connection.ts';
import { type Command, createGroupCommit, type Request } from '../../src/store/sqlite/group-commit.ts';
import { prepareLayout } from '../../src/store/sqlite/layout.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { startWriter } from '../../src/store/sqlite/writer.ts';
import { useTempFolder } from './temp-folder.ts';
import { all, objects, version } from './versions.ts';

const requests = (commands: readonly Command[]): Request[] => commands.map((command, ticket) => ({ ticket, command }));
const addTo = (collection: string, count: number, length = 0): Command => ({
  op: 'addObjects',
  collection,
  submitter: 'user',
  delivery: undefined,
  versions: objects(count).map((one) => version(one.id, one.version ?? '', { filler: 'x'.repeat(length) })),
});

/** Groups end after some milliseconds, which may pass anywhere on a busy machine: here none does. */
function atOnce<T>(act: () => T): T {
  const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
  try {
    return act();
  } finally {
    clock.mockRestore();
  }
}

describe('the writer', () => {
  const pathOf = useTempFolder();

  function openWriter(name: string): Database.Database {
    const db = makeDurable(openFile(pathOf(name)));
    prepareLayout(db);
    db.pragma('busy_timeout = 0');
    return db;
  }
  const countObjects = (db: Database.Database) => db.prepare('SELECT count(*) FROM objects').pluck().get();

  test('writes with synchronous=FULL into a write-ahead log', () => {
    const db = openWriter('sync.db');
    expect(db.pragma('synchronous', { simple: true })).toBe(2);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    db.close();
  });

  test('refuses a database that cannot promise durability', () => {
    expect(() => makeDurable(openFile(':memory:'))).toThrow(
      /needs journal_mode=wal and synchronous=FULL, and got memory/,
    );
  });

  test('a command that fails takes nothing along', () => {
    const db = openWriter('alone.db');
    const collection = randomUUID();
    const broken = addTo(collection, 2) as Extract<Command, { op: 'addObjects' }>;
    const [good, bad] = broken.versions;
    const versions = [good, { ...bad, type: null }] as unknown as typeof broken.versions;
    const queue = requests([addTo(collection, 1), { ...broken, versions }, addTo(collection, 1)]);
    const replies = atOnce(() => createGroupCommit(db, () => 1)(queue));
    expect(queue).toEqual([]);
    expect(replies.map((reply) => 'failure' in reply)).toEqual([false, true, false]);
    expect(replies[1]).toMatchObject({ failure: { code: undefined, message: expect.stringContaining('NOT NULL') } });
    expect(countObjects(db)).toBe(2);
    expect(db.prepare('SELECT versions FROM collections').pluck().get()).toBe(2);
    db.close();
  });

  test('commands that wait together share a commit', () => {
    const db = openWriter('group.db');
    const watcher = openFile(pathOf('group.db'));
    const commits = () => watcher.pragma('data_version', { simple: true });
    const before = commits();
    const commitGroup = createGroupCommit(db, () => 1);
    const kind = randomUUID();
    const put = (id: string): Command => ({ op: 'putRecord', kind, id, expected: 0, document: '1', keys: {} });
    expect(atOnce(() => commitGroup(requests([put('a'), put('b'), put('a')])))).toEqual([
      { ticket: 0, result: true },
      { ticket: 1, result: true },
      { ticket: 2, result: false },
    ]);
    expect(commits()).not.toBe(before);
    db.close();
    watcher.close();
  });

  test('a full disk is reported, nothing of the group is kept, and the store goes on once there is room', () => {
    const db = openWriter('full.db');
    const collection = randomUUID();
    const commitGroup = createGroupCommit(db, () => 1);
    db.pragma(`max_page_count = ${(db.pragma('page_count', { simple: true }) as number) + 5}`);
    const replies = atOnce(() => commitGroup(requests([addTo(collection, 1), addTo(collection, 100, 5_000)])));
    const full = { code: 'unavailable', message: expect.stringMatching(/SQLITE_FULL\): the disk is full/) };
    expect(replies.at(-1)).toMatchObject({ ticket: 1, failure: full });
    const kept = replies.filter((reply) => 'result' in reply).length;
    expect(countObjects(db)).toBe(kept);
    db.pragma('max_page_count = 1000000');
    expect(commitGroup(requests([addTo(collection, 100, 5_000)]))[0]).toMatchObject({ result: expect.any(Array) });
    expect(countObjects(db)).toBe(kept + 100);
    db.close();
  });

  test('a read-only file is reported', () => {
    const db = openWriter('readonly.db');
    const commitGroup = createGroupCommit(db, () => 1);
    db.pragma('query_only = ON');
    expect(commitGroup(requests([addTo(randomUUID(), 1)]))).toMatchObject([
      { failure: { code: 'unavailable', message: expect.stringContaining('the file is read-only') } },
    ]);
    db.close();
  });

  test('waits for its turn while another holds the lock, and gives up in the end', () => {
    const [holder, waiter] = [openWriter('locked.db'), openWriter('locked.db')];
    beginImmediate(holder);
    expect(() => beginImmediate(waiter, 20)).toThrow('database is locked');
    holder.exec('COMMIT');
    beginImmediate(waiter, 20);
    expect(waiter.inTransaction).toBe(true);
    waiter.close();
    holder.close();
  });

  test('a thread that crashes rejects what is under way, and the next command starts it again', async () => {
    const file = pathOf('crashing.mjs');
    const marker = pathOf('crashed-once');
    writeFileSync(
      file,
      `import { existsSync, writeFileSync } from 'node:fs';
       import { parentPort } from 'node:worker_threads';
       parentPort.on('message', (request) => {
         if (request === 'close') return parentPort.close();
         if (existsSync(${JSON.stringify(marker)})) return parentPort.postMessage([{ ticket: request.ticket, result: true }]);
         writeFileSync(${JSON.stringify(marker)}, '');
         throw new Error('out of luck');
       });`,
    );
    const heard: string[] = [];
    const onReply = () => heard.push('reply');
    const writer = startWriter({ path: pathOf('unused.db'), clockOffset: 0 }, onReply, pathToFileURL(file));
    const command: Command = { op: 'deleteRecord', kind: 'k', id: 'x', expected: 1 };
    const both = await Promise.allSettled([writer.run(command), writer.run(command)]);
    for (const result of both)
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'unavailable', message: expect.stringContaining('out of luck') },
      });
    expect(heard).toEqual([]);
    await writer.run(command).then((result) => heard.push(String(result)));
    expect(heard).toEqual(['reply', 'true']);
    await writer.close();
    await expect(writer.run(command)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('closing leaves one tidy file, with its log folded in', async () => {
    const path = pathOf('tidy/huiju.db');
    const store = await openSqliteStore({ path });
    const collection = randomUUID();
    await store.addObjects(collection, 'user', objects(10));
    await store.findRecords(collection, { versions: [all] }, { limit: 10 });
    await store.close();
    expect(readdirSync(pathOf('tidy'))).toEqual(['huiju.db']);
    const db = openFile(path);
    expect(countObjects(db)).toBe(10);
    db.close();
  });
});
