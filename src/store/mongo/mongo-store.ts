/** The store in a MongoDB database, for any number of processes. */

import { messageOf, OperatorError, TaxiiError } from '../../errors.ts';
import { microsNow } from '../../stix/timestamp.ts';
import type { Change, CollectionState, Micros, Store, StoreGlimpse, Tombstone, VersionName } from '../store.ts';
import { createAccess } from './access.ts';
import {
  ask,
  type CommandObserver,
  type Connection,
  connect,
  isDatabaseError,
  long,
  readLimit,
  reasonOf,
  redactUrl,
} from './connection.ts';
import { type CollectionDocument, stableSlotOf, type Timing, type TombstoneDocument } from './documents.ts';
import { createPageFinder, toVersionRecord } from './find-objects.ts';
import { assertOurs, prepareLayout } from './layout.ts';
import {
  type CollectionRow,
  createObjectDatabase,
  deletedAge,
  type SlotRow,
  toCollectionDocument,
  toHeldVersion,
  tombstonePrefix,
  toTombstone,
} from './object-database.ts';
import { createQueues } from './queue.ts';
import { createRecords } from './records.ts';
import { createRetention } from './retention.ts';
import { readSnapshotOf } from './snapshot.ts';
import { createTurns } from './turns.ts';
import { createObjectWriter } from './write-objects.ts';

export interface MongoStoreOptions {
  /** `mongodb://` or `mongodb+srv://`; the database is named at its end, `huiju` when it is not. */
  readonly url: string;
  /** Microseconds added to the system clock: tests set the clock with it. */
  readonly clockOffset?: Micros;
  /** Tests hear with it what is sent. */
  readonly observe?: CommandObserver;
}

function createTiming(clockOffset: Micros): Timing {
  return {
    now: () => microsNow() + clockOffset,
    elapsed: () => performance.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: Math.random,
  };
}

function toState({ collection, highWater, generation, versions, bytes }: CollectionDocument): CollectionState {
  return { collection, highWater, generation, versions, bytes };
}

/** What is sent to find versions one by one, changes and tombstones. A test holds it against the indexes. */
const lookups = {
  object: (collection: string, id: string, stable: Micros) => ({
    ...({ collection, id, places: 'all', date_added: { $lte: long(stable) } } as const),
  }),
  changes: (collection: string, after: Micros, stable: Micros) => ({
    collection,
    places: { $in: ['all', 'deleted'] as const },
    date_added: { $gt: long(after), $lte: long(stable) },
  }),
  tombstones: (collection: string, ids: readonly string[]) => ({
    ...{ collection, id: { $in: [...ids] } },
    // The character after the slash.
    identity: { $gte: tombstonePrefix, $lt: tombstonePrefix.replace('/', '0') },
  }),
} as const;

/** The one that tells of a version: the newest of it, or of the last version where it has none of its own. */
function findTombstone(found: readonly TombstoneDocument[], { id, versionKey }: VersionName): Tombstone | undefined {
  const of = found.filter((each) => each.id === id && (versionKey === null || each.versionKey === versionKey));
  const newest = of.reduce<TombstoneDocument | undefined>((best, each) => {
    if (best === undefined || each.versionKey > best.versionKey) return each;
    return each.versionKey === best.versionKey && each.dateAdded > best.dateAdded ? each : best;
  }, undefined);
  return newest && { dateAdded: newest.deleted, deletedAt: newest.deletedAt, deletedBy: newest.deletedBy };
}

function toChange(collection: string, row: SlotRow): Change {
  if (row.age === deletedAge) {
    const { dateAdded, id, version, deleted, deletedAt, deletedBy } = toTombstone(row);
    return { op: 'delete', seq: dateAdded, collection, id, version, dateAdded: deleted, deletedAt, deletedBy };
  }
  const { dateAdded, id, version } = toHeldVersion(row);
  return { op: 'add', seq: dateAdded, collection, id, version, dateAdded };
}

function createReader(connection: Connection) {
  const rows = connection.collection<SlotRow>('versions');
  const collections = connection.collection<CollectionRow>('collections');
  const pages = createPageFinder(connection);
  const withoutText = { _id: 0, text: 0 } as const;

  return {
    async findObjects(...[collection, query, bounds]: Parameters<Store['findObjects']>) {
      const { rows: found, ...page } = await pages.findObjects(collection, query, bounds);
      return { ...page, texts: Buffer.from(found.map(({ text }) => text).join(',')) };
    },

    async findRecords(...[collection, query, bounds]: Parameters<Store['findRecords']>) {
      const { rows: found, ...page } = await pages.findRecords(collection, query, bounds);
      return { ...page, records: found.map(toVersionRecord) };
    },

    async hasObject(collection: string, id: string): Promise<boolean> {
      const state = await pages.findState(collection);
      if (state === undefined) return false;
      const filter = lookups.object(collection, id, stableSlotOf(state));
      return (await ask(rows.findOne(filter, { projection: { _id: 1 }, ...readLimit }))) !== null;
    },

    async getCollectionState(collection: string): Promise<CollectionState> {
      const state = await pages.findState(collection);
      return toState(
        state ?? {
          ...{ collection, allocated: 0, open: [], highWater: 0, generation: 0 },
          ...{ versions: 0, bytes: 0, tombstones: 0, superseding: 0 },
        },
      );
    },

    async listCollectionStates(): Promise<CollectionState[]> {
      const found = await ask(collections.find({}, { sort: { _id: 1 }, ...readLimit }).toArray());
      return found
        .map(toCollectionDocument)
        .filter(({ generation }) => generation > 0)
        .map(toState);
    },

    async findTombstones(collection: string, versions: readonly VersionName[]): Promise<(Tombstone | undefined)[]> {
      const state = await pages.findState(collection);
      if (state === undefined || versions.length === 0) return versions.map(() => undefined);
      const ids = [...new Set(versions.map(({ id }) => id))];
      const stable = stableSlotOf(state);
      const found = await ask(rows.find(lookups.tombstones(collection, ids), readLimit).toArray());
      const tombstones = found.map(toTombstone).filter(({ dateAdded }) => dateAdded <= stable);
      const byId = Map.groupBy(tombstones, ({ id }) => id);
      return versions.map((name) => findTombstone(byId.get(name.id) ?? [], name));
    },

    async findChanges(collection: string, after: number, limit: number): Promise<Change[]> {
      const state = await pages.findState(collection);
      if (state === undefined) return [];
      const options = { sort: { date_added: 1 }, limit, projection: withoutText, ...readLimit } as const;
      const filter = lookups.changes(collection, after, stableSlotOf(state));
      return (await ask(rows.find(filter, options).toArray())).map((row) => toChange(collection, row));
    },
  };
}

/** Runs `use` on a new connection. The driver's errors become OperatorErrors. */
async function withConnection<T>(
  url: string,
  use: (connection: Connection) => Promise<T>,
  observe?: CommandObserver,
): Promise<T> {
  const connection = await connect(url, observe);
  try {
    return await use(connection);
  } catch (error) {
    await connection.close();
    if (error instanceof OperatorError) throw error;
    const reason = isDatabaseError(error) ? reasonOf(error) : messageOf(error);
    throw new OperatorError(`the store ${redactUrl(url)} cannot be opened: ${reason}`);
  }
}

/** Whether the database is a store. Changes nothing. Throws OperatorError when it holds something else. */
export async function hasMongoStore(url: string): Promise<boolean> {
  return withConnection(url, async (connection) => {
    const found = await assertOurs(connection);
    await connection.close();
    return found;
  });
}

/** Opens a store to look at it; nothing of it changes. Undefined when the database is empty. */
export async function openMongoGlimpse(url: string): Promise<StoreGlimpse | undefined> {
  return withConnection(url, async (connection) => {
    if (!(await assertOurs(connection))) {
      await connection.close();
      return undefined;
    }
    const { findRecord, queryRecords } = createRecords(connection);
    const { listCollectionStates } = createReader(connection);
    return { findRecord, queryRecords, listCollectionStates, close: connection.close };
  });
}

/** Opens the store, or makes one of an empty database. Throws an OperatorError when it cannot be used. */
export async function openMongoStore({ url, clockOffset = 0, observe }: MongoStoreOptions): Promise<Store> {
  const prepare = async (opened: Connection) => {
    await prepareLayout(opened);
    return opened;
  };
  const connection = await withConnection(url, prepare, observe);
  const timing = createTiming(clockOffset);
  const database = createObjectDatabase(connection);
  const writer = createObjectWriter(database, createTurns(database, timing), timing);
  const queues = createQueues(writer.addObjects);
  const reader = createReader(connection);
  const records = createRecords(connection);
  const access = createAccess(connection);
  const retention = createRetention(connection, writer);
  const underWay = new Set<Promise<unknown>>();
  let closed: Promise<void> | undefined;

  function assertOpen(): void {
    if (closed !== undefined) throw new TaxiiError('unavailable', 'The store is closed.');
  }

  /** Returns the method as it is offered: it refuses when the store is closed, and keeps it open until it has ended. */
  function offer<A extends unknown[], T>(method: (...given: A) => Promise<T>): (...given: A) => Promise<T> {
    return async (...given) => {
      assertOpen();
      const result = method(...given);
      underWay.add(result);
      try {
        return await result;
      } finally {
        underWay.delete(result);
      }
    };
  }

  async function closeAll(): Promise<void> {
    await Promise.allSettled(underWay);
    await queues.settled();
    await connection.close();
  }

  return {
    addObjects: offer(async (collection: string, submitter: string, versions) =>
      versions.length === 0
        ? []
        : queues.add(
            collection,
            versions.map((version) => ({ submitter, version })),
          ),
    ),
    deleteObject: offer((collection: string, ...rest) =>
      queues.run(collection, () => writer.deleteObject(collection, ...rest)),
    ),
    expireObjects: offer((collection: string, ...rest) =>
      queues.run(collection, () => retention.expireObjects(collection, ...rest)),
    ),
    dropTombstones: offer(retention.dropTombstones),
    dropStatuses: offer(records.dropStatuses),
    findObjects: offer(reader.findObjects),
    findRecords: offer(reader.findRecords),
    hasObject: offer(reader.hasObject),
    findTombstones: offer(reader.findTombstones),
    getCollectionState: offer(reader.getCollectionState),
    listCollectionStates: offer(reader.listCollectionStates),
    findChanges: offer(reader.findChanges),
    findRecord: offer(records.findRecord),
    queryRecords: offer(records.queryRecords),
    putRecord: offer(records.putRecord),
    deleteRecord: offer(records.deleteRecord),
    putStatus: offer(records.putStatus),
    findStatus: offer(records.findStatus),
    recordAccess: offer(access.recordAccess),
    findAccess: offer(access.findAccess),
    listAccessTotals: offer(access.listAccessTotals),
    readSnapshot: () => readSnapshotOf(connection, assertOpen),

    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}
