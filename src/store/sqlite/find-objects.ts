/**
 * Finds a page: first the keys, merged from sources that an index answers in order of date_added, then what the page
 * shows of them, both in one snapshot. Filters that no index answers are judged row by row along the best source, in
 * slices between which the event loop turns.
 */

import type Database from 'better-sqlite3';
import type { Micros, ObjectQuery, PageBounds, PageInfo, VersionSelector } from '../store.ts';
import { type KeyRow, mergeByDateAdded, type Source } from './merge.ts';

/** How many rows are judged at a stretch (about 5 ms), and for a page that holds an object already. */
export interface Budget {
  readonly sliceRows: number;
  readonly pageRows: number;
}
const usualBudget: Budget = { sliceRows: 1_500, pageRows: 50_000 };
// Beyond it, one pass along the collection is cheaper than a source for each.
const maxTypeSources = 100;
// Versions looked up one by one: about 10 ms.
const maxPoints = 4_000;

const keys = 'o.seq, o.date_added, o.length';
const judgedKeys = `${keys}, o.type, o.version_key, o.is_last, o.is_first`;
const inOrder = 'AND date_added > +? ORDER BY date_added LIMIT +?';

/** The SQL that finds keys. Exported for the test that explains each. */
export const keySql = {
  byDate: `SELECT ${keys} FROM objects o INDEXED BY objects_by_date WHERE collection = +? ${inOrder}`,
  byDateJudged: `SELECT ${judgedKeys} FROM objects o INDEXED BY objects_by_date WHERE collection = +? ${inOrder}`,
  byFlags: `SELECT ${keys} FROM objects o INDEXED BY objects_by_flags
    WHERE collection = +? AND is_last = +? AND is_first = +? ${inOrder}`,
  byFlagsJudged: `SELECT ${judgedKeys} FROM objects o INDEXED BY objects_by_flags
    WHERE collection = +? AND is_last = +? AND is_first = +? ${inOrder}`,
  byType: `SELECT ${keys} FROM objects o INDEXED BY objects_by_type
    WHERE collection = +? AND is_last = +? AND is_first = +? AND type = +? ${inOrder}`,
  byTypeJudged: `SELECT ${judgedKeys} FROM objects o INDEXED BY objects_by_type
    WHERE collection = +? AND is_last = +? AND is_first = +? AND type = +? ${inOrder}`,
  byId: `SELECT ${judgedKeys} FROM objects o INDEXED BY objects_by_id
    WHERE collection = +? AND id = +? AND is_last + is_first < 2 ${inOrder}`,
  // Of these ids, those of objects with several versions, and the versions of the others.
  idsOfSeveral: `SELECT i.value FROM json_each(?) i WHERE EXISTS (SELECT 1 FROM objects INDEXED BY objects_by_id
    WHERE collection = +? AND id = i.value AND is_last + is_first < 2)`,
  onlyOfIds: `SELECT ${judgedKeys} FROM json_each(?) i CROSS JOIN objects o ON o.is_first = 1 AND o.seq =
    (SELECT seq FROM objects WHERE collection = +? AND id = i.value ORDER BY version_key DESC LIMIT 1)`,
  lastOfIds: `SELECT ${judgedKeys} FROM json_each(?) i CROSS JOIN objects o ON o.seq =
    (SELECT seq FROM objects WHERE collection = +? AND id = i.value ORDER BY version_key DESC LIMIT 1)`,
  firstOfIds: `SELECT ${judgedKeys} FROM json_each(?) i CROSS JOIN objects o ON o.seq =
    (SELECT seq FROM objects WHERE collection = +? AND id = i.value ORDER BY version_key LIMIT 1)`,
  exactOfIds: `SELECT ${judgedKeys}
    FROM json_each(?) i CROSS JOIN json_each(?) v CROSS JOIN objects o
    ON o.collection = +? AND o.id = i.value AND o.version_key = v.value`,
} as const;

/** Where the keys of a query come from, and what is left to judge of each; without `judge`, nothing. */
interface Plan {
  readonly sources: readonly Source[];
  readonly judge: ((row: KeyRow) => boolean) | undefined;
}

// The four kinds of versions: of an object with one version it is both the last and the first.
const flagPairs = [
  { last: 1, first: 1 },
  { last: 1, first: 0 },
  { last: 0, first: 1 },
  { last: 0, first: 0 },
] as const;

/** The kinds of versions that may be selected at all. */
function drivingPairs(versions: readonly VersionSelector[]) {
  return flagPairs.filter((pair) =>
    versions.every(
      ({ all, last, first, exact }) =>
        all || exact.length > 0 || (last && pair.last === 1) || (first && pair.first === 1),
    ),
  );
}

function createVersionJudge({ all, last, first, exact }: VersionSelector): (row: KeyRow) => boolean {
  const wanted: ReadonlySet<string | undefined> = new Set(exact);
  return ([, , , , versionKey, isLast, isFirst]) =>
    all || (last && isLast === 1) || (first && isFirst === 1) || wanted.has(versionKey);
}

/** What decides on a row when its source does not: on its type, when types are given, and on its version. */
function createJudge(versions: readonly VersionSelector[], types?: readonly string[]): (row: KeyRow) => boolean {
  const wanted: ReadonlySet<string | undefined> | undefined = types && new Set(types);
  const judges = versions.map(createVersionJudge);
  return (row) => (wanted === undefined || wanted.has(row[3])) && judges.every((judge) => judge(row));
}

function typeOfId(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf('--')));
}

/** Rows found one by one, as a source. A row found twice counts once. */
function sourceOf(rows: readonly KeyRow[]): Source {
  const bySeq = new Map(rows.map((row) => [row[0], row]));
  const sorted = [...bySeq.values()].sort((a, b) => a[1] - b[1]);
  return (after, count) => {
    const start = sorted.findIndex(([, dateAdded]) => dateAdded > after);
    return start === -1 ? [] : sorted.slice(start, start + count);
  };
}

function createPlanner(db: Database.Database) {
  const prepare = (sql: string) => db.prepare<unknown[], KeyRow>(sql).raw(true);
  const byDate = { plain: prepare(keySql.byDate), judged: prepare(keySql.byDateJudged) };
  const byFlags = { plain: prepare(keySql.byFlags), judged: prepare(keySql.byFlagsJudged) };
  const byType = { plain: prepare(keySql.byType), judged: prepare(keySql.byTypeJudged) };
  const byId = prepare(keySql.byId);
  const idsOfSeveral = db.prepare<[string, number], string>(keySql.idsOfSeveral).pluck();
  const onlyOfIds = prepare(keySql.onlyOfIds);
  const lastOfIds = prepare(keySql.lastOfIds);
  const firstOfIds = prepare(keySql.firstOfIds);
  const exactOfIds = prepare(keySql.exactOfIds);

  const createSource =
    (statement: Database.Statement<unknown[], KeyRow>, ...parameters: (number | string)[]): Source =>
    (after, count) =>
      statement.all(...parameters, after, count);

  /** The versions of some objects that one selector may select, looked up one by one. */
  function pointSource(collection: number, ids: readonly string[], selector: VersionSelector): Source {
    const idList = JSON.stringify(ids);
    const found: KeyRow[] = [];
    if (selector.last) found.push(...lastOfIds.all(idList, collection));
    if (selector.first) found.push(...firstOfIds.all(idList, collection));
    if (selector.exact.length > 0) found.push(...exactOfIds.all(idList, JSON.stringify(selector.exact), collection));
    return sourceOf(found);
  }

  /** Every version of some objects: a source for each object with several, one for all others together. */
  function sourcesOfIds(collection: number, ids: readonly string[]): Source[] {
    const idList = JSON.stringify(ids);
    const several = idsOfSeveral.all(idList, collection);
    const sources = several.map((id) => createSource(byId, collection, id));
    return [sourceOf(onlyOfIds.all(idList, collection)), ...sources];
  }

  function planIds(collection: number, ids: readonly string[], versions: readonly VersionSelector[]): Plan {
    const selector = versions.find(({ all }) => !all);
    if (selector === undefined) return { sources: sourcesOfIds(collection, ids), judge: undefined };
    const isFew = ids.length * (selector.exact.length + 2) <= maxPoints;
    const sources = isFew ? [pointSource(collection, ids, selector)] : sourcesOfIds(collection, ids);
    return { sources, judge: createJudge(versions) };
  }

  function planInOrder(
    collection: number,
    versions: readonly VersionSelector[],
    types: readonly string[] | undefined,
  ): Plan {
    const pairs = drivingPairs(versions);
    const areFew = types !== undefined && types.length <= maxTypeSources;
    const isJudged = versions.some(({ all, exact }) => !all && exact.length > 0) || (types !== undefined && !areFew);
    const judge = isJudged ? createJudge(versions, types) : undefined;
    const columns = isJudged ? 'judged' : 'plain';
    const createSources = (): Source[] => {
      if (areFew)
        return pairs.flatMap(({ last, first }) =>
          types.map((type) => createSource(byType[columns], collection, last, first, type)),
        );
      if (pairs.length === flagPairs.length) return [createSource(byDate[columns], collection)];
      return pairs.map(({ last, first }) => createSource(byFlags[columns], collection, last, first));
    };
    return { sources: createSources(), judge };
  }

  /** A plan holds only within the snapshot it was made in. */
  return function plan(collection: number, { ids, types, versions }: ObjectQuery): Plan {
    const wanted = types && new Set(types);
    if (ids === undefined) return planInOrder(collection, versions, wanted && [...wanted]);
    const matching = [...new Set(ids)].filter((id) => wanted === undefined || wanted.has(typeOfId(id)));
    return planIds(collection, matching, versions);
  };
}

/** A page while it is being found. */
interface Progress {
  count: number;
  bytes: number;
  first: Micros | undefined;
  last: Micros | undefined;
  more: boolean;
  /** Everything up to here has been judged. */
  position: Micros;
  examined: number;
}

/** Goes on from `progress.position`; returns what it found, and whether the page is complete. */
function findSlice({ sources, judge }: Plan, progress: Progress, { limit, maxBytes }: PageBounds, sliceRows: number) {
  const seqs: number[] = [];
  const dates: Micros[] = [];
  if (sources.length === 0) return { seqs, dates, isComplete: true };
  const take = mergeByDateAdded(sources, progress.position, judge ? sliceRows : limit + 1);
  for (let examined = 0; judge === undefined || examined < sliceRows; examined += 1) {
    const row = take();
    if (row === undefined) return { seqs, dates, isComplete: true };
    const [seq, dateAdded, length] = row;
    if (judge === undefined || judge(row)) {
      // A comma stands between two texts.
      const bytes = progress.bytes + length + (progress.count > 0 ? 1 : 0);
      progress.more = progress.count >= limit || (progress.count > 0 && bytes > maxBytes);
      if (progress.more) return { seqs, dates, isComplete: true };
      seqs.push(seq);
      dates.push(dateAdded);
      progress.count += 1;
      progress.bytes = bytes;
      progress.first ??= dateAdded;
      progress.last = dateAdded;
    }
    progress.position = dateAdded;
    progress.examined += 1;
  }
  return { seqs, dates, isComplete: false };
}

/**
 * Returns a function that resolves in a turn of the event loop of its own: however many wait, one goes on in each turn,
 * in the order of their calls, so that requests of other kinds come in between.
 */
function createTurns(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
    return last;
  };
}

// After a page of so many bytes of text the next one waits for the event loop to turn: they take milliseconds each, and
// hundreds may be asked for at once.
const largePageBytes = 256 * 1024;

/**
 * Returns a function that finds the objects of a page and hands their `seq` and date_added, slice by slice and in order, to
 * `show`, within the snapshot they were found in.
 */
export function createPageFinder(db: Database.Database, { sliceRows, pageRows }: Budget = usualBudget) {
  const plan = createPlanner(db);
  const inSnapshot = db.transaction((work: () => boolean) => work());
  const nextTurn = createTurns();
  let wasLarge = false;

  return async function findPage(
    collection: number,
    query: ObjectQuery,
    bounds: PageBounds,
    show: (seqs: readonly number[], dates: readonly Micros[]) => void,
  ): Promise<PageInfo> {
    const position = query.addedAfter ?? -1;
    const progress: Progress = {
      count: 0,
      bytes: 0,
      first: undefined,
      last: undefined,
      more: false,
      position,
      examined: 0,
    };
    const findAndShow = () => {
      const { seqs, dates, isComplete } = findSlice(plan(collection, query), progress, bounds, sliceRows);
      if (seqs.length > 0) show(seqs, dates);
      return isComplete;
    };
    while (wasLarge) await nextTurn();
    bounds.assertWanted?.();
    while (!inSnapshot(findAndShow)) {
      // A short page: what follows is found by the next one.
      progress.more = progress.count > 0 && progress.examined >= pageRows;
      if (progress.more) break;
      await nextTurn();
      bounds.assertWanted?.();
    }
    if (progress.bytes > largePageBytes) {
      wasLarge = true;
      setImmediate(() => {
        wasLarge = false;
      });
    }
    return { count: progress.count, first: progress.first, last: progress.last, more: progress.more };
  };
}
