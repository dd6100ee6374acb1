/** What the kinds of records have in common: walking over all of them, and changing one under compare-and-set. */

import type { RecordSource, Store, StoredRecord } from '../store/store.ts';

const pageSize = 500;
// Each lost race means that another writer got through, so this is reached only when something is wrong.
const maxAttempts = 100;

/** Every record of a kind, ascending by id, with this value under this key if one is given. Holds one page at a time. */
export async function* walkRecords(
  store: RecordSource,
  kind: string,
  key?: { readonly name: string; readonly value: string },
): AsyncGenerator<StoredRecord, void, undefined> {
  let after: string | undefined;
  for (;;) {
    const page = await store.queryRecords(kind, {
      limit: pageSize,
      ...(key === undefined ? {} : { key }),
      ...(after === undefined ? {} : { after }),
    });
    yield* page;
    after = page.at(-1)?.id;
    if (after === undefined || page.length < pageSize) return;
  }
}

/** Deletes a record, however often others change it meanwhile. Says whether there was such a record. */
export async function dropRecord(store: Store, kind: string, id: string): Promise<boolean> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const record = await store.findRecord(kind, id);
    if (record === undefined) return false;
    if (await store.deleteRecord(kind, id, record.revision)) return true;
  }
  throw new Error(`The ${kind} record ${id} changed ${maxAttempts} times while it was being deleted.`);
}

/**
 * Replaces a record's document by what `change` makes of it, starting over when another writer was faster. Says whether
 * there was such a record.
 */
export async function changeRecord(
  store: Store,
  kind: string,
  id: string,
  change: (record: StoredRecord) => { document: unknown; keys: Readonly<Record<string, string>> },
): Promise<boolean> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const record = await store.findRecord(kind, id);
    if (record === undefined) return false;
    const { document, keys } = change(record);
    if (await store.putRecord(kind, id, record.revision, document, keys)) return true;
  }
  throw new Error(`The ${kind} record ${id} changed ${maxAttempts} times while it was being changed.`);
}
