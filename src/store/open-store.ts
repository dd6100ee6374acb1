/** Opens the store that is configured; above this line nobody asks which one it is. */

import { existsSync } from 'node:fs';
import type { Arrivals } from '../arrivals.ts';
import type { Restoring, SnapshotPart, Store, StoreGlimpse } from './store.ts';

// The drivers are loaded where they are needed, so that commands which need no store do not wait for one.
const sqlite = () => import('./sqlite/sqlite-store.ts');
const sqliteRestore = () => import('./sqlite/restore.ts');
const mongo = () => import('./mongo/mongo-store.ts');
const mongoRestore = () => import('./mongo/restore.ts');

export type StoreLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  /** A connection string; it may hold a password, and is not shown. */
  | { readonly kind: 'mongodb'; readonly url: string };

/** The location in words, without secrets. */
export function nameOfStore(location: StoreLocation): string {
  if (location.kind === 'sqlite') return location.path;
  return location.url.replace(/\/\/[^@/]*@/, '//').replace(/\?.*$/, '');
}

/**
 * Opens the store, making it if there is none. Throws OperatorError when it cannot be used. `arrivals`: of the requests that read
 * it.
 */
export async function openStore(location: StoreLocation, arrivals?: Arrivals): Promise<Store> {
  if (location.kind === 'mongodb') return (await mongo()).openMongoStore({ url: location.url });
  return (await sqlite()).openSqliteStore({ path: location.path, ...(arrivals && { arrivals }) });
}

/**
 * Opens a store to look at it, without changing a byte of it or bringing it to the newest layout, while others use it or
 * not. Undefined: there is none. Throws OperatorError when it is not one that this version can read.
 */
export async function openGlimpse(location: StoreLocation): Promise<StoreGlimpse | undefined> {
  if (location.kind === 'mongodb') return (await mongo()).openMongoGlimpse(location.url);
  if (!existsSync(location.path)) return undefined;
  return (await sqlite()).openSqliteGlimpse(location.path);
}

/** Whether there is a store. Makes nothing. */
export async function hasStore(location: StoreLocation): Promise<boolean> {
  return location.kind === 'mongodb' ? (await mongo()).hasMongoStore(location.url) : existsSync(location.path);
}

/** Throws OperatorError, with what is in the way, unless a store can be restored here. */
export async function assertNoStore(location: StoreLocation): Promise<void> {
  if (location.kind === 'mongodb') return (await mongoRestore()).assertNoMongoStore(location.url);
  (await sqliteRestore()).assertNoSqliteStore(location.path);
}

/**
 * Makes a store of a snapshot, of whatever kind of store it is. The store is there when this resolves, complete and on
 * disk, and not before. Throws OperatorError when there is a store or it cannot be written. Then it leaves nothing, but for
 * what a copy has written, which the next run needs not write again.
 */
export async function restoreStore(
  location: StoreLocation,
  parts: AsyncIterable<SnapshotPart>,
  restoring: Restoring = {},
): Promise<void> {
  if (location.kind === 'mongodb') return (await mongoRestore()).restoreMongoStore(location.url, parts, restoring);
  await (await sqliteRestore()).restoreSqliteStore(location.path, parts, restoring);
}
