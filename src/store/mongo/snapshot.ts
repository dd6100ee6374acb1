/**
 * Snapshots; `restore.ts` is the way back. Each collection is as of its stable slot when the snapshot begins, the rest as it is
 * when it is read. Numbers of `seq` are given while reading: all objects, then all tombstones.
 */

import { OperatorError } from '../../errors.ts';
import type { SnapshotPart } from '../store.ts';
import { type AccessRow, type TotalsRow, toAccessEntry, toTotals } from './access.ts';
import { ask, type Connection, isDatabaseError, long, reasonOf } from './connection.ts';
import { type CollectionDocument, stableSlotOf } from './documents.ts';
import { placeOf } from './find-objects.ts';
import { holdExpiry } from './holds.ts';
import {
  type CollectionRow,
  type SlotRow,
  toCollectionDocument,
  toHeldVersion,
  toTombstone,
} from './object-database.ts';
import { fromKeys, type RecordRow, type StatusRow, toStatus } from './records.ts';

// Documents that are read at a time.
const batchCount = 500;

function toStatePart({ collection, highWater, generation, versions, bytes }: CollectionDocument): SnapshotPart {
  return { part: 'collection', collection, highWater, generation, versions, bytes };
}

async function* readObjects(connection: Connection, states: readonly CollectionDocument[]) {
  const rows = connection.collection<SlotRow>('versions');
  let seq = 0;
  for (const state of states) {
    const { collection } = state;
    const stable = stableSlotOf(state);
    const filter = { collection, places: 'all', date_added: { $lte: long(stable) } } as const;
    for await (const row of rows.find(filter, { sort: { date_added: 1 }, batchSize: batchCount })) {
      const { dateAdded, submitter, id, type, specVersion, version, versionKey, digest, ...flags } = toHeldVersion(row);
      seq += 1;
      const names = { collection, dateAdded, submitter, id, type, specVersion, version, versionKey, digest };
      yield { part: 'object', seq, ...names, ...placeOf(flags, stable), text: row.text ?? '' } satisfies SnapshotPart;
    }
  }
  for (const state of states) {
    const { collection } = state;
    const filter = { collection, places: 'deleted', date_added: { $lte: long(stableSlotOf(state)) } } as const;
    for await (const row of rows.find(filter, { sort: { date_added: 1 }, batchSize: batchCount })) {
      const { id, version, deleted, deletedAt, deletedBy } = toTombstone(row);
      seq += 1;
      yield { part: 'tombstone', seq, collection, id, version, dateAdded: deleted, deletedAt, deletedBy } as const;
    }
  }
}

async function* readRest({ collection }: Connection): AsyncGenerator<SnapshotPart> {
  const options = { batchSize: batchCount };
  for await (const row of collection<StatusRow>('statuses').find({}, { ...options, sort: { completed_at: 1 } }))
    yield { part: 'status', ...toStatus(row) };
  const inOrder = { ...options, sort: { kind: 1, id: 1 } } as const;
  for await (const { kind, id, revision, document, keys } of collection<RecordRow>('records').find({}, inOrder))
    yield { part: 'record', kind, id, revision, document: JSON.parse(document), keys: fromKeys(keys) };
  for await (const row of collection<AccessRow>('access').find({}, { ...options, sort: { queue: 1, entry: 1 } }))
    yield { part: 'access', ...toAccessEntry(row) };
  for await (const row of collection<TotalsRow>('access_totals').find({}, { ...options, sort: { _id: 1 } }))
    yield { part: 'access-totals', ...toTotals(row) };
}

async function* readAll(connection: Connection): AsyncGenerator<SnapshotPart> {
  const found = await ask(
    connection
      .collection<CollectionRow>('collections')
      .find({}, { sort: { _id: 1 } })
      .toArray(),
  );
  const states = found.map(toCollectionDocument).filter(({ generation }) => generation > 0);
  const last = states.reduce((sum, { versions, tombstones }) => sum + versions + tombstones, 0);
  yield { part: 'sequence', last };
  for (const state of states) yield toStatePart(state);
  yield* readObjects(connection, states);
  yield* readRest(connection);
}

/** Reads everything. `assertOpen` throws when the store was closed meanwhile. */
export async function* readSnapshotOf(connection: Connection, assertOpen: () => void): AsyncGenerator<SnapshotPart> {
  assertOpen();
  let hold: Awaited<ReturnType<typeof holdExpiry>> | undefined;
  try {
    hold = await holdExpiry(connection);
    for await (const part of readAll(connection)) {
      yield part;
      assertOpen();
      await hold.renew();
    }
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    throw new OperatorError(`the database ${connection.db.databaseName} cannot be read: ${reasonOf(error)}`);
  } finally {
    await hold?.release(assertOpen);
  }
}
