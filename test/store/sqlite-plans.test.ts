import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type Database from 'better-sqlite3';
import { accessSql } from '../../src/store/sqlite/access.ts';
import { neighbourSql } from '../../src/store/sqlite/add-objects.ts';
import { openFile, openForReading } from '../../src/store/sqlite/connection.ts';
import { deletionSql } from '../../src/store/sqlite/delete-object.ts';
import { createPageFinder, keySql } from '../../src/store/sqlite/find-objects.ts';
import { provenanceSql } from '../../src/store/sqlite/provenance.ts';
import { recordSql } from '../../src/store/sqlite/records.ts';
import { openSqliteStore, readSql } from '../../src/store/sqlite/sqlite-store.ts';
import { tombstoneSql } from '../../src/store/sqlite/tombstones.ts';
import { useTempFolder } from './temp-folder.ts';
import { exact, key, objects } from './versions.ts';

const covering = ['byFlags', 'byType'];
// A rowid given as `seq` needs no index.
const bySeq = ['adds', 'deletes'];

describe('how SQLite answers', () => {
  const pathOf = useTempFolder();
  let db: Database.Database;

  beforeAll(async () => {
    const path = pathOf('plans.db');
    const store = await openSqliteStore({ path });
    await store.addObjects(randomUUID(), 'user', objects(2_000));
    for (let n = 0; n < 50; n += 1) await store.addObjects(randomUUID(), 'user', objects(1));
    await store.close();
    // Statistics of a lopsided store must not lead the planner astray.
    const writer = openFile(path);
    writer.exec('ANALYZE');
    writer.close();
    db = openForReading(path);
  });
  afterAll(() => {
    db.close();
  });

  const statements = Object.entries({
    ...keySql,
    ...readSql,
    ...neighbourSql,
    ...recordSql,
    ...accessSql,
    ...deletionSql,
    ...provenanceSql,
    ...tombstoneSql,
  });

  test.each(statements)('%s uses an index, scans no table and sorts nothing', (name, sql) => {
    const parameters = Array((sql.match(/\?/g) ?? []).length).fill('1');
    const rows = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(parameters) as { detail: string }[];
    const steps = rows.map(({ detail }) => detail);
    const scans = steps.filter(
      (step) => step.startsWith('SCAN') && !step.includes('VIRTUAL TABLE') && step !== 'SCAN (subquery-1)',
    );
    expect(scans).toEqual([]);
    expect(steps.filter((step) => step.includes('TEMP B-TREE'))).toEqual([]);
    expect(
      steps.some((step) => /^SEARCH .* USING (COVERING )?INDEX|^SEARCH .* USING (INTEGER )?PRIMARY KEY/.test(step)),
    ).toBe(true);
    if (covering.includes(name)) expect(steps).toEqual([expect.stringMatching(/USING COVERING INDEX .*date_added>\?/)]);
    if (bySeq.includes(name)) expect(steps[0]).toMatch(/USING INTEGER PRIMARY KEY \(rowid>\?\)/);
  });

  test.each(statements)('%s has no parameter for which SQLite would prepare it anew each time', (_name, sql) => {
    expect(sql.replaceAll('json_each(?)', '').match(/(?<!\+)\?/)).toBeNull();
  });

  describe('a filter that no index answers', () => {
    const budget = { sliceRows: 10, pageRows: 50 };
    const keys = [5, 6, 700, 1_990].map(key);
    const query = { versions: [exact(...keys)] };

    test('lets the event loop turn between slices', async () => {
      const absent = { versions: [exact(key(77_777))] };
      let isDone = false;
      const scan = createPageFinder(db, budget)(1, absent, { limit: 4, maxBytes: 1e9 }, () => {}).then(() => {
        isDone = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(isDone).toBe(false);
      await scan;
    });

    test('ends a page short once it holds an object, and a walk still finds each match', async () => {
      const find = createPageFinder(db, budget);
      const counts: number[] = [];
      const found: number[] = [];
      for (let addedAfter = 0, more = true; more; ) {
        const page = await find(1, { ...query, addedAfter }, { limit: 10, maxBytes: 1e9 }, (seqs) =>
          found.push(...seqs),
        );
        counts.push(page.count);
        more = page.more;
        addedAfter = page.last ?? addedAfter;
      }
      expect(counts).toEqual([2, 1, 1, 0]);
      expect(found).toEqual([6, 7, 701, 1_991]);
    });
  });

  test('the texts of a page stand in the order of its keys', () => {
    const pick = db.prepare('SELECT text FROM objects WHERE seq = ?').pluck();
    const texts = db.prepare<[string], Buffer>(readSql.texts).pluck();
    const seqs = Array.from({ length: 2_000 }, (_, n) => n + 1);
    const shuffled = seqs.map((n) => ((n * 733) % 2_000) + 1);
    for (const order of [seqs, [...seqs].reverse(), shuffled])
      expect(texts.get(JSON.stringify(order))?.toString()).toBe(order.map((seq) => pick.get(seq)).join(','));
  });
});
