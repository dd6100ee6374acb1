/** Records, the documents of the community, and statuses: both are found by name and changed whole. */

import type { Long } from 'mongodb';
import type { KeptStatus, Micros, RecordQuery, StoredRecord } from '../store.ts';
import { ask, type Connection, isDuplicateKey, long, readLimit, toNumber } from './connection.ts';

// Old statuses that one put removes: more than come in, so that their number falls.
const dropsPerPut = 20;

/** A document of `records`. JSON text keeps what BSON would not: `__proto__`, `$`, dots, long integers. */
export interface RecordRow {
  readonly kind: string;
  readonly id: string;
  readonly revision: number;
  readonly document: string;
  /** `name=value` of each key. */
  readonly keys: readonly string[];
}

/** A document of `statuses`. */
export interface StatusRow {
  readonly api_root: string;
  readonly id: string;
  readonly submitter: string;
  readonly completed_at: number | Long;
  readonly text: string;
}

/** What is sent to find records and statuses. A test holds it against the indexes. */
const recordFilters = {
  one: (kind: string, id: string) => ({ kind, id }),
  page: (kind: string, { key, after = '' }: RecordQuery) => ({
    kind,
    ...(key !== undefined && { keys: toKey(key.name, key.value) }),
    id: { $gt: after },
  }),
  status: (apiRoot: string, id: string) => ({ api_root: apiRoot, id }),
  oldStatuses: (before: Micros) => ({ completed_at: { $lt: long(before) } }),
};

// Names of keys are ours: they have no `=`.
function toKey(name: string, value: string): string {
  return `${name}=${value}`;
}

export function toKeys(keys: Readonly<Record<string, string>>): string[] {
  return Object.entries(keys).map(([name, value]) => toKey(name, value));
}

/** The way back from `toKeys`. */
export function fromKeys(keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key.slice(0, key.indexOf('=')), key.slice(key.indexOf('=') + 1)]));
}

function toRecord({ id, revision, document }: RecordRow): StoredRecord {
  return { id, revision, document: JSON.parse(document) };
}

export function toStatus({ id, api_root, submitter, text, completed_at }: StatusRow): KeptStatus {
  return { id, apiRoot: api_root, submitter, text, completedAt: toNumber(completed_at) };
}

export function toStatusRow({ id, apiRoot, submitter, text, completedAt }: KeptStatus): StatusRow {
  return { api_root: apiRoot, id, submitter, completed_at: long(completedAt), text };
}

/** False when the key was taken; throws every other error. */
async function unlessTaken(command: Promise<unknown>): Promise<boolean> {
  try {
    await ask(command);
    return true;
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    return false;
  }
}

/** The methods of the contract for records and statuses. */
export function createRecords(connection: Connection) {
  const records = connection.collection<RecordRow>('records');
  const statuses = connection.collection<StatusRow>('statuses');

  async function dropStatuses(before: Micros, limit: number): Promise<number> {
    const options = { sort: { completed_at: 1 }, limit, projection: { _id: 1 }, ...readLimit } as const;
    const old = await ask(statuses.find(recordFilters.oldStatuses(before), options).toArray());
    if (old.length > 0) await ask(statuses.deleteMany({ _id: { $in: old.map(({ _id }) => _id) } }));
    return old.length;
  }

  return {
    async findRecord(kind: string, id: string): Promise<StoredRecord | undefined> {
      const row = await ask(records.findOne(recordFilters.one(kind, id), readLimit));
      return row === null ? undefined : toRecord(row);
    },

    async queryRecords(kind: string, query: RecordQuery): Promise<StoredRecord[]> {
      const options = { sort: { id: 1 }, limit: query.limit, ...readLimit } as const;
      return (await ask(records.find(recordFilters.page(kind, query), options).toArray())).map(toRecord);
    },

    async putRecord(
      kind: string,
      id: string,
      expected: number,
      document: unknown,
      keys: Readonly<Record<string, string>>,
    ): Promise<boolean> {
      const content = { revision: expected + 1, document: JSON.stringify(document), keys: toKeys(keys) };
      if (expected === 0) return unlessTaken(records.insertOne({ kind, id, ...content }));
      const filter = { ...recordFilters.one(kind, id), revision: expected };
      return (await ask(records.updateOne(filter, { $set: content }))).matchedCount === 1;
    },

    async deleteRecord(kind: string, id: string, expected: number): Promise<boolean> {
      const filter = { ...recordFilters.one(kind, id), revision: expected };
      return (await ask(records.deleteOne(filter))).deletedCount === 1;
    },

    async putStatus(status: KeptStatus, dropBefore: Micros): Promise<void> {
      const { api_root, id, ...content } = toStatusRow(status);
      const put = () => statuses.updateOne({ api_root, id }, { $set: content }, { upsert: true });
      // Two that put the same new status at once: the second time it is there.
      if (!(await unlessTaken(put()))) await ask(put());
      await dropStatuses(dropBefore, dropsPerPut);
    },
    dropStatuses,

    async findStatus(apiRoot: string, id: string): Promise<KeptStatus | undefined> {
      const row = await ask(statuses.findOne(recordFilters.status(apiRoot, id), readLimit));
      return row === null ? undefined : toStatus(row);
    },
  };
}
