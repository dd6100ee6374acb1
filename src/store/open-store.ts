/** Opens the store that is configured; above this line nobody asks which one it is. */

import { existsSync } from 'node:fs';
import type { SnapshotPart, Store, StoreGlimpse } from './store.ts';

export interface StoreLocation {
  readonly kind: 'sqlite';
  readonly path: string;
}

/** Opens the store, making it if there is none. Throws OperatorError when it cannot be used. */
export async function openStore({ path }: StoreLocation): Promise<Store> {
  // Loaded here, so that commands which need no store do not wait for a driver.
  const { openSqliteStore } = await import('./sqlite/sqlite-store.ts');
  return openSqliteStore({ path });
}

/**
 * Opens a store to look at it, without changing a byte of it or bringing it to the newest layout, while others use it or
 * not. Undefined: there is none. Throws OperatorError when it is not one that this version can read.
 */
export async function openGlimpse({ path }: StoreLocation): Promise<StoreGlimpse | undefined> {
  if (!existsSync(path)) return undefined;
  const { openSqliteGlimpse } = await import('./sqlite/sqlite-store.ts');
  return openSqliteGlimpse(path);
}

/** Whether there is a store. Makes nothing. */
export async function hasStore({ path }: StoreLocation): Promise<boolean> {
  return existsSync(path);
}

/** Throws OperatorError, with what is in the way, unless a store can be restored here. */
export async function assertNoStore({ path }: StoreLocation): Promise<void> {
  const { assertNoSqliteStore } = await import('./sqlite/snapshot.ts');
  assertNoSqliteStore(path);
}

/**
 * Makes a store of a snapshot, of whatever kind of store it is. The store is there when this resolves, complete and on
 * disk, and not before. Throws OperatorError, and leaves nothing, when there is a store or it cannot be written.
 */
export async function restoreStore({ path }: StoreLocation, parts: AsyncIterable<SnapshotPart>): Promise<void> {
  const { restoreSqliteStore } = await import('./sqlite/snapshot.ts');
  await restoreSqliteStore(path, parts);
}
