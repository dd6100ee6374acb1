/** The connection to a database: what every command carries, and what its failures mean. */

import { type Collection, type Db, type Document, Long, MongoClient } from 'mongodb';
import { messageOf, OperatorError, TaxiiError } from '../../errors.ts';

/** Whoever asks gets an answer, or a refusal, within about this time. */
const answerMs = 8_000;
const selectionMs = 5_000;
// A connection that says nothing for so long is given up, also when nobody waits for it any more.
const silenceMs = 30_000;
const defaultDatabase = 'huiju';

/** A slot as the database has it: a 64-bit integer. */
export function long(value: number): Long {
  return Long.fromNumber(value);
}

/** The number of a document's field, however wide it is stored. */
export function toNumber(value: number | Long): number {
  return typeof value === 'number' ? value : value.toNumber();
}

export function isDuplicateKey(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 11000;
}

/** Whether the error is the driver's: the database's answer, or that there is none. */
export function isDatabaseError(error: unknown): boolean {
  // By name: tests load the driver more than once.
  return error instanceof Error && /^(?:Mongo|BSON)/.test(error.name);
}

const hints: readonly [pattern: RegExp, hint: string][] = [
  [/auth|not allowed|unauthorized/i, 'check user, password and rights in HUIJU_STORE'],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|selection|timed out|connection/i, 'check that it runs, and how it is reached'],
  [/space|disk/i, 'free some space on its disks'],
];

/** Why the database failed, and what to do. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const hint = hints.find(([pattern]) => pattern.test(message))?.[1] ?? "see the database's log";
  return `${message.slice(0, 300)}: ${hint}`;
}

/**
 * Waits for a command, no longer than `answerMs`. What the database cannot do now becomes the TaxiiError `unavailable`:
 * it may have taken effect.
 */
export async function ask<T>(command: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const reason = `The database gave no answer for ${answerMs / 1000} seconds: check that it runs, and how it is reached.`;
    timer = setTimeout(() => reject(new TaxiiError('unavailable', reason)), answerMs);
  });
  try {
    return await Promise.race([command, deadline]);
  } catch (error) {
    if (!isDatabaseError(error) || isDuplicateKey(error)) throw error;
    throw new TaxiiError('unavailable', `The database cannot be used now: ${reasonOf(error)}.`);
  } finally {
    clearTimeout(timer);
  }
}

/** A URL without what must not be shown. */
export function redactUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//').replace(/\?.*$/, '');
}

function databaseNameOf(url: string): string {
  const name = /^mongodb(?:\+srv)?:\/\/[^/?]*\/([^?]*)/i.exec(url)?.[1] ?? '';
  return name === '' ? defaultDatabase : decodeURIComponent(name);
}

export interface Connection {
  readonly db: Db;
  collection<T extends Document>(name: string): Collection<T>;
  close(): Promise<void>;
}

/** Hears of each command as it is sent. */
export type CommandObserver = (command: Document) => void;

/** Connects. Throws OperatorError when the database cannot be reached or will not have us. */
export async function connect(url: string, observe?: CommandObserver): Promise<Connection> {
  let client: MongoClient | undefined;
  try {
    client = new MongoClient(url, {
      appName: 'huiju',
      serverApi: { version: '1', strict: true, deprecationErrors: true },
      serverSelectionTimeoutMS: selectionMs,
      connectTimeoutMS: selectionMs,
      socketTimeoutMS: silenceMs,
      readPreference: 'primary',
      readConcern: { level: 'majority' },
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: answerMs },
      monitorCommands: observe !== undefined,
    });
    if (observe !== undefined) client.on('commandStarted', ({ command }) => observe(command));
    await client.connect();
  } catch (error) {
    await client?.close();
    throw new OperatorError(`the store ${redactUrl(url)} cannot be opened: ${reasonOf(error)}`);
  }
  const opened = client;
  const db = opened.db(databaseNameOf(url));
  return { db, collection: (name) => db.collection(name), close: () => opened.close() };
}

/** Milliseconds after which the database itself gives up a read. */
export const readLimit = { maxTimeMS: answerMs };
