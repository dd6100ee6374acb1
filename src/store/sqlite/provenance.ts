/** Where versions came from. An origin is one row, however many versions have it, and goes with the last of them. */

import type Database from 'better-sqlite3';
import type { Provenance, VersionName } from '../store.ts';

const ofVersion = `SELECT o.date_added AS dateAdded, submitter, t.text AS origin
  FROM objects o INDEXED BY objects_by_version
  LEFT JOIN object_origins h ON h.seq = o.seq LEFT JOIN origin_texts t ON t.key = h.origin
  WHERE collection = +? AND id = +?`;

/** The SQL of provenance. Exported for the test that explains it. */
export const provenanceSql = {
  provenance: `${ofVersion} AND version_key = +?`,
  lastProvenance: `${ofVersion} ORDER BY version_key DESC LIMIT 1`,
} as const;

/** Returns a function that finds where a version of a collection, given by its key, came from. */
export function createProvenanceFinder(db: Database.Database) {
  const exact = db.prepare<[number, string, string], Provenance>(provenanceSql.provenance);
  const last = db.prepare<[number, string], Provenance>(provenanceSql.lastProvenance);
  return (collection: number, { id, versionKey }: VersionName): Provenance | undefined =>
    versionKey === null ? last.get(collection, id) : exact.get(collection, id, versionKey);
}

/** What keeps origins, inside a transaction that the caller began. Each origin counts its versions. */
export function createOriginKeeper(db: Database.Database) {
  const count = db
    .prepare<[string, number], number>(
      `INSERT INTO origin_texts (text, versions) VALUES (?, ?)
      ON CONFLICT DO UPDATE SET versions = versions + excluded.versions RETURNING key`,
    )
    .pluck();
  const insert = db.prepare('INSERT INTO object_origins (seq, origin) VALUES (?, ?)');
  const remove = db.prepare<[number], number>('DELETE FROM object_origins WHERE seq = ? RETURNING origin').pluck();
  const discount = db.prepare('UPDATE origin_texts SET versions = versions - 1 WHERE key = ?');
  const drop = db.prepare('DELETE FROM origin_texts WHERE key = ? AND versions = 0');
  return {
    /** Of the versions `first` to `last`, by their `seq`. */
    keep(origin: string, first: number, last: number): void {
      const key = count.get(origin, last - first + 1);
      for (let seq = first; seq <= last; seq += 1) insert.run(seq, key);
    },
    forget(seq: number): void {
      const key = remove.get(seq);
      if (key === undefined) return;
      discount.run(key);
      drop.run(key);
    },
  };
}
