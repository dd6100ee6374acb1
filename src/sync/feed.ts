/** A feed as it is kept: records of kind `feed`, by name. What it has done is in `feed-state.ts`. */

import { walkRecords } from '../hub/records.ts';
import { isObject } from '../stix/json-value.ts';
import type { TlpLevel } from '../stix/markings.ts';
import type { RecordSource, StoredRecord } from '../store/store.ts';

export const feedKind = 'feed';

/** The other end of a feed. Standard input can only be followed, the web too. */
export type Peer =
  /** `root` is the URL of an API root, `collection` an id or alias there. */
  | { readonly kind: 'taxii'; readonly root: string; readonly collection: string }
  | { readonly kind: 'web'; readonly url: string }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'stream' };

/** When a feed runs by itself. */
export type Schedule =
  | { readonly kind: 'manual' }
  | { readonly kind: 'every'; readonly seconds: number }
  /** A cron expression, in UTC. */
  | { readonly kind: 'cron'; readonly expression: string };

/** What is asked for. Each but `versions` may be absent: all. */
export interface FeedFilters {
  readonly types?: readonly string[];
  readonly ids?: readonly string[];
  /** As `match[version]` has them: `all`, or `first`, `last` and times, comma-separated. */
  readonly versions: string;
  /** Only of a TAXII server: what is here is STIX 2.1. */
  readonly specVersions?: readonly string[];
  /** Only what was added later there (for a feed that pushes: here), an RFC 3339 time. */
  readonly addedAfter?: string;
}

/** How the peer is logged in to; `secret` is sealed (`hub/secrets.ts`) and never shown. */
export type SealedLogin =
  | { readonly kind: 'basic'; readonly user: string; readonly secret: string }
  | { readonly kind: 'bearer'; readonly secret: string }
  | { readonly kind: 'header'; readonly header: string; readonly secret: string };

/** PEM files, read at each run. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What can be set, and changed later. */
export interface FeedSettings {
  readonly schedule: Schedule;
  /** Seconds by which a run may begin later than the schedule says, so that feeds do not all begin at once. */
  readonly jitter: number;
  readonly filters: FeedFilters;
  /** Whether each run reads everything anew. */
  readonly full: boolean;
  /** Seconds between comparisons with what the upstream still has; null: what is gone there stays here. */
  readonly mirrorEvery: number | null;
  /** The strictest marking it takes; null: what the collection takes. */
  readonly ceiling: TlpLevel | null;
  /** What an object without a marking counts as. */
  readonly unmarkedAs: TlpLevel | null;
  /** Objects to ask for at a time. */
  readonly pageSize: number;
  /** Seconds after which a run is ended; the next one goes on. */
  readonly deadline: number;
  /** Whether private, loopback and link-local addresses may be connected to. */
  readonly allowPrivate: boolean;
  readonly login: SealedLogin | null;
  readonly tls: TlsFiles;
  readonly paused: boolean;
}

export interface FeedDocument extends FeedSettings {
  readonly direction: 'pull' | 'push';
  readonly peer: Peer;
  /** The id of our collection. */
  readonly collection: string;
  /** Rises when the feed is to begin at the beginning, because it asks for something else. */
  readonly walk: number;
  readonly createdAt: string;
}

export interface Feed extends FeedDocument {
  readonly name: string;
  /** Of the record: differs after each change. */
  readonly revision: number;
}

export const defaultSettings: FeedSettings = {
  schedule: { kind: 'manual' },
  jitter: 0,
  filters: { versions: 'all' },
  full: false,
  mirrorEvery: null,
  ceiling: null,
  unmarkedAs: null,
  pageSize: 1000,
  deadline: 3600,
  allowPrivate: false,
  login: null,
  tls: {},
  paused: false,
};

function isFeedDocument(document: unknown): document is FeedDocument {
  if (!isObject(document)) return false;
  const { direction, peer, collection, schedule, filters, tls } = document;
  return (
    (direction === 'pull' || direction === 'push') &&
    typeof collection === 'string' &&
    [peer, schedule, filters, tls].every(isObject)
  );
}

/** Reads a record of kind `feed`. */
export function parseFeed({ id, revision, document }: StoredRecord): Feed {
  if (!isFeedDocument(document)) throw new Error(`The stored feed ${id} is damaged.`);
  // Settings that came with a later version have their defaults.
  return { ...defaultSettings, ...document, name: id, revision };
}

export async function findFeed(store: RecordSource, name: string): Promise<Feed | undefined> {
  const record = await store.findRecord(feedKind, name);
  return record === undefined ? undefined : parseFeed(record);
}

/** Whether any feed runs by itself. */
export async function hasScheduled(store: RecordSource): Promise<boolean> {
  for await (const record of walkRecords(store, feedKind)) {
    const { paused, schedule } = parseFeed(record);
    if (!paused && schedule.kind !== 'manual') return true;
  }
  return false;
}

/** As whom a feed writes. No user can have this name: theirs have no colon. */
export function principalOf(name: string): string {
  return `feed:${name}`;
}

// Keys travel in queries.
function showWithoutQuery(text: string): string {
  const { origin, pathname, search } = new URL(text);
  return `${origin}${pathname}${search === '' ? '' : '?…'}`;
}

/** The peer as a person reads it. */
export function describePeer(peer: Peer): string {
  if (peer.kind === 'taxii') return `${peer.root} ${peer.collection}`;
  if (peer.kind === 'web') return showWithoutQuery(peer.url);
  return peer.kind === 'folder' ? peer.path : 'standard input';
}

/** The host that runs of this feed burden; undefined: none but this one. */
export function hostOf({ peer }: Pick<FeedDocument, 'peer'>): string | undefined {
  const url = peer.kind === 'taxii' ? peer.root : peer.kind === 'web' ? peer.url : undefined;
  return url === undefined ? undefined : URL.parse(url)?.host;
}
