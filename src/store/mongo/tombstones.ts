/** Which tombstone tells of a version. */

import type { VersionName } from '../store.ts';
import type { DeletedVersion } from './documents.ts';

const labelOf = ({ id, versionKey }: VersionName) => `${id} ${versionKey ?? 'last'}`;

function isNewer(a: DeletedVersion, b: DeletedVersion): boolean {
  return a.versionKey === b.versionKey ? a.dateAdded > b.dateAdded : a.versionKey > b.versionKey;
}

/** Returns what finds, of these, the newest of a version, or of the last version where the name has no key. */
export function indexTombstones(found: readonly DeletedVersion[]) {
  const newest = new Map<string, DeletedVersion>();
  for (const each of found)
    for (const label of [labelOf(each), labelOf({ id: each.id, versionKey: null })]) {
      const best = newest.get(label);
      if (best === undefined || isNewer(each, best)) newest.set(label, each);
    }
  return (name: VersionName): DeletedVersion | undefined => newest.get(labelOf(name));
}
