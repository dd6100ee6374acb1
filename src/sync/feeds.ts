/** Feeds as operations: what `huiju feed` calls, and an HTTP API can. */

import { OperatorError } from '../errors.ts';
import { isName, nameRule } from '../hub/names.ts';
import { changeRecord, dropRecord, walkRecords } from '../hub/records.ts';
import { type SecretKey, seal } from '../hub/secrets.ts';
import { suggest } from '../nearest.ts';
import type { Store } from '../store/store.ts';
import { countChange } from './changes.ts';
import type { Clock } from './clock.ts';
import {
  defaultSettings,
  type Feed,
  type FeedDocument,
  type FeedSettings,
  feedKind,
  findFeed,
  type Peer,
  parseFeed,
  principalOf,
  type SealedLogin,
} from './feed.ts';
import { assertFeed } from './feed-faults.ts';
import { historyKind } from './feed-history.ts';
import { changeIdleState, type FeedState, getState, isRunning, plannedAt, stateKind } from './feed-state.ts';
import { countQuarantine, dropQuarantine } from './quarantine.ts';
import { firstRunAt } from './schedule.ts';

export interface FeedsDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** The keys that seal credentials; asked for when there are some. */
  readonly secretKeys: () => Promise<readonly SecretKey[]>;
}

/** A login before it is sealed. */
export type NewLogin =
  | { readonly kind: 'basic'; readonly user: string; readonly secret: string }
  | { readonly kind: 'bearer'; readonly secret: string }
  | { readonly kind: 'header'; readonly header: string; readonly secret: string };

/** What is asked for; what is absent stays as it is, or as usual. */
export type FeedChange = Partial<Omit<FeedSettings, 'login'>> & { readonly login?: NewLogin | null };

export interface NewFeed {
  readonly name: string;
  readonly direction: FeedDocument['direction'];
  readonly peer: Peer;
  /** The id of our collection. */
  readonly collection: string;
  readonly settings: FeedChange;
}

/** A feed with where it stands. */
export interface FeedView {
  readonly feed: Feed;
  readonly state: FeedState;
  readonly isRunning: boolean;
  /** Objects in quarantine. */
  readonly quarantined: number;
  /** When it runs next by itself, milliseconds; undefined: it does not. */
  readonly nextRunAt: number | undefined;
  /** Milliseconds that this end may be behind the other; undefined: nothing is known. */
  readonly lag: number | undefined;
}

async function sealLogin(deps: FeedsDeps, name: string, login: NewLogin | null): Promise<SealedLogin | null> {
  if (login === null) return null;
  return { ...login, secret: seal(await deps.secretKeys(), login.secret, principalOf(name)) };
}

/** The settings that a change gives, with the login sealed. */
async function settle(deps: FeedsDeps, name: string, { login, ...change }: FeedChange): Promise<Partial<FeedSettings>> {
  return { ...change, ...(login !== undefined && { login: await sealLogin(deps, name, login) }) };
}

/** Adds a feed. Throws OperatorError when the name is taken or something cannot be. */
export async function addFeed(deps: FeedsDeps, { name, settings, ...request }: NewFeed): Promise<Feed> {
  if (!isName(name)) throw new OperatorError(`${JSON.stringify(name)} is not a name for a feed: ${nameRule}`);
  const document: FeedDocument = {
    ...defaultSettings,
    ...request,
    walk: 0,
    createdAt: new Date(deps.clock.now()).toISOString(),
  };
  // Before a key is made for the login.
  assertFeed({ ...document, ...settings, login: settings.login ?? null });
  const whole = { ...document, ...(await settle(deps, name, settings)) };
  if (!(await deps.store.putRecord(feedKind, name, 0, whole, {}))) {
    throw new OperatorError(`the feed ${name} exists already; \`huiju feed edit\` changes it`);
  }
  await countChange(deps.store);
  return { ...whole, name, revision: 1 };
}

async function unknownFeed(store: Store, name: string): Promise<OperatorError> {
  const names: string[] = [];
  for await (const { id } of walkRecords(store, feedKind)) names.push(id);
  const help = suggest(name, names) || '; `huiju feed list` shows what there is';
  return new OperatorError(`there is no feed ${JSON.stringify(name)}${help}`);
}

/** The feed of this name. Throws OperatorError when there is none. */
export async function getFeed({ store }: Pick<FeedsDeps, 'store'>, name: string): Promise<Feed> {
  const feed = await findFeed(store, name);
  if (feed === undefined) throw await unknownFeed(store, name);
  return feed;
}

function lagOf({ inStepAt, lastDateAdded }: FeedState, now: number): number | undefined {
  // All that the other end had when the last whole run began is here; before the first, what is here has a date.
  const known = inStepAt ?? lastDateAdded;
  const then = known === null ? Number.NaN : Date.parse(known);
  return Number.isNaN(then) ? undefined : Math.max(0, now - then);
}

async function viewOf({ store, clock }: FeedsDeps, feed: Feed): Promise<FeedView> {
  const [state, quarantined] = [await getState(store, feed.name), await countQuarantine(store, feed.name)];
  const now = clock.now();
  const isPlanned = !feed.paused && feed.schedule.kind !== 'manual';
  const planned = plannedAt(state, now) ?? firstRunAt({ ...feed, jitter: 0 }, now, Math.random);
  return {
    feed,
    state,
    isRunning: isRunning(state, now),
    quarantined,
    nextRunAt: isPlanned ? planned : undefined,
    lag: lagOf(state, now),
  };
}

/** Every feed with where it stands, by name. */
export async function listFeeds(deps: FeedsDeps): Promise<FeedView[]> {
  const views: FeedView[] = [];
  for await (const record of walkRecords(deps.store, feedKind)) views.push(await viewOf(deps, parseFeed(record)));
  return views;
}

export async function showFeed(deps: FeedsDeps, name: string): Promise<FeedView> {
  return viewOf(deps, await getFeed(deps, name));
}

/** Plans anew, and forgets failures: what was changed may have mended them. A run that is under way does so at its end. */
export async function replan(deps: FeedsDeps, name: string): Promise<void> {
  await changeIdleState(deps, name, () => ({ nextRunAt: null, failures: 0 }));
  await countChange(deps.store);
}

/** Changes settings. A run under way stops, and the next one goes on with what was changed. */
export async function editFeed(deps: FeedsDeps, name: string, change: FeedChange): Promise<void> {
  const settings = await settle(deps, name, change);
  // What another version of Huiju took can still be paused, and removed.
  const isJudged = Object.keys(change).some((setting) => setting !== 'paused');
  const found = await changeRecord(deps.store, feedKind, name, (record) => {
    const { name: _name, revision: _revision, ...before } = parseFeed(record);
    // What was left out before would never come: the other end is walked from its beginning.
    const asksAnew = change.filters !== undefined && JSON.stringify(change.filters) !== JSON.stringify(before.filters);
    const document = { ...before, ...settings, walk: before.walk + (asksAnew ? 1 : 0) };
    if (isJudged) assertFeed(document);
    return { document, keys: {} };
  });
  if (!found) throw await unknownFeed(deps.store, name);
  await replan(deps, name);
}

/** Keeps a feed from running by itself; a run under way stops within seconds. */
export function pauseFeed(deps: FeedsDeps, name: string): Promise<void> {
  return editFeed(deps, name, { paused: true });
}

/** Lets a feed run by itself again, soon if it is overdue, whatever failed before. */
export function resumeFeed(deps: FeedsDeps, name: string): Promise<void> {
  return editFeed(deps, name, { paused: false });
}

const longestStop = 20_000;
const stopStep = 250;

/** Waits until no run has the feed. Throws OperatorError when it takes too long. */
async function awaitEnd({ store, clock }: FeedsDeps, name: string): Promise<void> {
  const end = clock.now() + longestStop;
  while (isRunning(await getState(store, name), clock.now())) {
    if (clock.now() >= end)
      throw new OperatorError(`the feed ${name} is still running; it is paused now: try again later`);
    await clock.wait(stopStep, new AbortController().signal);
  }
}

/** Lets go of what a feed that is no more has left behind: a later one of its name begins at the beginning. */
export async function dropTraces(store: Store, name: string): Promise<void> {
  for (const kind of [stateKind, historyKind]) await dropRecord(store, kind, name);
  await dropQuarantine(store, name);
}

/** Removes a feed with its state, history and quarantine. The objects that it brought stay. */
export async function removeFeed(deps: FeedsDeps, name: string): Promise<void> {
  await pauseFeed(deps, name);
  await awaitEnd(deps, name);
  await dropRecord(deps.store, feedKind, name);
  await dropTraces(deps.store, name);
  await countChange(deps.store);
}
