/** Which tombstone tells of a version. */

import type Database from 'better-sqlite3';
import type { Micros, VersionName } from '../store.ts';

const byVersion = `SELECT date_added AS dateAdded, deleted_by AS deletedBy
  FROM tombstones INDEXED BY tombstones_by_version`;

/** The SQL of tombstones. Exported for the test that explains it. */
export const tombstoneSql = {
  tombstone: `${byVersion} WHERE collection = +? AND id = +? AND version_key = +? ORDER BY seq DESC LIMIT 1`,
  lastTombstone: `${byVersion} WHERE collection = +? AND id = +? ORDER BY version_key DESC, seq DESC LIMIT 1`,
} as const;

interface Tombstone {
  /** date_added the version had. */
  readonly dateAdded: Micros;
  readonly deletedBy: string;
}

/** Returns a function that finds the newest deletion of a version in a collection, given by its key. */
export function createTombstoneFinder(db: Database.Database) {
  const exact = db.prepare<[number, string, string], Tombstone>(tombstoneSql.tombstone);
  const last = db.prepare<[number, string], Tombstone>(tombstoneSql.lastTombstone);
  return (collection: number, { id, versionKey }: VersionName): Tombstone | undefined =>
    versionKey === null ? last.get(collection, id) : exact.get(collection, id, versionKey);
}
