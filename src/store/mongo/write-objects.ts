/**
 * Adds and deletes versions. What a call decides against what the collection holds, it decides on stable versions only; a
 * version that stands beside one on its way waits for that one. What it cannot know before its block's turn is decided
 * there (`turns.ts`), and a version that has lost its slot by that begins again.
 */

import { TaxiiError } from '../../errors.ts';
import { sameContent } from '../../stix/canonical.ts';
import { readOrigin } from '../../stix/origin.ts';
import { formatMicros, versionKeyOfMicros } from '../../stix/timestamp.ts';
import {
  type AddOutcome,
  type DeleteOutcome,
  type Delivery,
  type Micros,
  type NewVersion,
  retentionUser,
  type VersionSelector,
} from '../store.ts';
import {
  type Block,
  type CollectionDocument,
  type HeldVersion,
  never,
  type ObjectDatabase,
  stableSlotOf,
  type Timing,
  type VersionDocument,
} from './documents.ts';
import { indexTombstones } from './tombstones.ts';
import { findRefusal, groupById, slotsOf, type Turns, withFlags } from './turns.ts';

/** A version to add, who submitted it, and what that one says of it. */
export interface Submission {
  readonly submitter: string;
  readonly delivery: Delivery | undefined;
  readonly version: NewVersion;
}

// Each round decides at least one version, unless others take its slots over and over.
const maxIdleRounds = 20;
// Versions that one block deletes: they are listed in the collection's document until it is closed.
const maxDeletions = 5_000;

interface Candidate extends Submission {
  /** Its place among the outcomes. */
  readonly at: number;
  readonly identity: string;
  readonly versionKey: string;
  readonly createdByRef: string | null;
  readonly created: string | null;
  readonly revoked: boolean;
}

// A text that has neither the name nor an escape in it says nothing of it.
/** Whether the text of an object says that it is revoked. */
export function isRevoked(text: string): boolean {
  if (!text.includes('"revoked"') && !text.includes('\\u')) return false;
  const object: unknown = JSON.parse(text);
  return typeof object === 'object' && object !== null && 'revoked' in object && object.revoked === true;
}

function toCandidate({ submitter, delivery, version }: Submission, at: number): Candidate {
  const { text, versionKey, digest } = version;
  const common = { submitter, delivery, version, at };
  if (versionKey !== null)
    return { ...common, ...readOrigin(text), identity: versionKey, versionKey, revoked: isRevoked(text) };
  return { ...common, createdByRef: null, created: null, revoked: false, identity: `#${digest}`, versionKey: '' };
}

function toDocument(candidate: Candidate, dateAdded: Micros): VersionDocument {
  const { submitter, delivery, version, identity, createdByRef, created, revoked } = candidate;
  const { text, id, type, specVersion, digest } = version;
  return {
    ...{ dateAdded, id, identity, type, specVersion, digest, createdByRef, created, revoked, submitter, text },
    origin: delivery?.origin ?? null,
    version: version.version ?? formatMicros(dateAdded),
    versionKey: version.versionKey ?? versionKeyOfMicros(dateAdded),
    length: Buffer.byteLength(text),
    ...{ revision: 0, lastUntil: never, firstUntil: never, age: 'only' },
  };
}

/** How a version stands to what is held of its object. */
type Judgement =
  | { readonly kind: 'new' }
  | { readonly kind: 'held'; readonly stored: HeldVersion }
  | { readonly kind: 'refused'; readonly outcome: AddOutcome };

function judge(held: readonly HeldVersion[], candidate: Candidate): Judgement {
  const stored = held.find(({ identity }) => identity === candidate.identity);
  if (stored !== undefined) return { kind: 'held', stored };
  const { versionKey, createdByRef, created, version } = candidate;
  const refusal = findRefusal(held, { versionKey, createdByRef, created, version: version.version ?? '' });
  return refusal === undefined ? { kind: 'new' } : { kind: 'refused', outcome: refusal };
}

/** Whether a version can stand in one block with those before it: they are not decided yet. */
function isFree(before: readonly Candidate[], candidate: Candidate): boolean {
  const assumed = before.map((each) => ({ ...toDocument(each, 0), versionKey: each.versionKey }));
  return judge(assumed, candidate).kind === 'new';
}

interface Plan {
  /** Those that take slots now, in order. */
  readonly block: readonly Candidate[];
  /** Those whose outcome hangs on a version that is held; `otherwise`: what it is if that has other content. */
  readonly held: readonly {
    readonly candidate: Candidate;
    readonly stored: HeldVersion;
    readonly otherwise: AddOutcome;
  }[];
  readonly decided: readonly { readonly candidate: Candidate; readonly outcome: AddOutcome }[];
  /** Those that another round decides. */
  readonly later: readonly Candidate[];
  /** The highest slot that one of them waits for; 0: none. */
  readonly waitFor: Micros;
}

/** What goes into a block. */
interface Filling {
  readonly candidates: readonly Candidate[];
  /** Those of which nothing is stored: another round decides. */
  readonly barred: ReadonlySet<Candidate>;
  readonly versions: readonly HeldVersion[];
}

/** Present: the version may be withheld. */
const exceptionOf = ({ delivery }: Submission) => delivery?.withholdDeleted;

/** The deletions that versions may be withheld for: all that had slots when the collection's document was read. */
interface Deletions {
  /** What withholds a version. */
  findWithheld(candidate: Candidate): AddOutcome | undefined;
  /** The last slot of those of its object that were not closed, and may not have left their tombstones yet; 0: none. */
  findUnderWay(candidate: Candidate): Micros;
}

/** What a round decides by. */
interface Known {
  /** The collection's document, read before all else. */
  readonly document: CollectionDocument;
  readonly versions: readonly HeldVersion[];
  readonly deletions: Deletions;
}

/** Decides on each version what can be decided. Versions of one object keep their order. */
function planRound(candidates: readonly Candidate[], { document, versions, deletions }: Known): Plan {
  const stable = stableSlotOf(document);
  const groups = groupById(versions);
  const block: Candidate[] = [];
  const held: Plan['held'][number][] = [];
  const decided: Plan['decided'][number][] = [];
  const later: Candidate[] = [];
  const delayed = new Set<string>();
  const taken = new Map<string, Candidate[]>();
  let waitFor = 0;
  for (const candidate of candidates) {
    const { id } = candidate.version;
    const group = groups.get(id) ?? [];
    const newest = group.at(-1)?.dateAdded ?? 0;
    const before = taken.get(id) ?? [];
    const judgement = judge(group, candidate);
    const withheld = deletions.findWithheld(candidate);
    const isOpen = judgement.kind !== 'held' && withheld === undefined;
    const awaited = Math.max(newest > stable ? newest : 0, isOpen ? deletions.findUnderWay(candidate) : 0);
    waitFor = Math.max(waitFor, awaited);
    if (awaited > 0 || delayed.has(id) || !isFree(before, candidate)) {
      delayed.add(id);
      later.push(candidate);
    } else if (judgement.kind === 'held') {
      const { stored } = judgement;
      const otherwise = withheld ?? { outcome: 'version-conflict', dateAdded: stored.dateAdded };
      held.push({ candidate, stored, otherwise });
    } else if (withheld !== undefined) decided.push({ candidate, outcome: withheld });
    else if (judgement.kind === 'refused') decided.push({ candidate, outcome: judgement.outcome });
    else {
      block.push(candidate);
      taken.set(id, [...before, candidate]);
    }
  }
  return { block, held, decided, later, waitFor };
}

/** The documents for the slots of a block, with the flags that they should have from what is known. */
function toDocuments(block: readonly Candidate[], from: Micros, versions: readonly HeldVersion[]): VersionDocument[] {
  const documents = block.map((candidate, n) => toDocument(candidate, from + n));
  const ids = new Set(documents.map(({ id }) => id));
  const beside = versions.filter(({ id }) => ids.has(id));
  const flagged = new Map(
    [...groupById([...beside, ...documents]).values()]
      .flatMap((group) => (group.length > 1 ? withFlags(group, from - 1) : []))
      .map((version) => [version.dateAdded, version]),
  );
  return documents.map((document) => {
    const { lastUntil, firstUntil, age } = flagged.get(document.dateAdded) ?? document;
    return { ...document, lastUntil, firstUntil, age };
  });
}

function isSelected({ all, first, last, exact }: VersionSelector, held: HeldVersion, stable: Micros): boolean {
  return (
    all || (first && held.firstUntil > stable) || (last && held.lastUntil > stable) || exact.includes(held.versionKey)
  );
}

/** Returns what changes the objects of a collection. Calls for one collection come one after the other. */
export function createObjectWriter(database: ObjectDatabase, turns: Turns, timing: Timing) {
  /** Decides on versions of which the same one is held. Resolves to those whose held one is gone meanwhile. */
  async function compare(collection: string, { held }: Plan, outcomes: AddOutcome[]): Promise<Candidate[]> {
    const versioned = held.filter(({ candidate }) => candidate.version.versionKey !== null);
    const slots = [...new Set(versioned.map(({ stored }) => stored.dateAdded))];
    const texts = slots.length === 0 ? new Map<Micros, string>() : await database.findTexts(collection, slots);
    const gone: Candidate[] = [];
    for (const { candidate, stored, otherwise } of held) {
      const { text, versionKey } = candidate.version;
      const { dateAdded } = stored;
      const storedText = versionKey === null ? text : texts.get(dateAdded);
      // Nobody knows any more what was there: another round decides.
      if (storedText === undefined) gone.push(candidate);
      else outcomes[candidate.at] = sameContent(storedText, text) ? { outcome: 'duplicate', dateAdded } : otherwise;
    }
    return gone;
  }

  /**
   * To be read after the document: a deletion that is closed in it has left its tombstones. README.md says why that is all.
   */
  async function findDeletions(
    collection: string,
    candidates: readonly Candidate[],
    { open }: Pick<CollectionDocument, 'open'>,
  ): Promise<Deletions> {
    const sought = candidates.filter(exceptionOf).map(({ version }) => version);
    const names = new Map(sought.map(({ id, versionKey }) => [`${id} ${versionKey}`, { id, versionKey }]));
    const found = names.size === 0 ? [] : await database.findTombstonesOf(collection, [...names.values()]);
    const findTombstone = indexTombstones(found);
    const underWay = new Map(
      open.flatMap(({ to, deletion }) => deletion?.ids.map((id): [string, Micros] => [id, to]) ?? []),
    );
    return {
      findWithheld(candidate) {
        const exception = exceptionOf(candidate);
        const tombstone = exception && findTombstone(candidate.version);
        if (tombstone === undefined || tombstone.deletedBy === exception?.exceptBy) return undefined;
        return { outcome: 'withheld', dateAdded: tombstone.deleted };
      },
      findUnderWay: (candidate) => (exceptionOf(candidate) && underWay.get(candidate.version.id)) ?? 0,
    };
  }

  /** Those of a block that may have been deleted in a slot below it. */
  async function findBarred(collection: string, candidates: readonly Candidate[], before: CollectionDocument) {
    const { findWithheld, findUnderWay } = await findDeletions(collection, candidates, before);
    return new Set(candidates.filter((each) => findWithheld(each) !== undefined || findUnderWay(each) > 0));
  }

  /** Adds one block. Resolves to those that have lost their slots. */
  async function addBlock(
    collection: string,
    candidates: readonly Candidate[],
    known: Known,
    outcomes: AddOutcome[],
  ): Promise<Candidate[]> {
    return turns.useBlock(collection, candidates.length, async (block, before) => {
      const isOutdated = before.allocated > known.document.allocated;
      const barred = isOutdated ? await findBarred(collection, candidates, before) : new Set<Candidate>();
      return fillBlock(collection, block, { candidates, barred, versions: known.versions }, outcomes);
    });
  }

  async function fillBlock(
    collection: string,
    block: Block,
    { candidates, barred, versions }: Filling,
    outcomes: AddOutcome[],
  ): Promise<Candidate[]> {
    const { from, to } = block;
    const isBarred = (slot: Micros) => barred.has(candidates[slot - from] as Candidate);
    const documents = toDocuments(candidates, from, versions).filter(({ dateAdded }) => !isBarred(dateAdded));
    const taken = await database.insertVersions(collection, documents);
    const empty = slotsOf(block).filter((slot) => isBarred(slot) || taken.has(slot));
    if (empty.length > 0) await database.fill(collection, empty);
    await turns.waitForTurn(collection, block);
    const ids = [...new Set(candidates.map(({ version }) => version.id))];
    const finished = await turns.finishAdded(collection, block, ids);
    const kept = finished ?? (await database.findVersionsIn(collection, from, to));
    const slots = new Set(kept.map(({ dateAdded }) => dateAdded));
    for (const [n, { at }] of candidates.entries())
      if (slots.has(from + n)) outcomes[at] = { outcome: 'added', dateAdded: from + n };
    if (finished !== undefined) await turns.narrow(collection, block, finished);
    return candidates.filter((_, n) => !slots.has(from + n));
  }

  async function addRound(collection: string, candidates: readonly Candidate[], outcomes: AddOutcome[]) {
    const document = await database.openCollection(collection);
    const ids = [...new Set(candidates.map(({ version }) => version.id))];
    const versions = await database.findVersions(collection, ids, never);
    const deletions = await findDeletions(collection, candidates, document);
    const known = { document, versions, deletions };
    const plan = planRound(candidates, known);
    for (const { candidate, outcome } of plan.decided) outcomes[candidate.at] = outcome;
    const gone = await compare(collection, plan, outcomes);
    const lost = plan.block.length === 0 ? [] : await addBlock(collection, plan.block, known, outcomes);
    if (plan.waitFor > 0) await turns.waitUntilStable(collection, plan.waitFor);
    return [...gone, ...lost, ...plan.later].sort((a, b) => a.at - b.at);
  }

  async function addObjects(collection: string, submissions: readonly Submission[]): Promise<AddOutcome[]> {
    const outcomes: AddOutcome[] = [];
    let idle = 0;
    for (let left = submissions.map(toCandidate); left.length > 0; ) {
      const next = await addRound(collection, left, outcomes);
      idle = next.length < left.length ? 0 : idle + 1;
      if (idle > maxIdleRounds)
        throw new TaxiiError('unavailable', 'Others are changing the same objects all the time: try again later.');
      left = next;
    }
    return outcomes;
  }

  async function deleteVersions(
    collection: string,
    ids: readonly string[],
    versions: readonly Micros[],
    by: string,
  ): Promise<number> {
    const deletion = { ids, versions, by, at: timing.now() };
    const carryOut = async (block: Block) => {
      await turns.waitForTurn(collection, block);
      await turns.finishDeleted(collection, block, deletion);
      return (await database.findTombstonesIn(collection, block.from, block.to)).length;
    };
    return turns.useBlock(collection, versions.length, carryOut, deletion);
  }

  async function deleteObject(
    collection: string,
    id: string,
    selector: VersionSelector,
    by: { readonly user: string; readonly onlySubmitter: boolean },
  ): Promise<DeleteOutcome> {
    const stable = stableSlotOf(await database.openCollection(collection));
    const held = await database.findVersions(collection, [id], stable);
    if (held.length === 0) return { outcome: 'unknown-object' };
    const selected = held.filter((version) => isSelected(selector, version, stable));
    if (by.onlySubmitter && selected.some(({ submitter }) => submitter !== by.user))
      return { outcome: 'not-submitter' };
    const slots = selected.map(({ dateAdded }) => dateAdded);
    let versions = 0;
    for (let at = 0; at < slots.length; at += maxDeletions)
      versions += await deleteVersions(collection, [id], slots.slice(at, at + maxDeletions), by.user);
    return { outcome: 'deleted', versions };
  }

  /** Deletes versions of any objects, a thousand at most, in one block. */
  async function expireVersions(collection: string, old: readonly Pick<HeldVersion, 'id' | 'dateAdded'>[]) {
    const ids = [...new Set(old.map(({ id }) => id))];
    const slots = old.map(({ dateAdded }) => dateAdded);
    await deleteVersions(collection, ids, slots, retentionUser);
  }

  return { addObjects, deleteObject, expireVersions };
}

export type ObjectWriter = ReturnType<typeof createObjectWriter>;
