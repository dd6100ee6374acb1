/** Snapshots: everything in the file as of one moment, and the way back into a new file. */

import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';
import type Database from 'better-sqlite3';
import { OperatorError, systemReasonOf } from '../../errors.ts';
import type { Restoring, SnapshotPart } from '../store.ts';
import { allAccessSql, createAccessInsert } from './access.ts';
import { openFile, openForReading, sqliteCode } from './connection.ts';
import { prepareLayout } from './layout.ts';

type PartOf<P extends SnapshotPart['part']> = Omit<Extract<SnapshotPart, { part: P }>, 'part'>;

const objectSql = `SELECT seq, c.id AS collection, date_added AS dateAdded, is_first AS isFirst, is_last AS isLast,
  submitter, o.id, type, spec_version AS specVersion, version, version_key AS versionKey, digest, text
  FROM objects o JOIN collections c ON c.key = o.collection ORDER BY seq`;
const tombstoneSql = `SELECT seq, c.id AS collection, t.id, version, date_added AS dateAdded,
  deleted_at AS deletedAt, deleted_by AS deletedBy
  FROM tombstones t JOIN collections c ON c.key = t.collection ORDER BY seq`;
const recordSql = `SELECT kind, id, revision, document,
  (SELECT json_group_object(name, value) FROM record_keys k WHERE k.kind = r.kind AND k.id = r.id) AS keys
  FROM records r ORDER BY kind, id`;

type ObjectRow = Omit<PartOf<'object'>, 'isFirst' | 'isLast'> & { readonly isFirst: number; readonly isLast: number };
interface RecordRow {
  readonly kind: string;
  readonly id: string;
  readonly revision: number;
  readonly document: string;
  readonly keys: string;
}

function* readParts(db: Database.Database): Generator<SnapshotPart> {
  function* rows<P extends Exclude<SnapshotPart['part'], 'object' | 'record'>>(part: P, sql: string) {
    for (const row of db.prepare<[], PartOf<P>>(sql).iterate()) yield { part, ...row };
  }
  yield* rows('sequence', 'SELECT last FROM sequence');
  yield* rows(
    'collection',
    'SELECT id AS collection, high_water AS highWater, generation, versions, bytes FROM collections ORDER BY key',
  );
  for (const row of db.prepare<[], ObjectRow>(objectSql).iterate())
    yield { part: 'object', ...row, isFirst: row.isFirst === 1, isLast: row.isLast === 1 };
  yield* rows('tombstone', tombstoneSql);
  yield* rows(
    'status',
    'SELECT id, api_root AS apiRoot, submitter, text, completed_at AS completedAt FROM statuses ORDER BY completed_at',
  );
  for (const row of db.prepare<[], RecordRow>(recordSql).iterate())
    yield { part: 'record', ...row, document: JSON.parse(row.document), keys: JSON.parse(row.keys) };
  yield* rows('access', allAccessSql.entries);
  yield* rows('access-totals', allAccessSql.totals);
}

/**
 * Reads in one transaction on a connection of its own. In a write-ahead log that holds up nobody: writers go on behind
 * it, and only the log cannot be folded in until it ends. (SQLite's backup interface starts over when another process
 * writes.) `assertOpen` throws when the store was closed meanwhile.
 */
export async function* readSnapshotOf(path: string, assertOpen: () => void): AsyncGenerator<SnapshotPart> {
  assertOpen();
  const db = openForReading(path);
  try {
    db.exec('BEGIN');
    for (const part of readParts(db)) {
      yield part;
      assertOpen();
    }
  } finally {
    db.close();
  }
}

/** Returns a function that puts a part of a snapshot into an empty store, as it was. */
function createPartWriter(db: Database.Database): (part: SnapshotPart) => void {
  const keys = new Map<string, number | bigint>();
  const sequence = db.prepare('UPDATE sequence SET last = ?');
  const collection = db.prepare(`INSERT INTO collections (id, high_water, generation, versions, bytes)
    VALUES (@collection, @highWater, @generation, @versions, @bytes)`);
  const object = db.prepare(`INSERT INTO objects
    (seq, collection, date_added, is_last, is_first, length, id, type, spec_version, version, version_key, submitter, digest, text)
    VALUES (@seq, @key, @dateAdded, @last, @first, @length, @id, @type, @specVersion, @version, @versionKey, @submitter,
    @digest, @text)`);
  const tombstone =
    db.prepare(`INSERT INTO tombstones (seq, collection, id, version, date_added, deleted_at, deleted_by)
    VALUES (@seq, @key, @id, @version, @dateAdded, @deletedAt, @deletedBy)`);
  const status = db.prepare(`INSERT INTO statuses (id, api_root, submitter, completed_at, text)
    VALUES (@id, @apiRoot, @submitter, @completedAt, @text)`);
  const record = db.prepare('INSERT INTO records (kind, id, revision, document) VALUES (?, ?, ?, ?)');
  const recordKey = db.prepare('INSERT INTO record_keys (kind, name, value, id) VALUES (?, ?, ?, ?)');
  const access = createAccessInsert(db);
  const totals = db.prepare('INSERT INTO access_totals (user, requests, last_at) VALUES (@user, @requests, @lastAt)');

  function keyOf(id: string): number | bigint {
    const key = keys.get(id);
    if (key === undefined) throw new OperatorError(`the snapshot has something of a collection ${id}, but not that`);
    return key;
  }
  return (part) => {
    switch (part.part) {
      case 'sequence':
        return sequence.run(part.last);
      case 'collection':
        return keys.set(part.collection, collection.run(part).lastInsertRowid);
      case 'object': {
        const { isFirst, isLast, ...rest } = part;
        const flags = { first: Number(isFirst), last: Number(isLast) };
        return object.run({ ...rest, ...flags, key: keyOf(part.collection), length: Buffer.byteLength(part.text) });
      }
      case 'tombstone':
        return tombstone.run({ ...part, key: keyOf(part.collection) });
      case 'status':
        return status.run(part);
      case 'record': {
        record.run(part.kind, part.id, part.revision, JSON.stringify(part.document));
        for (const [name, value] of Object.entries(part.keys)) recordKey.run(part.kind, name, value, part.id);
        return;
      }
      case 'access':
        return access(part);
      case 'access-totals':
        return totals.run(part);
    }
  };
}

/** Throws OperatorError unless there is no store at `path`, nor what one has left behind. */
export function assertNoSqliteStore(path: string): void {
  // A log without its database would be taken for that of the new one.
  const found = ['', '-wal', '-shm', '-journal'].map((ending) => path + ending).find((file) => existsSync(file));
  if (found === undefined) return;
  throw new OperatorError(`there is something at ${found} already: move it away, or set HUIJU_STORE to another place`);
}

async function fillFile(path: string, parts: AsyncIterable<SnapshotPart>): Promise<void> {
  const db = openFile(path);
  try {
    // Nobody knows the file yet: it need not survive a crash before it is complete.
    db.pragma('journal_mode = MEMORY');
    db.pragma('synchronous = OFF');
    db.pragma('cache_size = -131072');
    prepareLayout(db);
    const write = createPartWriter(db);
    db.exec('BEGIN IMMEDIATE');
    for await (const part of parts) write(part);
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

async function makeFile(path: string, parts: AsyncIterable<SnapshotPart>, { verify }: Restoring): Promise<void> {
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  try {
    closeSync(openSync(partial, 'wx', 0o600));
    await fillFile(partial, parts);
    syncPath(partial);
    const fault = await verify?.(readSnapshotOf(partial, () => {}));
    if (fault !== undefined) throw fault;
    // A link, unlike a rename, never replaces what has come there meanwhile.
    linkSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
  syncPath(dirname(path));
}

/** Removes folders that were made, from the innermost to the outermost, as long as nobody has put something there. */
function removeEmpty(innermost: string, outermost: string): void {
  try {
    for (let folder = innermost; folder.length >= outermost.length; folder = dirname(folder)) rmdirSync(folder);
  } catch {
    // It is in use, and stays.
  }
}

/**
 * Makes a store of a snapshot, at a place where there is none. It appears complete and on disk, or not at all. Throws
 * OperatorError when there is something, or it cannot be written.
 */
export async function restoreSqliteStore(
  given: string,
  parts: AsyncIterable<SnapshotPart>,
  restoring: Restoring = {},
): Promise<void> {
  const path = resolve(given);
  assertNoSqliteStore(path);
  let made: string | undefined;
  try {
    made = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await makeFile(path, parts, restoring);
  } catch (error) {
    if (made !== undefined) removeEmpty(dirname(path), made);
    if (!isNativeError(error) || (sqliteCode(error) === undefined && !('syscall' in error))) throw error;
    throw new OperatorError(`the store ${path} cannot be written: ${systemReasonOf(error)}`);
  }
}
