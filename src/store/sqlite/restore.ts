/**
 * The way back from snapshots, into a new file: beside its name first, to which it is linked when it is complete. Whoever
 * writes there holds the lock of that file, from before it has a table until it has its name: the system lets go of it when
 * the process ends, however.
 */

import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';
import type Database from 'better-sqlite3';
import { codeOf, OperatorError, systemReasonOf } from '../../errors.ts';
import type { AccessEntry, Restoring, SnapshotPart } from '../store.ts';
import { createAccessInsert, packAccess } from './access.ts';
import { openFile, partialPathOf, sqliteCode } from './connection.ts';
import { layoutSteps, prepareLayout } from './layout.ts';
import { createOriginKeeper } from './provenance.ts';
import { readParts } from './snapshot.ts';

type PartOf<P extends SnapshotPart['part']> = Extract<SnapshotPart, { part: P }>;

/** What a kill takes away of a copy at most. */
const commitMs = 30_000;
// As many as a busy server writes together.
const accessBatchLength = 500;

interface ObjectRow {
  readonly seq: number;
  readonly key: number | bigint;
  readonly dateAdded: number;
  readonly id: string;
  readonly versionKey: string;
  readonly length: number;
  readonly isLast: number;
  readonly isFirst: number;
}

/**
 * Compares the versions that a copy before has left with those that come, both by `seq`. A store gives the same version the
 * same `seq` again as long as nothing that stands before it went away; its text is compared when all is read back.
 */
function createReconciler(db: Database.Database, { forget }: ReturnType<typeof createOriginKeeper>) {
  const newest = db.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM objects').pluck().get() ?? 0;
  const find = db.prepare<[number], ObjectRow>(`SELECT seq, collection AS key, date_added AS dateAdded, id,
    version_key AS versionKey, length, is_last AS isLast, is_first AS isFirst FROM objects WHERE seq = ?`);
  const between = db
    .prepare<[number, number], number>('SELECT seq FROM objects WHERE seq > ? AND seq < ? LIMIT 1000')
    .pluck();
  const remove = db.prepare('DELETE FROM objects WHERE seq = ?');
  const flag = db.prepare('UPDATE objects SET is_last = @isLast, is_first = @isFirst WHERE seq = @seq');
  let position = 0;

  function removeBetween(after: number, before: number): void {
    for (let seqs = between.all(after, before); seqs.length > 0; seqs = between.all(after, before))
      for (const seq of seqs) {
        remove.run(seq);
        forget(seq);
      }
  }
  const nameOf = ({ key, dateAdded, id, versionKey, length }: ObjectRow) =>
    [key, dateAdded, id, versionKey, length].join();

  return {
    /** Whether the version is there. Others at its place and between it and the one before go. */
    has(row: ObjectRow): boolean {
      if (position >= newest) return false;
      removeBetween(position, row.seq);
      position = row.seq;
      const there = find.get(row.seq);
      if (there !== undefined && nameOf(there) === nameOf(row)) {
        if (there.isLast !== row.isLast || there.isFirst !== row.isFirst) flag.run(row);
        return true;
      }
      // From here on the numbers are others.
      removeBetween(row.seq - 1, Number.MAX_SAFE_INTEGER);
      return false;
    },
    /** No further version comes. */
    end: () => removeBetween(position, newest + 1),
  };
}

/** Returns functions that put parts of a snapshot into a store, as they were. It may hold versions of a copy before. */
function createPartWriter(db: Database.Database) {
  // Few against the objects, or changing: written anew.
  for (const table of ['tombstones', 'statuses', 'records', 'record_keys', 'access_batches', 'access_totals'])
    db.exec(`DELETE FROM ${table}`);
  const keys = new Map<string, number | bigint>();
  const sequence = db.prepare('UPDATE sequence SET last = ?');
  const collection = db
    .prepare<[PartOf<'collection'>], number>(`INSERT INTO collections (id, high_water, generation, versions, bytes)
    VALUES (@collection, @highWater, @generation, @versions, @bytes) ON CONFLICT (id) DO UPDATE SET high_water = @highWater,
    generation = @generation, versions = @versions, bytes = @bytes RETURNING key`)
    .pluck();
  const object = db.prepare(`INSERT INTO objects
    (seq, collection, date_added, is_last, is_first, length, id, type, spec_version, version, version_key, submitter, digest, text)
    VALUES (@seq, @key, @dateAdded, @isLast, @isFirst, @length, @id, @type, @specVersion, @version, @versionKey, @submitter,
    @digest, @text)`);
  const origins = createOriginKeeper(db);
  const reconciler = createReconciler(db, origins);
  const tombstone =
    db.prepare(`INSERT INTO tombstones (seq, collection, id, version, date_added, deleted_at, deleted_by)
    VALUES (@seq, @key, @id, @version, @dateAdded, @deletedAt, @deletedBy)`);
  const status = db.prepare(`INSERT INTO statuses (id, api_root, submitter, completed_at, text)
    VALUES (@id, @apiRoot, @submitter, @completedAt, @text)`);
  const record = db.prepare('INSERT INTO records (kind, id, revision, document) VALUES (?, ?, ?, ?)');
  const recordKey = db.prepare('INSERT INTO record_keys (kind, name, value, id) VALUES (?, ?, ?, ?)');
  const insertAccess = createAccessInsert(db);
  let access: AccessEntry[] = [];
  const totals = db.prepare('INSERT INTO access_totals (user, requests, last_at) VALUES (@user, @requests, @lastAt)');

  function keyOf(id: string): number | bigint {
    const key = keys.get(id);
    if (key === undefined) throw new OperatorError(`the snapshot has something of a collection ${id}, but not that`);
    return key;
  }
  function flushAccess(): void {
    insertAccess(packAccess(access).batches);
    access = [];
  }
  function writeObject(part: PartOf<'object'>): void {
    const flags = { isFirst: Number(part.isFirst), isLast: Number(part.isLast) };
    const row = { ...part, ...flags, key: keyOf(part.collection), length: Buffer.byteLength(part.text) };
    if (reconciler.has(row)) return;
    object.run(row);
    if (typeof part.origin === 'string') origins.keep(part.origin, part.seq, part.seq);
  }
  function write(part: SnapshotPart): unknown {
    switch (part.part) {
      case 'sequence':
        return sequence.run(part.last);
      case 'collection':
        return keys.set(part.collection, collection.get(part) ?? 0);
      case 'object':
        return writeObject(part);
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
        access.push(part);
        return access.length < accessBatchLength ? undefined : flushAccess();
      case 'access-totals':
        return totals.run(part);
    }
  }
  function finish(): void {
    reconciler.end();
    flushAccess();
  }
  return { write, finish };
}

/** Throws OperatorError unless there is no store at `path`, nor what one has left behind. */
export function assertNoSqliteStore(path: string): void {
  // A log without its database would be taken for that of the new one.
  const found = ['', '-wal', '-shm', '-journal'].map((ending) => path + ending).find((file) => existsSync(file));
  if (found === undefined) return;
  throw new OperatorError(`there is something at ${found} already: move it away, or set HUIJU_STORE to another place`);
}

function isWritten(partial: string): OperatorError {
  return new OperatorError(
    `another restore or copy writes ${partial} now: wait for its end, or end it, and run this again`,
  );
}

/** Opens the unfinished file and takes its lock, for as long as the connection is open. `open` is another one in tests. */
export function openLocked(partial: string, open = openFile): Database.Database {
  // Never opened and closed otherwise while a connection of this process has it: that would let go of the lock.
  try {
    closeSync(openSync(partial, 'wx', 0o600));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  // A second name is that of a store that was completed; what is open under another name must not be touched.
  const { ino, nlink } = statSync(partial);
  if (nlink > 1) {
    rmSync(partial);
    return openLocked(partial);
  }
  const db = open(partial);
  try {
    db.pragma('busy_timeout = 0');
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    if (statSync(partial, { throwIfNoEntry: false })?.ino !== ino) throw isWritten(partial);
    return db;
  } catch (error) {
    db.close();
    throw sqliteCode(error)?.startsWith('SQLITE_BUSY') === true ? isWritten(partial) : error;
  }
}

/** Whether the file is an unfinished copy of the same store, and of the newest layout. */
function isCopyOf(db: Database.Database, copyOf: string | undefined): boolean {
  if (copyOf === undefined || db.pragma('user_version', { simple: true }) !== layoutSteps.length) return false;
  const isMarked = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'copy_of'").get() !== undefined;
  return isMarked && db.prepare('SELECT store FROM copy_of').pluck().get() === copyOf;
}

/** What an earlier run has left is used or goes. */
function openPartial(partial: string, copyOf: string | undefined): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = openLocked(partial);
    if (isCopyOf(db, copyOf)) return db;
  } catch (error) {
    db?.close();
    if (sqliteCode(error) !== 'SQLITE_NOTADB' && sqliteCode(error)?.startsWith('SQLITE_CORRUPT') !== true) throw error;
  }
  // Its lock goes only after its name: whoever waits for it finds that it is not the file any more.
  for (const file of [partial, `${partial}-journal`]) rmSync(file, { force: true });
  db?.close();
  return openLocked(partial);
}

function prepare(db: Database.Database, copyOf: string | undefined): void {
  db.pragma('synchronous = FULL');
  db.pragma('fullfsync = ON');
  db.pragma('cache_size = -131072');
  prepareLayout(db);
  if (copyOf === undefined) return;
  db.exec('CREATE TABLE IF NOT EXISTS copy_of (store TEXT NOT NULL UNIQUE)');
  db.prepare('INSERT INTO copy_of VALUES (?) ON CONFLICT DO NOTHING').run(copyOf);
}

async function fill(db: Database.Database, parts: AsyncIterable<SnapshotPart>, isCopy: boolean): Promise<void> {
  db.exec('BEGIN');
  try {
    const { write, finish } = createPartWriter(db);
    let committedAt = performance.now();
    for await (const part of parts) {
      write(part);
      if (!isCopy || performance.now() < committedAt + commitMs) continue;
      db.exec('COMMIT; BEGIN');
      committedAt = performance.now();
    }
    finish();
  } finally {
    // Of a copy that is broken off, too. A full disk, for example, has ended the transaction.
    if (db.inTransaction) db.exec('COMMIT');
  }
}

async function* readBack(db: Database.Database): AsyncGenerator<SnapshotPart> {
  // From the file, not from what is remembered of writing it.
  db.pragma('shrink_memory');
  yield* readParts(db);
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

async function makeFile(
  path: string,
  parts: AsyncIterable<SnapshotPart>,
  { copyOf, verify }: Restoring,
): Promise<void> {
  const partial = partialPathOf(path);
  const db = openPartial(partial, copyOf);
  let isKept = copyOf !== undefined;
  try {
    prepare(db, copyOf);
    await fill(db, parts, copyOf !== undefined);
    const fault = await verify?.(readBack(db));
    isKept &&= fault === undefined;
    if (fault !== undefined) throw fault;
    db.exec('DROP TABLE IF EXISTS copy_of');
    // A link, unlike a rename, never replaces what has come there meanwhile.
    linkSync(partial, path);
    isKept = false;
  } finally {
    if (!isKept) for (const file of [partial, `${partial}-journal`]) rmSync(file, { force: true });
    db.close();
  }
  syncFolder(dirname(path));
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
 * OperatorError when there is something, or it cannot be written. Of a copy that is broken off stays, beside the place,
 * what the next one of the same store goes on with.
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
