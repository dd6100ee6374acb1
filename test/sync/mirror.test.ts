import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/sync/clock.ts';
import { feedKind } from '../../src/sync/feed.ts';
import { noCounts } from '../../src/sync/feed-state.ts';
import type { MirrorLimits } from '../../src/sync/mirror.ts';
import { runFeed, usualRun } from '../../src/sync/run.ts';
import { SourceError } from '../../src/sync/source.ts';
import { useStore } from '../hub/use-store.ts';
import { newId, time, version } from '../store/versions.ts';
import { newAddress, type StixObject } from '../support/stix-objects.ts';
import { newIdentity } from '../support/taxii-server.ts';
import { batch, createLab, fakeSource, type Lab, type Version } from './feed-lab.ts';

const { store } = useStore();
const never = new AbortController().signal;
let lab: Lab;

beforeAll(() => {
  lab = createLab(store());
});
afterAll(() => lab.close());

function versionsOf(objects: readonly Record<string, unknown>[]): Version[] {
  return objects.map(({ id, modified }) => ({
    id: String(id),
    version: String(modified ?? '2026-02-03T04:05:06.000007Z'),
  }));
}

/** A feed that has brought these, into a collection of its own, and what the next runs see upstream. */
async function brought(objects: readonly object[]) {
  const own = createLab(store());
  const feed = await own.addFeed({ mirrorEvery: 86_400 });
  own.follow(fakeSource([batch(1, objects)], versionsOf(objects as Record<string, unknown>[])));
  await runFeed(own.deps, feed, usualRun, never);
  const mirror = (listed: readonly Version[] | Error, limits: Partial<MirrorLimits> = {}) => {
    own.follow(fakeSource([], listed));
    return runFeed(own.deps, feed, { ...usualRun, mirror: { allowEmpty: false, maxShare: 50, ...limits } }, never);
  };
  return { own, feed, mirror };
}

const many = (count: number) => Array.from({ length: count }, () => newIdentity());

describe('mirrored deletions', () => {
  test('take away what the upstream has no more, observables too, and nothing that others published', async () => {
    const [kept, gone, address, goneAddress] = [newIdentity(), newIdentity(), newAddress(), newAddress()];
    const { own, mirror } = await brought([kept, gone, address, goneAddress]);
    const published = version(newId('identity'), time(1));
    await store().addObjects(own.collection.id, 'alice', [published]);
    const result = await mirror(versionsOf([kept, address as StixObject]));
    expect(result).toMatchObject({ outcome: 'completed', counts: { ...noCounts, gone: 2 } });
    expect(await own.ids()).toEqual([kept.id, address.id, published.id]);
  });

  test('take away one version of an object and keep the other', async () => {
    const first = newIdentity();
    const second = { ...first, modified: '2025-05-06T07:08:09.000Z', name: 'ACME Ltd' };
    const { own, mirror } = await brought([first, second]);
    expect(await mirror(versionsOf([second]))).toMatchObject({ counts: { gone: 1 } });
    expect(await own.ids()).toEqual([second.id]);
  });

  test('take what is spelled otherwise for the same version', async () => {
    const object = newIdentity({ modified: '2024-05-06T07:08:09.100Z' });
    const { mirror } = await brought([object]);
    expect(await mirror([{ id: object.id, version: '2024-05-06T07:08:09.1Z' }])).toMatchObject({ counts: { gone: 0 } });
  });

  test('delete nothing when the list ends early', async () => {
    const objects = many(3);
    const { own, mirror } = await brought(objects);
    expect(await mirror(new SourceError('cut in mid-list', 'later'))).toMatchObject({
      outcome: 'failed',
      error: 'cut in mid-list',
    });
    expect(await own.ids()).toHaveLength(3);
  });

  test('delete nothing when the upstream is empty, unless that is allowed', async () => {
    const { own, mirror } = await brought(many(3));
    expect(await mirror([])).toMatchObject({ outcome: 'failed', error: expect.stringContaining('--allow-empty') });
    expect(await own.ids()).toHaveLength(3);
    expect(await mirror([], { allowEmpty: true })).toMatchObject({ counts: { gone: 3 } });
  });

  test('delete nothing when more than half is gone, unless that is allowed', async () => {
    const objects = many(20);
    const { own, mirror } = await brought(objects);
    const left = versionsOf(objects.slice(0, 5));
    expect(await mirror(left)).toMatchObject({ outcome: 'failed', error: expect.stringContaining('--allow-share 75') });
    expect(await own.ids()).toHaveLength(20);
    expect(await mirror(left, { maxShare: 75 })).toMatchObject({ counts: { gone: 15 } });
  });

  test.each(['types', 'ids'])('leave alone what the feed does not ask for any more: %s', async (filter) => {
    const [identity, address] = [newIdentity(), newAddress()];
    const { own, feed } = await brought([identity, address]);
    const filters = { versions: 'all', [filter]: [filter === 'ids' ? address.id : address.type] };
    const { name, revision, ...settings } = feed;
    await store().putRecord(feedKind, name, revision, { ...settings, filters }, {});
    const narrow = { ...feed, filters, revision: revision + 1 };
    own.follow(fakeSource([], versionsOf([address])));
    const asked = { ...usualRun, mirror: { allowEmpty: false, maxShare: 50 } };
    expect(await runFeed(own.deps, narrow, asked, never)).toMatchObject({ outcome: 'completed', counts: { gone: 0 } });
    expect(await own.ids()).toEqual([identity.id, address.id]);
  });

  test('leave alone what a feed of this name has brought from elsewhere', async () => {
    const ofOther = newIdentity();
    const { own, feed } = await brought([ofOther]);
    const object = newIdentity();
    own.follow(fakeSource([batch(1, []), batch(2, [object])], versionsOf([object])), 'https://new.example/root/');
    const asked = { ...usualRun, mirror: { allowEmpty: false, maxShare: 50 } };
    expect(await runFeed(own.deps, feed, asked, never)).toMatchObject({ outcome: 'completed', counts: { gone: 0 } });
    expect(await own.ids()).toEqual([ofOther.id, object.id]);
  });

  test('let come back what is there again', async () => {
    const object = newIdentity();
    const { own, feed, mirror } = await brought([object, newIdentity()]);
    await mirror([{ id: 'identity--6b3b1a3c-0a41-4d6b-9f8e-0f8b5f0e3a11', version: '2024-05-06T07:08:09.000Z' }]);
    expect(await own.ids()).toEqual([]);
    own.follow(fakeSource([batch(1, []), batch(2, [object])]));
    expect(await runFeed(own.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, added: 1 } });
  });

  test('are compared again when the clock was set back since the last time', async () => {
    const { own, feed } = await brought(many(2));
    own.follow(fakeSource([], []));
    const earlier = { ...systemClock, now: () => Date.parse('2020-01-01T00:00:00Z') };
    expect(await runFeed({ ...own.deps, clock: earlier }, feed, usualRun, never)).toMatchObject({ outcome: 'failed' });
  });

  test('are compared as seldom as the feed says', async () => {
    const { own, feed } = await brought(many(2));
    own.follow(fakeSource([], []));
    expect(await runFeed(own.deps, feed, usualRun, never)).toMatchObject({ outcome: 'completed' });
  });
});
