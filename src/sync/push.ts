/** Pushing: what a collection gets is sent to another server or a folder; the position moves when it has arrived. */

import { createScanner } from '../stix/scan.ts';
import { findMicros, formatMicros, versionKeyOfMicros } from '../stix/timestamp.ts';
import type { Micros, PageBounds, Store } from '../store/store.ts';
import { parseVersions } from '../taxii/query.ts';
import type { Feed } from './feed.ts';
import type { Session } from './feed-state.ts';
import { findName } from './object-names.ts';
import { findOrigin, progress } from './pull.ts';
import { quarantine } from './quarantine.ts';

/** What the other end did not take. */
export interface Refusal {
  /** Place among what was sent. */
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

/** Where a feed pushes to. */
export interface Target {
  /** As the origin of what comes from there names it. */
  readonly name: string;
  /** Sends texts of objects, and resolves when they have arrived. Throws SourceError: then some of them may have. */
  send(texts: readonly string[], signal: AbortSignal): Promise<readonly Refusal[]>;
}

export interface PushJob {
  readonly feed: Feed;
  readonly session: Session;
  readonly signal: AbortSignal;
}

export interface PushDeps {
  readonly store: Store;
  /** Milliseconds. */
  readonly now: () => number;
}

const pageBytes = 4 * 1024 * 1024;

/** The texts of a page of the store, which joins them by commas. */
function splitPage(texts: Buffer): string[] {
  const objects: string[] = [];
  const scanner = createScanner({
    maxObjectLength: texts.length,
    onObject: ({ text }) => objects.push(text.toString()),
  });
  scanner.push(Buffer.from('{"objects":['));
  scanner.push(texts);
  scanner.push(Buffer.from(']}'));
  scanner.end();
  return objects;
}

/** Places of the versions that came from the target: they do not go back there. */
async function findReturning(
  store: Store,
  feed: Feed,
  texts: readonly string[],
  dates: readonly Micros[],
  target: string,
): Promise<Set<number>> {
  // A version of an object that has none of its own is named by its date: others of it may have come from elsewhere.
  const names = texts.map((text, place) => {
    const { id, versionKey } = findName(text) ?? { id: '', versionKey: null };
    return { id, versionKey: versionKey ?? versionKeyOfMicros(dates[place] ?? 0) };
  });
  const provenances = await store.findProvenance(feed.collection, names);
  const comesFrom = (place: number): boolean => findOrigin(provenances[place]?.origin ?? null)?.upstream === target;
  return new Set([...texts.keys()].filter(comesFrom));
}

/** Sends texts, and puts what was not taken into quarantine. Resolves to the number of those. */
export async function sendTexts(
  deps: PushDeps,
  job: Omit<PushJob, 'session'>,
  target: Target,
  texts: readonly string[],
): Promise<number> {
  if (texts.length === 0) return 0;
  const refusals = await target.send(texts, job.signal);
  const refused = refusals.map(({ index, code, message }) => {
    const text = texts[index] ?? '';
    const name = findName(text);
    return { text, id: name?.id ?? null, version: name?.version ?? null, errors: [{ code, path: '', message }] };
  });
  const at = new Date(deps.now()).toISOString();
  await quarantine(deps.store, job.feed.name, refused, { at, origin: null });
  return refused.length;
}

function queryOf({ filters }: Feed, addedAfter: number) {
  const { types, ids, versions } = filters;
  return { addedAfter, versions: [parseVersions(versions)], ...(types && { types }), ...(ids && { ids }) };
}

/** Sends everything that was added after the position, to where there is nothing more now. */
export async function push(deps: PushDeps, job: PushJob, target: Target): Promise<void> {
  const { feed, session, signal } = job;
  const assertWanted = () => signal.throwIfAborted();
  const bounds: PageBounds = { limit: feed.pageSize, maxBytes: pageBytes, assertWanted };
  for (;;) {
    const after = Number(session.state().position?.added_after ?? findMicros(feed.filters.addedAfter ?? '') ?? 0);
    const page = await deps.store.findObjects(feed.collection, queryOf(feed, after), bounds);
    const { last, count } = page;
    if (last === undefined) return;
    const texts = splitPage(page.texts);
    const returning = await findReturning(deps.store, feed, texts, page.dates, target.name);
    const sent = texts.filter((_text, place) => !returning.has(place));
    const refused = await sendTexts(deps, job, target, sent);
    const counts = { added: sent.length - refused, refused, withheld: count - sent.length };
    await session.update(({ run }) => ({
      position: { added_after: last },
      lastDateAdded: formatMicros(last),
      ...progress(run, counts, page.texts.length),
    }));
    if (!page.more) return;
    signal.throwIfAborted();
  }
}
