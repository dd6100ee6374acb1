/**
 * What snapshots need to read each collection as of one moment, whoever deletes meanwhile. A *hold* stands in the collection's
 * document: a deletion that sees it in its turn puts the versions out of everybody's sight, but keeps them in their slots for
 * the snapshot, which reads by slot. When the last hold is gone, so are they.
 *
 * A deletion that has not seen the hold had its turn before: the snapshot waits for its end, and is as of a later slot.
 * Clocks decide only when a reader is taken for dead; one that was alive finds its hold gone, and says so.
 */

import { randomUUID } from 'node:crypto';
import { OperatorError } from '../../errors.ts';
import { microsNow } from '../../stix/timestamp.ts';
import { ask, type Connection, long, readLimit, toNumber } from './connection.ts';
import { type CollectionDocument, stableSlotOf } from './documents.ts';
import {
  type CollectionRow,
  keptAge,
  type SlotRow,
  toCollectionDocument,
  toFillerRow,
  type Whole,
} from './object-database.ts';
import type { Turns } from './turns.ts';

// A reader that died keeps deleted versions for so long.
const holdMicros = 10 * 60_000_000;
// Versions that are let go at a time.
const batchCount = 1_000;

interface HoldRow {
  readonly _id: string;
  readonly until: Whole;
}

const keptFilter = (collection: string, stable: number) =>
  ({ collection, places: 'kept', gone: { $lte: long(stable) } }) as const;

/**
 * Removes versions that were kept for snapshots, if nobody held the collection when its document was read. Resolves to how many
 * went. What was gone as of the stable slot of then, no snapshot that began later needs.
 */
async function dropKept(connection: Connection, document: CollectionDocument, limit: number): Promise<number> {
  if (document.isHeld) return 0;
  const { collection } = document;
  const rows = connection.collection<SlotRow>('versions');
  const options = { limit, projection: { date_added: 1 }, hint: 'by_place', ...readLimit } as const;
  const found = await ask(rows.find(keptFilter(collection, stableSlotOf(document)), options).toArray());
  const operations = found.map(({ date_added }) => {
    const replacement = toFillerRow(collection, toNumber(date_added));
    return { replaceOne: { filter: { collection, date_added, age: keptAge } as const, replacement } };
  });
  if (operations.length > 0) await ask(rows.bulkWrite(operations, { ordered: false }));
  return found.length;
}

async function release({ collection }: Connection, _id: string, id: string): Promise<void> {
  await ask(collection<CollectionRow>('collections').updateOne({ _id }, { $unset: { [`holds.${id}`]: true } }));
}

/**
 * Removes what was kept in a collection and is needed no more, `limit` versions at most, and the holds of dead readers: what
 * was kept for them goes the next time. Resolves to how many of both went.
 */
export async function letGo(connection: Connection, row: CollectionRow, limit: number): Promise<number> {
  const ids = Object.keys(row.holds ?? {});
  if (ids.length === 0) return dropKept(connection, toCollectionDocument(row), limit);
  const holds = connection.collection<HoldRow>('holds');
  // First from where a reader renews it: one that is alive must find that it is gone.
  await ask(holds.deleteMany({ _id: { $in: ids }, until: { $lte: long(microsNow()) } }));
  const found = await ask(holds.find({ _id: { $in: ids } }, readLimit).toArray());
  const dead = ids.filter((id) => !found.some(({ _id }) => _id === id));
  for (const id of dead) await release(connection, row._id, id);
  return dead.length;
}

/** Begins to hold collections for one reader, who renews often and releases in the end. */
export async function startHolding(connection: Connection, { waitUntilStable }: Pick<Turns, 'waitUntilStable'>) {
  const holds = connection.collection<HoldRow>('holds');
  const collections = connection.collection<CollectionRow>('collections');
  const id = randomUUID();
  const held: string[] = [];
  let renewAt = 0;

  async function findDocument(collection: string): Promise<CollectionDocument> {
    const row = await ask(collections.findOne({ _id: collection }, readLimit));
    if (row === null) throw new OperatorError(`the collection ${collection} is not in the database any more`);
    return toCollectionDocument(row);
  }

  await ask(holds.deleteMany({ until: { $lte: long(microsNow()) } }));
  await ask(holds.insertOne({ _id: id, until: long(microsNow() + holdMicros) }));
  return {
    findDocument,

    /** Resolves to a document as of whose stable slot the collection can be read until the release. */
    async hold(collection: string): Promise<CollectionDocument> {
      held.push(collection);
      await ask(collections.updateOne({ _id: collection }, { $set: { [`holds.${id}`]: true } }));
      const document = await findDocument(collection);
      const [lowest] = document.open;
      if (lowest?.deletion === undefined) return document;
      await waitUntilStable(collection, lowest.to);
      return findDocument(collection);
    },

    /** Throws OperatorError when the reader was taken for dead. */
    async renew(): Promise<void> {
      const now = microsNow();
      if (now < renewAt) return;
      renewAt = now + holdMicros / 10;
      const renewed = await ask(holds.updateOne({ _id: id }, { $set: { until: long(now + holdMicros) } }));
      if (renewed.matchedCount === 0)
        throw new OperatorError(
          `the database ${connection.db.databaseName} was not read for ${holdMicros / 60_000_000} minutes, or a clock is wrong: repeat the command`,
        );
    },

    /** Where it cannot, on a connection that is closed for example, the holds end by themselves. */
    async release(assertOpen: () => void): Promise<void> {
      try {
        assertOpen();
        for (const collection of held) {
          await release(connection, collection, id);
          const document = await findDocument(collection);
          while ((await dropKept(connection, document, batchCount)) > 0) assertOpen();
        }
        await ask(holds.deleteOne({ _id: id }));
      } catch {
        return;
      }
    },
  };
}

export type Holding = Awaited<ReturnType<typeof startHolding>>;
