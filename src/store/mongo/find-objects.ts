/**
 * Finds a page: the collection's document, which says up to which slot all is final, then the versions up to there, by
 * one index, in its order.
 *
 * A version may have lost its place among the last ones, between the two reads, to a version in a higher slot, so that one
 * is missing that was the last as of the first read. A page that says `more` may do so: whoever walks on comes to the newer
 * version. A page that ends the walk reads the collection's document again. Only when something was superseded
 * since does it go on, up to the new stable slot, where the newer version is.
 */

import type { Collection, Filter, FindOptions } from 'mongodb';
import type {
  Micros,
  ObjectQuery,
  PageBounds,
  PageInfo,
  RecordBounds,
  VersionRecord,
  VersionSelector,
} from '../store.ts';
import { ask, type Connection, long, readLimit, toNumber } from './connection.ts';
import { type Age, ages, type CollectionDocument, type HeldVersion, stableSlotOf } from './documents.ts';
import type { indexes } from './layout.ts';
import { type CollectionRow, type Place, type SlotRow, toCollectionDocument } from './object-database.ts';

// A database merges so many ranges of an index in order (internalQueryMaxScansToExplode is 200); behind it, it sorts.
const maxRanges = 200;
// Versions that are judged at a time, and for a page that holds one already.
const sliceRows = 1_500;
const pageRows = 50_000;
// Rounds of a page that others supersede under its hands: then the next page goes on.
const maxRounds = 5;

/** What a page is made of. */
interface Found {
  readonly dateAdded: Micros;
  readonly length: number;
  readonly row: SlotRow;
}

/** How a query is answered. */
interface Plan {
  /** The index that answers it. The database would try others, and might stay with one that reads past many versions. */
  readonly hint: keyof typeof indexes.versions;
  /** Without the range of slots. */
  filter(stable: Micros): Filter<SlotRow>;
  /** What the filter leaves open; absent: nothing. */
  readonly judge?: (row: SlotRow, stable: Micros) => boolean;
  /** Whether the filter goes by the place among the last or first, so that superseding can hide versions from it. */
  readonly isByPlace: boolean;
}

const isLast: readonly Age[] = ['only', 'last'];
const isFirst: readonly Age[] = ['only', 'first'];

/** The ages that a version may have to be selected by all. */
function agesOf(versions: readonly VersionSelector[]): readonly Age[] {
  return ages.filter((age) =>
    versions.every(
      ({ all, last, first, exact }) =>
        all || exact.length > 0 || (last && isLast.includes(age)) || (first && isFirst.includes(age)),
    ),
  );
}

/** The place where all versions of these ages are. */
function placeFor(wanted: readonly Age[]): Place {
  if (wanted.every((age) => isLast.includes(age))) return 'last';
  return wanted.every((age) => isFirst.includes(age)) ? 'first' : 'all';
}

/** The conditions of `first` and `last` as of a slot; those of exact versions stand aside. */
function conditionsOf(versions: readonly VersionSelector[], stable: Micros): Filter<SlotRow>[] {
  return versions.flatMap(({ all, last, first, exact }): Filter<SlotRow>[] => {
    if (all || exact.length > 0) return [];
    const isLast = { last_until: { $gt: long(stable) } };
    const isFirst = { first_until: { $gt: long(stable) } };
    if (last && first) return [{ $or: [isLast, isFirst] }];
    return [last ? isLast : isFirst];
  });
}

function withConditions(filter: Filter<SlotRow>, conditions: readonly Filter<SlotRow>[]): Filter<SlotRow> {
  const [only] = conditions;
  if (only === undefined) return filter;
  return conditions.length === 1 ? { ...filter, ...only } : { ...filter, $and: [...conditions] };
}

function createJudge(versions: readonly VersionSelector[], types: readonly string[] | undefined) {
  const wanted: ReadonlySet<unknown> | undefined = types && new Set(types);
  const selectors = versions.map((selector) => ({ ...selector, keys: new Set<unknown>(selector.exact) }));
  return ({ type, version_key, last_until = 0, first_until = 0 }: SlotRow, stable: Micros): boolean =>
    (wanted === undefined || wanted.has(type)) &&
    selectors.every(
      ({ all, last, first, keys }) =>
        all ||
        (last && toNumber(last_until) > stable) ||
        (first && toNumber(first_until) > stable) ||
        keys.has(version_key),
    );
}

function typeOfId(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf('--')));
}

/** How the query is answered; undefined: nothing can match. */
function planQuery(collection: string, { ids, types, versions }: ObjectQuery): Plan | undefined {
  const wantedAges = agesOf(versions);
  if (wantedAges.length === 0) return undefined;
  const places = placeFor(wantedAges);
  const hasExact = versions.some(({ all, exact }) => !all && exact.length > 0);
  const wantedTypes = types && [...new Set(types)];
  if (ids !== undefined) {
    const wanted = [...new Set(ids)].filter((id) => wantedTypes === undefined || wantedTypes.includes(typeOfId(id)));
    if (wanted.length === 0) return undefined;
    const filter = { collection, id: { $in: wanted }, places: 'all' as const };
    if (hasExact)
      return { filter: () => filter, judge: createJudge(versions, undefined), hint: 'by_id', isByPlace: false };
    return {
      filter: (stable) => withConditions(filter, conditionsOf(versions, stable)),
      hint: 'by_id',
      isByPlace: false,
    };
  }
  const isByType = wantedTypes !== undefined && wantedTypes.length <= maxRanges;
  const isByPlace = places !== 'all';
  const hint = isByType ? 'by_type' : 'by_place';
  const filter = { collection, ...(isByType && { type: { $in: wantedTypes } }), places };
  if (hasExact || (wantedTypes !== undefined && !isByType))
    return { filter: () => filter, judge: createJudge(versions, isByType ? undefined : wantedTypes), hint, isByPlace };
  return { filter: (stable) => withConditions(filter, conditionsOf(versions, stable)), hint, isByPlace };
}

/** A page while it is being found. */
interface Progress {
  readonly found: Found[];
  bytes: number;
  /** Everything up to here has been judged. */
  position: Micros;
  examined: number;
  more: boolean;
}

/** What is read of a version. */
export type Fields = 'text' | 'name';
const fields = {
  text: { _id: 0, date_added: 1, length: 1, text: 1 },
  name: { _id: 0, date_added: 1, length: 1, id: 1, version: 1, spec_version: 1 },
  judged: {
    _id: 0,
    date_added: 1,
    length: 1,
    id: 1,
    version: 1,
    spec_version: 1,
    type: 1,
    version_key: 1,
    last_until: 1,
    first_until: 1,
  },
} as const;

/** The command that reads versions in order, by the plan's index. */
function findInOrder(
  { filter, hint }: Plan,
  after: Micros,
  stable: Micros,
  limit: number,
): { filter: Filter<SlotRow>; options: FindOptions } {
  return {
    filter: { ...filter(stable), date_added: { $gt: long(after), $lte: long(stable) } },
    options: { sort: { date_added: 1 }, limit, hint, ...readLimit },
  };
}

/** Takes a version into the page; false when it is full. */
function take(progress: Progress, { limit, maxBytes }: PageBounds, row: SlotRow): boolean {
  const { found } = progress;
  const length = row.length ?? 0;
  // A comma stands between two texts.
  const bytes = progress.bytes + length + (found.length > 0 ? 1 : 0);
  progress.more = found.length >= limit || (found.length > 0 && bytes > maxBytes);
  if (progress.more) return false;
  const dateAdded = toNumber(row.date_added);
  found.push({ dateAdded, length, row });
  progress.bytes = bytes;
  progress.position = dateAdded;
  return true;
}

/**
 * Fills a page as of the stable slot; with `isByPlace`, looks again when it has come to the end. `readStretch` goes on from
 * the page's position to `stable`, or to where the page says `more`.
 */
async function readToEnd(
  page: { readonly found: readonly unknown[]; readonly position: Micros; more: boolean },
  isByPlace: boolean,
  findState: () => Promise<Pick<CollectionDocument, 'allocated' | 'open' | 'superseding'> | undefined>,
  readStretch: (stable: Micros) => Promise<void>,
): Promise<void> {
  for (let round = 1; ; round += 1) {
    const state = await findState();
    if (state === undefined) return;
    const stable = stableSlotOf(state);
    const isAnew = round === 1 || state.superseding > page.position;
    if (!isAnew || stable <= page.position) return;
    page.more = round > maxRounds && page.found.length > 0;
    if (page.more) return;
    await readStretch(stable);
    if (page.more || !isByPlace) return;
  }
}

/** Returns what finds pages. */
export function createPageFinder(connection: Connection) {
  const rows: Collection<SlotRow> = connection.collection('versions');
  const collections: Collection<CollectionRow> = connection.collection('collections');

  async function findState(collection: string) {
    const row = await ask(collections.findOne({ _id: collection }, readLimit));
    return row === null ? undefined : toCollectionDocument(row);
  }

  /** Goes on up to `stable` by a plan whose filter says all. */
  async function readAll(plan: Plan, progress: Progress, bounds: PageBounds, stable: Micros, wanted: Fields) {
    const { limit } = bounds;
    const { filter, options } = findInOrder(plan, progress.position, stable, limit + 1 - progress.found.length);
    const cursor = rows.find(filter, { ...options, projection: fields[wanted], batchSize: limit + 1 });
    try {
      while (await ask(cursor.hasNext()))
        for (const row of cursor.readBufferedDocuments()) if (!take(progress, bounds, row)) return;
    } finally {
      // Nobody waits for it: a database that gives no answer gives none to this either.
      cursor.close().catch(() => {});
    }
    progress.position = Math.max(progress.position, stable);
  }

  /** Goes on up to `stable`, judging the versions of the best index in slices. */
  async function judgeSlices(plan: Plan, progress: Progress, bounds: PageBounds, stable: Micros): Promise<void> {
    for (;;) {
      bounds.assertWanted?.();
      const { filter, options } = findInOrder(plan, progress.position, stable, sliceRows);
      const slice = await ask(rows.find(filter, { ...options, projection: fields.judged }).toArray());
      for (const row of slice) {
        if (plan.judge?.(row, stable) !== false && !take(progress, bounds, row)) return;
        progress.position = toNumber(row.date_added);
      }
      progress.examined += slice.length;
      if (slice.length < sliceRows) {
        progress.position = Math.max(progress.position, stable);
        return;
      }
      progress.more = progress.found.length > 0 && progress.examined >= pageRows;
      if (progress.more) return;
    }
  }

  /** Gives what was judged by name its texts. One that was deleted meanwhile has none any more, and goes. */
  async function addTexts(collection: string, found: readonly Found[]): Promise<Found[]> {
    if (found.length === 0) return [];
    const filter = { collection, date_added: { $in: found.map(({ dateAdded }) => long(dateAdded)) } };
    const texts = await ask(rows.find(filter, { projection: fields.text, ...readLimit }).toArray());
    const bySlot = new Map(texts.map((row) => [toNumber(row.date_added), row]));
    return found.flatMap((each) => {
      const row = bySlot.get(each.dateAdded);
      return row?.text === undefined ? [] : [{ ...each, row }];
    });
  }

  async function readPage(plan: Plan, collection: string, after: Micros, bounds: PageBounds, wanted: Fields) {
    const progress: Progress = { found: [], bytes: 0, position: after, examined: 0, more: false };
    const readStretch = plan.judge === undefined ? readAll : judgeSlices;
    await readToEnd(
      progress,
      plan.isByPlace,
      () => findState(collection),
      (stable) => {
        bounds.assertWanted?.();
        return readStretch(plan, progress, bounds, stable, wanted);
      },
    );
    return progress;
  }

  /** Finds a page of what `wanted` says. */
  async function findPage(
    collection: string,
    query: ObjectQuery,
    bounds: PageBounds,
    wanted: Fields,
  ): Promise<PageInfo & { readonly rows: readonly SlotRow[] }> {
    bounds.assertWanted?.();
    const plan = planQuery(collection, query);
    const nothing = { count: 0, first: undefined, last: undefined, more: false, rows: [] };
    if (plan === undefined) return nothing;
    for (let after = query.addedAfter ?? -1; ; ) {
      const { found: judged, more } = await readPage(plan, collection, after, bounds, wanted);
      const found = plan.judge !== undefined && wanted === 'text' ? await addTexts(collection, judged) : judged;
      const [first] = found;
      const last = found.at(-1);
      if (found.length > 0 || !more)
        return {
          count: found.length,
          first: first?.dateAdded,
          last: last?.dateAdded,
          more,
          rows: found.map(({ row }) => row),
        };
      // All of the page was deleted meanwhile: an empty page never has more.
      after = judged.at(-1)?.dateAdded ?? after;
    }
  }

  return {
    findState,
    findObjects: (collection: string, query: ObjectQuery, bounds: PageBounds) =>
      findPage(collection, query, bounds, 'text'),
    findRecords: (collection: string, query: ObjectQuery, bounds: RecordBounds) =>
      findPage(collection, query, { ...bounds, maxBytes: Number.POSITIVE_INFINITY }, 'name'),
  };
}

export function toVersionRecord({ id, date_added, version, spec_version }: SlotRow): VersionRecord {
  return { id, dateAdded: toNumber(date_added), version: version ?? '', specVersion: spec_version ?? '' };
}

/** Whether a version is the first, or the last, of its object as of a slot. */
export function placeOf({ lastUntil, firstUntil }: Pick<HeldVersion, 'lastUntil' | 'firstUntil'>, stable: Micros) {
  return { isFirst: firstUntil > stable, isLast: lastUntil > stable };
}
