/** Which tombstone tells of a version. */

import type { Tombstone, VersionName } from '../store.ts';
import type { TombstoneDocument } from './documents.ts';

/** Of these, the newest of the version, or of the last version where it has none of its own. */
export function findTombstone(
  tombstones: readonly TombstoneDocument[],
  { id, versionKey }: VersionName,
): Tombstone | undefined {
  const of = tombstones.filter((each) => each.id === id && (versionKey === null || each.versionKey === versionKey));
  const newest = of.reduce<TombstoneDocument | undefined>((best, each) => {
    if (best === undefined || each.versionKey > best.versionKey) return each;
    return each.versionKey === best.versionKey && each.dateAdded > best.dateAdded ? each : best;
  }, undefined);
  return newest && { dateAdded: newest.deleted, deletedAt: newest.deletedAt, deletedBy: newest.deletedBy };
}
