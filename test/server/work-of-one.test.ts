/** HUIJU_WORKERS=2: what one process does for all of them, and the one that takes its place goes on with. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { openSqliteGlimpse, openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { objects } from '../store/versions.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { type LogLine, logOf, pidsOf, until } from '../support/server-log.ts';
import { newIdentity } from '../support/taxii-server.ts';

const id = '1c1c0d0e-5a0c-4a37-8a3e-3f6a6f1f0b33';
const twoHours = 7_200_000_000;
const pathOf = useTempFolder();

beforeAll(() => {
  mkdirSync(pathOf('collections'));
  const rights = { read: ['members'], write: ['members'], expire_after: '1h' };
  const collections = [{ id, alias: 'desk', title: 'Desk', ...rights }];
  writeFileSync(pathOf('collections/hub.json'), JSON.stringify({ api_root: 'hub', title: 'Hub', collections }));
});

const run = (folder: string) =>
  runServer({ folder: pathOf(folder), collections: pathOf('collections'), env: { HUIJU_WORKERS: '2' } });

/** How many versions the store holds now. */
async function openCounter(folder: string) {
  const glimpse = openSqliteGlimpse(pathOf(`${folder}/huiju.db`));
  const held = async () => (await glimpse?.listCollectionStates())?.[0]?.versions;
  return { held, close: () => glimpse?.close() };
}

/** The processes that logged such lines, by name. */
function tellersOf(server: RunningServer, isOne: (line: LogLine) => boolean): readonly string[] {
  return [...new Set(logOf(server).flatMap((line) => (isOne(line) ? [line.process] : [])))];
}

test('one process removes what has expired, and the one that takes its place goes on', async () => {
  const count = 1_500;
  const store = await openSqliteStore({ path: pathOf('expiring/huiju.db'), clockOffset: -twoHours });
  await store.addObjects(id, 'ann', objects(count));
  await store.close();
  const server = await run('expiring');
  const { held, close } = await openCounter('expiring');
  try {
    const [first = 0] = await pidsOf(server, 1, 'worker 1');
    while ((await held()) === count) await new Promise((resolve) => setTimeout(resolve, 5));
    process.kill(first, 'SIGKILL');
    await pidsOf(server, 2, 'worker 1');
    expect(await held()).toBeGreaterThan(0);
    await until(() => logOf(server).find(({ msg }) => msg === 'versions have expired'));
    expect(await held()).toBe(0);
  } finally {
    await close();
    expect(await server.stop()).toBe(0);
  }
  expect(tellersOf(server, ({ msg }) => msg === 'versions have expired')).toEqual(['worker 1']);
});

test('one process runs the feeds, and the one that takes its place goes on', async () => {
  const server = await run('following');
  const spool = pathOf('spool');
  mkdirSync(spool);
  const put = (name: string) => writeFileSync(join(spool, `${name}.json`), JSON.stringify(newIdentity()));
  const { held, close } = await openCounter('following');
  try {
    put('before');
    const added = await server.huiju(['feed', 'add', 'spool', '--from', spool, '--to', 'hub/desk', '--every', '1s']);
    expect(added).toMatchObject({ code: 0, stderr: '' });
    while ((await held()) !== 1) await new Promise((resolve) => setTimeout(resolve, 20));
    const [first = 0] = await pidsOf(server, 1, 'worker 1');
    process.kill(first, 'SIGKILL');
    put('after');
    while ((await held()) !== 2) await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    await close();
    expect(await server.stop()).toBe(0);
  }
  expect(tellersOf(server, ({ feed }) => feed === 'spool')).toEqual(['worker 1']);
});
