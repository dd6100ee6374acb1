/** A record whose revision counts the changes to feeds, so that servers notice one by a single small read. */

import type { RecordSource, Store } from '../store/store.ts';

const kind = 'feed-changes';
const id = 'all';
const maxAttempts = 100;

/** How many changes there were. */
export async function changesOf(store: RecordSource): Promise<number> {
  return (await store.findRecord(kind, id))?.revision ?? 0;
}

/** Tells servers that a feed was added, changed or removed. */
export async function countChange(store: Store): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    if (await store.putRecord(kind, id, await changesOf(store), {}, {})) return;
  }
  throw new Error(`The count of changes to feeds changed ${maxAttempts} times while it was being raised.`);
}
