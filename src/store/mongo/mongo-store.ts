/** The store in a MongoDB database, for any number of processes. */

import { messageOf, OperatorError, TaxiiError } from '../../errors.ts';
import { createTracker } from '../../under-way.ts';
import type { Delivery, Micros, Store, StoreGlimpse } from '../store.ts';
import { createAccess } from './access.ts';
import { type CommandObserver, type Connection, connect, isDatabaseError, reasonOf, redactUrl } from './connection.ts';
import { assertOurs, prepareLayout } from './layout.ts';
import { createObjectDatabase } from './object-database.ts';
import { createQueues } from './queue.ts';
import { createReader } from './read.ts';
import { createRecords } from './records.ts';
import { createRecovery } from './recovery.ts';
import { createRetention } from './retention.ts';
import { readSnapshotOf } from './snapshot.ts';
import { createTiming } from './timing.ts';
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
  const recovery = createRecovery(() => turns.finishAbandoned());
  const turns = createTurns(database, timing, recovery.start);
  const writer = createObjectWriter(database, turns, timing);
  const queues = createQueues(writer.addObjects);
  const reader = createReader(connection);
  const records = createRecords(connection);
  const access = createAccess(connection);
  const retention = createRetention(connection, writer, turns, timing);
  const underWay = createTracker();
  let closed: Promise<void> | undefined;

  function assertOpen(): void {
    if (closed !== undefined) throw new TaxiiError('unavailable', 'The store is closed.');
  }

  /** Returns the method as it is offered: it refuses when the store is closed, and keeps it open until it has ended. */
  function offer<A extends unknown[], T>(method: (...given: A) => Promise<T>): (...given: A) => Promise<T> {
    return async (...given) => {
      assertOpen();
      return underWay.track(method(...given));
    };
  }

  async function closeAll(): Promise<void> {
    await underWay.settled();
    await queues.settled();
    await recovery.close();
    await connection.close();
  }

  return {
    addObjects: offer(async (collection: string, submitter: string, versions, delivery?: Delivery) =>
      versions.length === 0
        ? []
        : queues.add(
            collection,
            versions.map((version) => ({ submitter, delivery, version })),
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
    findProvenance: offer(reader.findProvenance),
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
    readSnapshot: () => readSnapshotOf(connection, turns, assertOpen),

    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}
