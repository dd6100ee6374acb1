import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, expect, test } from '@jest/globals';
import { openSqliteGlimpse, openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { NewVersion } from '../../src/store/store.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { newId, objects, time, version } from '../store/versions.ts';
import { runServer } from '../support/run-server.ts';
import { ask, basic } from '../support/taxii-server.ts';

const briefId = '1c1c0d0e-5a0c-4a37-8a3e-3f6a6f1f0b11';
const lastingId = '2d2d0d0e-5a0c-4a37-8a3e-3f6a6f1f0b22';
const hour = 3_600_000_000;
const pathOf = useTempFolder();

beforeAll(() => {
  mkdirSync(pathOf('collections'));
  const collections = [
    { id: briefId, alias: 'brief', title: 'Brief', read: ['public'], expire_after: '1h' },
    { id: lastingId, alias: 'lasting', title: 'Lasting', read: ['public'] },
  ];
  writeFileSync(pathOf('collections/hub.json'), JSON.stringify({ api_root: 'hub', title: 'Hub', collections }));
});

/** Puts versions into both collections, as they would have been some time ago. */
async function addBefore(folder: string, micros: number, versions: readonly NewVersion[]): Promise<void> {
  const store = await openSqliteStore({ path: pathOf(`${folder}/huiju.db`), clockOffset: -micros });
  for (const collection of [briefId, lastingId]) await store.addObjects(collection, 'ann', versions);
  await store.close();
}

const run = (folder: string) => runServer({ folder: pathOf(folder), collections: pathOf('collections') });

test('a server removes what is older than expire_after, and serves the rest', async () => {
  const id = newId();
  const young = version(id, time(2));
  await addBefore('serves', 2 * hour, [...objects(70), version(id, time(1))]);
  await addBefore('serves', 0, [young]);
  const server = await run('serves');
  try {
    while (!server.output().includes('versions have expired')) await wait(10);
    expect(server.output()).toMatch(new RegExp(`"collection":"${briefId}","versions":71`));
    const read = async (alias: string) => {
      const path = `/hub/collections/${alias}/objects/?match[version]=all`;
      const { text } = await ask(server.url, path, { authorization: basic('admin', server.adminPassword) });
      return (JSON.parse(text) as { objects?: unknown[] }).objects;
    };
    expect(await read('brief')).toEqual([JSON.parse(young.text)]);
    expect(await read('lasting')).toHaveLength(72);
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

test('a server that ends while it removes ends cleanly, and the next one goes on', async () => {
  const count = 3_000;
  await addBefore('ends', 2 * hour, objects(count));
  const glimpse = openSqliteGlimpse(pathOf('ends/huiju.db'));
  const held = async () =>
    (await glimpse?.listCollectionStates())?.find(({ collection }) => collection === briefId)?.versions;
  const first = await run('ends');
  while ((await held()) === count) await wait(5);
  expect(await first.stop()).toBe(0);
  expect(first.output()).not.toContain('could not be removed');
  const [, gone] = /"versions":(\d+)\S*"versions have expired"/.exec(first.output()) ?? [];
  expect(Number(gone)).toBeLessThan(count);
  expect(await held()).toBe(count - Number(gone));
  const second = await run('ends');
  while ((await held()) !== 0) await wait(5);
  expect(await second.stop()).toBe(0);
  await glimpse?.close();
});
