import { describe, expect, test } from '@jest/globals';
import { positionKinds } from '../../src/store/store.ts';
import { defaultSettings, feedKind, findFeed } from '../../src/sync/feed.ts';
import { getState, noCounts, stateKind } from '../../src/sync/feed-state.ts';
import {
  addFeed,
  editFeed,
  type FeedsDeps,
  listFeeds,
  pauseFeed,
  removeFeed,
  resumeFeed,
  showFeed,
} from '../../src/sync/feeds.ts';
import { runNow } from '../../src/sync/operate.ts';
import { usualRun } from '../../src/sync/run.ts';
import { createLab } from './feed-lab.ts';
import { createMemoryStore, credulousChecker } from './memory-store.ts';

const now = Date.parse('2026-01-01T00:00:00.000Z');
const clock = { now: () => now, random: () => 0.5, wait: async () => undefined };

function operator(): FeedsDeps {
  return { store: createMemoryStore(), clock, secretKeys: async () => [] };
}

const newFeed = (name: string) =>
  ({ name, direction: 'pull', peer: { kind: 'folder', path: '/in' }, collection: 'c', settings: {} }) as const;

describe('operations of feeds', () => {
  test('where a feed stands is among what snapshots read before the collections', () => {
    expect(positionKinds).toContain(stateKind);
  });

  test('a feed that asks for something else begins at the beginning; one that does not goes on', async () => {
    const deps = operator();
    await addFeed(deps, newFeed('a'));
    const walk = async () => (await findFeed(deps.store, 'a'))?.walk;
    await editFeed(deps, 'a', { filters: { versions: 'all', types: ['malware'] } });
    expect(await walk()).toBe(1);
    await editFeed(deps, 'a', { filters: { versions: 'all', types: ['malware'] }, deadline: 60 });
    expect(await walk()).toBe(1);
    await editFeed(deps, 'a', { filters: { versions: 'all' } });
    expect(await walk()).toBe(2);
  });

  test('a feed that was failing starts anew when it is resumed', async () => {
    const deps = operator();
    await addFeed(deps, newFeed('a'));
    await deps.store.putRecord(
      stateKind,
      'a',
      0,
      { totals: noCounts, failures: 9, nextRunAt: '2027-01-01T00:00:00Z' },
      {},
    );
    await resumeFeed(deps, 'a');
    expect(await getState(deps.store, 'a')).toMatchObject({ failures: 0, nextRunAt: null });
  });

  test('lag is counted from the last run that came to the end, before the first from the newest object', async () => {
    const deps = operator();
    await addFeed(deps, newFeed('a'));
    expect((await showFeed(deps, 'a')).lag).toBeUndefined();
    const state = { totals: noCounts, lastDateAdded: '2025-12-31T23:00:00.000000Z' };
    await deps.store.putRecord(stateKind, 'a', 0, state, {});
    expect((await showFeed(deps, 'a')).lag).toBe(3_600_000);
    await deps.store.putRecord(stateKind, 'a', 1, { ...state, inStepAt: '2025-12-31T23:59:00.000Z' }, {});
    expect((await listFeeds(deps)).map(({ lag }) => lag)).toEqual([60_000]);
  });

  test('a feed with settings that are not taken any more can be paused and removed', async () => {
    const deps = operator();
    const { peer, direction, collection } = newFeed('old');
    const document = { ...defaultSettings, peer, direction, collection, deadline: 1, walk: 0, createdAt: '' };
    await deps.store.putRecord(feedKind, 'old', 0, document, {});
    await expect(editFeed(deps, 'old', { jitter: 1 })).rejects.toThrow('the deadline is 1 seconds');
    await pauseFeed(deps, 'old');
    await removeFeed(deps, 'old');
    expect(await listFeeds(deps)).toEqual([]);
  });

  test('an unknown name is answered with the nearest that there is', async () => {
    const deps = operator();
    await addFeed(deps, newFeed('partner'));
    await expect(removeFeed(deps, 'partnr')).rejects.toThrow('did you mean partner?');
  });

  test.each([
    ['comparing what is not mirrored', { mirror: { allowEmpty: false, maxShare: 50 } }, 'pull', 'are not mirrored'],
    ['resurrecting on the way out', { resurrect: true }, 'push', 'for feeds that pull'],
  ] as const)('refuses %s', async (_what, options, direction, message) => {
    const deps = operator();
    const lab = createLab(deps.store, { clock, checker: credulousChecker });
    const { name } = await lab.addFeed({}, direction);
    const running = runNow({ ...deps, ...lab.deps }, name, { ...usualRun, ...options }, new AbortController().signal);
    await expect(running).rejects.toThrow(message);
    await lab.close();
  });
});
