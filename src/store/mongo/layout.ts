/** The database's collections and indexes, and how older stores become newer ones. */

import type { IndexDescription } from 'mongodb';
import { OperatorError } from '../../errors.ts';
import { ask, type Connection, isDuplicateKey } from './connection.ts';

/** Every index but those on `_id`. A test holds each query that is sent against them. */
export const indexes = {
  versions: {
    /** The fence: a slot is filled once. */
    by_slot: { key: { collection: 1, date_added: 1 }, unique: true },
    by_identity: { key: { collection: 1, id: 1, identity: 1 }, unique: true },
    by_place: { key: { collection: 1, places: 1, date_added: 1 } },
    by_type: { key: { collection: 1, type: 1, places: 1, date_added: 1 } },
    by_id: { key: { collection: 1, id: 1, places: 1, date_added: 1 } },
  },
  records: {
    by_name: { key: { kind: 1, id: 1 }, unique: true },
    by_key: { key: { kind: 1, keys: 1, id: 1 } },
  },
  statuses: {
    by_name: { key: { api_root: 1, id: 1 }, unique: true },
    by_completion: { key: { completed_at: 1 } },
  },
  access: {
    by_time: { key: { collection: 1, at: 1, entry: 1 } },
    by_entry: { key: { queue: 1, entry: 1 } },
  },
} as const;

interface Mark {
  readonly _id: string;
  readonly application: string;
  readonly layout: number;
  /** Set while a backup is being restored, or a store copied: nobody may use the store yet. */
  readonly restoring?: Restored;
}

/** Who makes a store. */
export interface Restored {
  /** Of one run of a command. */
  readonly run: string;
  /** The store that is copied; absent: it is a backup. */
  readonly copy_of?: string;
}

/** Raised by whoever adds a step that older versions cannot work beside. */
const newestLayout = 1;
const mark = { _id: 'store', application: 'huiju' } as const;

async function findMark({ collection }: Connection): Promise<Mark | undefined> {
  return (await ask(collection<Mark>('meta').findOne({ _id: mark._id }))) ?? undefined;
}

/** So is a database in which another process is making a store, and where the mark cannot be read yet. */
async function isEmpty({ db, collection }: Connection): Promise<boolean> {
  const names = (await ask(db.listCollections({}, { nameOnly: true }).toArray())).map(({ name }) => name);
  if (names.some((name) => name !== 'meta')) return false;
  return names.length === 0 || (await ask(collection('meta').findOne({}))) === null;
}

function describeRestoring(database: string, { copy_of }: Restored): string {
  if (copy_of === undefined)
    return `a backup is being restored into the database ${database}, or was broken off: wait, or drop the database and restore again`;
  return `${copy_of} is being copied into the database ${database}, or its copy was broken off: wait, or run the same \`huiju store copy\` again, or drop the database`;
}

/** Who is making, or has begun to make, the store; undefined: there is none, or it is complete. */
export async function findRestored(connection: Connection): Promise<Restored | undefined> {
  return (await findMark(connection))?.restoring;
}

/**
 * Whether there is a store of a layout that this version knows; false: the database is empty. Throws OperatorError when it
 * holds something else. Changes nothing.
 */
export async function assertOurs(connection: Connection): Promise<boolean> {
  const { databaseName } = connection.db;
  if ((await findMark(connection)) === undefined && (await isEmpty(connection))) return false;
  // Read again: another process may have made the store meanwhile.
  const found = await findMark(connection);
  if (found?.application !== mark.application)
    throw new OperatorError(
      `the database ${databaseName} is not a Huiju store: name another one at the end of the URL in HUIJU_STORE`,
    );
  if (found.restoring !== undefined) throw new OperatorError(describeRestoring(databaseName, found.restoring));
  if (found.layout > newestLayout)
    throw new OperatorError(
      `the database ${databaseName} was written by a newer Huiju (layout ${found.layout}; this one knows up to ${newestLayout}): run the newer Huiju, or restore a backup made before its first start`,
    );
  return true;
}

/** Makes what is missing of the collections' indexes; those that are there stay as they are. */
export async function createIndexes({ collection }: Connection): Promise<void> {
  for (const [name, described] of Object.entries(indexes)) {
    const list: IndexDescription[] = Object.entries(described).map(([index, description]) => ({
      ...description,
      name: index,
    }));
    // Many rows may have to be read for it: it takes the time that it takes.
    await collection(name).createIndexes(list);
  }
}

/** Marks an empty database as a store; with `restoring`, as one that nobody may use yet. */
export async function markStore({ collection }: Connection, restoring?: Restored): Promise<void> {
  const restored = restoring && { restoring };
  try {
    await ask(collection<Mark>('meta').insertOne({ ...mark, layout: newestLayout, ...restored }));
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    if (restoring !== undefined)
      throw new OperatorError('another process is making a store of the database: wait for it');
  }
}

/** Makes this run the one that goes on with an unfinished copy of the same store; false: there is none. */
export async function takeOver(connection: Connection, run: string, copyOf: string): Promise<boolean> {
  // Looked for first: an update may make the collection, and the database is not empty then.
  if ((await findRestored(connection))?.copy_of !== copyOf) return false;
  const unfinished = { _id: mark._id, 'restoring.copy_of': copyOf };
  const meta = connection.collection<Mark>('meta');
  const taken = await ask(meta.updateOne(unfinished, { $set: { 'restoring.run': run } }));
  return taken.matchedCount === 1;
}

/** What a run is told that has been thought dead. */
export function isOvertaken(): OperatorError {
  return new OperatorError('another run of the command has taken over: let one run alone');
}

/** Takes away what keeps a restored store from being used. Throws OperatorError when another run has taken over. */
export async function releaseStore({ collection }: Connection, run: string): Promise<void> {
  const own = { _id: mark._id, 'restoring.run': run };
  const { matchedCount } = await ask(collection<Mark>('meta').updateOne(own, { $unset: { restoring: true } }));
  if (matchedCount === 0) throw isOvertaken();
}

/** Makes the database a store of the newest layout. Several processes may do so at once. */
export async function prepareLayout(connection: Connection): Promise<void> {
  if (!(await assertOurs(connection))) await markStore(connection);
  await createIndexes(connection);
}
