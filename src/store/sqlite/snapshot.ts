/** Snapshots: everything in the file as of one moment. `restore.ts` is the way back. */

import type Database from 'better-sqlite3';
import type { SnapshotPart } from '../store.ts';
import { readAllAccess } from './access.ts';
import { openForReading } from './connection.ts';

type PartOf<P extends SnapshotPart['part']> = Omit<Extract<SnapshotPart, { part: P }>, 'part'>;

const objectSql = `SELECT o.seq, c.id AS collection, date_added AS dateAdded, is_first AS isFirst, is_last AS isLast,
  submitter, t.text AS origin, o.id, type, spec_version AS specVersion, version, version_key AS versionKey, digest, o.text
  FROM objects o JOIN collections c ON c.key = o.collection
  LEFT JOIN object_origins h ON h.seq = o.seq LEFT JOIN origin_texts t ON t.key = h.origin ORDER BY o.seq`;
const tombstoneSql = `SELECT seq, c.id AS collection, t.id, version, date_added AS dateAdded,
  deleted_at AS deletedAt, deleted_by AS deletedBy
  FROM tombstones t JOIN collections c ON c.key = t.collection ORDER BY seq`;
const recordSql = `SELECT kind, id, revision, document,
  (SELECT json_group_object(name, value) FROM record_keys k WHERE k.kind = r.kind AND k.id = r.id) AS keys
  FROM records r ORDER BY kind, id`;

type ObjectRow = Omit<PartOf<'object'>, 'isFirst' | 'isLast'> & { readonly isFirst: number; readonly isLast: number };
interface RecordRow {
  readonly kind: string;
  readonly id: string;
  readonly revision: number;
  readonly document: string;
  readonly keys: string;
}

/** Everything that a connection sees; within a transaction, as of one moment. */
export function* readParts(db: Database.Database): Generator<SnapshotPart> {
  function* rows<P extends Exclude<SnapshotPart['part'], 'object' | 'record'>>(part: P, sql: string) {
    for (const row of db.prepare<[], PartOf<P>>(sql).iterate()) yield { part, ...row };
  }
  yield* rows('sequence', 'SELECT last FROM sequence');
  yield* rows(
    'collection',
    'SELECT id AS collection, high_water AS highWater, generation, versions, bytes FROM collections ORDER BY key',
  );
  for (const row of db.prepare<[], ObjectRow>(objectSql).iterate())
    yield { part: 'object', ...row, isFirst: row.isFirst === 1, isLast: row.isLast === 1 };
  yield* rows('tombstone', tombstoneSql);
  yield* rows(
    'status',
    'SELECT id, api_root AS apiRoot, submitter, text, completed_at AS completedAt FROM statuses ORDER BY completed_at',
  );
  for (const row of db.prepare<[], RecordRow>(recordSql).iterate())
    yield { part: 'record', ...row, document: JSON.parse(row.document), keys: JSON.parse(row.keys) };
  for (const entry of readAllAccess.entries(db)) yield { part: 'access', ...entry };
  for (const totals of readAllAccess.totals(db)) yield { part: 'access-totals', ...totals };
}

/**
 * Reads in one transaction on a connection of its own. In a write-ahead log that holds up nobody: writers go on behind
 * it, and only the log cannot be folded in until it ends. (SQLite's backup interface starts over when another process
 * writes.) `assertOpen` throws when the store was closed meanwhile.
 */
export async function* readSnapshotOf(path: string, assertOpen: () => void): AsyncGenerator<SnapshotPart> {
  assertOpen();
  const db = openForReading(path);
  try {
    db.exec('BEGIN');
    for (const part of readParts(db)) {
      yield part;
      assertOpen();
    }
  } finally {
    db.close();
  }
}
