/**
 * Snapshots; `restore.ts` is the way back. Each collection is as of its stable slot when the snapshot begins, whatever is
 * deleted meanwhile (`holds.ts`), the rest as it is when it is read. Numbers of `seq` are given while reading: all
 * objects, then all tombstones.
 */

import { OperatorError } from '../../errors.ts';
import { type Micros, positionKinds, type SnapshotPart } from '../store.ts';
import { type AccessRow, type TotalsRow, toAccessEntry, toTotals } from './access.ts';
import { ask, type Connection, isDatabaseError, long, readLimit, reasonOf, toNumber } from './connection.ts';
import { type CollectionDocument, type HeldVersion, stableSlotOf } from './documents.ts';
import { placeOf } from './find-objects.ts';
import { type Holding, startHolding } from './holds.ts';
import { type CollectionRow, isVersion, keptAge, type SlotRow, toHeldVersion, toTombstone } from './object-database.ts';
import { fromKeys, type RecordRow, type StatusRow, toStatus } from './records.ts';
import { groupById, type Turns, withFlags } from './turns.ts';

// Documents that are read at a time.
const batchCount = 500;

function toStatePart({ collection, highWater, generation, versions, bytes }: CollectionDocument): SnapshotPart {
  return { part: 'collection', collection, highWater, generation, versions, bytes };
}

/** The versions that were there as of a collection's stable slot: what was deleted since is kept. */
function isThere(row: SlotRow, stable: Micros): boolean {
  return isVersion(row) || (row.age === keptAge && toNumber(row.gone ?? 0) > stable);
}

/** A version, with the flags that it had when it was deleted if so. */
function toVersion(row: SlotRow): HeldVersion {
  return toHeldVersion(row.age === keptAge ? { ...row, age: 'middle' } : row);
}

/**
 * Returns what finds the flags of versions as of the moment that is read. As they are stored they serve, unless a deletion
 * since has changed them: then they follow from all versions of the object, which are there or kept.
 */
function createFlagFinder(
  connection: Connection,
  { findDocument }: Pick<Holding, 'findDocument'>,
  state: CollectionDocument,
) {
  const rows = connection.collection<SlotRow>('versions');
  const { collection, tombstones } = state;
  const stable = stableSlotOf(state);

  async function find(ids: readonly string[], place: 'all' | 'kept'): Promise<SlotRow[]> {
    const filter = { collection, id: { $in: [...ids] }, places: place, date_added: { $lte: long(stable) } } as const;
    const options = { projection: { _id: 0, text: 0, origin: 0 }, hint: 'by_id', ...readLimit } as const;
    return (await ask(rows.find(filter, options).toArray())).filter((row) => isThere(row, stable));
  }

  /** Those of the objects of which a version was deleted since. */
  async function findTouched(ids: readonly string[]): Promise<string[]> {
    const now = await findDocument(collection);
    const underWay = now.open[0]?.deletion;
    if (now.tombstones === tombstones && underWay === undefined) return [];
    const kept = await find(ids, 'kept');
    const touched = new Set([...kept.map(({ id }) => id), ...(underWay?.ids ?? [])]);
    return ids.filter((id) => touched.has(id));
  }

  /** Resolves to the versions, of all that were read before, whose flags are not those that are stored. */
  return async function findFlags(ids: readonly string[]): Promise<ReadonlyMap<Micros, HeldVersion>> {
    const touched = await findTouched(ids);
    if (touched.length === 0) return new Map();
    // In this order: what is kept meanwhile is found twice, and not missed.
    const found = [...(await find(touched, 'all')), ...(await find(touched, 'kept'))];
    const versions = new Map(found.map((row) => [toNumber(row.date_added), toVersion(row)]));
    const groups = [...groupById([...versions.values()]).values()].map((group) => withFlags(group, stable));
    return new Map(groups.flat().map((version) => [version.dateAdded, version]));
  };
}

/** Reads a collection's objects by slot, which nothing changes. */
export async function* readVersions(
  connection: Connection,
  holding: Pick<Holding, 'findDocument' | 'renew'>,
  state: CollectionDocument,
): AsyncGenerator<Omit<Extract<SnapshotPart, { part: 'object' }>, 'seq'>> {
  const { collection } = state;
  const stable = stableSlotOf(state);
  const findFlags = createFlagFinder(connection, holding, state);
  const filter = { collection, date_added: { $lte: long(stable) } };
  const options = { sort: { date_added: 1 }, batchSize: batchCount, hint: 'by_slot' } as const;
  const cursor = connection.collection<SlotRow>('versions').find(filter, options);
  try {
    while (await cursor.hasNext()) {
      const batch = cursor.readBufferedDocuments().filter((row) => isThere(row, stable));
      // Where much was deleted long ago nothing is there for many batches.
      await holding.renew();
      if (batch.length === 0) continue;
      const anew = await findFlags([...new Set(batch.map(({ id }) => id))]);
      for (const row of batch) {
        const held = toVersion(row);
        const { dateAdded, submitter, id, type, specVersion, version, versionKey, digest } = held;
        const names = { collection, dateAdded, submitter, origin: row.origin ?? null, id, type, specVersion };
        const place = placeOf(anew.get(dateAdded) ?? held, stable);
        yield { part: 'object', ...names, version, versionKey, digest, ...place, text: row.text ?? '' };
      }
    }
  } finally {
    await cursor.close();
  }
}

async function* readCollections(
  connection: Connection,
  holding: Holding,
  states: readonly CollectionDocument[],
): AsyncGenerator<SnapshotPart> {
  let seq = 0;
  for (const state of states)
    for await (const version of readVersions(connection, holding, state)) {
      seq += 1;
      yield { ...version, seq };
    }
  const rows = connection.collection<SlotRow>('versions');
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

type RecordPart = Extract<SnapshotPart, { part: 'record' }>;

function toRecordPart({ kind, id, revision, document, keys }: RecordRow): RecordPart {
  return { part: 'record', kind, id, revision, document: JSON.parse(document), keys: fromKeys(keys) };
}

/** The few records that have to be read before the collections are. */
async function findPositions({ collection }: Connection): Promise<RecordPart[]> {
  const rows = collection<RecordRow>('records').find(
    { kind: { $in: [...positionKinds] } },
    { sort: { kind: 1, id: 1 } },
  );
  return (await ask(rows.toArray())).map(toRecordPart);
}

async function* readRest({ collection }: Connection): AsyncGenerator<SnapshotPart> {
  const options = { batchSize: batchCount };
  for await (const row of collection<StatusRow>('statuses').find({}, { ...options, sort: { completed_at: 1 } }))
    yield { part: 'status', ...toStatus(row) };
  const inOrder = { ...options, sort: { kind: 1, id: 1 } } as const;
  const others = { kind: { $nin: [...positionKinds] } };
  for await (const row of collection<RecordRow>('records').find(others, inOrder)) yield toRecordPart(row);
  for await (const row of collection<AccessRow>('access').find({}, { ...options, sort: { queue: 1, entry: 1 } }))
    yield { part: 'access', ...toAccessEntry(row) };
  for await (const row of collection<TotalsRow>('access_totals').find({}, { ...options, sort: { _id: 1 } }))
    yield { part: 'access-totals', ...toTotals(row) };
}

async function* readAll(connection: Connection, holding: Holding): AsyncGenerator<SnapshotPart> {
  const positions = await findPositions(connection);
  const found = await ask(
    connection
      .collection<CollectionRow>('collections')
      .find({}, { sort: { _id: 1 } })
      .toArray(),
  );
  const states: CollectionDocument[] = [];
  for (const { _id, generation } of found) if (toNumber(generation) > 0) states.push(await holding.hold(_id));
  const last = states.reduce((sum, { versions, tombstones }) => sum + versions + tombstones, 0);
  yield { part: 'sequence', last };
  for (const state of states) yield toStatePart(state);
  yield* readCollections(connection, holding, states);
  await holding.confirm();
  yield* positions;
  yield* readRest(connection);
}

/** Reads everything. `assertOpen` throws when the store was closed meanwhile. */
export async function* readSnapshotOf(
  connection: Connection,
  turns: Pick<Turns, 'waitUntilStable'>,
  assertOpen: () => void,
): AsyncGenerator<SnapshotPart> {
  assertOpen();
  let holding: Holding | undefined;
  try {
    holding = await startHolding(connection, turns);
    for await (const part of readAll(connection, holding)) {
      yield part;
      assertOpen();
      await holding.renew();
    }
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    throw new OperatorError(`the database ${connection.db.databaseName} cannot be read: ${reasonOf(error)}`);
  } finally {
    await holding?.release(assertOpen);
  }
}
