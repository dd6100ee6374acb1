/** Mirrored deletions: what a feed has brought and its upstream has no more, goes. Nothing goes on doubtful evidence. */

import { createHash } from 'node:crypto';
import { findVersionKey, formatMicros } from '../stix/timestamp.ts';
import type { RecordBounds, Store, VersionName } from '../store/store.ts';
import { everyVersion } from '../taxii/page.ts';
import { type Feed, principalOf } from './feed.ts';
import { findOrigin, type PullJob, progress } from './pull.ts';
import { type Source, SourceError } from './source.ts';

/** What the operator lets a comparison do. */
export interface MirrorLimits {
  /** Whether everything may go because the upstream is empty. */
  readonly allowEmpty: boolean;
  /** Percent of what the feed has brought that may go at once. */
  readonly maxShare: number;
}

export const usualShare = 50;
/** So few may go whatever share they are. */
const fewVersions = 10;
const maxNames = 5_000_000;
const pageLength = 500;
/** Deletions between two signs of life. */
const atOnce = 100;

/** A number for a name. Two names with one number keep what should go, and nothing else. */
function numberOf(id: string, version: string | null): number {
  const digest = createHash('sha256').update(`${id}\n${version}`).digest();
  return digest.readUIntBE(0, 6);
}

type Listing = (id: string, versionKey: string | null) => boolean;

/** What the upstream has, of its whole list; it throws when that ends early. */
async function readListing(source: Source, signal: AbortSignal): Promise<{ has: Listing; count: number }> {
  if (source.list === undefined) {
    throw new SourceError('this source cannot list what it has, so deletions cannot be mirrored: turn it off', 'never');
  }
  // Versions of objects that have none of their own are given by each server: there the id counts.
  const names = new Set<number>();
  let count = 0;
  for await (const some of source.list(signal)) {
    for (const { id, version } of some) {
      names.add(numberOf(id, null));
      names.add(numberOf(id, findVersionKey(version) ?? version));
    }
    count += some.length;
    if (count > maxNames) throw new SourceError(`the upstream lists more than ${maxNames} versions`, 'never');
    signal.throwIfAborted();
  }
  signal.throwIfAborted();
  return { has: (id, versionKey) => names.has(numberOf(id, versionKey)), count };
}

interface Ours {
  readonly brought: number;
  readonly gone: readonly VersionName[];
}

async function compare(store: Store, { feed, upstream, signal }: PullJob, has: Listing): Promise<Ours> {
  // The upstream was not asked for others, which the feed may have brought before it was changed.
  const { types, ids } = feed.filters;
  const asked = { versions: [everyVersion], ...(types && { types }), ...(ids && { ids }) };
  const gone: VersionName[] = [];
  let brought = 0;
  let addedAfter = 0;
  const bounds: RecordBounds = { limit: pageLength, assertWanted: () => signal.throwIfAborted() };
  for (;;) {
    const page = await store.findRecords(feed.collection, { ...asked, addedAfter }, bounds);
    const names = page.records.map(({ id, version }) => ({ id, versionKey: findVersionKey(version) ?? null }));
    const provenances = await store.findProvenance(feed.collection, names);
    for (const [place, name] of names.entries()) {
      const provenance = provenances[place];
      // Nobody but the feed has this name; another one may have had it, which was removed.
      if (provenance?.submitter !== principalOf(feed.name)) continue;
      if (findOrigin(provenance.origin)?.upstream !== upstream) continue;
      brought += 1;
      // Of an object without versions of its own it is the date_added that it got here.
      const isOwn = page.records[place]?.version !== formatMicros(provenance.dateAdded);
      if (!has(name.id, isOwn ? name.versionKey : null)) gone.push(name);
    }
    if (!page.more || page.last === undefined) return { brought, gone };
    addedAfter = page.last;
    signal.throwIfAborted();
  }
}

function assertPlausible({ brought, gone }: Ours, listed: number, limits: MirrorLimits): void {
  if (gone.length === 0) return;
  if (listed === 0 && !limits.allowEmpty) {
    throw new SourceError(
      `the upstream lists nothing, while ${brought} versions of it are here: nothing was deleted; if it is right, run the feed with --allow-empty`,
      'later',
    );
  }
  const share = (gone.length / brought) * 100;
  if (gone.length > fewVersions && share > limits.maxShare && !(listed === 0 && limits.allowEmpty)) {
    throw new SourceError(
      `${gone.length} of ${brought} versions are gone upstream, more than ${limits.maxShare} %: nothing was deleted; if it is right, run the feed with --allow-share ${Math.ceil(share)}`,
      'later',
    );
  }
}

/** Deletes what is gone upstream. Throws SourceError, and deletes nothing, when that is not to be believed. */
export async function mirrorDeletions(store: Store, job: PullJob, source: Source, limits: MirrorLimits): Promise<void> {
  const { feed, session, signal } = job;
  const { has, count } = await readListing(source, signal);
  const ours = await compare(store, job, has);
  assertPlausible(ours, count, limits);
  for (let from = 0; from < ours.gone.length; from += atOnce) {
    signal.throwIfAborted();
    const gone = await deleteVersions(store, feed, ours.gone.slice(from, from + atOnce));
    await session.update(({ run }) => progress(run, { gone }));
  }
}

async function deleteVersions(store: Store, feed: Feed, names: readonly VersionName[]): Promise<number> {
  const by = { user: principalOf(feed.name), onlySubmitter: true };
  let deleted = 0;
  for (const { id, versionKey } of names) {
    const selector = { all: false, first: false, last: false, exact: versionKey === null ? [] : [versionKey] };
    const outcome = await store.deleteObject(feed.collection, id, selector, by);
    if (outcome.outcome === 'deleted') deleted += outcome.versions;
  }
  return deleted;
}
