/** Follows and feeds medallion, the reference server, as it comes from PyPI: its pages, its dates, its manners. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseSecretKeys } from '../../src/hub/secrets.ts';
import { systemClock } from '../../src/sync/clock.ts';
import type { Feed } from '../../src/sync/feed.ts';
import { noCounts } from '../../src/sync/feed-state.ts';
import { addFeed, type FeedChange } from '../../src/sync/feeds.ts';
import { createPeers } from '../../src/sync/peers.ts';
import { walkQuarantine } from '../../src/sync/quarantine.ts';
import { type RunOptions, runFeed, usualRun } from '../../src/sync/run.ts';
import { useStore } from '../hub/use-store.ts';
import { findFreePort } from '../support/free-port.ts';
import { root } from '../support/huiju.ts';
import { findPython } from '../support/python.ts';
import { describeWith } from '../support/skip.ts';
import { newAddress } from '../support/stix-objects.ts';
import { ask, basic, newIdentity, taxii } from '../support/taxii-server.ts';
import { collect } from './collect.ts';
import { createLab, type Lab } from './feed-lab.ts';

const found = await findPython(join(root, 'test', 'sync', 'medallion'));
const { store } = useStore();
const collection = '91a7b528-80eb-42ed-a74d-c6fbd5a26116';
const objectsPath = `/trust/collections/${collection}/objects/`;
const never = new AbortController().signal;
const parsed = parseSecretKeys('ab'.repeat(32));
const secretKeys = async () => ('value' in parsed ? parsed.value : []);

type Named = Record<string, unknown> & { readonly id: string };

/** Several of one date, so that pages end among them. */
function manifestOf(objects: readonly Named[]): object[] {
  return objects.map(({ id, modified }, index) => ({
    id,
    date_added: `2026-01-0${1 + Math.floor(index / 30)}T00:00:00.${String(Math.floor(index / 7)).padStart(6, '0')}Z`,
    version: modified,
    media_type: 'application/stix+json;version=2.1',
  }));
}

function dataWith(url: string, objects: readonly Named[]): object {
  return {
    '/discovery': { title: 'medallion', default: `${url}/trust/`, api_roots: [`${url}/trust/`] },
    trust: {
      information: { title: 'Trust', versions: ['application/taxii+json;version=2.1'], max_content_length: 9765625 },
      status: [],
      collections: [
        {
          id: collection,
          title: 'All',
          can_read: true,
          can_write: true,
          media_types: ['application/stix+json;version=2.1'],
          objects,
          manifest: manifestOf(objects),
        },
      ],
    },
  };
}

describeWith('clients', 'missing' in found ? found.missing : undefined, 'medallion', () => {
  const objects: Named[] = Array.from({ length: 95 }, () => newIdentity());
  let folder: string;
  let medallion: ChildProcess;
  let url: string;
  const labs: Lab[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'huiju-medallion-'));
    const port = await findFreePort();
    url = `http://127.0.0.1:${port}`;
    await writeFile(join(folder, 'data.json'), JSON.stringify(dataWith(url, objects)));
    const backend = { module: 'medallion.backends.memory_backend', module_class: 'MemoryBackend' };
    const config = {
      backend: { ...backend, filename: join(folder, 'data.json') },
      users: { user: 'secret' },
      taxii: { max_page_size: 20 },
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const args = ['-m', 'medallion.scripts.run', '--port', String(port), join(folder, 'config.json')];
    medallion = spawn('python' in found ? found.python : '', args, { stdio: 'ignore' });
    for (;;) {
      const isUp = await ask(url, '/taxii2/', { as: null }).then(
        () => true,
        () => false,
      );
      if (isUp) break;
      if (medallion.exitCode !== null) throw new Error(`medallion ended with ${medallion.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  afterAll(async () => {
    medallion.kill('SIGKILL');
    await Promise.all(labs.slice(0, 1).map((lab) => lab.close()));
    await rm(folder, { recursive: true, force: true });
  });

  function publish(some: readonly object[]) {
    return ask(url, objectsPath, { authorization: basic('user', 'secret'), body: { objects: some }, type: taxii });
  }

  function newLab(): Lab {
    const lab = createLab(store(), {
      peers: createPeers({ secretKeys, clock: systemClock, maxObjectLength: 1_000_000 }),
    });
    labs.push(lab);
    return lab;
  }

  function addFeedOf(
    { collection: ours }: Lab,
    direction: Feed['direction'],
    settings: FeedChange = {},
  ): Promise<Feed> {
    const deps = { store: store(), clock: systemClock, secretKeys };
    return addFeed(deps, {
      name: `medallion-${direction}-${ours.id.slice(0, 4)}`,
      direction,
      peer: { kind: 'taxii', root: `${url}/trust/`, collection: 'All' },
      collection: ours.id,
      settings: { allowPrivate: true, login: { kind: 'basic', user: 'user', secret: 'secret' }, ...settings },
    });
  }

  const run = (own: Lab, feed: Feed, options: Partial<RunOptions> = {}) =>
    runFeed(own.deps, feed, { ...usualRun, ...options }, never);

  test('is followed to the last object, then to what is new, then to what it has deleted', async () => {
    const own = newLab();
    const feed = await addFeedOf(own, 'pull', { mirrorEvery: 86_400 });
    expect(await run(own, feed)).toMatchObject({
      outcome: 'completed',
      error: null,
      counts: { added: 95, refused: 0 },
    });
    expect(new Set(await own.ids())).toEqual(new Set(objects.map(({ id }) => id)));
    const more = [newIdentity(), newAddress(), newIdentity()];
    expect((await publish(more)).status).toBe(202);
    expect(await run(own, feed)).toMatchObject({ outcome: 'completed', counts: { added: 3 } });
    const gone = objects[3]?.id ?? '';
    const deleted = await ask(url, `${objectsPath}${gone}/`, {
      method: 'DELETE',
      authorization: basic('user', 'secret'),
    });
    expect(deleted.status).toBe(200);
    const mirror = { allowEmpty: false, maxShare: 50 };
    expect(await run(own, feed, { mirror })).toMatchObject({ outcome: 'completed', counts: { gone: 1 } });
    expect(await own.ids()).not.toContain(gone);
    expect(await own.ids()).toHaveLength(97);
  });

  test('is fed, and what it refuses is told', async () => {
    const own = newLab();
    const pull = await addFeedOf(own, 'pull');
    await run(own, pull);
    const mine = [newIdentity(), newAddress()];
    const texts = mine.map((object) => JSON.stringify(object));
    await own.deps.store.addObjects(
      own.collection.id,
      'alice',
      mine.map((object, index) => ({
        text: texts[index] ?? '',
        id: object.id,
        type: String(object.type),
        specVersion: '2.1',
        version: object.modified === undefined ? null : String(object.modified),
        versionKey: object.modified === undefined ? null : '2024-05-06T07:08:09',
        digest: object.modified === undefined ? 'digest' : null,
      })),
    );
    const push = await addFeedOf(own, 'push');
    const pushed = await run(own, push);
    expect(pushed).toMatchObject({
      outcome: 'completed',
      counts: { ...noCounts, added: 2, withheld: expect.any(Number) },
    });
    const there = await ask(url, `${objectsPath}${mine[0]?.id}/`, { authorization: basic('user', 'secret') });
    expect(there.json<{ objects: object[] }>().objects).toEqual([mine[0]]);
    // Unlike the standard, it counts what it has already as a failure.
    const again = await run(own, push, { fromStart: true });
    expect(again).toMatchObject({ counts: { added: 0, refused: 2 } });
    const entries = await collect(walkQuarantine(store(), push.name));
    expect(entries.map(({ errors }) => errors[0]?.message)).toEqual([
      'Unable to process object',
      'Unable to process object',
    ]);
  });
});
