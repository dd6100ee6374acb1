/**
 * What the database holds of a collection's objects, and the few operations on it that the algorithm of `turns.ts` rests
 * on. `object-database.ts` has them on MongoDB; a simulation can put its own database in their place.
 *
 * A *slot* is a whole number of microseconds in a collection: the date_added of the version, filler or tombstone that
 * fills it. Each operation on one document is atomic, durable (majority, journal) when it resolves, and may have taken
 * effect although it rejects.
 */

import type { Micros, VersionName } from '../store.ts';

/** A deletion as it was decided: anyone can carry it out from this. */
export interface Deletion {
  /** The objects of the versions. */
  readonly ids: readonly string[];
  /** Slots of the versions to delete; the block has a slot for the tombstone of each. */
  readonly versions: readonly Micros[];
  readonly by: string;
  readonly at: Micros;
}

/** Slots that were handed out together and are not known to be filled. */
export interface Block {
  readonly from: Micros;
  readonly to: Micros;
  /** Present: the block is for tombstones. Absent: for versions. */
  readonly deletion?: Deletion;
}

/** The document of a collection. */
export interface CollectionDocument {
  readonly collection: string;
  /** The highest slot ever handed out; never lowered. */
  readonly allocated: Micros;
  /** Ascending. Their turns come in this order. */
  readonly open: readonly Block[];
  /** The newest date_added of a version, the rest of the collection's state: all of it as of the stable slot. */
  readonly highWater: Micros;
  readonly generation: number;
  readonly versions: number;
  readonly bytes: number;
  /** Tombstones that were ever left. */
  readonly tombstones: number;
  /** The highest slot whose block took `first` or `last` from a version. */
  readonly superseding: Micros;
  /** Whether a snapshot is being read of it: what is deleted is kept (`holds.ts`). */
  readonly isHeld: boolean;
}

/** What a closed block adds to its collection's document. */
export interface Tally {
  readonly highWater: Micros;
  readonly generation: number;
  readonly versions: number;
  readonly bytes: number;
  readonly tombstones: number;
  readonly superseding: Micros;
}

export const never: Micros = Number.MAX_SAFE_INTEGER;

/** What a version may be of its object, never too little: `only` is both the first and the last. */
export type Age = 'only' | 'first' | 'last' | 'middle';
export const ages: readonly Age[] = ['only', 'first', 'last', 'middle'];

/** A version is the last as of slot S when `lastUntil` is above S, the first when `firstUntil` is. */
export interface Flags {
  /** The smallest slot of a version that is newer by its version key, or `never`. */
  readonly lastUntil: Micros;
  /** The smallest slot of one that is older, or `never`. */
  readonly firstUntil: Micros;
  readonly age: Age;
}

/** A version without its text. */
export interface HeldVersion extends Flags {
  readonly dateAdded: Micros;
  readonly id: string;
  /** Unique among the versions of an object: the version key, or the digest of one without a version of its own. */
  readonly identity: string;
  readonly type: string;
  readonly specVersion: string;
  readonly version: string;
  readonly versionKey: string;
  readonly digest: string | null;
  readonly createdByRef: string | null;
  readonly created: string | null;
  readonly revoked: boolean;
  readonly submitter: string;
  /** Bytes of the text. */
  readonly length: number;
  /** Counts what is done to the version: changes of `Flags`, and that it is kept for snapshots. */
  readonly revision: number;
}

export interface VersionDocument extends HeldVersion {
  readonly text: string;
  /** Where it came from, as its submitter told; null: nothing was told. */
  readonly origin: string | null;
}

export interface TombstoneDocument {
  readonly dateAdded: Micros;
  readonly id: string;
  readonly version: string;
  readonly versionKey: string;
  /** Slot of the version that it stands for. */
  readonly deleted: Micros;
  readonly deletedAt: Micros;
  readonly deletedBy: string;
  /** Bytes of the version's text. */
  readonly length: number;
}

/** What a tombstone tells of a version. */
export type DeletedVersion = Pick<TombstoneDocument, 'dateAdded' | 'id' | 'versionKey' | 'deleted' | 'deletedBy'>;

/** Flags for the version in a slot, if they were not changed since `revision`. */
export interface FlagsChange {
  readonly dateAdded: Micros;
  readonly revision: number;
  readonly flags: Flags;
}

export interface ObjectDatabase {
  /** The collection's document; one that has none is given one. */
  openCollection(collection: string): Promise<CollectionDocument>;
  /** Hands out a block, if `allocated` is still what it was: it becomes the block's end. Says whether it did. */
  allocate(collection: string, allocated: Micros, block: Block): Promise<boolean>;
  /** Takes a block from `open` and adds the tally, if it is there. */
  close(collection: string, from: Micros, tally: Tally): Promise<void>;

  /** Fills slots with versions. Resolves to the slots where it could not: the slot or the identity was taken. */
  insertVersions(collection: string, versions: readonly VersionDocument[]): Promise<ReadonlySet<Micros>>;
  /** Fills those of the slots that are empty, for ever. */
  fill(collection: string, slots: readonly Micros[]): Promise<void>;
  /** Fills the slots of tombstones, where they are empty. */
  insertTombstones(collection: string, tombstones: readonly TombstoneDocument[]): Promise<void>;

  /** The versions of some objects in all slots up to `to`; not of one moment. */
  findVersions(collection: string, ids: readonly string[], to: Micros): Promise<HeldVersion[]>;
  /** The versions in a range of slots. */
  findVersionsIn(collection: string, from: Micros, to: Micros): Promise<HeldVersion[]>;
  findTombstonesIn(collection: string, from: Micros, to: Micros): Promise<TombstoneDocument[]>;
  /** The tombstones of some versions in all slots; of all versions of the object where a name has no key. */
  findTombstonesOf(collection: string, versions: readonly VersionName[]): Promise<DeletedVersion[]>;
  findTexts(collection: string, slots: readonly Micros[]): Promise<ReadonlyMap<Micros, string>>;

  /** Sets flags and counts the revision up. Resolves to the number that were as expected. */
  setFlags(collection: string, changes: readonly FlagsChange[]): Promise<number>;
  /** Replaces versions by fillers: nothing of them is left. A slot without a version stays as it is. */
  removeVersions(collection: string, slots: readonly Micros[]): Promise<void>;
  /**
   * Puts versions out of sight in the same way, but keeps them for snapshots: each with the slot from which on it is gone, that
   * of its tombstone. Counts the revision up, so that no flags that were to be set before make it a version again.
   */
  keepVersions(collection: string, goneBySlot: ReadonlyMap<Micros, Micros>): Promise<void>;
}

/** Clock, pauses and chance, as tests may replace them. Safety rests on none of them. */
export interface Timing {
  now(): Micros;
  /** Milliseconds that only rise. */
  elapsed(): number;
  sleep(ms: number): Promise<void>;
  /** From 0 up to 1. */
  random(): number;
}

/** Up to here every slot is filled for good. */
export function stableSlotOf({ allocated, open }: Pick<CollectionDocument, 'allocated' | 'open'>): Micros {
  return (open[0]?.from ?? allocated + 1) - 1;
}
