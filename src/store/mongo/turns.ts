/**
 * How any number of processes add to and delete from one collection, without transactions, clocks or leases.
 *
 * The collection's document hands out blocks of slots, each above all before it, and lists those that are open. Writers
 * fill their blocks at the same time. Blocks are finished one after the other: a block's *turn* lasts from when it is the
 * lowest open one until it is closed. Readers read up to the *stable* slot, below the lowest open block, so it only rises
 * and what they see is final. A unique index on (collection, slot) is the fence: whoever finishes a block in its owner's
 * place first fills its empty slots, and an owner that comes late finds them taken, and takes new ones. No slot is
 * ever emptied, so no paused writer can put anything where readers have been.
 *
 * In a block's turn all lower slots are final and its own are filled, so everything that is decided there follows from
 * what the database holds, the same for everyone who decides it: which of its versions break a rule against versions in
 * lower slots (they become fillers, and their owner looks again), and the flags of the objects that it touches.
 * Whoever finishes a block scans, then sees that it is still open, then writes each difference under the revision
 * that it has scanned, and closes only when nothing was different or all was written.
 *
 * *No late write succeeds.* Suppose that the first one is by A, to version V, in a turn that has ended. A scanned V
 * within the turn and found it wrong. The one who closed the block found V right or put it right, in the turn, after
 * A's scan (before it, A would have found it right, since all writes of a turn write the same). That raised V's
 * revision, so A's write fails. Removing a version and inserting a tombstone repeat without effect. `age` is narrowed
 * after the close, under the revision that V had in the turn, so it fails when anything was done to V since. A deletion is
 * no exception: a filler has no revision, and keeping a version for snapshots raises it.
 *
 * So `first` and `last` as of every stable slot are in `firstUntil` and `lastUntil`. What `age` says besides is for the
 * index: it is narrowed only when `stable` has passed the version that supersedes. A reader that has read `stable` before
 * may miss a version by that, and must look at `superseding` when it has come to the end (`find-objects.ts`).
 */

import { TaxiiError } from '../../errors.ts';
import { findOriginBreach } from '../../stix/origin.ts';
import type { Micros } from '../store.ts';
import {
  type Age,
  type Block,
  type CollectionDocument,
  type Deletion,
  type FlagsChange,
  type HeldVersion,
  never,
  type ObjectDatabase,
  stableSlotOf,
  type Tally,
  type Timing,
  type TombstoneDocument,
} from './documents.ts';

// How long the lowest block may stay before others finish it. Shorter only makes more work, longer only waits longer.
const patienceMs = 3_000;
// The same for one that was open already while others lay there for so long: processes that die together cost one wait.
const laterPatienceMs = 500;
const firstPauseMs = 1;
const longestPauseMs = 40;
// More blocks than processes ever hold open: something is wrong, and the document must not grow without bound.
const maxOpen = 1_000;

function ageOf({ lastUntil, firstUntil }: Pick<HeldVersion, 'lastUntil' | 'firstUntil'>, stable: Micros): Age {
  if (lastUntil > stable) return firstUntil > stable ? 'only' : 'last';
  return firstUntil > stable ? 'first' : 'middle';
}

function compareVersions(a: HeldVersion, b: HeldVersion): number {
  if (a.versionKey !== b.versionKey) return a.versionKey < b.versionKey ? -1 : 1;
  return a.dateAdded - b.dateAdded;
}

/** Groups by object, each group ascending by slot. */
export function groupById(versions: readonly HeldVersion[]): ReadonlyMap<string, HeldVersion[]> {
  const groups = new Map<string, HeldVersion[]>();
  for (const version of [...versions].sort((a, b) => a.dateAdded - b.dateAdded)) {
    const group = groups.get(version.id);
    if (group === undefined) groups.set(version.id, [version]);
    else group.push(version);
  }
  return groups;
}

/** The versions of one object, by version, with the flags that they have to have as of `stable`. */
export function withFlags(group: readonly HeldVersion[], stable: Micros): HeldVersion[] {
  const sorted = [...group].sort(compareVersions);
  let older: Micros = never;
  const ascending = sorted.map((version) => {
    const firstUntil = older;
    older = Math.min(older, version.dateAdded);
    return { ...version, firstUntil };
  });
  let newer: Micros = never;
  return ascending.reverse().map((version) => {
    const lastUntil = newer;
    newer = Math.min(newer, version.dateAdded);
    const { firstUntil } = version;
    return { ...version, lastUntil, age: ageOf({ lastUntil, firstUntil }, stable) };
  });
}

function changesOf(group: readonly HeldVersion[], wanted: readonly HeldVersion[]): FlagsChange[] {
  const held = new Map(group.map((version) => [version.dateAdded, version]));
  return wanted.flatMap(({ dateAdded, revision, lastUntil, firstUntil, age }) => {
    const stored = held.get(dateAdded);
    const isSame = stored?.lastUntil === lastUntil && stored.firstUntil === firstUntil && stored.age === age;
    return isSame ? [] : [{ dateAdded, revision, flags: { lastUntil, firstUntil, age } }];
  });
}

export interface Refusal {
  readonly outcome: 'other-creator' | 'created-changed' | 'revoked';
  readonly dateAdded: Micros;
  readonly given: string | null;
}

type Judged = Pick<HeldVersion, 'versionKey' | 'version' | 'createdByRef' | 'created'>;

/** What forbids a version beside those that are held of its object (STIX 2.1 §3.2, §3.6.1); undefined: nothing. */
export function findRefusal(held: readonly HeldVersion[], added: Judged): Refusal | undefined {
  if (added.created === null) return undefined;
  const origin = held.find(({ created }) => created !== null);
  const breach = origin && findOriginBreach(origin, added);
  if (origin !== undefined && breach !== undefined) return { ...breach, dateAdded: origin.dateAdded };
  const revoked = held.find((each) => each.revoked && each.versionKey < added.versionKey);
  return revoked && { outcome: 'revoked', dateAdded: revoked.dateAdded, given: added.version };
}

/** Splits the versions of one object into those that stay and those of the block that break a rule. */
function judge(group: readonly HeldVersion[], { from }: Block) {
  const kept: HeldVersion[] = [];
  const refused: HeldVersion[] = [];
  for (const version of group) {
    const isRefused = version.dateAdded >= from && findRefusal(kept, version) !== undefined;
    (isRefused ? refused : kept).push(version);
  }
  return { kept, refused };
}

function isOpen({ open }: CollectionDocument, { from }: Block): boolean {
  return open.some((block) => block.from === from);
}

export function slotsOf({ from, to }: Block): Micros[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

function isWithin({ from, to }: Block, slot: Micros): boolean {
  return slot >= from && slot <= to;
}

function tallyAdded(block: Block, objects: readonly HeldVersion[]): Tally {
  const added = objects.filter(({ dateAdded }) => isWithin(block, dateAdded));
  const isSuperseding = objects.some(
    ({ lastUntil, firstUntil }) => isWithin(block, lastUntil) || isWithin(block, firstUntil),
  );
  return {
    highWater: added.reduce((high, { dateAdded }) => Math.max(high, dateAdded), 0),
    generation: added.length > 0 ? 1 : 0,
    versions: added.length,
    bytes: added.reduce((sum, { length }) => sum + length, 0),
    tombstones: 0,
    superseding: isSuperseding ? block.to : 0,
  };
}

function tallyDeleted(tombstones: readonly TombstoneDocument[]): Tally {
  return {
    highWater: 0,
    // While it was carried out nobody got the former one.
    generation: 1,
    versions: -tombstones.length,
    bytes: -tombstones.reduce((sum, { length }) => sum + length, 0),
    tombstones: tombstones.length,
    superseding: 0,
  };
}

/** A block, and the collection's document that its slots were taken by: every lower block is open in it, or closed. */
interface Allocation {
  readonly block: Block;
  readonly before: CollectionDocument;
}

/** Returns what writers do with blocks of slots. `onAbandoned` hears when a call has left a block lying. */
export function createTurns(database: ObjectDatabase, timing: Timing, onAbandoned: () => void = () => {}) {
  const { now, elapsed, sleep, random } = timing;
  /** Blocks of this process that it has left lying, by collection: nobody fills them any more, and nobody need be waited for. */
  const abandoned = new Map<string, Block[]>();

  /** Pauses, longer each time, never at the pace of somebody else. */
  function createPauses(): () => Promise<void> {
    let ms = firstPauseMs;
    return async () => {
      await sleep(ms * (0.5 + random()));
      ms = Math.min(longestPauseMs, ms * 1.5);
    };
  }

  /** Returns what tells a waiter, of the open blocks that it sees each time, whether the lowest one lies for too long. */
  function createPatience(): (open: readonly Block[]) => boolean {
    let firstSeen = new Map<Micros, number>();
    let lowest: Micros | undefined;
    let lowestSince = 0;
    return (open) => {
      const present = elapsed();
      firstSeen = new Map(open.map(({ from }) => [from, firstSeen.get(from) ?? present]));
      const [first] = open;
      if (first?.from !== lowest) lowestSince = present;
      lowest = first?.from;
      if (first === undefined || present - lowestSince < laterPatienceMs) return false;
      return present - (firstSeen.get(first.from) ?? present) >= patienceMs;
    };
  }

  /** Does what may fail before the block is closed. */
  async function attempt<T>(collection: string, block: Block, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      abandoned.set(collection, [...(abandoned.get(collection) ?? []), block].slice(-maxOpen));
      onAbandoned();
      throw error;
    }
  }

  function isAbandoned(collection: string, { from, to }: Block): boolean {
    return abandoned.get(collection)?.some((block) => block.from === from && block.to === to) === true;
  }

  /** Forgets those that are closed, or were never allocated. */
  function forgetClosed({ collection, open }: CollectionDocument): void {
    const left = abandoned.get(collection)?.filter((block) => open.some(({ from }) => from === block.from)) ?? [];
    if (left.length > 0) abandoned.set(collection, left);
    else abandoned.delete(collection);
  }

  /** Takes `count` slots above all that were ever handed out. */
  async function allocate(collection: string, count: number, deletion?: Deletion): Promise<Allocation> {
    const pause = createPauses();
    for (;;) {
      const before = await database.openCollection(collection);
      const { allocated, open } = before;
      if (open.length >= maxOpen)
        throw new TaxiiError('unavailable', 'Too many changes of this collection are under way: try again later.');
      const from = Math.max(now(), allocated + 1);
      const block = { from, to: from + count - 1, ...(deletion !== undefined && { deletion }) };
      if (await attempt(collection, block, () => database.allocate(collection, allocated, block)))
        return { block, before };
      await pause();
    }
  }

  /**
   * Writes the flags that these versions have to have. Resolves to the versions as they are then; undefined when
   * somebody else has changed one meanwhile, or closed the block: scan again.
   */
  async function writeFlags(collection: string, block: Block, versions: readonly HeldVersion[]) {
    const groups = [...groupById(versions).values()];
    const wanted = groups.map((group) => withFlags(group, block.from - 1));
    const changes = groups.flatMap((group, n) => changesOf(group, wanted[n] ?? []));
    if (changes.length > 0 && (await database.setFlags(collection, changes)) < changes.length) return undefined;
    const changed = new Set(changes.map(({ dateAdded }) => dateAdded));
    return wanted
      .flat()
      .map((version) => (changed.has(version.dateAdded) ? { ...version, revision: version.revision + 1 } : version));
  }

  /**
   * Finishes a block of versions in its turn. `ids` are the objects of its slots. Resolves to all versions of these
   * objects, or undefined when somebody else has closed it.
   */
  async function finishAdded(
    collection: string,
    block: Block,
    ids: readonly string[],
  ): Promise<HeldVersion[] | undefined> {
    for (;;) {
      const scanned = ids.length === 0 ? [] : await database.findVersions(collection, ids, block.to);
      if (!isOpen(await database.openCollection(collection), block)) return undefined;
      const judged = [...groupById(scanned).values()].map((group) => judge(group, block));
      const refused = judged.flatMap((group) => group.refused.map(({ dateAdded }) => dateAdded));
      if (refused.length > 0) await database.removeVersions(collection, refused);
      const kept = judged.flatMap((group) => group.kept);
      const written = await writeFlags(collection, block, kept);
      if (written === undefined) continue;
      await database.close(collection, block.from, tallyAdded(block, written));
      return written;
    }
  }

  /** Finishes a deletion in its turn: what remains gets its flags back before anything goes. */
  async function finishDeleted(collection: string, block: Block, deletion: Deletion): Promise<void> {
    const doomed = new Map(deletion.versions.map((slot, n) => [slot, block.from + n]));
    for (;;) {
      const scanned = await database.findVersions(collection, deletion.ids, block.to);
      const document = await database.openCollection(collection);
      if (!isOpen(document, block)) return;
      const remaining = scanned.filter(({ dateAdded }) => !doomed.has(dateAdded));
      if ((await writeFlags(collection, block, remaining)) === undefined) continue;
      const tombstones = scanned.flatMap(({ dateAdded, id, version, versionKey, length }) => {
        const slot = doomed.get(dateAdded);
        const { at, by } = deletion;
        if (slot === undefined) return [];
        return [{ dateAdded: slot, id, version, versionKey, deleted: dateAdded, deletedAt: at, deletedBy: by, length }];
      });
      await database.insertTombstones(collection, tombstones);
      if (document.isHeld) await database.keepVersions(collection, doomed);
      else await database.removeVersions(collection, [...doomed.keys()]);
      // What was deleted in a lower slot has left its tombstone there.
      await database.fill(collection, slotsOf(block));
      const { from, to } = block;
      await database.close(collection, from, tallyDeleted(await database.findTombstonesIn(collection, from, to)));
      return;
    }
  }

  /** Finishes a block in its turn, whoever has begun it. */
  async function finishForeign(collection: string, block: Block): Promise<void> {
    if (block.deletion !== undefined) return finishDeleted(collection, block, block.deletion);
    await database.fill(collection, slotsOf(block));
    const own = await database.findVersionsIn(collection, block.from, block.to);
    await finishAdded(collection, block, [...new Set(own.map(({ id }) => id))]);
  }

  /** Resolves once `isDone`; finishes what others have left lying. */
  async function wait(collection: string, isDone: (document: CollectionDocument) => boolean): Promise<void> {
    const pause = createPauses();
    const isOverdue = createPatience();
    for (;;) {
      const document = await database.openCollection(collection);
      forgetClosed(document);
      if (isDone(document)) return;
      const [first] = document.open;
      const isDue = isOverdue(document.open) || (first !== undefined && isAbandoned(collection, first));
      if (isDue && first !== undefined) await finishForeign(collection, first);
      else await pause();
    }
  }

  /** Resolves once it is the block's turn, or somebody else has closed it. */
  function waitForTurn(collection: string, block: Block): Promise<void> {
    return wait(collection, (document) => stableSlotOf(document) >= block.from - 1);
  }

  /** Takes from `age` what no reader that begins now can need: the version that supersedes is stable. */
  async function narrow(collection: string, block: Block, versions: readonly HeldVersion[]): Promise<void> {
    const changes = versions.flatMap((version): FlagsChange[] => {
      const { dateAdded, revision, lastUntil, firstUntil } = version;
      const age = ageOf(version, block.to);
      return age === version.age ? [] : [{ dateAdded, revision, flags: { lastUntil, firstUntil, age } }];
    });
    if (changes.length > 0) await database.setFlags(collection, changes);
  }

  /** Allocates a block and does with it what `use` does; when that fails, the block is left lying. */
  async function useBlock<T>(
    collection: string,
    count: number,
    use: (block: Block, before: CollectionDocument) => Promise<T>,
    deletion?: Deletion,
  ): Promise<T> {
    const { block, before } = await allocate(collection, count, deletion);
    return attempt(collection, block, () => use(block, before));
  }

  /** Finishes what calls of this process have left lying. */
  async function finishAbandoned(): Promise<void> {
    for (const collection of [...abandoned.keys()]) await wait(collection, () => !abandoned.has(collection));
  }

  return {
    useBlock,
    finishAbandoned,
    waitForTurn,
    /** Resolves once everything up to the slot is final. */
    waitUntilStable: (collection: string, slot: Micros) =>
      wait(collection, (document) => stableSlotOf(document) >= slot),
    finishAdded,
    finishDeleted,
    narrow,
  };
}

export type Turns = ReturnType<typeof createTurns>;
