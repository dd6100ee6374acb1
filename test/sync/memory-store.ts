/** As much of a store as feeds need, in memory: for simulations that would wait for a disk otherwise. */

import type { CheckedObject } from '../../src/stix/check-object.ts';
import type { AddOutcome, NewVersion, Store, StoredRecord } from '../../src/store/store.ts';
import type { Checker } from '../../src/taxii/checker.ts';

/** Keeps records, and of objects their names. */
export function createMemoryStore(): Store {
  const kinds = new Map<string, Map<string, StoredRecord>>();
  const objects = new Set<string>();
  const recordsOf = (kind: string): Map<string, StoredRecord> => {
    const records = kinds.get(kind) ?? new Map<string, StoredRecord>();
    kinds.set(kind, records);
    return records;
  };
  const store = {
    findRecord: async (kind: string, id: string) => recordsOf(kind).get(id),
    queryRecords: async (kind: string, { after = '', limit }: { after?: string; limit: number }) =>
      [...recordsOf(kind).values()]
        .filter(({ id }) => id > after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit),
    putRecord: async (kind: string, id: string, expected: number, document: unknown) => {
      const records = recordsOf(kind);
      if ((records.get(id)?.revision ?? 0) !== expected) return false;
      records.set(id, { id, revision: expected + 1, document });
      return true;
    },
    deleteRecord: async (kind: string, id: string, expected: number) => {
      if (recordsOf(kind).get(id)?.revision !== expected) return false;
      return recordsOf(kind).delete(id);
    },
    addObjects: async (collection: string, _submitter: string, versions: readonly NewVersion[]) =>
      versions.map(({ id }): AddOutcome => {
        const isKnown = objects.has(`${collection} ${id}`);
        objects.add(`${collection} ${id}`);
        return { outcome: isKnown ? 'duplicate' : 'added', dateAdded: 0 };
      }),
  };
  return store as unknown as Store;
}

/** Finds every object that has an id valid. */
export const credulousChecker: Checker = {
  ahead: 1,
  check: async ({ lines }) =>
    lines
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line): CheckedObject => {
        const { id }: { id: string } = JSON.parse(line);
        return { id, type: 'x', version: null, versionKey: null, digest: id, tlp: null, warnings: [], errors: [] };
      }),
  close: async () => undefined,
};
