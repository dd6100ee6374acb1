/** Opens the store that is configured; above this line nobody asks which one it is. */

import type { Store } from './store.ts';

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
