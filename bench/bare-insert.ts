/**
 * The same rows written by SQLite alone, into the same tables, each commit synchronous: `node bench/bare-insert.ts FILE
 * ROWS`. FILE has an object a line, ROWS go into each transaction. Writes the rows a second on standard output.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDurable, openFile } from '../src/store/sqlite/connection.ts';
import { prepareLayout } from '../src/store/sqlite/layout.ts';
import { toNewVersion } from './objects.ts';

const [file = '', rows = '1000'] = process.argv.slice(2);
// Of objects without a version of their own the server makes one: here it is their place.
const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
const versions = lines.map((line, place) => {
  const { id, type, version, versionKey } = toNewVersion(JSON.parse(line));
  return { id, type, version: version ?? `${place}`, versionKey: versionKey ?? `${place}`, text: line };
});
const folder = mkdtempSync(join(tmpdir(), 'huiju-bare-'));

try {
  const db = makeDurable(openFile(join(folder, 'bare.db')));
  prepareLayout(db);
  const insert = db.prepare(`INSERT INTO objects
    (collection, date_added, is_last, is_first, length, id, type, spec_version, version, version_key, submitter, text)
    VALUES (1, ?, 1, 1, ?, ?, ?, '2.1', ?, ?, 'bench', ?)`);
  const start = performance.now();
  for (let from = 0; from < versions.length; from += Number(rows)) {
    db.exec('BEGIN IMMEDIATE');
    versions.slice(from, from + Number(rows)).forEach(({ id, type, version, versionKey, text }, place) => {
      insert.run(from + place, text.length, id, type, version, versionKey, text);
    });
    db.exec('COMMIT');
  }
  process.stdout.write(`${(versions.length / (performance.now() - start)) * 1000}\n`);
  db.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
