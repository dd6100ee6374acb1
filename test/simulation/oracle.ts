/**
 * What must hold, judged from every change that readers can see. An *epoch* is a stretch of time in which they see the
 * same versions. A page that took several epochs may show what one of them allows, and must show what all of them demand.
 */

import { sameContent } from '../../src/stix/canonical.ts';
import { findOriginBreach } from '../../src/stix/origin.ts';
import type { AddOutcome, Micros, NewVersion, ObjectQuery, VersionSelector } from '../../src/store/store.ts';
import { Violation } from './scheduler.ts';
import type { Snapshot } from './server.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A version that readers can see, without what changes. */
export interface Seen {
  readonly slot: Micros;
  readonly id: string;
  readonly type: string;
  readonly identity: string;
  readonly key: string;
  readonly text: string;
  readonly createdByRef: string | null;
  readonly created: string | null;
  readonly revoked: boolean;
}

interface Epoch {
  readonly stable: Micros;
  readonly versions: ReadonlyMap<Micros, Seen>;
  /** Versions that are being deleted. */
  readonly doomed: ReadonlySet<unknown>;
}

/** A version as a client sent it. */
export interface Sent extends NewVersion {
  readonly identity: string;
  /** It is not to come back once it was deleted. */
  readonly isBrought: boolean;
}

/** A page as a client got it. */
export interface ReadPage {
  readonly query: ObjectQuery;
  readonly after: Micros;
  readonly begun: number;
  readonly slots: readonly Micros[];
  readonly more: boolean;
}

function numberAt(document: Fields, name: string): number {
  const value = document[name];
  if (typeof value !== 'number') throw new Violation(`${name} is no number in ${JSON.stringify(document)}`);
  return value;
}

function textAt(document: Fields, name: string): string {
  const value = document[name];
  if (typeof value !== 'string') throw new Violation(`${name} is no text in ${JSON.stringify(document)}`);
  return value;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function listAt(document: Fields, name: string): readonly Fields[] {
  const value = document[name];
  return Array.isArray(value) ? value : [];
}

function require(condition: boolean, message: () => string): void {
  if (!condition) throw new Violation(message());
}

const ages = ['only', 'first', 'last', 'middle'];
const isVersion = ({ age }: Fields) => typeof age === 'string' && ages.includes(age);
const isKept = ({ age }: Fields) => age === 'kept';
const immutable = ['date_added', 'id', 'identity', 'text', 'version', 'version_key', 'type', 'submitter', 'created'];

function toSeen(document: Fields): Seen {
  return {
    slot: numberAt(document, 'date_added'),
    id: textAt(document, 'id'),
    type: textAt(document, 'type'),
    identity: textAt(document, 'identity'),
    key: textAt(document, 'version_key'),
    text: textAt(document, 'text'),
    createdByRef: textOrNull(document.created_by),
    created: textOrNull(document.created),
    revoked: document.revoked === true,
  };
}

function isNewer(a: Seen, b: Seen): boolean {
  return a.key === b.key ? a.slot > b.slot : a.key > b.key;
}

/** Whether no version beats this one: `isBetter` says which would; `ignored` are passed over. */
function isBest(epoch: Epoch, seen: Seen, isBetter: (a: Seen, b: Seen) => boolean, ignored: ReadonlySet<unknown>) {
  for (const other of epoch.versions.values())
    if (other.id === seen.id && isBetter(other, seen) && !ignored.has(other.slot)) return false;
  return true;
}

const nobody: ReadonlySet<unknown> = new Set();

/** Whether the query selects a version in an epoch; while versions are being deleted, with or without them. */
function isSelected(epoch: Epoch, seen: Seen, { ids, types, versions }: ObjectQuery, ignored: ReadonlySet<unknown>) {
  if (ids !== undefined && !ids.includes(seen.id)) return false;
  if (types !== undefined && !types.includes(seen.type)) return false;
  return versions.every(
    ({ all, first, last, exact }: VersionSelector) =>
      all ||
      exact.includes(seen.key) ||
      (last && isBest(epoch, seen, isNewer, ignored)) ||
      (first && isBest(epoch, seen, (a, b) => isNewer(b, a), ignored)),
  );
}

/** Why a version may not stand beside the ones before it; undefined: it may. */
function findBreach(earlier: Iterable<Seen>, added: Seen): string | undefined {
  for (const other of earlier) {
    if (other.id !== added.id || other.slot === added.slot) continue;
    if (other.identity === added.identity) return 'is there twice';
    const breach = findOriginBreach(other, added);
    if (breach !== undefined) return breach.outcome;
    if (other.slot < added.slot && added.created !== null && other.revoked && other.key < added.key) return 'revoked';
  }
  return undefined;
}

export type Oracle = ReturnType<typeof createOracle>;

/** Creates the judge of one collection. `wasSent` knows the texts that clients have sent. */
export function createOracle(wasSent: (id: string, text: string) => boolean) {
  const rows = new Map<Micros, Fields>();
  const epochs: Epoch[] = [{ stable: -1, versions: new Map(), doomed: nobody }];
  /** Objects of which a version was ever deleted. */
  const deleted = new Set<string>();
  let collection: Fields | undefined;
  let newest: Micros = 0;

  const current = (): Epoch => epochs.at(-1) as Epoch;

  function checkObject(id: string): void {
    const epoch = current();
    const { stable, versions, doomed } = epoch;
    checkEnds(id);
    for (const seen of versions.values()) {
      if (seen.id !== id) continue;
      const row = rows.get(seen.slot) ?? {};
      for (const [name, isBetter, narrow] of [
        ['last', isNewer, 'first'],
        ['first', (a: Seen, b: Seen) => isNewer(b, a), 'last'],
      ] as const) {
        const flagged = numberAt(row, `${name}_until`) > stable;
        const is = `${flagged ? 'is' : 'is not'} the ${name} of ${id} (age ${row.age}, stable ${stable})`;
        const must = !doomed.has(seen.slot) && isBest(epoch, seen, isBetter, nobody);
        const may = isBest(epoch, seen, isBetter, doomed);
        require(flagged ? may : !must, () => `the version in slot ${seen.slot} ${is}`);
        require(!flagged || (row.age !== 'middle' && row.age !== narrow), () =>
          `the age of slot ${seen.slot} hides that it ${is}`);
      }
    }
  }

  /** While versions are being deleted, one of those that are there is the last, and one the first. */
  function checkEnds(id: string): void {
    const { stable, versions, doomed } = current();
    const slots = [...versions.values()].filter((seen) => seen.id === id).map(({ slot }) => slot);
    if (slots.every((slot) => doomed.has(slot))) return;
    for (const name of ['last', 'first'])
      require(slots.some((slot) => numberAt(rows.get(slot) ?? {}, `${name}_until`) > stable), () =>
        `no version of ${id} is the ${name}`);
  }

  function checkCounts(document: Fields): void {
    const { stable, versions } = current();
    let bytes = 0;
    for (const { text } of versions.values()) bytes += Buffer.byteLength(text);
    const tombstones = [...rows].filter(([slot, { age }]) => age === 'deleted' && slot <= stable).length;
    const expected = { versions: versions.size, bytes, tombstones, high_water: newest };
    for (const [name, value] of Object.entries(expected))
      require(document[name] === value, () => `${name} is ${document[name]}, and should be ${value}`);
  }

  function checkClosed(block: Fields, lowest: Fields | undefined): void {
    require(block.from === lowest?.from, () => `block ${block.from} is closed before block ${lowest?.from}`);
    for (let slot = numberAt(block, 'from'); slot <= numberAt(block, 'to'); slot += 1)
      require(rows.has(slot), () => `slot ${slot} is stable and empty`);
  }

  function checkCollection(document: Fields): void {
    const before = collection ?? {
      allocated: 0,
      open: [],
      generation: 0,
      high_water: 0,
      tombstones: 0,
      superseding: 0,
    };
    for (const name of ['allocated', 'generation', 'high_water', 'tombstones', 'superseding'])
      require(numberAt(document, name) >= numberAt(before, name), () => `${name} is lowered to ${document[name]}`);
    const open = new Set(listAt(document, 'open').map(({ from }) => from));
    const known = new Set(listAt(before, 'open').map(({ from }) => from));
    for (const block of listAt(document, 'open'))
      if (!known.has(block.from))
        require(numberAt(block, 'from') > numberAt(before, 'allocated'), () =>
          `slot ${block.from} is handed out again`);
    const closed = listAt(before, 'open').filter(({ from }) => !open.has(from));
    require(closed.length <= 1, () => 'two blocks are closed at once');
    for (const block of closed) checkClosed(block, listAt(before, 'open')[0]);
  }

  /** Begins an epoch with what is visible now. */
  function beginEpoch(): void {
    if (collection === undefined) return;
    const [lowest] = listAt(collection, 'open');
    const stable = (lowest === undefined ? numberAt(collection, 'allocated') + 1 : numberAt(lowest, 'from')) - 1;
    const { stable: former, versions: known } = current();
    require(stable >= former, () => `stable falls from ${former} to ${stable}`);
    const versions = new Map<Micros, Seen>();
    for (const [slot, row] of rows)
      if (slot <= stable && isVersion(row)) versions.set(slot, known.get(slot) ?? toSeen(row));
    const deletion = lowest?.deletion;
    const doomed = typeof deletion === 'object' && deletion !== null && 'versions' in deletion ? deletion.versions : [];
    epochs.push({ stable, versions, doomed: new Set(Array.isArray(doomed) ? doomed : []) });
    for (const seen of versions.values()) if (!known.has(seen.slot)) checkNew(seen, former, versions);
  }

  function checkNew(seen: Seen, former: Micros, versions: ReadonlyMap<Micros, Seen>): void {
    newest = Math.max(newest, seen.slot);
    require(seen.slot > former, () => `slot ${seen.slot} appears below ${former}, where readers have been`);
    const breach = findBreach(versions.values(), seen);
    require(breach === undefined, () => `the version in slot ${seen.slot} of ${seen.id} is visible: ${breach}`);
  }

  function observeCollection(after: Fields): void {
    checkCollection(after);
    const before = collection;
    collection = after;
    beginEpoch();
    for (const id of new Set([...current().versions.values()].map((seen) => seen.id))) checkObject(id);
    if (before !== undefined && listAt(after, 'open').length < listAt(before, 'open').length) checkCounts(after);
  }

  function observeRemoval(slot: Micros, before: Fields): void {
    const { stable, doomed } = current();
    if (slot > stable) return;
    require(doomed.has(slot), () => `the version in slot ${slot} vanishes`);
    deleted.add(textAt(before, 'id'));
    beginEpoch();
  }

  function observeSlot(before: Fields | undefined, after: Fields): void {
    const slot = numberAt(after, 'date_added');
    const { stable } = current();
    if (before === undefined) {
      require(!rows.has(slot), () => `slot ${slot} is filled twice`);
      require(slot > stable, () => `slot ${slot} is filled below ${stable}, where readers have been`);
      if (isVersion(after))
        require(wasSent(textAt(after, 'id'), textAt(after, 'text')), () => `nobody sent what is in slot ${slot}`);
    } else require(isVersion(before) || isKept(before), () => `the filler or tombstone in slot ${slot} is changed`);
    rows.set(slot, after);
    if (before === undefined) return;
    if (isKept(before)) require(!isVersion(after), () => `slot ${slot} is a version again`);
    else if (!isVersion(after)) observeRemoval(slot, before);
    else
      for (const name of immutable) require(before[name] === after[name], () => `${name} of slot ${slot} is changed`);
    if (slot <= stable) checkObject(textAt(before, 'id'));
  }

  /** Whether a condition holds of one epoch since `begun`. */
  function some(begun: number, holds: (epoch: Epoch) => boolean): boolean {
    return epochs.slice(begun).some(holds);
  }

  function checkPage({ query, after, begun, slots, more }: ReadPage): void {
    const window = epochs.slice(begun);
    // A reader that began before a deletion sees what of its slot is left by then.
    const gone = new Set(window.flatMap(({ doomed }) => [...doomed]));
    const describe = (slot: Micros, what: string) =>
      `a page after ${after} of ${JSON.stringify(query)} ${what} slot ${slot}; it has ${slots.join(', ')}${more ? ' and more' : ''}`;
    slots.forEach((slot, n) => {
      require(slot > (slots[n - 1] ?? after), () => describe(slot, 'is out of order at'));
      const isRight = window.some((epoch) => {
        const seen = epoch.versions.get(slot);
        return seen !== undefined && (isSelected(epoch, seen, query, nobody) || isSelected(epoch, seen, query, gone));
      });
      require(isRight, () => describe(slot, 'wrongly has'));
    });
    const end = Math.max(slots.at(-1) ?? 0, more ? 0 : (window[0]?.stable ?? 0));
    for (const seen of current().versions.values()) {
      if (seen.slot <= after || seen.slot > end || slots.includes(seen.slot)) continue;
      const isDue = window.every(
        (epoch) => epoch.stable < seen.slot || (!epoch.doomed.has(seen.slot) && isSelected(epoch, seen, query, nobody)),
      );
      require(!isDue, () => describe(seen.slot, 'misses'));
    }
  }

  /** Tombstones that tell of a version; all of its object, where that has no versions of its own. */
  function tombstonesOf({ id, versionKey }: NewVersion): readonly Fields[] {
    const isOf = (row: Fields) => row.id === id && (versionKey === null || row.version_key === versionKey);
    return [...rows.values()].filter((row) => row.age === 'deleted' && isOf(row));
  }

  /** Judges what was told of a version that was not to come back once it was deleted. */
  function checkBrought(begun: number, version: Sent, { outcome, dateAdded }: AddOutcome): void {
    const stable = epochs[begun]?.stable ?? 0;
    for (const tombstone of tombstonesOf(version)) {
      const slot = numberAt(tombstone, 'date_added');
      const told = `${version.id} ${version.version}, which was deleted in slot ${slot}, is answered with ${outcome} ${dateAdded}`;
      require(outcome !== 'added' || dateAdded < slot, () => told);
      require(outcome !== 'version-conflict' || slot > stable, () => told);
    }
  }

  function checkWithheld(begun: number, version: Sent, dateAdded: Micros): void {
    const { id, identity, text, isBrought } = version;
    const told = `${id} ${version.version} is withheld as ${dateAdded}`;
    require(isBrought, () => `${told}, which nobody has asked for`);
    const isGone = tombstonesOf(version).some(({ deleted: slot }) => slot === dateAdded);
    require(isGone, () => `${told}, which nobody has deleted`);
    const wasAway = some(
      begun,
      ({ versions }) =>
        ![...versions.values()].some(
          (seen) => seen.id === id && seen.identity === identity && sameContent(seen.text, text),
        ),
    );
    require(wasAway, () => `${told}, and was there all the time`);
  }

  function checkOutcome(begun: number, version: Sent, outcome: AddOutcome): void {
    const { id, text, identity, isBrought } = version;
    const { dateAdded } = outcome;
    const told = `${id} ${version.version} is answered with ${outcome.outcome} ${dateAdded}`;
    require(dateAdded <= current().stable, () => `${told}, which is not stable`);
    if (outcome.outcome === 'withheld') {
      checkWithheld(begun, version, dateAdded);
      return;
    }
    if (isBrought) checkBrought(begun, version, outcome);
    const holds = some(begun, ({ versions }) => {
      const seen = versions.get(dateAdded);
      if (seen?.id !== id) return false;
      if (outcome.outcome === 'added') return seen.text === text;
      if (outcome.outcome === 'duplicate') return seen.identity === identity && sameContent(seen.text, text);
      if (outcome.outcome === 'version-conflict') return seen.identity === identity && !sameContent(seen.text, text);
      const { created = null, created_by_ref: createdByRef = null } = JSON.parse(text) as Record<string, string>;
      const breach = findOriginBreach(seen, { created, createdByRef });
      if (outcome.outcome !== 'revoked') return breach?.outcome === outcome.outcome;
      return breach === undefined && seen.revoked && seen.key < (version.versionKey ?? '');
    });
    require(holds, () => `${told}, which was never so`);
  }

  return {
    observe(table: string, before: Fields | undefined, after: Fields): void {
      if (table === 'collections') observeCollection(after);
      if (table === 'versions') observeSlot(before, after);
    },
    /** The moment, as `begun` of what begins now. */
    moment: () => epochs.length - 1,
    checkPage,
    checkOutcome,
    /** Judges the answer to the deletion of all versions of an object. */
    checkDeleted(begun: number, id: string, by: string, versions: number): void {
      const left = [...(epochs[begun]?.versions.values() ?? [])].find(
        (seen) => seen.id === id && current().versions.has(seen.slot),
      );
      require(left === undefined, () => `slot ${left?.slot} of ${id} is there after its deletion`);
      const count = [...rows.values()].filter(({ deleted_by }) => deleted_by === by).length;
      require(count === versions, () => `a deletion counts ${versions} versions, and left ${count} tombstones`);
    },
    checkUnknown(begun: number, id: string): void {
      const isUnknown = some(begun, ({ versions }) => ![...versions.values()].some((seen) => seen.id === id));
      require(isUnknown, () => `${id} is said to be unknown, and was there all the time`);
    },
    /** Judges a snapshot: it has what there was when all up to its slot was final, and before the next deletion. */
    checkSnapshot({ stable, versions }: Snapshot): void {
      const epoch = epochs.find((each) => each.stable === stable);
      require(epoch !== undefined, () => `a snapshot is as of slot ${stable}, which was never stable`);
      if (epoch === undefined) return;
      const slots = versions.map(({ slot }) => slot).join();
      const due = [...epoch.versions.keys()].sort((a, b) => a - b).join();
      require(slots === due, () => `a snapshot as of ${stable} has ${slots}, and should have ${due}`);
      for (const { slot, isFirst, isLast } of versions) {
        const seen = epoch.versions.get(slot) as Seen;
        const ends = [isBest(epoch, seen, (a, b) => isNewer(b, a), nobody), isBest(epoch, seen, isNewer, nobody)];
        require(isFirst === ends[0] && isLast === ends[1], () =>
          `a snapshot as of ${stable} has slot ${slot} as first ${isFirst} and last ${isLast}`);
      }
    },
    /** The slots of what is visible now. */
    slots: (): Micros[] => [...current().versions.keys()].sort((a, b) => a - b),
    /** What the query selects now. */
    select: (query: ObjectQuery): Seen[] =>
      [...current().versions.values()]
        .filter((seen) => isSelected(current(), seen, query, nobody))
        .sort((a, b) => a.slot - b.slot),
    wasTouchedByDeletion: (id: string) => deleted.has(id),
    checkQuiet(): void {
      const open = collection === undefined ? [] : listAt(collection, 'open');
      require(open.length === 0, () => `${open.length} blocks are still open in the end`);
    },
  };
}
