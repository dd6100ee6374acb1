/** Connections to the store's file, and how writers of several processes take turns on it. */

import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { codeOf, OperatorError } from '../../errors.ts';

/** How long a writer waits for its turn before it gives up. */
const busyLimitMs = 30_000;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** The result code of an SQLite error, `SQLITE_BUSY` for example; undefined for every other error. */
export function sqliteCode(error: unknown): string | undefined {
  const code = codeOf(error);
  return code?.startsWith('SQLITE_') === true ? code : undefined;
}

const reasons: readonly [code: string, reason: string][] = [
  ['SQLITE_FULL', 'the disk is full: free some space'],
  ['SQLITE_IOERR_SHMSIZE', 'the disk is full: free some space'],
  ['SQLITE_READONLY', 'the file is read-only: give the server the right to write it and its folder'],
  ['SQLITE_IOERR', 'the disk reports errors: check it, and the system log'],
  ['SQLITE_BUSY', 'another process holds the store for too long: see which one has the file open'],
  ['SQLITE_CANTOPEN', 'its files cannot be opened: check the folder and its rights'],
  ['SQLITE_CORRUPT', 'the file is damaged: restore a backup'],
  ['SQLITE_NOTADB', 'the file is damaged: restore a backup'],
];

/** Why the store's file refuses, where that is the operator's to mend, and how; undefined for every other error. */
export function findSqliteReason(error: unknown): string | undefined {
  const code = sqliteCode(error);
  return reasons.find(([prefix]) => code?.startsWith(prefix))?.[1];
}

function isBusy(error: unknown): boolean {
  return sqliteCode(error)?.startsWith('SQLITE_BUSY') === true;
}

/**
 * Runs `attempt` again while another process is in the way, up to `busyLimitMs`. The waits are short and random: SQLite's
 * own back-off grows to 100 ms and starves whoever waits longest.
 */
export function retryWhileBusy<T>(attempt: () => T, limitMs: number = busyLimitMs): T {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    Atomics.wait(sleeper, 0, 0, 0.5 + Math.random() * 2.5);
  }
}

/** Begins a transaction that holds the write lock. Set `busy_timeout` to 0 first: SQLite would wait in its own way. */
export function beginImmediate(db: Database.Database, limitMs?: number): void {
  retryWhileBusy(() => db.exec('BEGIN IMMEDIATE'), limitMs);
}

function assertDurable(db: Database.Database): void {
  const journal = db.pragma('journal_mode', { simple: true });
  const synchronous = db.pragma('synchronous', { simple: true });
  if (journal !== 'wal' || synchronous !== 2)
    throw new OperatorError(
      `${db.name}: the store needs journal_mode=wal and synchronous=FULL, and got ${journal} and ${synchronous}: keep it on a local disk`,
    );
}

/**
 * Returns a function that says how the next commits of a durable connection reach the disk; not within a transaction.
 * `FULL`: the log is synced before COMMIT returns. `NORMAL`: whatever syncs the log next, of whichever connection, takes the
 * commit along, for all write to one file in order; a power failure before takes it away, and no more. `OFF` is no choice:
 * checkpoints and new beginnings of the log would not be synced either, and with them what others were promised
 * (sqlite.org/pragma.html, `synchronous`).
 */
export function createSyncSwitch(db: Database.Database): (level: 'FULL' | 'NORMAL') => void {
  let current: unknown;
  return (level) => {
    if (level !== current) db.pragma(`synchronous = ${level}`);
    current = level;
  };
}

/** Where a restore or copy writes until it is complete, and a broken off one has left what it wrote. */
export function partialPathOf(path: string): string {
  return `${path}.partial`;
}

/** Opens the file as it is, without changing it. */
export function openFile(path: string): Database.Database {
  return new Database(path, { timeout: 5_000 });
}

/**
 * Makes a connection fit for writing: what it commits is on disk when COMMIT returns. Throws when the file cannot
 * promise that.
 */
export function makeDurable(db: Database.Database): Database.Database {
  retryWhileBusy(() => db.pragma('journal_mode = WAL'));
  db.pragma('synchronous = FULL');
  // Without it fsync on macOS leaves the data in the drive's cache.
  db.pragma('fullfsync = ON');
  db.pragma('checkpoint_fullfsync = ON');
  db.pragma('foreign_keys = OFF');
  db.pragma('cache_size = -32768');
  // Fewer, larger checkpoints: a page of an index that many commits change is copied once. The log shrinks afterwards.
  db.pragma('wal_autocheckpoint = 4000');
  db.pragma('journal_size_limit = 67108864');
  assertDurable(db);
  return db;
}

/**
 * Opens the file, which must be there, to read it and leave everything as it is. Where there is no log, a connection that
 * only reads would make one and leave it behind: one that may write removes it when it closes. Where there is one, only a
 * connection that may not write folds nothing in.
 */
export function openUnchanged(path: string): Database.Database {
  if (existsSync(`${path}-wal`)) return openForReading(path);
  const db = new Database(path, { fileMustExist: true, timeout: 5_000 });
  db.pragma('query_only = ON');
  return db;
}

/** Opens a connection that only reads. The file must be there already. */
export function openForReading(path: string): Database.Database {
  return new Database(path, { readonly: true, fileMustExist: true, timeout: 5_000 });
}
