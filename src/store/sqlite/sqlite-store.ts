/** The store in one SQLite file: reading on this thread, writing in a thread of its own. */

import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { Arrivals } from '../../arrivals.ts';
import { OperatorError, systemReasonOf, TaxiiError } from '../../errors.ts';
import { createTracker } from '../../under-way.ts';
import {
  type Change,
  type CollectionState,
  emptyPage,
  type Micros,
  type ObjectQuery,
  type PageBounds,
  type Provenance,
  type RecordBounds,
  type RecordPage,
  type Store,
  type StoreGlimpse,
  type VersionName,
  type VersionRecord,
} from '../store.ts';
import { createAccessReader, packAccess } from './access.ts';
import {
  findSqliteReason,
  makeDurable,
  openFile,
  openForReading,
  openUnchanged,
  partialPathOf,
  sqliteCode,
} from './connection.ts';
import { createPageFinder } from './find-objects.ts';
import { assertOurs, prepareLayout } from './layout.ts';
import { createProvenanceFinder } from './provenance.ts';
import { createRecordReader } from './records.ts';
import { readSnapshotOf } from './snapshot.ts';
import { createUnchanged, type Find } from './unchanged.ts';
import { startWriter } from './writer.ts';

export interface SqliteStoreOptions {
  /** The file; it and its folder are made when they are missing. */
  readonly path: string;
  /** Microseconds added to the system clock: tests set the clock with it. */
  readonly clockOffset?: Micros;
  /** Where requests are served that read the store. */
  readonly arrivals?: Pick<Arrivals, 'find'>;
}

/** The SQL that reads. Exported for the tests that explain it and hold the order of a page. */
export const readSql = {
  // SQLite does not promise that group_concat follows the order of its subquery; a test holds that it does.
  texts: `SELECT CAST(group_concat(text, ',') AS BLOB) FROM
    (SELECT o.text FROM json_each(?) k CROSS JOIN objects o ON o.seq = k.value)`,
  versions: `SELECT o.id, date_added AS dateAdded, version, spec_version AS specVersion
    FROM json_each(?) k CROSS JOIN objects o ON o.seq = k.value`,
  object: 'SELECT 1 FROM objects WHERE collection = +? AND id = +? LIMIT 1',
  adds: `SELECT 'add' AS op, o.seq, c.id AS collection, o.id, version, date_added AS dateAdded
    FROM objects o CROSS JOIN collections c ON c.key = o.collection AND c.id = +? WHERE o.seq > +? ORDER BY o.seq LIMIT +?`,
  deletes: `SELECT 'delete' AS op, t.seq, c.id AS collection, t.id, version, date_added AS dateAdded,
    deleted_at AS deletedAt, deleted_by AS deletedBy
    FROM tombstones t CROSS JOIN collections c ON c.key = t.collection AND c.id = +? WHERE t.seq > +? ORDER BY t.seq LIMIT +?`,
} as const;

// So many point reads take a millisecond or two.
const namesAtATime = 200;

const stateSql = 'SELECT id AS collection, high_water AS highWater, generation, versions, bytes FROM collections';

/** An empty store in place of the one that was to come would be taken for it, and stand in the way of another attempt. */
function assertNothingUnfinished(path: string): void {
  const partial = partialPathOf(path);
  if (existsSync(path) || !existsSync(partial)) return;
  throw new OperatorError(
    `there is no store at ${path} yet: the restore or copy that is making it in ${partial} is under way or was broken off: wait, or run that command again; remove the file to begin with an empty store`,
  );
}

function makeFile(path: string): void {
  assertNothingUnfinished(path);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
  } catch (error) {
    throw new OperatorError(`the store ${path} cannot be opened for writing: ${systemReasonOf(error)}`);
  }
}

/** Makes the file a store of the newest layout, and opens it for reading. */
function openReader(path: string): Database.Database {
  const db = openFile(path);
  try {
    assertOurs(db);
    prepareLayout(makeDurable(db));
    return openForReading(path);
  } catch (error) {
    const reason = findSqliteReason(error);
    throw reason === undefined ? error : new OperatorError(`the store ${path} cannot be opened: ${reason}`);
  } finally {
    db.close();
  }
}

// Every layout has had the tables that these statements are of.
function createGlimpse(db: Database.Database): StoreGlimpse {
  const { findRecord, queryRecords } = createRecordReader(db);
  const states = db.prepare<[], CollectionState>(`${stateSql} ORDER BY id`);
  return {
    findRecord: async (kind, id) => findRecord(kind, id),
    queryRecords: async (kind, query) => queryRecords(kind, query),
    listCollectionStates: async () => states.all(),
    close: async () => {
      db.close();
    },
  };
}

function createReader(db: Database.Database, findUnchanged: Find) {
  const findPage = createPageFinder(db);
  const inSnapshot = db.transaction((work: () => Change[]) => work());
  const findKey = db.prepare<[string], number>('SELECT key FROM collections WHERE id = ?').pluck();
  const texts = db.prepare<[string], Buffer>(readSql.texts).pluck();
  const versions = db.prepare<[string], VersionRecord>(readSql.versions);
  const object = db.prepare<[number, string], number>(readSql.object).pluck();
  const findOneProvenance = createProvenanceFinder(db);
  const adds = db.prepare<[string, number, number], Change>(readSql.adds);
  const deletes = db.prepare<[string, number, number], Change>(readSql.deletes);
  const state = db.prepare<[string], CollectionState>(`${stateSql} WHERE id = ?`);
  const states = db.prepare<[], CollectionState>(`${stateSql} ORDER BY id`);
  // Collections are few and their keys never change.
  const keys = new Map<string, number>();

  function keyOf(collection: string): number | undefined {
    const key = keys.get(collection) ?? findKey.get(collection);
    if (key !== undefined) keys.set(collection, key);
    return key;
  }

  return {
    async findObjects(collection: string, query: ObjectQuery, bounds: PageBounds) {
      const key = keyOf(collection);
      if (key === undefined) return { ...emptyPage, dates: [], texts: Buffer.alloc(0) };
      const parts: Buffer[] = [];
      const dates: Micros[] = [];
      const page = await findPage(key, query, bounds, (seqs, datesOfSlice) => {
        const part = texts.get(JSON.stringify(seqs));
        if (part === undefined) throw new Error('a page without texts');
        if (parts.length > 0) parts.push(Buffer.from(','));
        parts.push(part);
        for (const date of datesOfSlice) dates.push(date);
      });
      const [only] = parts;
      return { ...page, dates, texts: only !== undefined && parts.length === 1 ? only : Buffer.concat(parts) };
    },

    async findRecords(collection: string, query: ObjectQuery, recordBounds: RecordBounds): Promise<RecordPage> {
      const key = keyOf(collection);
      if (key === undefined) return { ...emptyPage, records: [] };
      const records: VersionRecord[] = [];
      const bounds = { ...recordBounds, maxBytes: Number.POSITIVE_INFINITY };
      const page = await findPage(key, query, bounds, (seqs) => {
        for (const record of versions.iterate(JSON.stringify(seqs))) records.push(record);
      });
      return { ...page, records };
    },

    hasObject(collection: string, id: string): boolean {
      const key = keyOf(collection);
      return key !== undefined && object.get(key, id) !== undefined;
    },

    /** Others have their turn between the reads of many. */
    async findProvenance(collection: string, versions: readonly VersionName[]): Promise<(Provenance | undefined)[]> {
      const key = keyOf(collection);
      const found: (Provenance | undefined)[] = [];
      for (const version of versions) {
        found.push(key === undefined ? undefined : findOneProvenance(key, version));
        if (found.length % namesAtATime === 0) await nextTurn();
      }
      return found;
    },

    getCollectionState(collection: string): CollectionState {
      const found = findUnchanged('state of a collection', collection, () => Object.freeze(state.get(collection)));
      return found ?? { collection, highWater: 0, generation: 0, versions: 0, bytes: 0 };
    },

    listCollectionStates: (): CollectionState[] => states.all(),

    findChanges(collection: string, after: number, limit: number): Change[] {
      const place = [collection, after, limit] as const;
      const both = inSnapshot(() => [...adds.all(...place), ...deletes.all(...place)]);
      return both.sort((a, b) => a.seq - b.seq).slice(0, limit);
    },
  };
}

/**
 * Opens the store at `path` to look at it: nothing of it changes, also when its layout is an older one. Undefined when the
 * file is empty. Throws an OperatorError when it is no store, a newer one, or cannot be read.
 */
export function openSqliteGlimpse(path: string): StoreGlimpse | undefined {
  let db: Database.Database | undefined;
  try {
    db = openUnchanged(path);
    assertOurs(db);
    if (db.pragma('user_version', { simple: true }) !== 0) return createGlimpse(db);
    db.close();
    return undefined;
  } catch (error) {
    db?.close();
    if (sqliteCode(error) === undefined) throw error;
    throw new OperatorError(`the store ${path} cannot be read: ${systemReasonOf(error)}`);
  }
}

/** Opens the store at `path`, or makes one. Throws an OperatorError when the file cannot be a store of this version. */
export async function openSqliteStore({ path: given, clockOffset = 0, arrivals }: SqliteStoreOptions): Promise<Store> {
  const path = resolve(given);
  makeFile(path);
  const db = openReader(path);
  const unchanged = createUnchanged(db, arrivals);
  const objects = createReader(db, unchanged.find);
  const records = createRecordReader(db, unchanged.find);
  const access = createAccessReader(db);
  const writer = startWriter({ path, clockOffset }, unchanged.lookAgain);
  const reading = createTracker();
  let closed: Promise<void> | undefined;

  function assertOpen(): void {
    if (closed !== undefined) throw new TaxiiError('unavailable', 'The store is closed.');
  }

  /** Reads once the store is known to be open, and keeps it open until the read has ended. */
  async function read<T>(find: () => T | Promise<T>): Promise<T> {
    assertOpen();
    const result = find();
    return result instanceof Promise ? reading.track(result) : result;
  }

  async function closeAll(): Promise<void> {
    await reading.settled();
    // The reader goes first: only a connection that writes can tidy up as the last one.
    db.close();
    await writer.close();
  }

  return {
    addObjects: (collection, submitter, versions, delivery) =>
      writer.run({ op: 'addObjects', collection, submitter, versions, delivery }),
    deleteObject: (collection, id, selector, by) => writer.run({ op: 'deleteObject', collection, id, selector, by }),
    expireObjects: (collection, addedBefore, limit) =>
      writer.run({ op: 'expireObjects', collection, addedBefore, limit }),
    dropTombstones: (before, limit) => writer.run({ op: 'dropTombstones', before, limit }),
    dropStatuses: (before, limit) => writer.run({ op: 'dropStatuses', before, limit }),
    putStatus: (status, dropBefore) => writer.run({ op: 'putStatus', status, dropBefore }),
    putRecord: (kind, id, expected, document, keys) =>
      writer.run({ op: 'putRecord', kind, id, expected, document: JSON.stringify(document), keys }),
    deleteRecord: (kind, id, expected) => writer.run({ op: 'deleteRecord', kind, id, expected }),

    recordAccess: (entries, keep) => writer.run({ op: 'recordAccess', records: packAccess(entries), keep }),

    findObjects: (collection, query, bounds) => read(() => objects.findObjects(collection, query, bounds)),
    findRecords: (collection, query, bounds) => read(() => objects.findRecords(collection, query, bounds)),
    hasObject: (collection, id) => read(() => objects.hasObject(collection, id)),
    findProvenance: (collection, versions) => read(() => objects.findProvenance(collection, versions)),
    getCollectionState: (collection) => read(() => objects.getCollectionState(collection)),
    listCollectionStates: () => read(() => objects.listCollectionStates()),
    findChanges: (collection, after, limit) => read(() => objects.findChanges(collection, after, limit)),
    findRecord: (kind, id) => read(() => records.findRecord(kind, id)),
    queryRecords: (kind, query) => read(() => records.queryRecords(kind, query)),
    findStatus: (apiRoot, id) => read(() => records.findStatus(apiRoot, id)),
    findAccess: (query, limit) => read(() => access.findAccess(query, limit)),
    listAccessTotals: () => read(() => access.listAccessTotals()),
    readSnapshot: () => readSnapshotOf(path, assertOpen),

    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}
