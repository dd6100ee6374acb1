/** The operations of `documents.ts` on MongoDB. */

import type { AnyBulkWriteOperation, Long, UpdateFilter } from 'mongodb';
import { TaxiiError } from '../../errors.ts';
import type { Micros, VersionName } from '../store.ts';
import { ask, type Connection, isDuplicateKey, long, readLimit, reasonOf, toNumber } from './connection.ts';
import {
  type Age,
  ages,
  type Block,
  type CollectionDocument,
  type DeletedVersion,
  type HeldVersion,
  type ObjectDatabase,
  type TombstoneDocument,
  type VersionDocument,
} from './documents.ts';
import type { indexes } from './layout.ts';

export type Whole = number | Long;

interface BlockRow {
  readonly from: Whole;
  readonly to: Whole;
  readonly deletion?: {
    readonly ids: readonly string[];
    readonly versions: readonly Whole[];
    readonly by: string;
    readonly at: Whole;
  };
}

/** A document of `collections`. */
export interface CollectionRow {
  readonly _id: string;
  readonly allocated: Whole;
  readonly open: BlockRow[];
  readonly high_water: Whole;
  readonly generation: Whole;
  readonly versions: Whole;
  readonly bytes: Whole;
  readonly tombstones: Whole;
  readonly superseding: Whole;
  /** By the names of those who read it as of a moment. */
  readonly holds?: Readonly<Record<string, boolean>>;
}

/** Stands where versions have their age. */
export const deletedAge = 'deleted';
/** Stands there where a version is kept for a snapshot only. */
export const keptAge = 'kept';

/**
 * Where an index has the document: among all versions, among those that may be the last or the first, among tombstones,
 * or among what is kept for snapshots. While a document keeps a place, its key there does not move: a find that yields
 * neither misses nor repeats it.
 */
export type Place = 'all' | 'last' | 'first' | 'deleted' | 'kept';

/** The places of a version of this age. */
function placesOf(age: Age): Place[] {
  const isLast = age === 'only' || age === 'last';
  const isFirst = age === 'only' || age === 'first';
  return ['all', ...(isLast ? (['last'] as const) : []), ...(isFirst ? (['first'] as const) : [])];
}

/** A document of `versions`: a version has an age, a tombstone the age `deleted`, what is kept `kept`, a filler none. */
export interface SlotRow {
  readonly collection: string;
  readonly date_added: Whole;
  readonly id: string;
  readonly identity: string;
  readonly age?: Age | typeof deletedAge | typeof keptAge;
  readonly places?: readonly Place[];
  readonly last_until?: Whole;
  readonly first_until?: Whole;
  readonly revision?: number;
  readonly type?: string;
  readonly spec_version?: string;
  readonly version?: string;
  readonly version_key?: string;
  readonly digest?: string | null;
  readonly created_by?: string | null;
  readonly created?: string | null;
  readonly revoked?: boolean;
  readonly submitter?: string;
  readonly origin?: string;
  readonly length?: number;
  readonly text?: string;
  readonly deleted?: Whole;
  /** Of what is kept: the slot of its tombstone. */
  readonly gone?: Whole;
  readonly deleted_at?: Whole;
  readonly deleted_by?: string;
}

export function toCollectionDocument(row: CollectionRow): CollectionDocument {
  return {
    collection: row._id,
    allocated: toNumber(row.allocated),
    open: row.open.map(({ from, to, deletion }) => ({
      from: toNumber(from),
      to: toNumber(to),
      ...(deletion !== undefined && {
        deletion: { ...deletion, versions: deletion.versions.map(toNumber), at: toNumber(deletion.at) },
      }),
    })),
    highWater: toNumber(row.high_water),
    generation: toNumber(row.generation),
    versions: toNumber(row.versions),
    bytes: toNumber(row.bytes),
    tombstones: toNumber(row.tombstones),
    superseding: toNumber(row.superseding),
    isHeld: Object.keys(row.holds ?? {}).length > 0,
  };
}

export function toCollectionRow({ collection, ...rest }: CollectionDocument): CollectionRow {
  return {
    _id: collection,
    allocated: long(rest.allocated),
    open: [],
    high_water: long(rest.highWater),
    generation: long(rest.generation),
    versions: long(rest.versions),
    bytes: long(rest.bytes),
    tombstones: long(rest.tombstones),
    superseding: long(rest.superseding),
  };
}

function toBlockRow({ from, to, deletion }: Block): BlockRow {
  if (deletion === undefined) return { from: long(from), to: long(to) };
  const { ids, versions, by, at } = deletion;
  return { from: long(from), to: long(to), deletion: { ids, versions: versions.map(long), by, at: long(at) } };
}

export function toVersionRow(collection: string, version: VersionDocument): SlotRow {
  return {
    collection,
    date_added: long(version.dateAdded),
    id: version.id,
    type: version.type,
    spec_version: version.specVersion,
    version: version.version,
    version_key: version.versionKey,
    created_by: version.createdByRef,
    created: version.created,
    revoked: version.revoked,
    submitter: version.submitter,
    ...(version.origin !== null && { origin: version.origin }),
    identity: version.identity,
    digest: version.digest,
    age: version.age,
    places: placesOf(version.age),
    last_until: long(version.lastUntil),
    first_until: long(version.firstUntil),
    revision: version.revision,
    length: version.length,
    text: version.text,
  };
}

export function isVersion({ age }: SlotRow): boolean {
  return age !== undefined && age !== deletedAge && age !== keptAge;
}

function missing(row: SlotRow, field: string): Error {
  return new Error(`the version in slot ${row.date_added} of collection ${row.collection} has no ${field}`);
}

export function toHeldVersion(row: SlotRow): HeldVersion {
  const { age, last_until, first_until, revision, type, spec_version, version, version_key, submitter, length } = row;
  if (
    age === undefined ||
    age === deletedAge ||
    age === keptAge ||
    last_until === undefined ||
    first_until === undefined ||
    revision === undefined
  )
    throw missing(row, 'flags');
  if (type === undefined || spec_version === undefined || version === undefined || version_key === undefined)
    throw missing(row, 'name');
  if (submitter === undefined || length === undefined) throw missing(row, 'submitter');
  return {
    ...{ id: row.id, identity: row.identity, age, revision, type, version, submitter, length },
    dateAdded: toNumber(row.date_added),
    lastUntil: toNumber(last_until),
    firstUntil: toNumber(first_until),
    specVersion: spec_version,
    versionKey: version_key,
    digest: row.digest ?? null,
    createdByRef: row.created_by ?? null,
    created: row.created ?? null,
    revoked: row.revoked === true,
  };
}

/** Begins the identities of tombstones. No version's begins so: they begin with a digit or `#`. */
const tombstonePrefix = 'deleted/';

/** The tombstones of a version, or of all versions of an object, in whichever slots: a range of `by_identity`. */
function tombstonesOf(collection: string, { id, versionKey }: VersionName) {
  const prefix = versionKey === null ? tombstonePrefix : `${tombstonePrefix}${versionKey}@`;
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  return { collection, id, identity: { $gte: prefix, $lt: end } };
}

// Ranges that one find asks for.
const rangesAtATime = 200;
const deletedFields = { _id: 0, date_added: 1, id: 1, version_key: 1, deleted: 1, deleted_by: 1 } as const;

function toDeletedVersion(row: SlotRow): DeletedVersion {
  const { id, version_key: versionKey, deleted, deleted_by: deletedBy } = row;
  if (versionKey === undefined || deleted === undefined || deletedBy === undefined) throw missing(row, 'deletion');
  return { dateAdded: toNumber(row.date_added), id, versionKey, deleted: toNumber(deleted), deletedBy };
}

export function toTombstoneRow(collection: string, tombstone: TombstoneDocument): SlotRow {
  const { dateAdded, id, version, versionKey, deleted, deletedAt, deletedBy, length } = tombstone;
  return {
    ...{ collection, id, version, length, age: deletedAge, places: ['deleted'] },
    date_added: long(dateAdded),
    // Ordered by version, then by slot, which has sixteen digits until the year 2286.
    identity: `${tombstonePrefix}${versionKey}@${String(dateAdded).padStart(16, '0')}`,
    version_key: versionKey,
    deleted: long(deleted),
    deleted_at: long(deletedAt),
    deleted_by: deletedBy,
  };
}

export function toTombstone(row: SlotRow): TombstoneDocument {
  const { id, version, version_key, deleted, deleted_at, deleted_by, length } = row;
  if (deleted === undefined || deleted_at === undefined || deleted_by === undefined) throw missing(row, 'deletion');
  if (version === undefined || version_key === undefined || length === undefined) throw missing(row, 'name');
  return {
    ...{ id, version, length },
    dateAdded: toNumber(row.date_added),
    versionKey: version_key,
    deleted: toNumber(deleted),
    deletedAt: toNumber(deleted_at),
    deletedBy: deleted_by,
  };
}

/** What stands in a slot that has nothing any more, or never had. */
export function toFillerRow(collection: string, slot: Micros): SlotRow {
  return { collection, date_added: long(slot), id: '', identity: `filler@${slot}` };
}

interface WriteErrors {
  readonly code: number;
  readonly writeErrors:
    | readonly { readonly code?: number; readonly index: number }[]
    | { readonly code?: number; readonly index: number };
  readonly result?: { getWriteConcernError?(): unknown };
}

/** The places in an unordered insert where a unique key was taken; throws every other error. */
function findTaken(error: unknown): number[] {
  if (!isDuplicateKey(error)) throw error;
  const { writeErrors, result } = error as WriteErrors;
  const list = Array.isArray(writeErrors)
    ? writeErrors
    : [writeErrors as WriteErrors['writeErrors'] & { index: number }];
  const concern = result?.getWriteConcernError?.();
  if (concern !== undefined && concern !== null)
    throw new TaxiiError('unavailable', `The database cannot make a change safe now: ${reasonOf(concern)}.`);
  const other = list.find(({ code }) => code !== 11000);
  if (other !== undefined)
    throw new TaxiiError('unavailable', `The database cannot store now (code ${other.code}): see the database's log.`);
  return list.map(({ index }) => index);
}

const heldFields = { _id: 0, text: 0, origin: 0 } as const;
type VersionIndex = keyof typeof indexes.versions;

/** Creates the operations for a connection. */
export function createObjectDatabase(connection: Connection): ObjectDatabase {
  const collections = connection.collection<CollectionRow>('collections');
  const rows = connection.collection<SlotRow>('versions');

  async function insert(list: readonly SlotRow[]): Promise<number[]> {
    if (list.length === 0) return [];
    try {
      // The driver adds an _id to what it is given.
      await ask(
        rows.insertMany(
          list.map((row) => ({ ...row })),
          { ordered: false },
        ),
      );
      return [];
    } catch (error) {
      return findTaken(error);
    }
  }

  const inSlots = (collection: string, from: Micros, to: Micros) => ({
    collection,
    date_added: { $gte: long(from), $lte: long(to) },
  });

  return {
    async openCollection(collection) {
      const found = await ask(collections.findOne({ _id: collection }, readLimit));
      if (found !== null) return toCollectionDocument(found);
      const zeros = {
        allocated: 0,
        open: [],
        highWater: 0,
        generation: 0,
        versions: 0,
        bytes: 0,
        tombstones: 0,
        superseding: 0,
        isHeld: false,
      };
      const document = { collection, ...zeros };
      try {
        await ask(collections.insertOne(toCollectionRow(document)));
        return document;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        return this.openCollection(collection);
      }
    },

    async allocate(collection, allocated, block) {
      const filter = { _id: collection, allocated: long(allocated) };
      const update: UpdateFilter<CollectionRow> = {
        $set: { allocated: long(block.to) },
        $push: { open: toBlockRow(block) },
      };
      return (await ask(collections.updateOne(filter, update))).matchedCount === 1;
    },

    async close(collection, from, { highWater, superseding, generation, versions, bytes, tombstones }) {
      const update: UpdateFilter<CollectionRow> = {
        $pull: { open: { from: long(from) } },
        $inc: {
          generation: long(generation),
          versions: long(versions),
          bytes: long(bytes),
          tombstones: long(tombstones),
        },
        $max: { high_water: long(highWater), superseding: long(superseding) },
      };
      await ask(collections.updateOne({ _id: collection, 'open.from': long(from) }, update));
    },

    async insertVersions(collection, versions) {
      const taken = await insert(versions.map((version) => toVersionRow(collection, version)));
      return new Set(taken.flatMap((at) => versions[at]?.dateAdded ?? []));
    },

    async fill(collection, slots) {
      await insert(slots.map((slot) => toFillerRow(collection, slot)));
    },

    async insertTombstones(collection, tombstones) {
      await insert(tombstones.map((tombstone) => toTombstoneRow(collection, tombstone)));
    },

    async findVersions(collection, ids, to) {
      const filter = { collection, id: { $in: [...ids] }, places: 'all', date_added: { $lte: long(to) } } as const;
      // An index in which no change of flags moves a version's key.
      const options = { projection: heldFields, hint: 'by_id' satisfies VersionIndex, ...readLimit };
      const found = await ask(rows.find(filter, options).toArray());
      return found.map(toHeldVersion);
    },

    async findVersionsIn(collection, from, to) {
      const options = { projection: heldFields, ...readLimit };
      const found = await ask(rows.find(inSlots(collection, from, to), options).toArray());
      return found.filter(isVersion).map(toHeldVersion);
    },

    async findTombstonesIn(collection, from, to) {
      const options = { projection: heldFields, ...readLimit };
      const found = await ask(rows.find(inSlots(collection, from, to), options).toArray());
      return found.filter(({ age }) => age === deletedAge).map(toTombstone);
    },

    async findTombstonesOf(collection, versions) {
      const ranges = versions.map((name) => tombstonesOf(collection, name));
      const options = { projection: deletedFields, hint: 'by_identity' satisfies VersionIndex, ...readLimit };
      const found: SlotRow[][] = [];
      for (let at = 0; at < ranges.length; at += rangesAtATime)
        found.push(await ask(rows.find({ $or: ranges.slice(at, at + rangesAtATime) }, options).toArray()));
      return found.flat().map(toDeletedVersion);
    },

    async findTexts(collection, slots) {
      const filter = { collection, date_added: { $in: slots.map(long) } };
      const options = { projection: { _id: 0, date_added: 1, text: 1 }, ...readLimit } as const;
      const found = await ask(rows.find(filter, options).toArray());
      return new Map(
        found.flatMap(({ date_added, text }) => (text === undefined ? [] : [[toNumber(date_added), text] as const])),
      );
    },

    async setFlags(collection, changes) {
      const operations = changes.map(
        ({ dateAdded, revision, flags }): AnyBulkWriteOperation<SlotRow> => ({
          updateOne: {
            filter: { collection, date_added: long(dateAdded), revision },
            update: {
              $set: {
                last_until: long(flags.lastUntil),
                first_until: long(flags.firstUntil),
                age: flags.age,
                places: placesOf(flags.age),
                revision: revision + 1,
              },
            },
          },
        }),
      );
      return (await ask(rows.bulkWrite(operations, { ordered: false }))).matchedCount;
    },

    async removeVersions(collection, slots) {
      const operations = slots.map(
        (slot): AnyBulkWriteOperation<SlotRow> => ({
          replaceOne: {
            filter: { collection, date_added: long(slot), age: { $in: [...ages] } },
            replacement: toFillerRow(collection, slot),
          },
        }),
      );
      await ask(rows.bulkWrite(operations, { ordered: false }));
    },

    async keepVersions(collection, goneBySlot) {
      const operations = [...goneBySlot].map(
        ([slot, gone]): AnyBulkWriteOperation<SlotRow> => ({
          updateOne: {
            filter: { collection, date_added: long(slot), age: { $in: [...ages] } },
            // The identity may be published again. Flags that somebody is still writing are of an earlier revision.
            update: {
              $set: { age: keptAge, places: ['kept'], identity: `kept@${slot}`, gone: long(gone) },
              $inc: { revision: 1 },
            },
          },
        }),
      );
      await ask(rows.bulkWrite(operations, { ordered: false }));
    },
  };
}
