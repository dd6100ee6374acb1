/** Commands that change the store, and their execution in groups that share a commit. */

import { isNativeError } from 'node:util/types';
import type Database from 'better-sqlite3';
import type { ErrorCode } from '../../errors.ts';
import type {
  AccessBounds,
  AddOutcome,
  DeleteOutcome,
  Delivery,
  KeptStatus,
  Micros,
  NewVersion,
  VersionSelector,
} from '../store.ts';
import { type AccessRecords, createAccessWriter } from './access.ts';
import { createAddObjects } from './add-objects.ts';
import { beginImmediate, createSyncSwitch, findSqliteReason, sqliteCode } from './connection.ts';
import { createDeletions } from './delete-object.ts';
import { createRecordWriter } from './records.ts';

// A group takes no further command after it. Other processes and the queue wait no longer than this.
const groupMs = 10;
// A group gives up its turn after it. Whoever came meanwhile waits as long again, and is to have an answer in ten seconds.
const turnLimitMs = 3_000;

/** A change, as it is sent to the writer thread. */
export type Command =
  | {
      readonly op: 'addObjects';
      readonly collection: string;
      readonly submitter: string;
      readonly versions: readonly NewVersion[];
      readonly delivery: Delivery | undefined;
    }
  | {
      readonly op: 'deleteObject';
      readonly collection: string;
      readonly id: string;
      readonly selector: VersionSelector;
      readonly by: { readonly user: string; readonly onlySubmitter: boolean };
    }
  | { readonly op: 'expireObjects'; readonly collection: string; readonly addedBefore: Micros; readonly limit: number }
  | { readonly op: 'dropTombstones' | 'dropStatuses'; readonly before: Micros; readonly limit: number }
  | { readonly op: 'putStatus'; readonly status: KeptStatus; readonly dropBefore: Micros }
  | {
      readonly op: 'putRecord';
      readonly kind: string;
      readonly id: string;
      readonly expected: number;
      /** JSON text. */
      readonly document: string;
      readonly keys: Readonly<Record<string, string>>;
    }
  | { readonly op: 'deleteRecord'; readonly kind: string; readonly id: string; readonly expected: number }
  | {
      readonly op: 'recordAccess';
      readonly records: AccessRecords;
      readonly keep: AccessBounds;
    };

/** What each command answers. */
export interface Results {
  addObjects: AddOutcome[];
  deleteObject: DeleteOutcome;
  expireObjects: number;
  dropTombstones: number;
  dropStatuses: number;
  putStatus: undefined;
  putRecord: boolean;
  deleteRecord: boolean;
  recordAccess: undefined;
}

export interface Request {
  readonly ticket: number;
  readonly command: Command;
}

/** Why a command changed nothing. Without a code it is a fault of this program. */
export interface Failure {
  readonly code: ErrorCode | undefined;
  readonly message: string;
}

export type Reply =
  | { readonly ticket: number; readonly result: Results[keyof Results] }
  | { readonly ticket: number; readonly failure: Failure };

function toFailure(error: unknown): Failure {
  const message = isNativeError(error) ? error.message : String(error);
  const code = sqliteCode(error);
  const reason = findSqliteReason(error);
  if (reason === undefined) return { code: undefined, message: `the store failed: ${code ?? ''} ${message}` };
  return { code: 'unavailable', message: `The store cannot write now (${code}): ${reason}.` };
}

function createExecutor(db: Database.Database, now: () => Micros): (command: Command) => Results[keyof Results] {
  const addObjects = createAddObjects(db, now);
  const { deleteObject, expireObjects, dropTombstones } = createDeletions(db, now);
  const { putRecord, deleteRecord, putStatus, dropStatuses } = createRecordWriter(db);
  const recordAccess = createAccessWriter(db);
  return (command) => {
    switch (command.op) {
      case 'addObjects':
        return addObjects(command.collection, command.submitter, command.versions, command.delivery);
      case 'deleteObject':
        return deleteObject(command.collection, command.id, command.selector, command.by);
      case 'expireObjects':
        return expireObjects(command.collection, command.addedBefore, command.limit);
      case 'dropTombstones':
        return dropTombstones(command.before, command.limit);
      case 'dropStatuses':
        return dropStatuses(command.before, command.limit);
      case 'putRecord':
        return putRecord(command.kind, command.id, command.expected, command.document, command.keys);
      case 'deleteRecord':
        return deleteRecord(command.kind, command.id, command.expected);
      case 'putStatus':
        putStatus(command.status, command.dropBefore);
        return undefined;
      case 'recordAccess':
        recordAccess(command.records, command.keep);
        return undefined;
    }
  };
}

// A busy server writes its access log all the time, and waits for no disk where nobody waits for it.
const mayBeLost = ({ command }: Request): boolean => command.op === 'recordAccess';

/**
 * Returns a function that takes requests from the head of `queue`, executes them in one transaction and returns their
 * replies once it is on disk, or, where none but entries of the access log wait, in the file. A command that fails takes
 * nothing along; when the transaction itself fails, all of them have failed. It never throws.
 */
export function createGroupCommit(db: Database.Database, now: () => Micros) {
  const execute = createExecutor(db, now);
  const setSync = createSyncSwitch(db);
  const mark = db.prepare('SAVEPOINT command');
  const release = db.prepare('RELEASE command');
  const undo = db.prepare('ROLLBACK TO command');

  function executeOne({ ticket, command }: Request): Reply {
    mark.run();
    try {
      const result = execute(command);
      release.run();
      return { ticket, result };
    } catch (error) {
      // Some errors, a full disk for example, end the transaction as a whole.
      if (!db.inTransaction) throw error;
      undo.run();
      release.run();
      return { ticket, failure: toFailure(error) };
    }
  }

  function executeGroup(queue: Request[], taken: Request[]): Reply[] {
    const deadline = performance.now() + groupMs;
    const replies: Reply[] = [];
    setSync(queue.every(mayBeLost) ? 'NORMAL' : 'FULL');
    beginImmediate(db, turnLimitMs);
    do {
      const request = queue.shift();
      if (request === undefined) break;
      taken.push(request);
      replies.push(executeOne(request));
    } while (performance.now() < deadline);
    db.exec('COMMIT');
    return replies;
  }

  return function commitGroup(queue: Request[]): Reply[] {
    const taken: Request[] = [];
    try {
      return executeGroup(queue, taken);
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK');
      // Whoever did not get the lock has waited as long as everybody behind it.
      const failed = taken.length > 0 ? taken : queue.splice(0);
      return failed.map(({ ticket }) => ({ ticket, failure: toFailure(error) }));
    }
  };
}
