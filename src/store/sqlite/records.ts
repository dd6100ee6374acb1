/** Records, the documents of the community, and statuses: both are found by name and changed whole. */

import type Database from 'better-sqlite3';
import type { KeptStatus, Micros, RecordQuery, StoredRecord } from '../store.ts';
import type { Find } from './unchanged.ts';

// Old statuses that one put removes: more than come in, so that their number falls.
const dropsPerPut = 20;

/** The SQL that finds records and statuses. Exported for the test that explains each. */
export const recordSql = {
  one: 'SELECT id, revision, document FROM records WHERE kind = +? AND id = +?',
  page: 'SELECT id, revision, document FROM records WHERE kind = +? AND id > +? ORDER BY id LIMIT +?',
  pageByKey: `SELECT r.id, r.revision, r.document FROM record_keys k
    CROSS JOIN records r ON r.kind = k.kind AND r.id = k.id
    WHERE k.kind = +? AND k.name = +? AND k.value = +? AND k.id > +? ORDER BY k.id LIMIT +?`,
  removeKeys: 'DELETE FROM record_keys WHERE kind = +? AND id = +?',
  status: `SELECT id, api_root AS apiRoot, submitter, text, completed_at AS completedAt
    FROM statuses WHERE api_root = +? AND id = +?`,
  dropStatuses: `DELETE FROM statuses WHERE rowid IN
    (SELECT rowid FROM statuses WHERE completed_at < +? ORDER BY completed_at LIMIT +?)`,
} as const;

interface RecordRow {
  readonly id: string;
  readonly revision: number;
  readonly document: string;
}

const freeze = (_name: string, value: unknown): unknown => Object.freeze(value);

/** A record that may be given to everybody who asks: nobody can change it. */
function toRecord({ id, revision, document }: RecordRow): StoredRecord {
  return Object.freeze({ id, revision, document: JSON.parse(document, freeze) });
}

/** Longer documents are few, and seldom asked for. */
const maxRemembered = 4_096;

/** The methods of the contract that read records and statuses. `findUnchanged` remembers what is asked for again and again. */
export function createRecordReader(db: Database.Database, findUnchanged: Find = (_kind, _name, read) => read()) {
  const one = db.prepare<[string, string], RecordRow>(recordSql.one);
  const page = db.prepare<[string, string, number], RecordRow>(recordSql.page);
  const pageByKey = db.prepare<[string, string, string, string, number], RecordRow>(recordSql.pageByKey);
  const status = db.prepare<[string, string], KeptStatus>(recordSql.status);
  return {
    findRecord(kind: string, id: string): StoredRecord | undefined {
      let length = 0;
      const read = (): StoredRecord | undefined => {
        const row = one.get(kind, id);
        length = row?.document.length ?? 0;
        return row && toRecord(row);
      };
      return findUnchanged(kind, id, read, () => length <= maxRemembered);
    },
    queryRecords(kind: string, { key, after = '', limit }: RecordQuery): StoredRecord[] {
      const rows =
        key === undefined ? page.all(kind, after, limit) : pageByKey.all(kind, key.name, key.value, after, limit);
      return rows.map(toRecord);
    },
    findStatus: (apiRoot: string, id: string): KeptStatus | undefined => status.get(apiRoot, id),
  };
}

/** What changes records and statuses, inside a transaction that the caller began. Documents come as JSON text. */
export function createRecordWriter(db: Database.Database) {
  const create = db.prepare(
    'INSERT INTO records (kind, id, revision, document) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING',
  );
  const change = db.prepare(
    'UPDATE records SET revision = revision + 1, document = ? WHERE kind = ? AND id = ? AND revision = ?',
  );
  const remove = db.prepare('DELETE FROM records WHERE kind = ? AND id = ? AND revision = ?');
  const removeKeys = db.prepare(recordSql.removeKeys);
  const addKey = db.prepare('INSERT INTO record_keys (kind, name, value, id) VALUES (?, ?, ?, ?)');
  const keepStatus = db.prepare(`INSERT INTO statuses (id, api_root, submitter, completed_at, text)
    VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET submitter = excluded.submitter, completed_at = excluded.completed_at, text = excluded.text`);
  const dropStatuses = db.prepare<[Micros, number]>(recordSql.dropStatuses);
  return {
    putRecord(
      kind: string,
      id: string,
      expected: number,
      document: string,
      keys: Readonly<Record<string, string>>,
    ): boolean {
      const { changes } = expected === 0 ? create.run(kind, id, document) : change.run(document, kind, id, expected);
      if (changes === 0) return false;
      removeKeys.run(kind, id);
      for (const [name, value] of Object.entries(keys)) addKey.run(kind, name, value, id);
      return true;
    },
    deleteRecord(kind: string, id: string, expected: number): boolean {
      if (remove.run(kind, id, expected).changes === 0) return false;
      removeKeys.run(kind, id);
      return true;
    },
    putStatus({ id, apiRoot, submitter, completedAt, text }: KeptStatus, dropBefore: Micros): void {
      keepStatus.run(id, apiRoot, submitter, completedAt, text);
      dropStatuses.run(dropBefore, dropsPerPut);
    },
    dropStatuses: (completedBefore: Micros, limit: number): number => dropStatuses.run(completedBefore, limit).changes,
  };
}
