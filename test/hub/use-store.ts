import { afterAll, beforeAll } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { newLocation } from '../support/stores.ts';

/** A store for the tests of one file, which use names of their own in it; `another` opens a new, empty one. */
export function useStore(): { store: () => Store; another: (name: string) => Promise<Store> } {
  const pathOf = useTempFolder();
  const opened: Store[] = [];
  const another = async (name: string): Promise<Store> => {
    const store = await openStore(newLocation(pathOf(name)));
    opened.push(store);
    return store;
  };
  beforeAll(() => another('shared'));
  afterAll(() => Promise.all(opened.map((store) => store.close())));
  return {
    store: () => {
      const [shared] = opened;
      if (shared === undefined) throw new Error('The store is not open yet.');
      return shared;
    },
    another,
  };
}
