/**
 * What goes because it is old: versions by deletions as any other, tombstones, whose slots are filled for good, and what was
 * kept for snapshots whose readers died.
 */

import type { AnyBulkWriteOperation } from 'mongodb';
import type { Micros } from '../store.ts';
import { ask, type Connection, long, readLimit, toNumber } from './connection.ts';
import { stableSlotOf, type Timing } from './documents.ts';
import { createHoldSweep, letGo } from './holds.ts';
import { type CollectionRow, deletedAge, type SlotRow, toCollectionDocument, toFillerRow } from './object-database.ts';
import type { Turns } from './turns.ts';
import type { ObjectWriter } from './write-objects.ts';

/** What is sent to find what is old. Slots follow the clock, so they order deletions too. */
const oldFilters = {
  versions: (collection: string, before: Micros) => ({
    ...({ collection, places: 'all', date_added: { $lt: long(before) } } as const),
  }),
  tombstones: (collection: string, before: Micros) => ({
    ...({ collection, places: 'deleted', date_added: { $lt: long(before) } } as const),
  }),
} as const;

/** The methods of the contract for what is old. */
export function createRetention(
  connection: Connection,
  writer: Pick<ObjectWriter, 'expireVersions'>,
  { waitUntilStable }: Pick<Turns, 'waitUntilStable'>,
  { elapsed }: Pick<Timing, 'elapsed'>,
) {
  const rows = connection.collection<SlotRow>('versions');
  const collections = connection.collection<CollectionRow>('collections');
  const sweepHolds = createHoldSweep(connection, elapsed);
  const inOrder = { sort: { date_added: 1 }, ...readLimit } as const;

  async function dropTombstonesOf(row: CollectionRow, before: Micros, limit: number): Promise<number> {
    const { collection, ...document } = toCollectionDocument(row);
    // A block is counted by its tombstones when it is closed: those of open ones stay.
    const filter = oldFilters.tombstones(collection, Math.min(before, stableSlotOf(document) + 1));
    const found = await ask(rows.find(filter, { ...inOrder, limit, projection: { date_added: 1 } }).toArray());
    const operations = found.map(({ date_added }): AnyBulkWriteOperation<SlotRow> => {
      const replacement = toFillerRow(collection, toNumber(date_added));
      return { replaceOne: { filter: { collection, date_added, age: deletedAge }, replacement } };
    });
    if (operations.length > 0) await ask(rows.bulkWrite(operations, { ordered: false }));
    return found.length;
  }

  return {
    /** What is not stable yet is, when the turn of the deletion comes. */
    async expireObjects(collection: string, addedBefore: Micros, limit: number): Promise<number> {
      const options = { ...inOrder, limit, projection: { id: 1, date_added: 1 } } as const;
      const found = await ask(rows.find(oldFilters.versions(collection, addedBefore), options).toArray());
      const old = found.map(({ id, date_added }) => ({ id, dateAdded: toNumber(date_added) }));
      if (old.length > 0) await writer.expireVersions(collection, old);
      return old.length;
    },

    /** Finishes what a dead process has left lying, too, where nobody writes any more. */
    async dropTombstones(deletedBefore: Micros, limit: number): Promise<number> {
      let dropped = 0;
      const found = await ask(collections.find({}, { sort: { _id: 1 }, ...readLimit }).toArray());
      const alive = await sweepHolds();
      for (const row of found) {
        const [lowest] = row.open;
        if (lowest !== undefined) await waitUntilStable(row._id, toNumber(lowest.to));
        dropped += await dropTombstonesOf(row, deletedBefore, limit - dropped);
        if (dropped < limit) dropped += await letGo(connection, row, alive, limit - dropped);
        if (dropped >= limit) break;
      }
      return dropped;
    },
  };
}
