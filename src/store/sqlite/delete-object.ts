/** Deletes versions of an object, inside a transaction that the caller began. */

import type Database from 'better-sqlite3';
import type { DeleteOutcome, Micros, VersionSelector } from '../store.ts';
import { createCounters, createNeighbours } from './add-objects.ts';

interface Held {
  readonly seq: number;
  readonly dateAdded: Micros;
  readonly length: number;
  readonly version: string;
  readonly versionKey: string;
  readonly isLast: number;
  readonly isFirst: number;
  readonly submitter: string;
}

/** Finds the versions of an object. Exported for the test that explains it. */
export const heldSql = `SELECT seq, date_added AS dateAdded, length, version, version_key AS versionKey,
  is_last AS isLast, is_first AS isFirst, submitter
  FROM objects INDEXED BY objects_by_version WHERE collection = ? AND id = ? ORDER BY version_key`;

function isSelected({ all, first, last, exact }: VersionSelector, held: Held): boolean {
  return all || (first && held.isFirst === 1) || (last && held.isLast === 1) || exact.includes(held.versionKey);
}

/** Returns `deleteObject` of the contract, for one connection. `now` is the clock. */
export function createDeleteObject(db: Database.Database, now: () => Micros) {
  const counters = createCounters(db);
  const neighbours = createNeighbours(db);
  const findHeld = db.prepare<[number, string], Held>(heldSql);
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

  return function deleteObject(
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
    if (selected.length === 0) return { outcome: 'deleted', versions: 0 };

    let sequence = counters.sequence();
    const deletedAt = now();
    for (const { seq, version, dateAdded, length } of selected) {
      sequence += 1;
      remove.run(seq);
      bury.run(sequence, collection.key, id, version, dateAdded, deletedAt, by.user);
      collection.versions -= 1;
      collection.bytes -= length;
    }
    flagRemainder(collection.key, id);
    counters.save(sequence, collection);
    return { outcome: 'deleted', versions: selected.length };
  };
}
