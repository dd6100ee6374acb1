/** How the other ends of feeds are found: with as few questions as can be. */

import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/sync/clock.ts';
import { defaultSettings, type Feed, type Peer } from '../../src/sync/feed.ts';
import { createPeers } from '../../src/sync/peers.ts';
import type { OpenSource } from '../../src/sync/run.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const never = new AbortController().signal;
const id = '91a7b528-80eb-42ed-a74d-c6fbd5a26116';
const peers = createPeers({ secretKeys: async () => [], clock: systemClock, maxObjectLength: 10_000 });
const collectionOf = (own: string, more: object = {}) => ({
  id: own,
  title: 'Indicators',
  alias: 'ioc',
  can_read: true,
  can_write: false,
  ...more,
});
const empty = { body: { more: false } };

let server: ScriptedServer;
const opened: OpenSource[] = [];

beforeAll(async () => {
  server = await startScriptedServer(() => ({ status: 500 }));
});
afterEach(() => Promise.all(opened.splice(0).map(({ close }) => close())));
afterAll(() => server.close());

function feedTo(peer: Peer, direction: Feed['direction'] = 'pull'): Feed {
  const own = { name: 'f', revision: 1, walk: 0, createdAt: '2026-01-01T00:00:00Z', collection: id };
  return { ...defaultSettings, ...own, allowPrivate: true, direction, peer };
}

/** Walks the collection of this name, and resolves to the paths that were asked for. */
async function walk(collection: string, script: Script): Promise<string[]> {
  const before = server.asked.length;
  server.play(script);
  const source = await peers.openSource(feedTo({ kind: 'taxii', root: `${server.url}/api/`, collection }), never);
  opened.push(source);
  for await (const _ of source.source.walk(undefined, never));
  return server.asked.slice(before).map(({ path }) => path);
}

describe('a collection to follow', () => {
  test.each([id, id.toUpperCase(), `x-mitre-collection--${id}`])(
    'that is named by its id costs no question but for its objects: %s',
    async (name) => {
      expect(await walk(name, () => empty)).toEqual([`/api/collections/${name}/objects/`]);
      expect(opened[0]?.upstream).toBe(`${server.url}/api/collections/${name}/`);
    },
  );

  test.each(['ioc', 'Indicators'])('that is named by alias or title costs one: %s', async (name) => {
    const asked = await walk(name, ({ path }) =>
      path === '/api/collections/' ? { body: { collections: [collectionOf('of-any-form')] } } : empty,
    );
    expect(asked).toEqual(['/api/collections/', '/api/collections/of-any-form/objects/']);
    // An alias and an id name one collection.
    expect(opened[0]?.upstream).toBe(`${server.url}/api/collections/of-any-form/`);
  });

  test('that is not there is an error which names those that are, and steers no terminal', async () => {
    const collections = [collectionOf(id, { title: 'E\u001b[31m\u009b' })];
    const reading = walk('other', ({ path }) =>
      path === '/api/collections/' ? { body: { collections } } : { status: 404 },
    );
    await expect(reading).rejects.toMatchObject({
      retry: 'never',
      message: expect.stringContaining('has no collection "other": there are ioc (E?[31m?)'),
    });
  });

  test('that may not be read, or may not be written, is an error that says so', async () => {
    const script: Script = ({ path }) => {
      if (path === '/api/') return { body: { title: 'Root', versions: [], max_content_length: 1000 } };
      return { body: { collections: [collectionOf(id, { can_read: false })] } };
    };
    await expect(walk('ioc', script)).rejects.toThrow('may not be read with this login');
    const peer = { kind: 'taxii', root: `${server.url}/api/`, collection: id } as const;
    await expect(peers.openTarget(feedTo(peer, 'push'), never)).rejects.toThrow('may not be written with this login');
  });
});

test('standard input is let go of at once when the run is stopped, though nobody writes', async () => {
  const standardInput = new PassThrough();
  const own = createPeers({ secretKeys: async () => [], clock: systemClock, maxObjectLength: 10_000, standardInput });
  const stopping = new AbortController();
  const { source } = await own.openSource(feedTo({ kind: 'stream' }), stopping.signal);
  const walking = (async () => {
    for await (const _ of source.walk(undefined, stopping.signal));
  })();
  stopping.abort(new Error('it was interrupted'));
  await expect(walking).rejects.toThrow();
  expect(standardInput.destroyed).toBe(true);
});

test('a file on the web is named without its query, in which keys travel', async () => {
  const peer = { kind: 'web', url: `${server.url}/feed.json?key=sesame` } as const;
  const source = await peers.openSource(feedTo(peer), never);
  opened.push(source);
  expect(source.upstream).toBe(`${server.url}/feed.json?…`);
});
