/** A server process on the model: the store's own code, wired as `openMongoStore` does. */

import { type Connection, isDatabaseError } from '../../src/store/mongo/connection.ts';
import {
  type CollectionDocument,
  type ObjectDatabase,
  stableSlotOf,
  type Timing,
} from '../../src/store/mongo/documents.ts';
import { type Holding, startHolding } from '../../src/store/mongo/holds.ts';
import { createObjectDatabase } from '../../src/store/mongo/object-database.ts';
import { createQueues } from '../../src/store/mongo/queue.ts';
import { createReader } from '../../src/store/mongo/read.ts';
import { readVersions } from '../../src/store/mongo/snapshot.ts';
import { createTurns, type Turns } from '../../src/store/mongo/turns.ts';
import { createObjectWriter } from '../../src/store/mongo/write-objects.ts';
import type {
  AddOutcome,
  Change,
  DeleteOutcome,
  Delivery,
  Micros,
  NewVersion,
  ObjectQuery,
  PageBounds,
  VersionSelector,
} from '../../src/store/store.ts';
import type { ModelDatabase } from './model-database.ts';
import type { Process, Scheduler } from './scheduler.ts';

/** A mistake planted in the algorithm's surroundings. Each part wraps what the algorithm would have had. */
export interface Fault {
  /** Unique indexes that are not enforced. */
  readonly unenforced?: readonly string[];
  readonly isHasty?: boolean;
  /** What writers work by. */
  readonly writer?: (connection: Connection) => Connection;
  readonly database?: (database: ObjectDatabase, model: ModelDatabase) => ObjectDatabase;
  /** What is decided by before a block's turn. */
  readonly decisions?: (database: ObjectDatabase) => ObjectDatabase;
  readonly turns?: (turns: Turns) => Turns;
  readonly timing?: (timing: Timing) => Timing;
  /** What readers read by. */
  readonly reader?: (connection: Connection) => Connection;
  /** What snapshots hold collections by. */
  readonly holding?: (holding: Holding, turns: Turns) => Holding;
  /** Tells a generation by the collection's document. */
  readonly generationOf?: (document: CollectionDocument) => number;
}

export interface Server {
  readonly process: Process;
  add(submitter: string, versions: readonly NewVersion[], delivery?: Delivery): Promise<AddOutcome[]>;
  remove(id: string, selector: VersionSelector, user: string): Promise<DeleteOutcome>;
  /** Takes away the oldest versions, whatever objects they are of. */
  expire(count: number): Promise<void>;
  /** The slots of a page. */
  read(
    query: ObjectQuery,
    bounds: PageBounds,
    wanted: 'texts' | 'records',
  ): Promise<{ slots: readonly Micros[]; more: boolean }>;
  /** The generation of what is visible. */
  getGeneration(): Promise<number>;
  findChanges(after: number, limit: number): Promise<Change[]>;
  readSnapshot(): Promise<Snapshot>;
}

/** A snapshot could not be read to its end. */
export class SnapshotError extends Error {}

/** What a snapshot has of the collection. */
export interface Snapshot {
  readonly stable: Micros;
  readonly versions: readonly { readonly slot: Micros; readonly isFirst: boolean; readonly isLast: boolean }[];
}

export const collection = 'simulated';

export function startServer(scheduler: Scheduler, model: ModelDatabase, fault: Fault, name: string): Server {
  const process = scheduler.startProcess(name);
  const connection = model.connect(process);
  const timing: Timing = {
    now: () => scheduler.clockOf(process),
    elapsed: () => scheduler.time() * process.rate,
    sleep: (ms) => scheduler.sleep(process, ms),
    random: scheduler.random,
  };
  const changed = fault.timing?.(timing) ?? timing;
  const objects = createObjectDatabase(fault.writer?.(connection) ?? connection);
  const database = fault.database?.(objects, model) ?? objects;
  const turns = createTurns(database, changed);
  const deciding = fault.decisions?.(database) ?? database;
  const writer = createObjectWriter(deciding, fault.turns?.(turns) ?? turns, changed);
  const queues = createQueues(writer.addObjects);
  const reader = createReader(fault.reader?.(connection) ?? connection);

  async function readSnapshot(): Promise<Snapshot> {
    await database.openCollection(collection);
    const started = await startHolding(connection, turns);
    const holding = fault.holding?.(started, turns) ?? started;
    const state = await holding.hold(collection);
    // A large one takes its time.
    await scheduler.sleep(process, scheduler.random() * 20);
    const versions: Snapshot['versions'][number][] = [];
    try {
      for await (const { dateAdded, isFirst, isLast } of readVersions(connection, holding, state))
        versions.push({ slot: dateAdded, isFirst, isLast });
    } catch (error) {
      throw isDatabaseError(error) ? new SnapshotError() : error;
    }
    await holding.release(() => {});
    return { stable: stableSlotOf(state), versions };
  }

  return {
    process,
    add: (submitter, versions, delivery) =>
      queues.add(
        collection,
        versions.map((version) => ({ submitter, delivery, version })),
      ),
    remove: (id, selector, user) =>
      queues.run(collection, () => writer.deleteObject(collection, id, selector, { user, onlySubmitter: false })),
    expire: (count) =>
      queues.run(collection, async () => {
        const held = await database.findVersionsIn(collection, 0, Number.MAX_SAFE_INTEGER);
        const old = held.sort((a, b) => a.dateAdded - b.dateAdded).slice(0, count);
        if (old.length > 0) await writer.expireVersions(collection, old);
      }),
    async read(query, bounds, wanted) {
      if (wanted === 'texts') {
        const { dates, more } = await reader.findObjects(collection, query, bounds);
        return { slots: dates, more };
      }
      const { records, more } = await reader.findRecords(collection, query, bounds);
      return { slots: records.map(({ dateAdded }) => dateAdded), more };
    },
    async getGeneration() {
      if (fault.generationOf !== undefined) return fault.generationOf(await database.openCollection(collection));
      return (await reader.getCollectionState(collection)).generation;
    },
    findChanges: (after, limit) => reader.findChanges(collection, after, limit),
    readSnapshot,
  };
}
