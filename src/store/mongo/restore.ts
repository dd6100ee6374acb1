/** The way back from snapshots: into an empty database, or one that a copy of the same store has not filled. */

import { randomUUID } from 'node:crypto';
import { OperatorError } from '../../errors.ts';
import { readOrigin } from '../../stix/origin.ts';
import { findVersionKey, microsNow } from '../../stix/timestamp.ts';
import type { AccessEntry, AccessTotals, Micros, Restoring, SnapshotPart } from '../store.ts';
import { createAccess } from './access.ts';
import {
  ask,
  type Connection,
  connect,
  isDatabaseError,
  long,
  readLimit,
  reasonOf,
  redactUrl,
  toNumber,
} from './connection.ts';
import { type CollectionDocument, never } from './documents.ts';
import { assertOurs, createIndexes, findRestored, isOvertaken, markStore, releaseStore, takeOver } from './layout.ts';
import {
  type CollectionRow,
  createObjectDatabase,
  type SlotRow,
  toCollectionRow,
  toTombstoneRow,
  toVersionRow,
} from './object-database.ts';
import { type RecordRow, type StatusRow, toKeys, toStatusRow } from './records.ts';
import { readSnapshotOf } from './snapshot.ts';
import { createTiming } from './timing.ts';
import { createTurns } from './turns.ts';
import { isRevoked } from './write-objects.ts';

type PartOf<P extends SnapshotPart['part']> = Extract<SnapshotPart, { part: P }>;

// Documents that are written at a time: at most, and about so many bytes.
const batchCount = 500;
const batchBytes = 8 * 1024 ** 2;
// Versions of before, without their texts, that are looked at together.
const lookCount = 5_000;

/** Returns a function that writes rows in batches, and one that writes what is left. */
function createBatch<T>(write: (rows: readonly T[]) => Promise<void>, sizeOf: (row: T) => number) {
  let rows: T[] = [];
  let bytes = 0;
  async function flush(): Promise<void> {
    if (rows.length > 0) await write(rows);
    rows = [];
    bytes = 0;
  }
  async function add(row: T): Promise<void> {
    rows.push(row);
    bytes += sizeOf(row);
    if (rows.length >= batchCount || bytes >= batchBytes) await flush();
  }
  return { add, flush };
}

function toRestoredRow(part: PartOf<'object'>): SlotRow {
  const { collection, dateAdded, submitter, id, type, specVersion, version, versionKey, digest, text } = part;
  const { isFirst, isLast, origin = null } = part;
  const creation = digest === null ? readOrigin(text) : { createdByRef: null, created: null };
  const age = isLast ? (isFirst ? 'only' : 'last') : isFirst ? 'first' : 'middle';
  return toVersionRow(collection, {
    ...{ dateAdded, submitter, id, type, specVersion, version, versionKey, digest, text, age, origin, ...creation },
    identity: digest === null ? versionKey : `#${digest}`,
    revoked: digest === null && isRevoked(text),
    length: Buffer.byteLength(text),
    revision: 0,
    // Which version supersedes is found again when the object changes; that one does is known.
    lastUntil: isLast ? never : 0,
    firstUntil: isFirst ? never : 0,
  });
}

/** Whether a version is there as it should be. Its text is compared when all is read back. */
function isSame(row: SlotRow, wanted: SlotRow | undefined): boolean {
  const textsOf = ({ id, identity, version, submitter, origin, age, length }: SlotRow) =>
    JSON.stringify([id, identity, version, submitter, origin, age, length]);
  const flagsOf = ({ last_until = 0, first_until = 0 }: SlotRow) => `${toNumber(last_until)} ${toNumber(first_until)}`;
  return wanted !== undefined && textsOf(row) === textsOf(wanted) && flagsOf(row) === flagsOf(wanted);
}

/**
 * Returns what brings the versions that an earlier run has left to what they are now. The rows of a collection come in the
 * order of their slots; up to the last one, all that is not among them goes.
 */
function createReconciler({ collection: named }: Connection) {
  const versions = named<SlotRow>('versions');
  const positions = new Map<string, Micros>();

  /** Removes what is wrong in a range of slots. Resolves to the slots that are right. */
  async function clear(collection: string, upTo: Micros, wanted: ReadonlyMap<Micros, SlotRow>): Promise<Set<Micros>> {
    const right = new Set<Micros>();
    const options = { sort: { date_added: 1 }, limit: lookCount, projection: { text: 0 }, ...readLimit } as const;
    for (let after = positions.get(collection) ?? -1; ; ) {
      const filter = { collection, date_added: { $gt: long(after), $lte: long(upTo) } };
      const found = await ask(versions.find(filter, options).toArray());
      const wrong = found.filter((row) => !isSame(row, wanted.get(toNumber(row.date_added))));
      if (wrong.length > 0) await ask(versions.deleteMany({ _id: { $in: wrong.map(({ _id }) => _id) }, collection }));
      for (const row of found) right.add(toNumber(row.date_added));
      for (const row of wrong) right.delete(toNumber(row.date_added));
      const last = found.at(-1);
      if (last === undefined || found.length < lookCount) return right;
      after = toNumber(last.date_added);
    }
  }

  return {
    /** Resolves to the rows that are missing. */
    async findMissing(rows: readonly SlotRow[]): Promise<SlotRow[]> {
      const missing: SlotRow[] = [];
      for (const [collection, group] of Map.groupBy(rows, (row) => row.collection)) {
        const wanted = new Map(group.map((row) => [toNumber(row.date_added), row]));
        const upTo = Math.max(...wanted.keys());
        const right = await clear(collection, upTo, wanted);
        positions.set(collection, upTo);
        missing.push(...group.filter((row) => !right.has(toNumber(row.date_added))));
      }
      return missing;
    },
    /** Removes what is above the last version, deletions included. */
    async clearRest(collections: Iterable<string>): Promise<void> {
      for (const collection of collections) await clear(collection, never, new Map());
    },
  };
}

/** Returns functions that put parts of a snapshot into a store. With `isResumed` versions may be there. */
function createPartWriter(connection: Connection, isResumed: boolean, assertOwn: () => Promise<void>) {
  const states = new Map<string, CollectionDocument>();
  const { collection } = connection;
  const access = createAccess(connection);
  const reconciler = createReconciler(connection);
  let isAtTombstones = false;
  const insertInto = (name: string) => async (rows: readonly object[]) => {
    await assertOwn();
    await ask(
      collection(name).insertMany(
        rows.map((row) => ({ ...row })),
        { ordered: false },
      ),
    );
  };
  async function writeSlots(rows: readonly SlotRow[]): Promise<void> {
    const missing = isResumed && !isAtTombstones ? await reconciler.findMissing(rows) : rows;
    if (missing.length > 0) await insertInto('versions')(missing);
  }
  const one = () => batchBytes / batchCount;
  const slots = createBatch<SlotRow>(writeSlots, ({ text = '' }) => text.length + 500);
  const statuses = createBatch<StatusRow>(insertInto('statuses'), ({ text }) => text.length);
  const records = createBatch<RecordRow>(insertInto('records'), ({ document }) => document.length);
  const entries = createBatch<AccessEntry>(async (list) => {
    await assertOwn();
    await access.restore(list, []);
  }, one);
  const totals = createBatch<AccessTotals>((list) => access.restore([], list), one);

  /** All objects have come: what is left of others goes, before deletions take slots above them. */
  async function endObjects(): Promise<void> {
    if (isAtTombstones) return;
    await slots.flush();
    isAtTombstones = true;
    if (isResumed) await reconciler.clearRest(states.keys());
  }

  /**
   * A deletion's slot is not in a snapshot: it takes one above all versions, and not before the deletion, since `retention.ts`
   * drops tombstones in the order of their slots.
   */
  function bury({ collection: id, ...part }: PartOf<'tombstone'>): SlotRow {
    const state = states.get(id);
    if (state === undefined) throw new OperatorError(`the snapshot has something of a collection ${id}, but not that`);
    const dateAdded = Math.max(state.allocated + 1, Math.min(part.deletedAt, microsNow()));
    states.set(id, { ...state, allocated: dateAdded, tombstones: state.tombstones + 1 });
    const versionKey = findVersionKey(part.version) ?? part.version;
    return toTombstoneRow(id, { ...part, dateAdded, deleted: part.dateAdded, versionKey, length: 0 });
  }

  async function write(part: SnapshotPart): Promise<void> {
    switch (part.part) {
      case 'sequence':
        return;
      case 'collection': {
        const { part: _part, ...state } = part;
        const rest = { allocated: state.highWater, open: [], tombstones: 0, superseding: 0, isHeld: false };
        states.set(state.collection, { ...state, ...rest });
        return;
      }
      case 'object':
        return slots.add(toRestoredRow(part));
      case 'tombstone':
        await endObjects();
        return slots.add(bury(part));
      case 'status':
        return statuses.add(toStatusRow(part));
      case 'record': {
        const { kind, id, revision, document, keys } = part;
        return records.add({ kind, id, revision, document: JSON.stringify(document), keys: toKeys(keys) });
      }
      case 'access': {
        const { part: _part, ...entry } = part;
        return entries.add(entry);
      }
      case 'access-totals':
        return totals.add(part);
    }
  }

  async function finish(): Promise<void> {
    await endObjects();
    for (const batch of [slots, statuses, records, entries, totals]) await batch.flush();
    const rows = [...states.values()].map(toCollectionRow);
    if (rows.length > 0) await ask(collection<CollectionRow>('collections').insertMany(rows));
  }
  return { write, finish };
}

/** One by one: the right to drop a database is not among those that a store needs. What says whose it is goes last. */
async function dropAll({ db }: Connection, except: readonly string[] = []): Promise<void> {
  const found = await ask(db.listCollections({}, { nameOnly: true }).toArray());
  const names = found.map(({ name }) => name).filter((name) => !except.includes(name));
  for (const name of names.filter((one) => one !== 'meta')) await ask(db.dropCollection(name));
  if (names.includes('meta')) await ask(db.dropCollection('meta'));
}

function isTaken(url: string): OperatorError {
  return new OperatorError(
    `there is a store at ${redactUrl(url)} already: drop its database, or set HUIJU_STORE to another place`,
  );
}

/** Begins a store, or takes over what an earlier run has left of a copy of the same one, and says whether it did. */
async function begin(connection: Connection, url: string, run: string, copyOf: string | undefined): Promise<boolean> {
  if (copyOf !== undefined && (await takeOver(connection, run, copyOf))) {
    await dropAll(connection, ['meta', 'versions']);
    return true;
  }
  if (await assertOurs(connection)) throw isTaken(url);
  await markStore(connection, { run, ...(copyOf !== undefined && { copy_of: copyOf }) });
  return false;
}

/** Throws OperatorError unless the database is empty. */
export async function assertNoMongoStore(url: string): Promise<void> {
  const connection = await connect(url);
  try {
    if (await assertOurs(connection)) throw isTaken(url);
  } finally {
    await connection.close();
  }
}

async function fill(
  connection: Connection,
  parts: AsyncIterable<SnapshotPart>,
  isResumed: boolean,
  run: string,
): Promise<void> {
  // A run that was thought dead must not write behind the one that has taken over.
  const assertOwn = async () => {
    if ((await findRestored(connection))?.run !== run) throw isOvertaken();
  };
  await createIndexes(connection);
  const { write, finish } = createPartWriter(connection, isResumed, assertOwn);
  for await (const part of parts) await write(part);
  await finish();
}

/** Drops the store, unless another run has taken it over. */
async function giveUp(connection: Connection, run: string): Promise<void> {
  if ((await findRestored(connection))?.run === run) await dropAll(connection);
}

/**
 * Makes a store of a snapshot in an empty database. Nobody can open it before it is complete: a mark is in it first, and
 * goes last. Throws OperatorError when there is a store or it cannot be written. Then it leaves nothing; but of a copy that
 * was broken off what is written stays, for the next run.
 */
export async function restoreMongoStore(
  url: string,
  parts: AsyncIterable<SnapshotPart>,
  { copyOf, verify }: Restoring = {},
): Promise<void> {
  const run = randomUUID();
  const connection = await connect(url);
  try {
    const isResumed = await begin(connection, url, run, copyOf);
    try {
      await fill(connection, parts, isResumed, run);
    } catch (error) {
      if (copyOf === undefined) await giveUp(connection, run);
      throw error;
    }
    const turns = createTurns(createObjectDatabase(connection), createTiming());
    const fault = await verify?.(readSnapshotOf(connection, turns, () => {}));
    if (fault !== undefined) {
      await giveUp(connection, run);
      throw fault;
    }
    await releaseStore(connection, run);
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    throw new OperatorError(`the store ${redactUrl(url)} cannot be written: ${reasonOf(error)}`);
  } finally {
    await connection.close();
  }
}
