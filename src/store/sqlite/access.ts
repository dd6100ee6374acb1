/**
 * The access log: two queues that grow at their ends and lose their heads, and what each user has asked for in total.
 * Both are in one table, by their row ids: entries of users count up from 1, those of nobody from the least number up to 0.
 */

import type Database from 'better-sqlite3';
import type { AccessBounds, AccessEntry, AccessPage, AccessQuery, AccessTotals } from '../store.ts';

// Entries that one call drops from a queue: more than it brings, so that their number falls.
const dropsPerCall = 1_000;

const columns = `at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms,
  error_code AS errorCode`;
const ofCollection = `SELECT seq, ${columns} FROM access
  WHERE collection = ? AND at >= ? AND (at, seq) < (?, ?)`;
const newestFirst = 'ORDER BY at DESC, seq DESC LIMIT ?';

// Only the head of the queue is looked at. Entries from a clock that was ahead hold it up until there are too many.
function dropFrom(queue: string): string {
  return `DELETE FROM access WHERE ${queue} AND seq <= (SELECT min(seq) FROM access WHERE ${queue}) + ${dropsPerCall}
    AND (at < ? OR seq <= (SELECT max(seq) FROM access WHERE ${queue}) - ?)`;
}

/** The SQL of the access log. Exported for the test that explains it, and for snapshots. */
export const accessSql = {
  accessPage: `${ofCollection} ${newestFirst}`,
  accessPageOfUser: `${ofCollection} AND user = ? ${newestFirst}`,
  accessDropOfUsers: dropFrom('seq > 0'),
  accessDropOfNobody: dropFrom('seq <= 0'),
} as const;

export const allAccessSql = {
  entries: `SELECT ${columns} FROM access ORDER BY seq`,
  totals: 'SELECT user, requests, last_at AS lastAt FROM access_totals ORDER BY user',
} as const;

type Position = readonly [at: number, seq: number];

// Before everything: times are safe integers.
const newest: Position = [Number.MAX_SAFE_INTEGER, 0];

function parsePosition(next: string | undefined): Position {
  const [, at, seq] = /^(\d{1,16})\.(-?\d{1,16})$/.exec(next ?? '') ?? [];
  return at === undefined || seq === undefined ? newest : [Number(at), Number(seq)];
}

/** The methods of the contract that read the access log. */
export function createAccessReader(db: Database.Database) {
  type Row = AccessEntry & { readonly seq: number };
  const page = db.prepare<(string | number)[], Row>(accessSql.accessPage);
  const pageOfUser = db.prepare<(string | number)[], Row>(accessSql.accessPageOfUser);
  const totals = db.prepare<[], AccessTotals>(allAccessSql.totals);
  return {
    findAccess({ collection, since, user, next }: AccessQuery, limit: number): AccessPage {
      const place = [collection, since, ...parsePosition(next)];
      const rows = user === undefined ? page.all(...place, limit + 1) : pageOfUser.all(...place, user, limit + 1);
      const entries = rows.slice(0, limit);
      const end = entries.at(-1);
      return {
        entries: entries.map(({ seq: _seq, ...entry }) => entry),
        next: rows.length > limit && end !== undefined ? `${end.at}.${end.seq}` : undefined,
      };
    },
    listAccessTotals: (): AccessTotals[] => totals.all(),
  };
}

function insertInto(queue: string, first: number): string {
  return `INSERT INTO access
    (seq, at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms, error_code)
    VALUES (coalesce((SELECT max(seq) FROM access WHERE ${queue}) + 1, ${first}),
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
}

/** Adds entries as they are. */
export function createAccessInsert(db: Database.Database): (entry: AccessEntry) => void {
  const insertOfUser = db.prepare(insertInto('seq > 0', 1));
  const insertOfNobody = db.prepare(insertInto('seq <= 0', Number.MIN_SAFE_INTEGER));
  return (entry) => {
    const { at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode } = entry;
    // By position: to look for each by its name takes a third of the insertion.
    const insert = user === null ? insertOfNobody : insertOfUser;
    insert.run(at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode);
  };
}

/** How often each user is among the entries, and when last. */
function totalsOf(entries: readonly AccessEntry[]): Map<string, Omit<AccessTotals, 'user'>> {
  const totals = new Map<string, Omit<AccessTotals, 'user'>>();
  for (const { user, at } of entries) {
    if (user === null) continue;
    const { requests, lastAt } = totals.get(user) ?? { requests: 0, lastAt: at };
    totals.set(user, { requests: requests + 1, lastAt: Math.max(lastAt, at) });
  }
  return totals;
}

/** Returns `recordAccess` of the contract, inside a transaction that the caller began. */
export function createAccessWriter(db: Database.Database) {
  const insert = createAccessInsert(db);
  const count = db.prepare(`INSERT INTO access_totals (user, requests, last_at) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, last_at = max(last_at, excluded.last_at)`);
  const dropOfUsers = db.prepare<[number, number]>(accessSql.accessDropOfUsers);
  const dropOfNobody = db.prepare<[number, number]>(accessSql.accessDropOfNobody);
  return function recordAccess(entries: readonly AccessEntry[], keep: AccessBounds): void {
    for (const entry of entries) insert(entry);
    for (const [user, { requests, lastAt }] of totalsOf(entries)) count.run(user, requests, lastAt);
    dropOfUsers.run(keep.since, keep.ofUsers);
    dropOfNobody.run(keep.since, keep.ofNobody);
  };
}
