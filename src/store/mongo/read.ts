/** What the store answers without changing anything: pages, single versions, changes, the state of collections. */

import type { Filter } from 'mongodb';
import type { Change, CollectionState, Micros, Provenance, Store, VersionName } from '../store.ts';
import { ask, type Connection, long, readLimit, toNumber } from './connection.ts';
import { type CollectionDocument, stableSlotOf } from './documents.ts';
import { createPageFinder, toVersionRecord } from './find-objects.ts';
import type { indexes } from './layout.ts';
import {
  type CollectionRow,
  deletedAge,
  type SlotRow,
  toCollectionDocument,
  toHeldVersion,
  toTombstone,
} from './object-database.ts';

/** What is sent to find versions one by one, and changes. A test holds it against the indexes. */
const lookups = {
  object: (collection: string, id: string, stable: Micros) => ({
    ...({ collection, id, places: 'all', date_added: { $lte: long(stable) } } as const),
  }),
  exact: (collection: string, ids: readonly string[], keys: readonly string[], stable: Micros) => ({
    ...{ collection, id: { $in: [...ids] }, identity: { $in: [...keys] }, date_added: { $lte: long(stable) } },
  }),
  last: (collection: string, ids: readonly string[], stable: Micros) => ({
    ...({ collection, id: { $in: [...ids] }, places: 'last', date_added: { $lte: long(stable) } } as const),
  }),
  /** Reads past the other versions of these objects. */
  named: (collection: string, ids: readonly string[], keys: readonly string[], stable: Micros) => ({
    ...({ collection, id: { $in: [...ids] }, places: 'all', date_added: { $lte: long(stable) } } as const),
    $or: [{ version_key: { $in: [...keys] } }, { last_until: { $gt: long(stable) } }],
  }),
  changes: (collection: string, after: Micros, stable: Micros) => ({
    collection,
    places: { $in: ['all', 'deleted'] as const },
    date_added: { $gt: long(after), $lte: long(stable) },
  }),
} as const;

const provenanceFields = {
  ...{ _id: 0, id: 1, date_added: 1, version_key: 1, last_until: 1, submitter: 1, origin: 1 },
} as const;

const idsOf = (names: readonly VersionName[]) => [...new Set(names.map(({ id }) => id))];
const keysOf = (names: readonly VersionName[]) => names.flatMap(({ versionKey }) => versionKey ?? []);
const labelOf = (id: string, versionKey: string | null) => `${id} ${versionKey ?? 'last'}`;

/** Returns what finds of each version that is named, or of the last one where no key is, its row as of a slot. */
function createNamedFinder({ collection: open }: Connection) {
  const rows = open<SlotRow>('versions');
  return async (collection: string, names: readonly VersionName[], stable: Micros) => {
    const found = new Map<string, SlotRow>();
    async function take(filter: Filter<SlotRow>, hint: keyof typeof indexes.versions): Promise<void> {
      const options = { projection: provenanceFields, hint, ...readLimit };
      for (const row of await ask(rows.find(filter, options).toArray())) {
        found.set(labelOf(row.id, row.version_key ?? null), row);
        if (toNumber(row.last_until ?? 0) > stable) found.set(labelOf(row.id, null), row);
      }
    }
    const keyed = names.filter(({ versionKey }) => versionKey !== null);
    const others = names.filter(({ versionKey }) => versionKey === null);
    if (keyed.length > 0) await take(lookups.exact(collection, idsOf(keyed), keysOf(keyed), stable), 'by_identity');
    if (others.length > 0) await take(lookups.last(collection, idsOf(others), stable), 'by_id');
    // An observable's key is not its identity, and the last one as of the slot may have lost its place since.
    const left = names.filter(({ id, versionKey }) => !found.has(labelOf(id, versionKey)));
    if (left.length > 0) await take(lookups.named(collection, idsOf(left), keysOf(left), stable), 'by_id');
    return names.map(({ id, versionKey }) => found.get(labelOf(id, versionKey)));
  };
}

function toProvenance({ date_added, submitter = '', origin }: SlotRow): Provenance {
  return { dateAdded: toNumber(date_added), submitter, origin: origin ?? null };
}

function toChange(collection: string, row: SlotRow): Change {
  if (row.age === deletedAge) {
    const { dateAdded, id, version, deleted, deletedAt, deletedBy } = toTombstone(row);
    return { op: 'delete', seq: dateAdded, collection, id, version, dateAdded: deleted, deletedAt, deletedBy };
  }
  const { dateAdded, id, version } = toHeldVersion(row);
  return { op: 'add', seq: dateAdded, collection, id, version, dateAdded };
}

// So many numbers lie between two generations: more than a process asks for while one deletion is carried out.
const steps = 2 ** 20;

/**
 * Returns what tells the generation of what is visible. A deletion in its turn takes effect version by version, and no one number
 * stands for that: until it is closed each caller gets another one, above that of before and below that of after.
 */
function createGenerations() {
  let asked = 0;
  return ({ open, generation }: CollectionDocument): number => {
    if (open[0]?.deletion === undefined) return generation;
    asked = (asked + 1) % (steps - 1);
    return generation + (asked + 1) / steps;
  };
}

/** Returns the reading methods of the contract. */
export function createReader(connection: Connection) {
  const rows = connection.collection<SlotRow>('versions');
  const collections = connection.collection<CollectionRow>('collections');
  const pages = createPageFinder(connection);
  const withoutText = { _id: 0, text: 0 } as const;
  const findNamed = createNamedFinder(connection);
  const generationOf = createGenerations();

  function toState(document: CollectionDocument): CollectionState {
    const { collection, highWater, versions, bytes } = document;
    return { collection, highWater, generation: generationOf(document), versions, bytes };
  }

  return {
    async findObjects(...[collection, query, bounds]: Parameters<Store['findObjects']>) {
      const { rows: found, ...page } = await pages.findObjects(collection, query, bounds);
      const dates = found.map(({ date_added }) => toNumber(date_added));
      return { ...page, dates, texts: Buffer.from(found.map(({ text }) => text).join(',')) };
    },

    async findRecords(...[collection, query, bounds]: Parameters<Store['findRecords']>) {
      const { rows: found, ...page } = await pages.findRecords(collection, query, bounds);
      return { ...page, records: found.map(toVersionRecord) };
    },

    async hasObject(collection: string, id: string): Promise<boolean> {
      const state = await pages.findState(collection);
      if (state === undefined) return false;
      const filter = lookups.object(collection, id, stableSlotOf(state));
      return (await ask(rows.findOne(filter, { projection: { _id: 1 }, ...readLimit }))) !== null;
    },

    async getCollectionState(collection: string): Promise<CollectionState> {
      const state = await pages.findState(collection);
      return toState(
        state ?? {
          ...{ collection, allocated: 0, open: [], highWater: 0, generation: 0 },
          ...{ versions: 0, bytes: 0, tombstones: 0, superseding: 0, isHeld: false },
        },
      );
    },

    async listCollectionStates(): Promise<CollectionState[]> {
      const found = await ask(collections.find({}, { sort: { _id: 1 }, ...readLimit }).toArray());
      return found
        .map(toCollectionDocument)
        .filter(({ generation }) => generation > 0)
        .map(toState);
    },

    async findProvenance(collection: string, versions: readonly VersionName[]): Promise<(Provenance | undefined)[]> {
      const state = await pages.findState(collection);
      if (state === undefined || versions.length === 0) return versions.map(() => undefined);
      const found = await findNamed(collection, versions, stableSlotOf(state));
      return found.map((row) => row && toProvenance(row));
    },

    async findChanges(collection: string, after: number, limit: number): Promise<Change[]> {
      const state = await pages.findState(collection);
      if (state === undefined) return [];
      const options = { sort: { date_added: 1 }, limit, projection: withoutText, ...readLimit } as const;
      const filter = lookups.changes(collection, after, stableSlotOf(state));
      return (await ask(rows.find(filter, options).toArray())).map((row) => toChange(collection, row));
    },
  };
}
