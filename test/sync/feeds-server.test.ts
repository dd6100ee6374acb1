/** The thread in which feeds run: when it is started, what it says, and how it ends. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/sync/clock.ts';
import { getState } from '../../src/sync/feed-state.ts';
import { addFeed, type FeedsDeps, pauseFeed } from '../../src/sync/feeds.ts';
import { type Feeds, startFeeds } from '../../src/sync/feeds-server.ts';
import type { ApiRoot } from '../../src/taxii/api-roots.ts';
import { everyVersion } from '../../src/taxii/page.ts';
import { newIdentity } from '../support/taxii-server.ts';

const collection = {
  id: '7c3b1a2d-4e5f-4a6b-8c7d-9e0f1a2b3c4d',
  title: 'All',
  read: ['members'],
  write: [],
  validation: 'spec' as const,
};
const roots: readonly ApiRoot[] = [
  { name: 'root', title: 'Root', isDefault: true, emptyObjects: false, collections: [collection] },
];

let folder: string;
let store: Store;
let feeds: Feeds;
let operator: FeedsDeps;
let said: string[];
let looks: number;

/** Waits until it is so; a test that waits in vain runs into its time limit. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'huiju-feeds-'));
  const location = { kind: 'sqlite', path: join(folder, 'huiju.db') } as const;
  store = await openStore(location);
  operator = { store, clock: systemClock, secretKeys: async () => [] };
  said = [];
  looks = 0;
  const findRecord: Store['findRecord'] = (...names) => {
    looks += 1;
    return store.findRecord(...names);
  };
  feeds = startFeeds({
    store: location,
    roots,
    maxObjectLength: 1_000_000,
    secretKeys: undefined,
    records: { findRecord, queryRecords: store.queryRecords },
    onRun: (_feed, words) => said.push(words),
    onFault: ({ message }) => said.push(message),
  });
});

afterEach(async () => {
  await feeds.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function addFolderFeed(name: string, collectionId = collection.id): Promise<void> {
  await addFeed(operator, {
    name,
    direction: 'pull',
    peer: { kind: 'folder', path: folder },
    collection: collectionId,
    settings: { schedule: { kind: 'every', seconds: 1 } },
  });
}

async function countThreads(): Promise<number> {
  return (await readdir('/proc/self/task')).length;
}

const holds = async (): Promise<number> =>
  (await store.findRecords(collection.id, { versions: [everyVersion] }, { limit: 100 })).count;

describe('the thread of feeds', () => {
  test('is there from the first feed on that runs by itself, and gives way to requests', async () => {
    const before = await countThreads();
    await until(() => looks > 1);
    expect(await countThreads()).toBe(before);
    writeFileSync(join(folder, 'objects.ndjson'), `${JSON.stringify(newIdentity())}\n`);
    await addFolderFeed('in');
    await until(async () => (await holds()) === 1);
    const stats = await Promise.all(
      (await readdir('/proc/self/task')).map((task) =>
        readFile(`/proc/self/task/${task}/stat`, 'utf8').catch(() => ''),
      ),
    );
    // A thread may have ended meanwhile. Field 19 is the nice value; the first two are a number and a name in brackets.
    const nice = stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
    expect(nice.filter((value) => value === 19).length).toBeGreaterThanOrEqual(2);
    await until(() => said.some((words) => words.includes('completed: 1 added')));
  });

  test('goes on with other API roots after a reload', async () => {
    const other = '00000000-0000-4000-8000-000000000001';
    await addFolderFeed('early', other);
    await until(() => said.some((words) => words.includes('no file of HUIJU_COLLECTIONS declares')));
    feeds.reload([{ ...(roots[0] as ApiRoot), collections: [{ ...collection, id: other }] }]);
    await pauseFeed(operator, 'early');
    await addFolderFeed('late', other);
    await until(() => said.some((words) => words.startsWith('feed late ') && words.includes('completed')));
  });

  test('ends with the server, and its feeds are free then', async () => {
    await addFolderFeed('in');
    await until(() => said.length > 0);
    const ending = feeds.close();
    await feeds.close();
    await ending;
    expect((await getState(store, 'in')).run).toBeNull();
  });

  test('ends also before it was ever needed', async () => {
    await feeds.close();
    expect(said).toEqual([]);
  });
});
