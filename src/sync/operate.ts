/** Operations of feeds that reach the other end: running one now, trying one, asking a server, trying refused objects again. */

import { OperatorError } from '../errors.ts';
import { describePeer, type Feed, type TlsFiles } from './feed.ts';
import { type FeedsDeps, getFeed, type NewLogin } from './feeds.ts';
import { createHttpClient } from './http-client.ts';
import { parsePeerUrl } from './peer-url.ts';
import { readTls, toLogin } from './peers.ts';
import { storeTexts } from './pull.ts';
import { sendTexts } from './push.ts';
import { dropEntries, getEntry, type QuarantineEntry, quarantine, walkQuarantine } from './quarantine.ts';
import { type RunDeps, type RunOptions, type RunResult, runFeed } from './run.ts';
import { createTaxiiClient } from './taxii-client.ts';
import type { Discovered } from './taxii-discovery.ts';

export interface OperateDeps extends FeedsDeps, RunDeps {}

function assertOptions({ name, direction, mirrorEvery }: Feed, { mirror, resurrect }: RunOptions): void {
  if (mirror !== undefined && mirrorEvery === null) {
    throw new OperatorError(
      `deletions of ${name} are not mirrored, so there is nothing to compare: \`huiju feed edit ${name} --mirror-deletions 1d\` changes that`,
    );
  }
  if (resurrect && direction === 'push') {
    throw new OperatorError(`${name} pushes: --resurrect is for feeds that pull`);
  }
}

/** Runs a feed now, paused or not. Throws OperatorError when it runs already. */
export async function runNow(
  deps: OperateDeps,
  name: string,
  options: RunOptions,
  signal: AbortSignal,
): Promise<{ readonly feed: Feed; readonly result: RunResult }> {
  const feed = await getFeed(deps, name);
  assertOptions(feed, options);
  const result = await runFeed(deps, feed, options, signal);
  if (result !== undefined) return { feed, result };
  throw new OperatorError(`the feed ${name} is running already; \`huiju feed show ${name}\` tells how far it is`);
}

export interface Trial {
  readonly direction: Feed['direction'];
  readonly peer: string;
  /** Objects of the first batch; 0 when there are none, and for feeds that push. */
  readonly objects: number;
  /** The other end's dates of the first and last of them, as far as it says. */
  readonly dates: readonly [string | undefined, string | undefined];
}

async function tryPull(deps: OperateDeps, feed: Feed, signal: AbortSignal): Promise<Omit<Trial, 'direction' | 'peer'>> {
  const { source, close } = await deps.peers.openSource(feed, signal);
  try {
    for await (const item of source.walk(undefined, signal)) {
      if (!('objects' in item)) throw new OperatorError(`${describePeer(feed.peer)}: ${item.message}`);
      return { objects: item.objects.length, dates: [item.dateAddedFirst, item.dateAddedLast] };
    }
    return { objects: 0, dates: [undefined, undefined] };
  } finally {
    await close();
  }
}

/** Reaches the other end and reads a first batch, without keeping anything. Throws what is wrong, in words. */
export async function testFeed(deps: OperateDeps, name: string, signal: AbortSignal): Promise<Trial> {
  const feed = await getFeed(deps, name);
  const about = { direction: feed.direction, peer: describePeer(feed.peer) };
  if (feed.direction === 'pull') return { ...about, ...(await tryPull(deps, feed, signal)) };
  const { close } = await deps.peers.openTarget(feed, signal);
  await close();
  return { ...about, objects: 0, dates: [undefined, undefined] };
}

export interface DiscoverRequest {
  readonly url: string;
  readonly login?: NewLogin;
  readonly tls?: TlsFiles;
  readonly allowPrivate: boolean;
}

/** The roots and collections of a TAXII server, as far as this login sees them. Throws SourceError. */
export async function discover(
  { url, login, tls = {}, allowPrivate }: DiscoverRequest,
  signal: AbortSignal,
): Promise<Discovered> {
  const home = parsePeerUrl(url);
  const pem = await readTls(tls);
  const http = createHttpClient({ home, ...(login && { login: toLogin(login) }), tls: pem, allowPrivate });
  try {
    return await createTaxiiClient({ http }).discover(home, signal);
  } finally {
    await http.close();
  }
}

/** What came of trying again. */
export interface Retried {
  readonly done: number;
  readonly refused: number;
  /** Entries of which only the beginning is kept: they come with the next full run. */
  readonly cut: number;
}

const portion = 100;

async function* listEntries(deps: OperateDeps, name: string, keys: readonly string[]): AsyncGenerator<QuarantineEntry> {
  if (keys.length === 0) yield* walkQuarantine(deps.store, name);
  for (const key of keys) yield await getEntry(deps.store, name, key);
}

type Retry = (entries: readonly QuarantineEntry[]) => Promise<ReadonlySet<number>>;

/** Stores entries again; resolves to the places of those that are here now. */
function retryPull(deps: OperateDeps, feed: Feed): Retry {
  const collection = deps.findCollection(feed.collection);
  if (collection === undefined) throw new OperatorError(`no file declares the collection ${feed.collection} any more`);
  return async (entries) => {
    const here = new Set<number>();
    const origins = Map.groupBy(entries.keys(), (place) => entries[place]?.origin ?? '');
    for (const [origin, places] of origins) {
      const texts = places.map((place) => entries[place]?.text ?? '');
      const stored = await storeTexts(deps, { feed, collection }, texts, { origin });
      for (const place of stored.here) here.add(places[place] ?? -1);
      const at = new Date(deps.clock.now()).toISOString();
      await quarantine(deps.store, feed.name, stored.refused, { at, origin });
    }
    return here;
  };
}

/** Sends entries again, each by itself, so that one which is refused is known. */
function retryPush(deps: OperateDeps, feed: Feed, signal: AbortSignal): Retry {
  return async (entries) => {
    const { target, close } = await deps.peers.openTarget(feed, signal);
    const there = new Set<number>();
    try {
      const sending = { store: deps.store, now: deps.clock.now };
      for (const [place, { text }] of entries.entries()) {
        if ((await sendTexts(sending, { feed, signal }, target, [text])) === 0) there.add(place);
      }
    } finally {
      await close();
    }
    return there;
  };
}

/** Tries entries of the quarantine again, all or those of these keys; what succeeds leaves it. */
export async function retryQuarantine(
  deps: OperateDeps,
  name: string,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retried> {
  const feed = await getFeed(deps, name);
  const retry = feed.direction === 'pull' ? retryPull(deps, feed) : retryPush(deps, feed, signal);
  const total = { done: 0, refused: 0, cut: 0 };
  let waiting: QuarantineEntry[] = [];
  const flush = async (): Promise<void> => {
    const done = await retry(waiting);
    await dropEntries(
      deps.store,
      name,
      waiting.filter((_entry, place) => done.has(place)).map(({ key }) => key),
    );
    total.done += done.size;
    total.refused += waiting.length - done.size;
    waiting = [];
  };
  for await (const entry of listEntries(deps, name, keys)) {
    signal.throwIfAborted();
    if (entry.isCut) total.cut += 1;
    else waiting.push(entry);
    if (waiting.length >= portion) await flush();
  }
  if (waiting.length > 0) await flush();
  return total;
}
