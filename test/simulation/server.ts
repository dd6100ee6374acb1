/** A server process on the model: the store's own code, wired as `openMongoStore` does. */

import type { Connection } from '../../src/store/mongo/connection.ts';
import type { ObjectDatabase, Timing } from '../../src/store/mongo/documents.ts';
import { createPageFinder } from '../../src/store/mongo/find-objects.ts';
import { createObjectDatabase } from '../../src/store/mongo/object-database.ts';
import { createQueues } from '../../src/store/mongo/queue.ts';
import { createTurns, type Turns } from '../../src/store/mongo/turns.ts';
import { createObjectWriter } from '../../src/store/mongo/write-objects.ts';
import type {
  AddOutcome,
  DeleteOutcome,
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
  readonly database?: (database: ObjectDatabase, model: ModelDatabase) => ObjectDatabase;
  readonly turns?: (turns: Turns) => Turns;
  readonly timing?: (timing: Timing) => Timing;
  /** What readers read by. */
  readonly reader?: (connection: Connection) => Connection;
}

export interface Server {
  readonly process: Process;
  add(submitter: string, versions: readonly NewVersion[]): Promise<AddOutcome[]>;
  remove(id: string, selector: VersionSelector, user: string): Promise<DeleteOutcome>;
  /** Takes away the oldest versions, whatever objects they are of. */
  expire(count: number): Promise<void>;
  /** The slots of a page. */
  read(
    query: ObjectQuery,
    bounds: PageBounds,
    wanted: 'texts' | 'records',
  ): Promise<{ slots: Micros[]; more: boolean }>;
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
  const objects = createObjectDatabase(connection);
  const database = fault.database?.(objects, model) ?? objects;
  const turns = createTurns(database, changed);
  const writer = createObjectWriter(database, fault.turns?.(turns) ?? turns, changed);
  const queues = createQueues(writer.addObjects);
  const pages = createPageFinder(fault.reader?.(connection) ?? connection);
  return {
    process,
    add: (submitter, versions) =>
      queues.add(
        collection,
        versions.map((version) => ({ submitter, version })),
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
      const find = wanted === 'texts' ? pages.findObjects : pages.findRecords;
      const { rows, more } = await find(collection, query, bounds);
      return { slots: rows.map(({ date_added }) => Number(date_added)), more };
    },
  };
}
