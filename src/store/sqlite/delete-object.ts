/** Deletes versions of an object, and versions and tombstones of old, inside a transaction that the caller began. */

import type Database from 'better-sqlite3';
import { type DeleteOutcome, type Micros, retentionUser, type VersionSelector } from '../store.ts';
import { createCounters, createNeighbours, type OpenCollection } from './add-objects.ts';
import { createOriginKeeper } from './provenance.ts';

interface Doomed {
  readonly seq: number;
  readonly id: string;
  readonly dateAdded: Micros;
  readonly length: number;
  readonly version: string;
}

interface Held extends Doomed {
  readonly versionKey: string;
  readonly isLast: number;
  readonly isFirst: number;
  readonly submitter: string;
}

// A long text is freed page by page: one step gives back about so much.
const maxExpiredBytes = 4 * 1024 ** 2;

/** The SQL that finds what goes. Exported for the test that explains it. */
export const deletionSql = {
  held: `SELECT seq, id, date_added AS dateAdded, length, version, version_key AS versionKey,
    is_last AS isLast, is_first AS isFirst, submitter
    FROM objects INDEXED BY objects_by_version WHERE collection = +? AND id = +? ORDER BY version_key`,
  expired: `SELECT seq, id, date_added AS dateAdded, length, version FROM objects INDEXED BY objects_by_date
    WHERE collection = +? AND date_added < +? ORDER BY date_added LIMIT +?`,
  dropTombstones: `DELETE FROM tombstones WHERE seq IN (SELECT seq FROM tombstones INDEXED BY tombstones_by_deletion
    WHERE deleted_at < +? ORDER BY deleted_at LIMIT +?)`,
} as const;

function isSelected({ all, first, last, exact }: VersionSelector, held: Held): boolean {
  return all || (first && held.isFirst === 1) || (last && held.isLast === 1) || exact.includes(held.versionKey);
}

/** As many of the versions as one step may take; one at least. */
function takeBounded(versions: readonly Doomed[]): Doomed[] {
  let bytes = 0;
  return versions.filter(({ length }, n) => {
    bytes += length;
    return n === 0 || bytes <= maxExpiredBytes;
  });
}

/** Returns the methods of the contract that delete, for one connection. `now` is the clock. */
export function createDeletions(db: Database.Database, now: () => Micros) {
  const counters = createCounters(db);
  const neighbours = createNeighbours(db);
  const origins = createOriginKeeper(db);
  const findHeld = db.prepare<[number, string], Held>(deletionSql.held);
  const findExpired = db.prepare<[number, Micros, number], Doomed>(deletionSql.expired);
  const dropTombstones = db.prepare<[Micros, number]>(deletionSql.dropTombstones);
  const remove = db.prepare('DELETE FROM objects WHERE seq = ?');
  const forgetOrigin = db.prepare('DELETE FROM origins WHERE collection = ? AND id = ?');
  const bury = db.prepare(`INSERT INTO tombstones (seq, collection, id, version, date_added, deleted_at, deleted_by)
    VALUES (?, ?, ?, ?, ?, ?, ?)`);

  function flagRemainder(collection: number, id: string): void {
    const last = neighbours.last(collection, id);
    const first = neighbours.first(collection, id);
    if (last !== undefined) neighbours.setLast(last.seq, true);
    if (first !== undefined) neighbours.setFirst(first.seq, true);
    // Nothing is held any more that a version could be held against.
    if (last === undefined) forgetOrigin.run(collection, id);
  }

  function deleteVersions(collection: OpenCollection, doomed: readonly Doomed[], user: string): void {
    let sequence = counters.sequence();
    const deletedAt = now();
    for (const { seq, id, version, dateAdded, length } of doomed) {
      sequence += 1;
      remove.run(seq);
      origins.forget(seq);
      bury.run(sequence, collection.key, id, version, dateAdded, deletedAt, user);
      collection.versions -= 1;
      collection.bytes -= length;
    }
    for (const id of new Set(doomed.map((version) => version.id))) flagRemainder(collection.key, id);
    counters.save(sequence, collection);
  }

  return {
    deleteObject(
      collectionId: string,
      id: string,
      selector: VersionSelector,
      by: { readonly user: string; readonly onlySubmitter: boolean },
    ): DeleteOutcome {
      const collection = counters.find(collectionId);
      if (collection === undefined || neighbours.last(collection.key, id) === undefined)
        return { outcome: 'unknown-object' };
      const selected = findHeld.all(collection.key, id).filter((held) => isSelected(selector, held));
      if (by.onlySubmitter && selected.some(({ submitter }) => submitter !== by.user))
        return { outcome: 'not-submitter' };
      if (selected.length > 0) deleteVersions(collection, selected, by.user);
      return { outcome: 'deleted', versions: selected.length };
    },

    expireObjects(collectionId: string, addedBefore: Micros, limit: number): number {
      const collection = counters.find(collectionId);
      if (collection === undefined) return 0;
      const expired = takeBounded(findExpired.all(collection.key, addedBefore, limit));
      if (expired.length > 0) deleteVersions(collection, expired, retentionUser);
      return expired.length;
    },

    dropTombstones: (deletedBefore: Micros, limit: number): number => dropTombstones.run(deletedBefore, limit).changes,
  };
}
