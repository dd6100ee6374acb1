/** Two servers on one store: whichever takes the lock of a feed runs it, and the other does not. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { getState, noCounts } from '../../src/sync/feed-state.ts';
import { runFeed, usualRun } from '../../src/sync/run.ts';
import type { Source } from '../../src/sync/source.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { newLocation } from '../support/stores.ts';
import { newIdentity } from '../support/taxii-server.ts';
import { batch, createLab, type Lab } from './feed-lab.ts';

const pathOf = useTempFolder();
const never = new AbortController().signal;
const stores: Store[] = [];
const labs: Lab[] = [];

beforeAll(async () => {
  const location = newLocation(pathOf('shared'));
  for (let server = 0; server < 2; server += 1) stores.push(await openStore(location));
});

afterAll(async () => {
  await Promise.all(labs.map((lab) => lab.close()));
  await Promise.all(stores.map((store) => store.close()));
});

describe('two servers on one store', () => {
  test('run a feed one at a time, however often both want to', async () => {
    const [first, second] = stores.map((store) => createLab(store));
    if (first === undefined || second === undefined) throw new Error('two servers');
    labs.push(first, second);
    let walking = 0;
    let most = 0;
    const objects = Array.from({ length: 20 }, () => newIdentity());
    const feed = await first.addFeed({ pageSize: 1 });
    const deps = [first.deps, { ...second.deps, findCollection: first.deps.findCollection }];
    const source: Source = {
      async *walk(from) {
        walking += 1;
        most = Math.max(most, walking);
        const at = Number(from?.at ?? 0);
        const next = objects[at];
        // In the middle of a run nobody else can begin one.
        for (const server of deps) expect(await runFeed(server, feed, usualRun, never)).toBeUndefined();
        if (next !== undefined) yield batch(at + 1, [next]);
        walking -= 1;
      },
    };
    // The other server has the same feed and the same collection.
    for (const lab of [first, second]) lab.follow(source);
    let completed = 0;
    let turnedAway = 0;
    while (Number((await getState(first.deps.store, feed.name)).position?.at ?? 0) < objects.length) {
      const results = await Promise.all(deps.map((server) => runFeed(server, feed, usualRun, never)));
      completed += results.filter((result) => result?.outcome === 'completed').length;
      turnedAway += results.filter((result) => result === undefined).length;
    }
    expect(most).toBe(1);
    expect(turnedAway).toBeGreaterThan(0);
    expect(completed).toBe(objects.length);
    expect(await first.ids()).toEqual(objects.map(({ id }) => id));
    const { run, totals } = await getState(first.deps.store, feed.name);
    expect([run, totals]).toEqual([null, { ...noCounts, added: objects.length }]);
  });
});
