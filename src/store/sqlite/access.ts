/**
 * The access log: two queues that grow at their ends and lose their heads, and what each user has asked for in total.
 *
 * Entries that came in one call are kept as one row for each collection: a row for each entry would cost the server more than
 * an empty poll does. Every entry has a number in its queue, and a row has that of its last entry. Both queues are in one
 * table, by these numbers: entries of users count up from 1, those of nobody from the least number up to 0.
 */

import type Database from 'better-sqlite3';
import type { AccessBounds, AccessEntry, AccessPage, AccessQuery, AccessTotals, Micros } from '../store.ts';

// Entries that one call drops from a queue: more than it brings, so that their number falls.
const dropsPerCall = 1_000;

// Only the head of the queue is looked at. Entries from a clock that was ahead hold it up until there are too many.
function dropFrom(queue: string): string {
  return `DELETE FROM access_batches WHERE ${queue}
    AND seq <= (SELECT min(seq) FROM access_batches WHERE ${queue}) + ${dropsPerCall}
    AND (until < +? OR seq <= (SELECT max(seq) FROM access_batches WHERE ${queue}) - +?)`;
}

/** The SQL of the access log. Exported for the test that explains it. */
export const accessSql = {
  accessBatches: `SELECT seq, until, entries FROM access_batches
    WHERE collection = +? AND until BETWEEN +? AND +? AND since <= +? ORDER BY until DESC`,
  accessDropOfUsers: dropFrom('seq > 0'),
  accessDropOfNobody: dropFrom('seq <= 0'),
} as const;

/** An entry as a row of the table holds it, in an array of all that the row has. */
type Packed = readonly [
  at: Micros,
  user: string | null,
  client: string,
  agent: string,
  method: string,
  endpoint: AccessEntry['endpoint'],
  status: number | null,
  objects: number,
  bytes: number,
  ms: number,
  errorCode: string | null,
];

function pack(entry: AccessEntry): Packed {
  const { at, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode } = entry;
  return [at, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode];
}

function unpack(collection: string, packed: Packed): AccessEntry {
  const [at, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode] = packed;
  return { at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode };
}

/** A row of the table, but for its number. */
interface Batch {
  readonly isOfUsers: boolean;
  readonly collection: string;
  /** When its requests arrived, the first and the last of them. */
  readonly since: Micros;
  readonly until: Micros;
  readonly count: number;
  /** JSON text of a list of `Packed`. */
  readonly entries: string;
}

/** What the thread that writes gets of a call: few texts are sent at less cost than many objects. */
export interface AccessRecords {
  readonly batches: readonly Batch[];
  readonly totals: readonly AccessTotals[];
}

/** A row while it is put together. */
interface Group {
  readonly isOfUsers: boolean;
  readonly collection: string;
  since: Micros;
  until: Micros;
  readonly packed: Packed[];
}

/** Makes ready for the table what came in one call. */
export function packAccess(entries: readonly AccessEntry[]): AccessRecords {
  const groups = new Map<string, Group>();
  const totals = new Map<string, AccessTotals>();
  for (const entry of entries) {
    const { at, user, collection } = entry;
    const isOfUsers = user !== null;
    const name = `${isOfUsers} ${collection}`;
    const group = groups.get(name) ?? { isOfUsers, collection, since: at, until: at, packed: [] };
    groups.set(name, group);
    group.since = Math.min(group.since, at);
    group.until = Math.max(group.until, at);
    group.packed.push(pack(entry));
    if (user === null) continue;
    const { requests, lastAt } = totals.get(user) ?? { requests: 0, lastAt: at };
    totals.set(user, { user, requests: requests + 1, lastAt: Math.max(lastAt, at) });
  }
  const batches = [...groups.values()].map(
    ({ packed, ...group }): Batch => ({ ...group, count: packed.length, entries: JSON.stringify(packed) }),
  );
  return { batches, totals: [...totals.values()] };
}

/** Where an entry stands in the order of `findAccess`. */
type Position = readonly [at: Micros, number: number];

/** Whether `a` comes after `b`, the newest being first. */
function isBehind([at, number]: Position, [otherAt, otherNumber]: Position): boolean {
  return at < otherAt || (at === otherAt && number < otherNumber);
}

interface Placed {
  readonly position: Position;
  readonly entry: AccessEntry;
  /** Of the row that it is in. */
  readonly until: Micros;
}

function newestFirst({ position: a }: Placed, { position: b }: Placed): number {
  return isBehind(a, b) ? 1 : -1;
}

/** Where a walk goes on: behind an entry. No row whose newest entry is newer than `until` has any that is left. */
interface Start {
  readonly position: Position;
  readonly until: Micros;
}

// Before everything: times are safe integers.
const beginning: Start = { position: [Number.MAX_SAFE_INTEGER, 0], until: Number.MAX_SAFE_INTEGER };

function parseStart(next: string | undefined): Start {
  const [, at, number, until] = /^(\d{1,16})\.(-?\d{1,16})\.(\d{1,16})$/.exec(next ?? '') ?? [];
  if (at === undefined || number === undefined || until === undefined) return beginning;
  return { position: [Number(at), Number(number)], until: Number(until) };
}

interface Row {
  readonly seq: number;
  readonly until: Micros;
  readonly entries: string;
}

/** The methods of the contract that read the access log. */
export function createAccessReader(db: Database.Database) {
  const batches = db.prepare<[string, Micros, Micros, Micros], Row>(accessSql.accessBatches);
  const totals = db.prepare<[], AccessTotals>(allTotalsSql);

  /** What a row has behind the position. */
  function readRow({ seq, until, entries }: Row, { collection, since, user }: AccessQuery, start: Start): Placed[] {
    const list: readonly Packed[] = JSON.parse(entries);
    const placed = list.map((packed, place): Placed => {
      const entry = unpack(collection, packed);
      return { position: [entry.at, seq - list.length + 1 + place], entry, until };
    });
    return placed.filter(
      ({ position, entry }) =>
        entry.at >= since && isBehind(position, start.position) && (user === undefined || entry.user === user),
    );
  }

  /**
   * The first `count` entries behind a position, the newest first, and those that were read along. Rows overlap: each has
   * the requests that ended at about one time.
   */
  function collect(query: AccessQuery, start: Start, count: number): { found: Placed[]; waiting: Placed[] } {
    const found: Placed[] = [];
    let waiting: Placed[] = [];
    for (const row of batches.iterate(query.collection, query.since, start.until, start.position[0])) {
      // Neither this row nor those that follow have anything newer.
      const ready = waiting.findLastIndex(({ position }) => position[0] > row.until) + 1;
      found.push(...waiting.splice(0, ready));
      waiting = [...waiting, ...readRow(row, query, start)].sort(newestFirst);
      if (found.length >= count) return { found, waiting };
    }
    return { found: [...found, ...waiting], waiting: [] };
  }

  return {
    findAccess(query: AccessQuery, limit: number): AccessPage {
      const { found, waiting } = collect(query, parseStart(query.next), limit + 1);
      const page = found.slice(0, limit);
      const entries = page.map(({ entry }) => entry);
      const end = page.at(-1);
      const rest = [...found.slice(limit), ...waiting];
      if (end === undefined || rest.length === 0) return { entries, next: undefined };
      const until = rest.reduce((latest, one) => Math.max(latest, one.until), 0);
      return { entries, next: [...end.position, until].join('.') };
    },
    listAccessTotals: (): AccessTotals[] => totals.all(),
  };
}

const allTotalsSql = 'SELECT user, requests, last_at AS lastAt FROM access_totals ORDER BY user';

/** Everything in the log, for snapshots. */
export const readAllAccess = {
  *entries(db: Database.Database): Generator<AccessEntry> {
    const rows = db.prepare<[], { collection: string; entries: string }>(
      'SELECT collection, entries FROM access_batches ORDER BY seq',
    );
    for (const { collection, entries } of rows.iterate())
      for (const packed of JSON.parse(entries) as Packed[]) yield unpack(collection, packed);
  },
  totals: (db: Database.Database): Iterable<AccessTotals> => db.prepare<[], AccessTotals>(allTotalsSql).iterate(),
} as const;

function insertInto(queue: string, before: string): string {
  return `INSERT INTO access_batches (seq, since, until, collection, entries)
    VALUES (coalesce((SELECT max(seq) FROM access_batches WHERE ${queue}), ${before}) + ?, ?, ?, ?, ?)`;
}

/** Adds what was made ready. */
export function createAccessInsert(db: Database.Database): (batches: readonly Batch[]) => void {
  const insertOfUsers = db.prepare(insertInto('seq > 0', '0'));
  const insertOfNobody = db.prepare(insertInto('seq <= 0', `${Number.MIN_SAFE_INTEGER} - 1`));
  return (batches) => {
    for (const { isOfUsers, collection, since, until, count, entries } of batches)
      (isOfUsers ? insertOfUsers : insertOfNobody).run(count, since, until, collection, entries);
  };
}

/** Returns `recordAccess` of the contract, inside a transaction that the caller began. */
export function createAccessWriter(db: Database.Database) {
  const insert = createAccessInsert(db);
  const count = db.prepare<[AccessTotals]>(`INSERT INTO access_totals (user, requests, last_at)
    VALUES (@user, @requests, @lastAt)
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, last_at = max(last_at, excluded.last_at)`);
  const dropOfUsers = db.prepare<[number, number]>(accessSql.accessDropOfUsers);
  const dropOfNobody = db.prepare<[number, number]>(accessSql.accessDropOfNobody);
  return function recordAccess({ batches, totals }: AccessRecords, keep: AccessBounds): void {
    insert(batches);
    for (const total of totals) count.run(total);
    dropOfUsers.run(keep.since, keep.ofUsers);
    dropOfNobody.run(keep.since, keep.ofNobody);
  };
}
