/**
 * The access log: two queues that grow at their ends and lose their heads, and what each user has asked for in total. An
 * entry's place in its queue is a number from a counter: those of users count up from 1, those of nobody from the least
 * number up.
 */

import type { AnyBulkWriteOperation, Long } from 'mongodb';
import type { AccessBounds, AccessEntry, AccessPage, AccessQuery, AccessTotals, Micros } from '../store.ts';
import { ask, type Connection, isDuplicateKey, long, readLimit, toNumber } from './connection.ts';

// Entries that one call drops from a queue: more than it brings, so that their number falls.
const dropsPerCall = 1_000;
const starts = { users: 1, nobody: Number.MIN_SAFE_INTEGER } as const;
type Queue = keyof typeof starts;
const queues: readonly Queue[] = ['users', 'nobody'];

type Whole = number | Long;

/** A document of `access`. */
export interface AccessRow {
  readonly queue: Queue;
  readonly entry: Whole;
  readonly at: Whole;
  readonly collection: string;
  readonly user: string | null;
  readonly client: string;
  readonly agent: string;
  readonly method: string;
  readonly endpoint: AccessEntry['endpoint'];
  readonly status: number | null;
  readonly objects: number;
  readonly bytes: Whole;
  readonly ms: number;
  readonly error_code: string | null;
}

/** A document of `access_totals`. */
export interface TotalsRow {
  readonly _id: string;
  readonly requests: Whole;
  readonly last_at: Whole;
}

interface Counter {
  readonly _id: string;
  /** Places that were given. */
  readonly given: Whole;
}

export function toAccessEntry(row: AccessRow): AccessEntry {
  const { at, collection, user, client, agent, method, endpoint, status, objects, bytes, ms, error_code } = row;
  return {
    ...{ collection, user, client, agent, method, endpoint, status, objects, ms },
    at: toNumber(at),
    bytes: toNumber(bytes),
    errorCode: error_code,
  };
}

function toAccessRow({ errorCode, ...rest }: AccessEntry, queue: Queue, entry: number): AccessRow {
  return { ...rest, at: long(rest.at), bytes: long(rest.bytes), error_code: errorCode, queue, entry: long(entry) };
}

export function toTotals({ _id, requests, last_at }: TotalsRow): AccessTotals {
  return { user: _id, requests: toNumber(requests), lastAt: toNumber(last_at) };
}

/** What is sent to find entries. A test holds it against the indexes. */
const accessFilters = {
  page: ({ collection, since, user }: AccessQuery, at: Micros) => ({
    collection,
    at: { $gte: long(since), $lte: long(at) },
    ...(user !== undefined && { user }),
  }),
  head: (queue: Queue) => ({ queue }),
} as const;

function parsePosition(next: string | undefined): readonly [at: Micros, entry: number] | undefined {
  const [, at, entry] = /^(\d{1,16})\.(-?\d{1,16})$/.exec(next ?? '') ?? [];
  return at === undefined || entry === undefined ? undefined : [Number(at), Number(entry)];
}

/** The methods of the contract for the access log. */
export function createAccess(connection: Connection) {
  const rows = connection.collection<AccessRow>('access');
  const totals = connection.collection<TotalsRow>('access_totals');
  const counters = connection.collection<Counter>('counters');

  /** Takes `count` places in a queue and returns the first. */
  async function takePlaces(queue: Queue, count: number): Promise<number> {
    const options = { upsert: true, returnDocument: 'after' } as const;
    const take = () => counters.findOneAndUpdate({ _id: `access-${queue}` }, { $inc: { given: long(count) } }, options);
    const counter = await ask(take()).catch((error) => {
      if (!isDuplicateKey(error)) throw error;
      return ask(take());
    });
    if (counter === null) throw new Error(`the counter of the queue ${queue} is missing`);
    return starts[queue] + toNumber(counter.given) - count;
  }

  async function append(queue: Queue, entries: readonly AccessEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const first = await takePlaces(queue, entries.length);
    await ask(
      rows.insertMany(
        entries.map((entry, n) => toAccessRow(entry, queue, first + n)),
        { ordered: false },
      ),
    );
  }

  async function count(entries: readonly AccessEntry[]): Promise<void> {
    const operations = entries.flatMap(({ user, at }): AnyBulkWriteOperation<TotalsRow>[] => {
      if (user === null) return [];
      const update = { $inc: { requests: long(1) }, $max: { last_at: long(at) } };
      return [{ updateOne: { filter: { _id: user }, update, upsert: true } }];
    });
    if (operations.length > 0) await ask(totals.bulkWrite(operations, { ordered: true }));
  }

  async function findEnd(queue: Queue, direction: 1 | -1): Promise<number | undefined> {
    const options = { sort: { entry: direction }, projection: { entry: 1 }, ...readLimit } as const;
    const row = await ask(rows.findOne(accessFilters.head(queue), options));
    return row === null ? undefined : toNumber(row.entry);
  }

  // Only the head of the queue is looked at. Entries from a clock that was ahead hold it up until there are too many.
  async function drop(queue: Queue, since: Micros, most: number): Promise<void> {
    const [head, end] = await Promise.all([findEnd(queue, 1), findEnd(queue, -1)]);
    if (head === undefined || end === undefined) return;
    const tooMany = { entry: { $lte: long(end - most) } };
    await ask(
      rows.deleteMany({
        queue,
        entry: { $lte: long(head + dropsPerCall) },
        $or: [{ at: { $lt: long(since) } }, tooMany],
      }),
    );
  }

  return {
    async recordAccess(entries: readonly AccessEntry[], keep: AccessBounds): Promise<void> {
      for (const queue of queues)
        await append(
          queue,
          entries.filter(({ user }) => (user === null) === (queue === 'nobody')),
        );
      await count(entries);
      await drop('users', keep.since, keep.ofUsers);
      await drop('nobody', keep.since, keep.ofNobody);
    },

    async findAccess(query: AccessQuery, limit: number): Promise<AccessPage> {
      const position = parsePosition(query.next);
      const [at, entry] = position ?? [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
      const behind = { $or: [{ at: { $lt: long(at) } }, { entry: { $lt: long(entry) } }] };
      const filter = { ...accessFilters.page(query, at), ...(position !== undefined && behind) };
      const options = { sort: { at: -1, entry: -1 }, limit: limit + 1, ...readLimit } as const;
      const found = await ask(rows.find(filter, options).toArray());
      const entries = found.slice(0, limit);
      const end = entries.at(-1);
      const next = end && `${toNumber(end.at)}.${toNumber(end.entry)}`;
      return { entries: entries.map(toAccessEntry), next: found.length > limit ? next : undefined };
    },

    async listAccessTotals(): Promise<AccessTotals[]> {
      return (await ask(totals.find({}, { sort: { _id: 1 }, ...readLimit }).toArray())).map(toTotals);
    },

    /** Puts entries and totals back as they were. */
    async restore(entries: readonly AccessEntry[], users: readonly AccessTotals[]): Promise<void> {
      for (const queue of queues)
        await append(
          queue,
          entries.filter(({ user }) => (user === null) === (queue === 'nobody')),
        );
      const list = users.map(({ user, requests, lastAt }) => ({
        ...{ _id: user, requests: long(requests), last_at: long(lastAt) },
      }));
      if (list.length > 0) await ask(totals.insertMany(list));
    },
  };
}
