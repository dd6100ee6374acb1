/** The tables, and how older stores become newer ones. */

import type Database from 'better-sqlite3';
import { OperatorError } from '../../errors.ts';
import { beginImmediate, retryWhileBusy, sqliteCode } from './connection.ts';

// "Huij", in the file's header: tells our files from others.
const applicationId = 0x4875696a;

/**
 * Step n makes layout n + 1 of layout n. Steps that were released never change: a new layout is a new step.
 *
 * A row of `objects` is a version. Its key `seq` counts adds and deletes of the whole store, so the change tail needs no
 * index. `text` stands last: everything before it is read without touching the pages that a long text spills over to.
 * Most objects have one version, the last and the first: `objects_by_id` leaves them out, so that they cost nothing there.
 */
export const layoutSteps: readonly string[] = [
  `
  CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
  INSERT INTO sequence VALUES (0);

  CREATE TABLE collections (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    high_water INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,
    versions INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE objects (
    seq INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    date_added INTEGER NOT NULL,
    is_last INTEGER NOT NULL,
    is_first INTEGER NOT NULL,
    length INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    spec_version TEXT NOT NULL,
    version TEXT NOT NULL,
    version_key TEXT NOT NULL,
    submitter TEXT NOT NULL,
    digest TEXT,
    text TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX objects_by_date ON objects (collection, date_added);
  CREATE INDEX objects_by_flags ON objects (collection, is_last, is_first, date_added, length);
  CREATE INDEX objects_by_type ON objects (collection, type, is_last, is_first, date_added, length);
  CREATE INDEX objects_by_id ON objects (collection, id, date_added) WHERE is_last + is_first < 2;
  CREATE UNIQUE INDEX objects_by_version ON objects (collection, id, version_key);
  CREATE UNIQUE INDEX objects_by_digest ON objects (collection, id, digest) WHERE digest IS NOT NULL;

  CREATE TABLE tombstones (
    seq INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    date_added INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    deleted_by TEXT NOT NULL
  ) STRICT;

  CREATE TABLE statuses (
    id TEXT NOT NULL,
    api_root TEXT NOT NULL,
    submitter TEXT NOT NULL,
    completed_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (api_root, id)
  ) STRICT;
  CREATE INDEX statuses_by_completion ON statuses (completed_at);

  CREATE TABLE records (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (kind, id)
  ) STRICT;
  CREATE TABLE record_keys (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, name, value, id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX record_keys_by_record ON record_keys (kind, id, name);
  `,
  `
  CREATE TABLE access (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    collection TEXT NOT NULL,
    user TEXT,
    client TEXT NOT NULL,
    agent TEXT NOT NULL,
    method TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    status INTEGER,
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    error_code TEXT
  ) STRICT;
  CREATE INDEX access_by_time ON access (collection, at);
  CREATE TABLE access_totals (
    user TEXT NOT NULL PRIMARY KEY,
    requests INTEGER NOT NULL,
    last_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // What is virtual follows from a row's text or version: rows are not rewritten. `origins` is filled as it is needed.
  `
  ALTER TABLE objects ADD COLUMN revoked INTEGER AS (json_type(text, '$.revoked') IS 'true') VIRTUAL;
  CREATE INDEX objects_revoked ON objects (collection, id, version_key) WHERE revoked;

  CREATE TABLE origins (
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    created_by_ref TEXT,
    created TEXT,
    PRIMARY KEY (collection, id)
  ) STRICT, WITHOUT ROWID;

  ALTER TABLE tombstones ADD COLUMN version_key TEXT AS (
    CASE instr(version, '.') WHEN 0 THEN rtrim(version, 'Z') ELSE rtrim(rtrim(rtrim(version, 'Z'), '0'), '.') END
  ) VIRTUAL;
  CREATE INDEX tombstones_by_version ON tombstones (collection, id, version_key);
  `,
  'CREATE INDEX tombstones_by_deletion ON tombstones (deleted_at)',
  // Beside the objects: most have none, and a column behind the text would be read by way of all its pages.
  `
  CREATE TABLE origin_texts (
    key INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE,
    versions INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE object_origins (
    seq INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL
  ) STRICT;
  `,
  // A row of the access log was one entry, and is now all that came together; `access.ts` says what its columns mean.
  `
  CREATE TABLE access_batches (
    seq INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    collection TEXT NOT NULL,
    entries TEXT NOT NULL
  ) STRICT;
  CREATE INDEX access_batches_by_time ON access_batches (collection, until);
  INSERT INTO access_batches (seq, since, until, collection, entries)
    SELECT max(seq), min(at), max(at), collection, json_group_array(json_array(
      at, user, client, agent, method, endpoint, status, objects, bytes, ms, error_code) ORDER BY seq)
    FROM access GROUP BY seq > 0, seq / 500, collection;
  DROP TABLE access;
  `,
];

function layoutOf(db: Database.Database, newest: number): number {
  const foreign = new OperatorError(`${db.name} is not a Huiju store: name another file, or move this one away`);
  const layout = db.pragma('user_version', { simple: true }) as number;
  if (db.pragma('application_id', { simple: true }) !== applicationId) {
    const isEmpty = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
    if (isEmpty && layout === 0) return 0;
    throw foreign;
  }
  if (layout > newest)
    throw new OperatorError(
      `${db.name} was written by a newer Huiju (layout ${layout}; this one knows up to ${newest}): run the newer Huiju, or restore a backup made before its first start`,
    );
  return layout;
}

function upgrade(db: Database.Database, steps: readonly string[]): void {
  beginImmediate(db);
  try {
    // Read again under the lock: another process may have been faster.
    for (const step of steps.slice(layoutOf(db, steps.length))) db.exec(step);
    db.pragma(`application_id = ${applicationId}`);
    db.pragma(`user_version = ${steps.length}`);
    db.exec('COMMIT');
  } finally {
    if (db.inTransaction) db.exec('ROLLBACK');
  }
}

/** Throws an OperatorError unless the file is empty, or a store of a layout that this version knows. Changes nothing. */
export function assertOurs(db: Database.Database, steps: readonly string[] = layoutSteps): void {
  try {
    retryWhileBusy(() => layoutOf(db, steps.length));
  } catch (error) {
    if (sqliteCode(error) !== 'SQLITE_NOTADB') throw error;
    throw new OperatorError(`${db.name} is not an SQLite file: name another file, or move this one away`);
  }
}

/** Brings the file to the newest layout, in one transaction: a failed upgrade leaves it as it was. */
export function prepareLayout(db: Database.Database, steps: readonly string[] = layoutSteps): void {
  if (retryWhileBusy(() => layoutOf(db, steps.length)) < steps.length) upgrade(db, steps);
}
