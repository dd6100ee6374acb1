/** Where the stores of a test file are: in SQLite files, unless it runs over another engine. */

import { join } from 'node:path';
import { loadConfig } from '../../src/config.ts';
import type { StoreLocation } from '../../src/store/open-store.ts';

let makeStore = (folder: string): string => `sqlite:${join(folder, 'store', 'huiju.db')}`;

/** From now on the stores of this file are where `make` says, each an empty one. */
export function useStores(make: () => string): void {
  makeStore = make;
}

/** An empty store, as `HUIJU_STORE` names it. Of a folder of its own, where it may have files. */
export function newStore(folder: string): string {
  return makeStore(folder);
}

/** The same as a location. */
export function newLocation(folder: string): StoreLocation {
  return loadConfig({ HUIJU_STORE: newStore(folder) }).store;
}
