import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { all, objects, texts, walk } from './versions.ts';

const found = findEngine();
const script = fileURLToPath(new URL('./writer-process.ts', import.meta.url));
const query = { versions: [all] };
const idOf = (text: string) => (JSON.parse(text) as { id: string }).id;

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'several processes on one MongoDB', () => {
  let engine: Engine;

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
  });
  afterAll(() => engine?.stop());

  type Child = ChildProcessByStdio<null, Readable, null>;
  const startWriting = (url: string, collection: string, batches: number): Child =>
    spawn(process.execPath, [script, url, collection, String(batches)], { stdio: ['ignore', 'pipe', 'inherit'] });

  /** The ids that the process acknowledged, whole lines only. */
  async function acknowledged(child: Child, onLine: () => void = () => {}): Promise<string[]> {
    const ids: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      ids.push(...line.split(' ').filter((id) => id.length === 'indicator--'.length + 36));
      onLine();
    }
    return ids;
  }

  test('keep every object, and a poller sees each once, in order', async () => {
    const url = engine.newUrl();
    const collection = randomUUID();
    const store = await openMongoStore({ url });
    const writing = [1, 2].map(() => acknowledged(startWriting(url, collection, 20)));
    const seen: string[] = [];
    let isOver = false;
    const poll = async () => {
      for (let addedAfter = 0, isLastRound = false; ; isLastRound = isOver) {
        const { records } = await store.findRecords(collection, { ...query, addedAfter }, { limit: 7 });
        seen.push(...records.map(({ id }) => id));
        addedAfter = records.at(-1)?.dateAdded ?? addedAfter;
        if (isLastRound && records.length === 0) return;
      }
    };
    const polling = poll();
    const ids = (await Promise.all(writing)).flat();
    isOver = true;
    await polling;
    expect(ids).toHaveLength(200);
    expect([...seen].sort()).toEqual(ids.sort());
    expect(await store.getCollectionState(collection)).toMatchObject({ versions: 200, generation: 40 });
    await store.close();
  });

  test('after kill -9 every acknowledged object is there, and others go on', async () => {
    const url = engine.newUrl();
    const collection = randomUUID();
    const known: string[] = [];
    const store = await openMongoStore({ url });
    for (const lines of [1, 5, 9]) {
      const child = startWriting(url, collection, 1_000_000);
      let left = lines;
      const ids = await acknowledged(child, () => {
        left -= 1;
        if (left === 0) child.kill('SIGKILL');
      });
      known.push(...ids);
      const next = objects(5);
      expect((await store.addObjects(collection, 'user', next)).map(({ outcome }) => outcome)).toEqual(
        Array(5).fill('added'),
      );
      known.push(...next.map(({ id }) => id));
      const stored = (await texts(store, collection, query)).map(idOf);
      expect(known.filter((id) => !stored.includes(id))).toEqual([]);
      expect(await walk(store, collection, query)).toHaveLength(stored.length);
      expect((await store.getCollectionState(collection)).versions).toBe(stored.length);
    }
    await store.close();
  });
});
