/** The thread that writes: one connection, one group of commands after another. Started by `writer.ts`. */

import { parentPort, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { microsNow } from '../../stix/timestamp.ts';
import { makeDurable, openFile, retryWhileBusy } from './connection.ts';
import { createGroupCommit, type Request } from './group-commit.ts';
import type { ToWriter, WriterData } from './writer.ts';

// Pauses between commits while another process writes too: longer than its next look at the lock.
const pauseMs = 4;
// How long a commit of another process counts as "writes too".
const politeForMs = 1_000;

/** Returns a function that tells whether another connection has committed of late. */
function createRivalWatch(db: Database.Database): () => boolean {
  const dataVersion = db.prepare<[], number>('PRAGMA data_version').pluck();
  const read = () => retryWhileBusy(() => dataVersion.get());
  let seen = read();
  let politeUntil = 0;
  return () => {
    const current = read();
    if (current !== seen) politeUntil = performance.now() + politeForMs;
    seen = current;
    return performance.now() < politeUntil;
  };
}

function run(port: NonNullable<typeof parentPort>, { path, clockOffset }: WriterData): void {
  const db = makeDurable(openFile(path));
  const commitGroup = createGroupCommit(db, () => microsNow() + clockOffset);
  const hasRival = createRivalWatch(db);
  db.pragma('busy_timeout = 0');
  const queue: Request[] = [];
  let isScheduled = false;
  let isClosing = false;

  function close(): void {
    try {
      db.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      db.close();
      port.close();
    }
  }

  function schedule(): void {
    if (isScheduled) return;
    if (queue.length === 0) {
      if (isClosing) close();
      return;
    }
    isScheduled = true;
    if (hasRival()) setTimeout(commit, pauseMs);
    else setImmediate(commit);
  }

  function commit(): void {
    isScheduled = false;
    port.postMessage(commitGroup(queue));
    schedule();
  }

  port.on('message', (message: ToWriter) => {
    if (message === 'close') isClosing = true;
    else queue.push(message);
    schedule();
  });
}

if (parentPort !== null) run(parentPort, workerData);
