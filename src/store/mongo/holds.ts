/**
 * While a snapshot is read nothing is to expire: what is gone before it is read is missing in it. A hold asks for that. It
 * keeps nobody from deleting on purpose, and nothing rests on it but that backups need not be repeated.
 */

import { randomUUID } from 'node:crypto';
import { microsNow } from '../../stix/timestamp.ts';
import { ask, type Connection, long, readLimit } from './connection.ts';
import type { Whole } from './object-database.ts';

// A reader that died keeps objects from expiring for so long.
const holdMicros = 10 * 60_000_000;

interface HoldRow {
  readonly _id: string;
  readonly until: Whole;
}

export async function isHeld({ collection }: Connection): Promise<boolean> {
  const filter = { until: { $gt: long(microsNow()) } };
  return (await ask(collection<HoldRow>('holds').findOne(filter, readLimit))) !== null;
}

/** Asks that nothing expires until it is released. Whoever holds renews it often. */
export async function holdExpiry({ collection }: Connection) {
  const holds = collection<HoldRow>('holds');
  const _id = randomUUID();
  let renewAt = 0;

  async function renew(): Promise<void> {
    const now = microsNow();
    if (now < renewAt) return;
    renewAt = now + holdMicros / 10;
    await ask(holds.updateOne({ _id }, { $set: { until: long(now + holdMicros) } }, { upsert: true }));
  }

  await ask(holds.deleteMany({ until: { $lte: long(microsNow()) } }));
  await renew();
  return {
    renew,
    /** Where it cannot, on a connection that is closed for example, the hold ends by itself. */
    async release(assertOpen: () => void): Promise<void> {
      try {
        assertOpen();
        await ask(holds.deleteOne({ _id }));
      } catch {
        return;
      }
    },
  };
}
