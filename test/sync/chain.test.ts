/**
 * Real servers that follow and feed each other, in a chain and in a circle, while publishers write to each of them and
 * each is killed and started again at random. In the end all of them have the same.
 */

import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config.ts';
import { createUser } from '../../src/hub/users.ts';
import { openStore } from '../../src/store/open-store.ts';
import { everyVersion } from '../../src/taxii/page.ts';
import { createRandom } from '../hostile/generator.ts';
import { findFreePort } from '../support/free-port.ts';
import { runHuiju } from '../support/huiju.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { newAddress } from '../support/stix-objects.ts';
import { ask, basic, newIdentity } from '../support/taxii-server.ts';

const seconds = Number(process.env.HUIJU_TEST_FEED_SECONDS ?? 6);
const seed = Number(process.env.HUIJU_TEST_SEED ?? Date.now() % 1_000_000);
const password = 'correct horse battery staple';
const collection = '5d9e3c2a-1b0f-4f6e-8a57-0c9d1e2f3a4b';
const declaration = {
  api_root: 'ring',
  title: 'Ring',
  default: true,
  collections: [{ id: collection, alias: 'all', title: 'All', read: ['members'], write: ['role:publisher'] }],
};

/** A server that keeps its place when it is killed. */
interface Site {
  readonly url: string;
  start(): Promise<void>;
  /** Ends it as a power failure does, and starts it again. */
  crash(): Promise<void>;
  stop(): Promise<void>;
  /** Adds a feed that runs every second; `ends` are options of `huiju feed add`. */
  addFeed(name: string, ...ends: string[]): Promise<void>;
  huiju(...args: string[]): Promise<string>;
  /** All versions that it has, as JSON, sorted. */
  holds(): Promise<string[]>;
}

async function createSite(folder: string, name: string): Promise<Site> {
  const own = join(folder, name);
  const collections = join(own, 'collections');
  await mkdir(collections, { recursive: true });
  await writeFile(join(collections, 'ring.json'), JSON.stringify(declaration));
  const port = await findFreePort();
  const env = {
    HUIJU_STORE: `sqlite:${join(own, 'huiju.db')}`,
    HUIJU_COLLECTIONS: collections,
    HUIJU_PORT: String(port),
    HUIJU_LOG_LEVEL: 'error',
  };
  const open = () => openStore(loadConfig(env).store);
  const store = await open();
  await createUser(store, 'root', password, ['admin']);
  await createUser(store, 'peer', password, ['publisher']);
  await store.close();
  let server: RunningServer | undefined;
  const start = async (): Promise<void> => {
    server = await runServer({ folder: own, env });
  };
  const huiju = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runHuiju(args, { env, input: `${password}\n` });
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    start,
    crash: async () => {
      await server?.kill();
      await start();
    },
    stop: async () => {
      await server?.stop();
    },
    huiju,
    addFeed: async (feed, ...ends) => {
      const login = ['--user', 'peer', '--password-stdin', '--allow-private'];
      await huiju('feed', 'add', feed, ...ends, '--every', '1s', ...login);
    },
    holds: async () => {
      const opened = await open();
      try {
        const held: string[] = [];
        for (let after = 0; ; ) {
          const query = { versions: [everyVersion], addedAfter: after };
          const page = await opened.findObjects(collection, query, { limit: 5000, maxBytes: 16 * 1024 * 1024 });
          const objects: unknown[] = JSON.parse(`[${page.texts}]`);
          held.push(...objects.map((object) => JSON.stringify(object)));
          if (page.last === undefined) return held.sort();
          after = page.last;
        }
      } finally {
        await opened.close();
      }
    },
  };
}

/** Sites of their own for one test, stopped and removed whatever happens. */
async function withSites(count: number, work: (...sites: Site[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'huiju-chain-'));
  const names = ['a', 'b', 'c'].slice(0, count);
  const sites = await Promise.all(names.map((name) => createSite(folder, name)));
  try {
    await Promise.all(sites.map((site) => site.start()));
    await work(...sites);
  } finally {
    await Promise.all(sites.map((site) => site.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}

const follow = (site: Site) => ['--from', `${site.url}/ring/`, '--source', 'all', '--to', 'all'];
const feedTo = (site: Site) => ['--from', 'all', '--to', `${site.url}/ring/`, '--target', 'all'];

/** All publishers write versions of it. */
const shared = newAddress();

type Named = Readonly<Record<string, unknown>>;

/** Publishes some objects, again until they are acknowledged. Resolves to them as JSON. */
async function publish({ url }: Site, objects: readonly Named[]): Promise<string[]> {
  for (;;) {
    try {
      const answer = await ask(url, '/ring/collections/all/objects/', {
        authorization: basic('peer', password),
        body: { objects },
      });
      if (answer.status === 202) return objects.map((object) => JSON.stringify(object));
    } catch {
      // The server was killed; it comes back.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Publishes until it is told to end; resolves to all that was acknowledged. */
async function publishUntil(site: Site, isOver: () => boolean, random: () => number): Promise<string[]> {
  const published: string[] = [];
  while (!isOver()) {
    const first = newIdentity();
    const later = { ...first, modified: '2025-01-01T00:00:00.000Z', name: 'ACME Ltd' };
    // Of an object without versions each content is one, whichever server had it first.
    const contents = [0, 1].map(() => ({ ...shared, x_content: randomUUID() }));
    const others = Array.from({ length: Math.floor(random() * 30) }, () => newIdentity());
    published.push(...(await publish(site, [first, later, ...contents, ...others])));
    await new Promise((resolve) => setTimeout(resolve, 20 + random() * 200));
  }
  return published;
}

async function crashUntil(sites: readonly Site[], isOver: () => boolean, random: () => number): Promise<number> {
  let crashes = 0;
  while (!isOver()) {
    await new Promise((resolve) => setTimeout(resolve, 200 + random() * 2500));
    await sites[Math.floor(random() * sites.length)]?.crash();
    crashes += 1;
  }
  return crashes;
}

/** Waits until a site has all of these, and says what it has in the end. */
async function awaitAll(site: Site, expected: readonly string[]): Promise<string[]> {
  const end = Date.now() + 90_000;
  for (;;) {
    const held = await site.holds();
    if (held.length >= expected.length || Date.now() > end) return held;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function writeAndCrash(sites: readonly Site[], writers: readonly Site[]): Promise<string[]> {
  const random = createRandom(seed);
  const end = Date.now() + seconds * 1000;
  const isOver = (): boolean => Date.now() >= end;
  const publishing = writers.map((site) => publishUntil(site, isOver, random));
  const crashes = await crashUntil(sites, isOver, random);
  expect(crashes).toBeGreaterThan(0);
  return (await Promise.all(publishing)).flat().sort();
}

const timeout = 180_000 + seconds * 2000;

describe(`servers that are killed while they follow each other: seed ${seed}`, () => {
  test(
    'a chain ends with equal sets',
    () =>
      withSites(3, async (...sites) => {
        const [a, b, c] = sites;
        if (a === undefined || b === undefined || c === undefined) throw new Error('three sites');
        await b.addFeed('from-a', ...follow(a));
        await c.addFeed('from-b', ...follow(b));
        const published = await writeAndCrash(sites, [a]);
        for (const site of sites) expect(await awaitAll(site, published)).toEqual(published);
      }),
    timeout,
  );

  test(
    'a circle that pulls and pushes ends with equal sets, and comes to rest',
    () =>
      withSites(3, async (...sites) => {
        const [a, b, c] = sites;
        if (a === undefined || b === undefined || c === undefined) throw new Error('three sites');
        await b.addFeed('from-a', ...follow(a));
        await c.addFeed('from-b', ...follow(b));
        await a.addFeed('from-c', ...follow(c));
        await a.addFeed('to-c', ...feedTo(c));
        const published = await writeAndCrash(sites, sites);
        for (const site of sites) expect(await awaitAll(site, published)).toEqual(published);
        // What goes round comes to nothing: no version is added again.
        const rest = await Promise.all(sites.map((site) => site.holds()));
        for (const held of rest) expect(held).toEqual(published);
      }),
    timeout,
  );
});

test(
  'two servers that feed each other tell nothing back, and what is deleted in one does not return',
  () =>
    withSites(2, async (a, b) => {
      if (a === undefined || b === undefined) throw new Error('two sites');
      await a.addFeed('to-b', ...feedTo(b));
      await a.addFeed('from-b', ...follow(b));
      const [ofA, ofB] = [newIdentity({ name: randomUUID() }), newIdentity()];
      const expected = [...(await publish(a, [ofA])), ...(await publish(b, [ofB]))].sort();
      for (const site of [a, b]) expect(await awaitAll(site, expected)).toEqual(expected);
      // The one that came from B was not sent there again.
      await a.huiju('feed', 'run', 'to-b').catch(() => '');
      const pushed: { totals: Record<string, number> } = JSON.parse(await a.huiju('feed', 'show', 'to-b', '--json'));
      expect(pushed.totals).toMatchObject({ added: 1, withheld: 1 });
      const path = `/ring/collections/all/objects/${ofB.id}/`;
      await ask(a.url, path, { method: 'DELETE', authorization: basic('root', password) });
      await a.huiju('feed', 'pause', 'from-b');
      // A run that is under way ends within seconds.
      let run = '';
      while (run === '')
        run = await a.huiju('feed', 'run', 'from-b', '--from-start').catch((error: Error) => {
          if (!error.message.includes('is running already')) throw error;
          return '';
        });
      expect(run).toContain('0 added, 1 duplicate, 0 refused, 1 withheld');
      expect(await a.holds()).toEqual([JSON.stringify(ofA)]);
    }),
  120_000,
);
