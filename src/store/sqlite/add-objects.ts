/** What changes the objects of a collection. Each function runs inside a transaction that its caller began. */

import type Database from 'better-sqlite3';
import { sameContent } from '../../stix/canonical.ts';
import { findOriginBreach, type Origin, readOrigin } from '../../stix/origin.ts';
import { formatMicros, versionKeyOfMicros } from '../../stix/timestamp.ts';
import type { AddOutcome, Delivery, Micros, NewVersion } from '../store.ts';
import { createOriginKeeper } from './provenance.ts';
import { createTombstoneFinder } from './tombstones.ts';

/** The SQL that finds neighbours and duplicates. Exported for the test that explains each. */
export const neighbourSql = {
  last: 'SELECT seq, version_key AS versionKey FROM objects WHERE collection = +? AND id = +? ORDER BY version_key DESC LIMIT 1',
  first:
    'SELECT seq, version_key AS versionKey FROM objects WHERE collection = +? AND id = +? ORDER BY version_key LIMIT 1',
  exact:
    'SELECT date_added AS dateAdded, text FROM objects INDEXED BY objects_by_version WHERE collection = +? AND id = +? AND version_key = +?',
  digest:
    'SELECT date_added AS dateAdded FROM objects INDEXED BY objects_by_digest WHERE collection = +? AND id = +? AND digest = +?',
  revokedBefore:
    'SELECT date_added AS dateAdded FROM objects INDEXED BY objects_revoked WHERE collection = +? AND id = +? AND version_key < +? AND revoked LIMIT 1',
  origin: 'SELECT created_by_ref AS createdByRef, created FROM origins WHERE collection = +? AND id = +?',
} as const;

interface Neighbour {
  readonly seq: number;
  readonly versionKey: string;
}

/** The state of one collection while a command changes it. */
export interface OpenCollection {
  readonly key: number;
  highWater: Micros;
  versions: number;
  bytes: number;
}

/** Reads and writes the counters of the store: the sequence of changes and the state of each collection. */
export function createCounters(db: Database.Database) {
  const readSequence = db.prepare<[], number>('SELECT last FROM sequence').pluck();
  const writeSequence = db.prepare('UPDATE sequence SET last = ?');
  const create = db.prepare('INSERT INTO collections (id) VALUES (?) ON CONFLICT DO NOTHING');
  const read = db.prepare<[string], OpenCollection>(
    'SELECT key, high_water AS highWater, versions, bytes FROM collections WHERE id = ?',
  );
  const write = db.prepare(
    'UPDATE collections SET high_water = ?, generation = generation + 1, versions = ?, bytes = ? WHERE key = ?',
  );
  return {
    sequence: () => readSequence.get() ?? 0,
    find: (collection: string) => read.get(collection),
    open(collection: string): OpenCollection {
      create.run(collection);
      const opened = read.get(collection);
      if (opened === undefined) throw new Error(`collection ${collection} has no row`);
      return opened;
    },
    /** Keeps what a command changed. */
    save(sequence: number, { key, highWater, versions, bytes }: OpenCollection): void {
      writeSequence.run(sequence);
      write.run(highWater, versions, bytes, key);
    },
  };
}

/** Reads of an object's versions, and its flags. */
export function createNeighbours(db: Database.Database) {
  const last = db.prepare<[number, string], Neighbour>(neighbourSql.last);
  const first = db.prepare<[number, string], Neighbour>(neighbourSql.first);
  const flagLast = db.prepare<[number, number]>('UPDATE objects SET is_last = ? WHERE seq = ?');
  const flagFirst = db.prepare<[number, number]>('UPDATE objects SET is_first = ? WHERE seq = ?');
  return {
    last: (collection: number, id: string) => last.get(collection, id),
    first: (collection: number, id: string) => first.get(collection, id),
    setLast: (seq: number, flag: boolean) => flagLast.run(Number(flag), seq),
    setFirst: (seq: number, flag: boolean) => flagFirst.run(Number(flag), seq),
  };
}

/** Returns a function that tells what forbids a new version of an object that is held, or undefined. */
function createJudge(db: Database.Database) {
  const revokedBefore = db.prepare<[number, string, string], { dateAdded: Micros }>(neighbourSql.revokedBefore);
  const findOrigin = db.prepare<[number, string], Origin>(neighbourSql.origin);
  const keepOrigin = db.prepare('INSERT INTO origins (collection, id, created_by_ref, created) VALUES (?, ?, ?, ?)');
  const getText = db.prepare<[number], string>('SELECT text FROM objects WHERE seq = ?').pluck();
  const getDateAdded = db.prepare<[number], Micros>('SELECT date_added FROM objects WHERE seq = ?').pluck();

  function get<T>(statement: Database.Statement<[number], T>, seq: number): T {
    const value = statement.get(seq);
    if (value === undefined) throw new Error(`version ${seq} has no row`);
    return value;
  }

  /** Most objects have one version: an origin is kept from the second on, so that a long text is read for it once. */
  function originOf(collection: number, id: string, last: Neighbour): Origin {
    const known = findOrigin.get(collection, id);
    if (known !== undefined) return known;
    const origin = readOrigin(get(getText, last.seq));
    keepOrigin.run(collection, id, origin.createdByRef, origin.created);
    return origin;
  }

  return function findRefusal(collection: number, version: NewVersion, last: Neighbour): AddOutcome | undefined {
    const { id, text, versionKey } = version;
    if (versionKey === null) return undefined;
    const origin = readOrigin(text);
    if (origin.created === null) return undefined;
    const breach = findOriginBreach(originOf(collection, id, last), origin);
    if (breach !== undefined) return { ...breach, dateAdded: get(getDateAdded, last.seq) };
    const revoked = revokedBefore.get(collection, id, versionKey);
    return revoked && { outcome: 'revoked', dateAdded: revoked.dateAdded, given: version.version };
  };
}

/** Returns `addObjects` of the contract, for one connection. `now` is the clock. */
export function createAddObjects(db: Database.Database, now: () => Micros) {
  const counters = createCounters(db);
  const neighbours = createNeighbours(db);
  const findRefusal = createJudge(db);
  const origins = createOriginKeeper(db);
  const findTombstone = createTombstoneFinder(db);
  const findExact = db.prepare<[number, string, string], { dateAdded: Micros; text: string }>(neighbourSql.exact);
  const findDigest = db.prepare<[number, string, string], { dateAdded: Micros }>(neighbourSql.digest);
  const insert = db.prepare(`INSERT INTO objects
    (seq, collection, date_added, is_last, is_first, length, id, type, spec_version, version, version_key, submitter, digest, text)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);

  /** The outcome for a version that is here already; undefined when it is new. */
  function findStored(collection: number, { id, text, versionKey, digest }: NewVersion): AddOutcome | undefined {
    if (versionKey === null) {
      const same = digest === null ? undefined : findDigest.get(collection, id, digest);
      return same && { outcome: 'duplicate', dateAdded: same.dateAdded };
    }
    const stored = findExact.get(collection, id, versionKey);
    if (stored === undefined) return undefined;
    const isSame = stored.text === text || sameContent(stored.text, text);
    return { outcome: isSame ? 'duplicate' : 'version-conflict', dateAdded: stored.dateAdded };
  }

  /** What keeps a version away that was deleted by somebody else than `exceptBy`; undefined: nobody asks for that. */
  function findWithheld(collection: number, version: NewVersion, exceptBy: string | undefined): AddOutcome | undefined {
    const deletion = exceptBy === undefined ? undefined : findTombstone(collection, version);
    if (deletion === undefined || deletion.deletedBy === exceptBy) return undefined;
    return { outcome: 'withheld', dateAdded: deletion.dateAdded };
  }

  function nextDateAdded({ key, highWater }: OpenCollection, version: NewVersion, last: Neighbour | undefined): Micros {
    let dateAdded = Math.max(now(), highWater + 1);
    if (version.versionKey !== null || last === undefined) return dateAdded;
    // It becomes the version of an object that has none: it must not be a version of that object yet.
    while (findExact.get(key, version.id, versionKeyOfMicros(dateAdded)) !== undefined) dateAdded += 1;
    return dateAdded;
  }

  /** Whether a new version is the last and the first of its object; whichever was before is so no longer. */
  function takeFlags(collection: number, id: string, versionKey: string, last: Neighbour | undefined) {
    if (last === undefined) return { isLast: 1, isFirst: 1 };
    if (versionKey > last.versionKey) {
      neighbours.setLast(last.seq, false);
      return { isLast: 1, isFirst: 0 };
    }
    const first = neighbours.first(collection, id);
    if (first === undefined || versionKey > first.versionKey) return { isLast: 0, isFirst: 0 };
    neighbours.setFirst(first.seq, false);
    return { isLast: 0, isFirst: 1 };
  }

  function add(
    collection: OpenCollection,
    seq: number,
    submitter: string,
    version: NewVersion,
    exceptBy: string | undefined,
  ): AddOutcome {
    const { id, type, specVersion, text, digest } = version;
    const { key } = collection;
    const last = neighbours.last(key, id);
    // The usual case, a new object or a newer version, needs no further look.
    const isNewest = last === undefined || (version.versionKey !== null && version.versionKey > last.versionKey);
    const stored = isNewest ? undefined : findStored(key, version);
    if (stored?.outcome === 'duplicate') return stored;
    const refusal = findWithheld(key, version, exceptBy) ?? stored ?? (last && findRefusal(key, version, last));
    if (refusal !== undefined) return refusal;

    const dateAdded = nextDateAdded(collection, version, last);
    const versionKey = version.versionKey ?? versionKeyOfMicros(dateAdded);
    const spelled = version.version ?? formatMicros(dateAdded);
    const { isLast, isFirst } = takeFlags(key, id, versionKey, last);
    const length = Buffer.byteLength(text);
    const place = [seq, key, dateAdded, isLast, isFirst, length];
    insert.run(...place, id, type, specVersion, spelled, versionKey, submitter, digest, text);
    collection.highWater = dateAdded;
    collection.versions += 1;
    collection.bytes += length;
    return { outcome: 'added', dateAdded };
  }

  return function addObjects(
    collectionId: string,
    submitter: string,
    versions: readonly NewVersion[],
    { origin, withholdDeleted }: Delivery = {},
  ): AddOutcome[] {
    if (versions.length === 0) return [];
    const collection = counters.open(collectionId);
    const before = counters.sequence();
    let sequence = before;
    const outcomes = versions.map((version) => {
      const outcome = add(collection, sequence + 1, submitter, version, withholdDeleted?.exceptBy);
      if (outcome.outcome === 'added') sequence += 1;
      return outcome;
    });
    if (sequence === before) return outcomes;
    if (origin !== undefined) origins.keep(origin, before + 1, sequence);
    counters.save(sequence, collection);
    return outcomes;
  };
}
