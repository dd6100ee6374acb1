/** Pages of a server that ten feeds keep busy, against the same pages while the feeds are paused. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSecretKeys } from '../src/hub/secrets.ts';
import { openStore } from '../src/store/open-store.ts';
import type { Store } from '../src/store/store.ts';
import { systemClock } from '../src/sync/clock.ts';
import { getState } from '../src/sync/feed-state.ts';
import { addFeed, type FeedsDeps, pauseFeed, resumeFeed } from '../src/sync/feeds.ts';
import { collection, createPlace, login, objectsPath, openDataSet, type Place, password, user } from './data-set.ts';
import { type Connection, check, formatRequest, openConnection } from './load.ts';
import { interleave, quantile, ratioOf, showProgress } from './measure.ts';
import { type Running, serve } from './processes.ts';
import { type Report, round } from './report.ts';
import { type Settings, usualCount } from './settings.ts';

const feeds = Array.from({ length: 10 }, (_, index) => `feed-${index}`);
const request = formatRequest(`${objectsPath}?limit=100`, login);
const expected = { status: 200, least: 1000, most: 1_000_000 };
/** Of one name of this machine two run at once, of two the four that there may be. */
const hosts = ['127.0.0.1', 'localhost'];

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(100);
}

async function addFeeds(deps: FeedsDeps, upstream: Running): Promise<void> {
  for (const [index, name] of feeds.entries()) {
    const root = `http://${hosts[index % hosts.length]}:${upstream.port}/bench/`;
    await addFeed(deps, {
      name,
      direction: 'pull',
      peer: { kind: 'taxii', root, collection },
      collection,
      settings: {
        schedule: { kind: 'every', seconds: 1 },
        full: true,
        allowPrivate: true,
        login: { kind: 'basic', user, secret: password },
      },
    });
  }
}

async function countRunning(store: Store): Promise<number> {
  const states = await Promise.all(feeds.map((name) => getState(store, name)));
  return states.filter(({ run }) => run !== null).length;
}

/** Latencies of pages, one after the other. */
async function askPages(connection: Connection, seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    latencies.push(check(await connection.ask(request), expected).time);
    await sleep(5);
  }
  return latencies;
}

interface Scene {
  readonly store: Store;
  readonly deps: FeedsDeps;
  readonly connection: Connection;
}

async function measure({ store, deps, connection }: Scene, { quick }: Settings) {
  const seconds = quick ? 3 : 10;
  const all: Record<'busy' | 'paused', number[]> = { busy: [], paused: [] };
  const ask = async (name: 'busy' | 'paused'): Promise<number> => {
    const latencies = await askPages(connection, seconds);
    all[name].push(...latencies);
    return quantile(latencies, 0.5);
  };
  const medians = await interleave(
    {
      busy: async () => {
        for (const name of feeds) await resumeFeed(deps, name);
        await until(async () => (await countRunning(store)) >= 4);
        return ask('busy');
      },
      paused: async () => {
        for (const name of feeds) await pauseFeed(deps, name);
        await until(async () => (await countRunning(store)) === 0);
        return ask('paused');
      },
    },
    quick ? 3 : 10,
    (done) => showProgress(`feeds, round ${done}`),
  );
  showProgress('');
  return { all, medians };
}

/** Fills the place by a first run of the feeds, so that there are pages to ask for. */
async function awaitObjects(store: Store, count: number): Promise<void> {
  showProgress('feeds, first run');
  await until(async () => (await store.getCollectionState(collection)).versions >= count);
}

/** A key that the server and this process have; of the store with MongoDB there is none beside it. */
function makeKey() {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-bench-key-'));
  const text = randomBytes(32).toString('hex');
  const file = join(folder, 'key');
  writeFileSync(file, text, { mode: 0o600 });
  const parsed = parseSecretKeys(text);
  if ('fault' in parsed) throw new Error(parsed.fault);
  return { file, keys: parsed.value, end: () => rmSync(folder, { recursive: true }) };
}

async function benchAt(report: Report, settings: Settings, place: Place, upstream: Running, count: number) {
  const store = await openStore(place.location);
  const key = makeKey();
  const deps = { store, clock: systemClock, secretKeys: async () => key.keys };
  await addFeeds(deps, upstream);
  const huiju = await serve(place, { HUIJU_LOG_LEVEL: 'error', HUIJU_SECRET_KEY_FILE: key.file });
  const connection = await openConnection(huiju.port);
  await awaitObjects(store, count);
  const { all, medians } = await measure({ store, deps, connection }, settings);
  connection.close();
  await huiju.stop();
  await store.close();
  key.end();
  const describe = (latencies: readonly number[]): string =>
    `p50 ${round(quantile(latencies, 0.5))} ms, p99 ${round(quantile(latencies, 0.99))} ms`;
  report.section(`Ten feeds that read ${count.toLocaleString('en')} objects again and again, and a page of 100`);
  report.note('The server that the feeds read from runs on the same machine and takes its share of it.');
  report.row({
    what: 'latency of a page',
    ours: describe(all.busy),
    other: `feeds paused: ${describe(all.paused)}`,
    ratio: ratioOf(medians.busy, medians.paused),
    bound: { kind: 'at most', must: 1.2 },
  });
}

export async function benchFeeds(report: Report, settings: Settings): Promise<void> {
  const count = Math.min(usualCount(settings), 10_000);
  const upstream = await serve(await openDataSet(count, settings.server), { HUIJU_LOG_LEVEL: 'error' });
  const place = await createPlace(settings.server);
  try {
    await benchAt(report, settings, place, upstream, count);
  } finally {
    await upstream.stop();
    await place.end();
  }
}
