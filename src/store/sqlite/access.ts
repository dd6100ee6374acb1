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
    AND (until < ? OR seq <= (SELECT max(seq) FROM access_batches WHERE ${queue}) - ?)`;
}

/** The SQL of the access log. Exported for the test that explains it. */
export const accessSql = {
  accessBatches: `SELECT seq, until, entries FROM access_batches
    WHERE collection = ? AND until >= ? AND since <= ? ORDER BY until DESC`,
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

/** Makes ready for the table what came in one call. */
export function packAccess(entries: readonly AccessEntry[]): AccessRecords {
  const groups = new Map<string, AccessEntry[]>();
  const totals = new Map<string, AccessTotals>();
  for (const entry of entries) {
    const { at, user, collection } = entry;
    const name = `${user !== null} ${collection}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [entry]);
    else group.push(entry);
    if (user === null) continue;
    const { requests, lastAt } = totals.get(user) ?? { requests: 0, lastAt: at };
    totals.set(user, { user, requests: requests + 1, lastAt: Math.max(lastAt, at) });
  }
  const batches = [...groups.values()].map((group): Batch => {
    const times = group.map(({ at }) => at);
    const [{ collection, user }] = group as [AccessEntry];
    const [since, until] = [Math.min(...times), Math.max(...times)];
    const texts = JSON.stringify(group.map(pack));
    return { isOfUsers: user !== null, collection, since, until, count: group.length, entries: texts };
  });
  return { batches, totals: [...totals.values()] };
}

/** Where an entry stands in the order of `findAccess`. */
type Position = readonly [at: Micros, number: number];

// Before everything: times are safe integers.
const newest: Position = [Number.MAX_SAFE_INTEGER, 0];

function parsePosition(next: string | undefined): Position {
  const [, at, number] = /^(\d{1,16})\.(-?\d{1,16})$/.exec(next ?? '') ?? [];
  return at === undefined || number === undefined ? newest : [Number(at), Number(number)];
}

/** Whether `a` comes after `b`, the newest being first. */
function isBehind([at, number]: Position, [otherAt, otherNumber]: Position): boolean {
  return at < otherAt || (at === otherAt && number < otherNumber);
}

interface Placed {
  readonly position: Position;
  readonly entry: AccessEntry;
}

function newestFirst({ position: a }: Placed, { position: b }: Placed): number {
  return isBehind(a, b) ? 1 : -1;
}

/** The methods of the contract that read the access log. */
export function createAccessReader(db: Database.Database) {
  const batches = db.prepare<[string, Micros, Micros], { seq: number; until: Micros; entries: string }>(
    accessSql.accessBatches,
  );
  const totals = db.prepare<[], AccessTotals>(allTotalsSql);

  /** The entries behind the position, the newest first. Rows overlap: each has the requests that ended at about one time. */
  function* walk({ collection, since, user }: AccessQuery, start: Position): Generator<Placed> {
    let waiting: Placed[] = [];
    for (const { seq, until, entries } of batches.iterate(collection, since, start[0])) {
      // Neither this row nor those that follow have anything newer.
      const ready = waiting.findLastIndex(({ position }) => position[0] > until) + 1;
      yield* waiting.splice(0, ready);
      const list: readonly Packed[] = JSON.parse(entries);
      const placed = list.map((packed, place): Placed => {
        const entry = unpack(collection, packed);
        return { position: [entry.at, seq - list.length + 1 + place], entry };
      });
      const wanted = placed.filter(
        ({ position, entry }) =>
          entry.at >= since && isBehind(position, start) && (user === undefined || entry.user === user),
      );
      waiting = [...waiting, ...wanted].sort(newestFirst);
    }
    yield* waiting;
  }

  return {
    findAccess(query: AccessQuery, limit: number): AccessPage {
      const found: Placed[] = [];
      for (const placed of walk(query, parsePosition(query.next))) {
        found.push(placed);
        if (found.length > limit) break;
      }
      const end = found[limit - 1];
      return {
        entries: found.slice(0, limit).map(({ entry }) => entry),
        next: found.length > limit && end !== undefined ? end.position.join('.') : undefined,
      };
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
