/**
 * What snapshots need to read each collection as of one moment, whoever deletes meanwhile. A *hold* stands in the collection's
 * document: a deletion that sees it in its turn puts the versions out of everybody's sight, but keeps them in their slots for
 * the snapshot, which reads by slot. When the last hold is gone, so are they.
 *
 * A deletion that has not seen the hold had its turn before: the snapshot waits for its end, and is as of a later slot.
 * A reader is taken for dead when another process has seen it renew nothing for ten minutes of its own; one that was alive
 * finds its hold gone, and says so. Nobody compares the clocks of two machines.
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
const holdMs = 10 * 60_000;
const renewalMs = holdMs / 10;
// Versions that are let go at a time.
const batchCount = 1_000;

interface HoldRow {
  readonly _id: string;
  /** Each renewal changes it. */
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

/** Returns what removes the holds of dead readers and resolves to the names of the others. `elapsed` are milliseconds that only rise. */
export function createHoldSweep(connection: Connection, elapsed: () => number): () => Promise<ReadonlySet<string>> {
  const holds = connection.collection<HoldRow>('holds');
  let seen = new Map<string, { readonly until: number; readonly since: number }>();

  return async () => {
    const found = await ask(holds.find({}, readLimit).toArray());
    const present = elapsed();
    seen = new Map(
      found.map((row) => {
        const before = seen.get(row._id);
        const until = toNumber(row.until);
        return [row._id, before?.until === until ? before : { until, since: present }];
      }),
    );
    const alive = new Set(seen.keys());
    for (const [_id, { until, since }] of seen) {
      if (present - since < holdMs) continue;
      // One that has renewed it since stays.
      const { deletedCount } = await ask(holds.deleteOne({ _id, until: long(until) }));
      if (deletedCount === 1) alive.delete(_id);
    }
    return alive;
  };
}

/**
 * Removes what was kept in a collection and is needed no more, `limit` versions at most, and the holds that are not among `alive`,
 * which was read after `row`: a reader that is alive must find first that its hold is gone. What was kept for the others goes
 * the next time. Resolves to how many of both went.
 */
export async function letGo(
  connection: Connection,
  row: CollectionRow,
  alive: ReadonlySet<string>,
  limit: number,
): Promise<number> {
  const ids = Object.keys(row.holds ?? {});
  if (ids.length === 0) return dropKept(connection, toCollectionDocument(row), limit);
  const dead = ids.filter((id) => !alive.has(id));
  for (const id of dead) await release(connection, row._id, id);
  return dead.length;
}

/** Begins to hold collections for one reader, who renews often and releases in the end. */
export async function startHolding(connection: Connection, { waitUntilStable }: Pick<Turns, 'waitUntilStable'>) {
  const holds = connection.collection<HoldRow>('holds');
  const collections = connection.collection<CollectionRow>('collections');
  const id = randomUUID();
  const held: string[] = [];
  let until = microsNow() + holdMs * 1_000;
  let renewedAt = Number.NEGATIVE_INFINITY;

  async function findDocument(collection: string): Promise<CollectionDocument> {
    const row = await ask(collections.findOne({ _id: collection }, readLimit));
    if (row === null) throw new OperatorError(`the collection ${collection} is not in the database any more`);
    return toCollectionDocument(row);
  }

  async function renewNow(): Promise<void> {
    renewedAt = performance.now();
    until = Math.max(until + 1, microsNow() + holdMs * 1_000);
    const renewed = await ask(holds.updateOne({ _id: id }, { $set: { until: long(until) } }));
    if (renewed.matchedCount === 0)
      throw new OperatorError(
        `the database ${connection.db.databaseName} was not read for ${holdMs / 60_000} minutes, and what was kept for the command is gone: repeat it`,
      );
  }

  await ask(holds.insertOne({ _id: id, until: long(until) }));
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

    /** Renews once a minute. Throws OperatorError when the reader was taken for dead. */
    async renew(): Promise<void> {
      if (performance.now() >= renewedAt + renewalMs) await renewNow();
    },

    /** The same at once: what was read until now is whole. A machine that was asleep may not have noticed it. */
    confirm: renewNow,

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
