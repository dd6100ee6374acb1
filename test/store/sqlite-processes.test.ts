import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useTempFolder } from './temp-folder.ts';
import { all, texts, walk } from './versions.ts';

const script = fileURLToPath(new URL('./writer-process.ts', import.meta.url));
const query = { versions: [all] };
const idOf = (text: string) => (JSON.parse(text) as { id: string }).id;

function startWriting(path: string, collection: string, batches: number): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, [script, path, collection, String(batches)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The ids that the process acknowledged, whole lines only. `onLine` is told of each line. */
async function acknowledged(child: ChildProcessByStdio<null, Readable, null>, onLine = () => {}): Promise<string[]> {
  const ids: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    // A line that was cut off by the end of the process is none.
    ids.push(...line.split(' ').filter((id) => id.length === 'indicator--'.length + 36));
    onLine();
  }
  return ids;
}

describe('several processes on one file', () => {
  const pathOf = useTempFolder();

  test('two that make the file and write at once keep every object, and date_added is unique', async () => {
    const path = pathOf('two.db');
    const collection = randomUUID();
    const children = [1, 2].map(() => startWriting(path, collection, 40));
    const exits = Promise.all(children.map((child) => once(child, 'exit')));
    const ids = (await Promise.all(children.map((child) => acknowledged(child)))).flat();
    expect((await exits).map(([code]) => code)).toEqual([0, 0]);
    expect(ids).toHaveLength(400);

    const store = await openSqliteStore({ path });
    const { records } = await store.findRecords(collection, query, { limit: 1_000 });
    expect(new Set(records.map(({ dateAdded }) => dateAdded)).size).toBe(400);
    expect(records.map(({ id }) => id).sort()).toEqual(ids.sort());
    expect(await store.getCollectionState(collection)).toMatchObject({ versions: 400, generation: 80 });
    await store.close();
  });

  test('after kill -9 every acknowledged object is there, and no half-written one', async () => {
    const path = pathOf('killed.db');
    const collection = randomUUID();
    const known: string[] = [];
    for (const lines of [1, 7, 20]) {
      const child = startWriting(path, collection, 1_000_000);
      let left = lines;
      const kill = () => {
        left -= 1;
        if (left === 0) child.kill('SIGKILL');
      };
      known.push(...(await acknowledged(child, kill)));
      const store = await openSqliteStore({ path });
      const stored = (await texts(store, collection, query)).map(idOf);
      const records = await walk(store, collection, query);
      const state = await store.getCollectionState(collection);
      await store.close();
      expect(known.filter((id) => !stored.includes(id))).toEqual([]);
      expect(records).toHaveLength(stored.length);
      expect(state.versions).toBe(stored.length);
      // Batches of five: a commit is whole or absent.
      expect(stored.length % 5).toBe(0);
    }
  });
});
