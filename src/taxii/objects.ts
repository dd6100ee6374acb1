/** Reading and deleting objects (TAXII 2.1 §5.3, §5.4, §5.6, §5.7, §5.8). Rights were decided before. */

import { hash } from 'node:crypto';
import { TaxiiError } from '../errors.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { Micros, ObjectPage, PageInfo, RecordPage, Store } from '../store/store.ts';
import { everyVersion, type PageLimits, type PageRequest, planPage } from './page.ts';
import {
  type HasLeft,
  makePackable,
  type PackablePage,
  type Page,
  type PageCache,
  type PageQuestion,
} from './page-cache.ts';
import type { Filters } from './query.ts';
import type { ManifestRecord } from './resources.ts';

export interface Reading {
  readonly store: Store;
  readonly pages: PageCache;
  readonly limits: PageLimits;
  /** Whether who asked has left; asked while a page is searched, which ends when nobody waits for it any more. */
  readonly hasLeft?: HasLeft;
}

/** What is read: a collection, and how its API root wants empty pages. */
export interface Source {
  readonly collection: string;
  readonly emptyObjects: boolean;
}

/**
 * Names a page by what it is made of. Within a collection a date_added belongs to one version, whose text never changes, so
 * that the texts themselves need not be hashed: that would cost a third of reading them. `frame` is the rest of the body.
 */
function tagOf(collection: string, frame: string, length: number, dates: readonly Micros[]): string {
  const named = Buffer.from(new Float64Array(dates).buffer);
  return hash('sha256', `${collection} ${length} ${named.toString('latin1')} ${frame}`, 'base64url').slice(0, 22);
}

function withDates(page: Pick<Page, 'body' | 'tag' | 'count'>, { first, last }: PageInfo): Page {
  if (first === undefined || last === undefined) return page;
  return { ...page, dateAddedFirst: formatMicros(first), dateAddedLast: formatMicros(last) };
}

function emptyPage(text: string): Page {
  return { body: [Buffer.from(text)], tag: tagOf('', text, text.length, []), count: 0 };
}

const plainEmpty = makePackable(emptyPage('{"more":false}'));
const emptyWithObjects = makePackable(emptyPage('{"more":false,"objects":[]}'));

function emptyOf({ emptyObjects }: Source): PackablePage {
  return emptyObjects ? emptyWithObjects : plainEmpty;
}

/** `"more":…,"next":…`, without braces. `next` stands there if and only if `more` is true (§3.7). */
function moreMembers(page: PageInfo, { nextAfter }: Pick<PageRequest, 'nextAfter'>): string {
  const next = nextAfter(page);
  return next === undefined ? '"more":false' : `"more":true,"next":"${next}"`;
}

const envelopeEnd = Buffer.from(']}');

// The stored texts go into the envelope as they are: never parsed, never rewritten (promise 3), nor copied.
function toEnvelope(page: ObjectPage, source: Source, request: Pick<PageRequest, 'nextAfter'>): Page {
  const { count, texts, dates } = page;
  if (count === 0) return emptyOf(source);
  const head = `{${moreMembers(page, request)},"objects":[`;
  const tag = tagOf(source.collection, head, texts.length, dates);
  return withDates({ body: [Buffer.from(head), texts, envelopeEnd], tag, count }, page);
}

/** A page whose members are made of what the store says of versions, under this name. */
function toListing(name: string, items: readonly unknown[], page: RecordPage, source: Source, request: PageRequest) {
  const text = `{${moreMembers(page, request)},"${name}":${JSON.stringify(items)}}`;
  const body = Buffer.from(text);
  const dates = page.records.map(({ dateAdded }) => dateAdded);
  return withDates({ body: [body], tag: tagOf(source.collection, text, body.length, dates), count: page.count }, page);
}

function readEnvelope({ store, limits }: Reading, source: Source, { query, limit, ...request }: PageRequest) {
  return async (assertWanted: () => void): Promise<Page> => {
    if (query === undefined) return emptyOf(source);
    const page = await store.findObjects(source.collection, query, { limit, maxBytes: limits.bytes, assertWanted });
    return toEnvelope(page, source, request);
  };
}

/** Undefined: nothing matches. */
async function findRecords(
  { store }: Reading,
  { collection }: Source,
  { query, limit }: PageRequest,
  assertWanted: () => void,
): Promise<RecordPage | undefined> {
  const page = query === undefined ? undefined : await store.findRecords(collection, query, { limit, assertWanted });
  return page?.count === 0 ? undefined : page;
}

/** Nothing is newer than what a collection's state says is newest, and a collection is never unknown, as objects are. */
function findEmptyAfter(kind: Kind, source: Source, { query }: PageRequest): PageQuestion['emptyAfter'] {
  const addedAfter = query === undefined ? Number.POSITIVE_INFINITY : query.addedAfter;
  if (addedAfter === undefined || kind === 'object' || kind === 'versions') return undefined;
  return { addedAfter, page: emptyOf(source) };
}

type Kind = 'objects' | 'manifest' | 'object' | 'versions';

/** The page: one that is kept, or what `read` makes now. */
function findPage(
  { pages, hasLeft }: Reading,
  kind: Kind,
  source: Source,
  request: PageRequest,
  read: (assertWanted: () => void) => Promise<Page>,
): Promise<PackablePage> {
  const question: PageQuestion = {
    collection: source.collection,
    key: () => `${kind} ${source.emptyObjects} ${request.key()}`,
    emptyAfter: findEmptyAfter(kind, source, request),
    read,
  };
  return pages.find(question, hasLeft);
}

function unknownObject(id: string): TaxiiError {
  return new TaxiiError('not-found', `There is no object ${JSON.stringify(id.slice(0, 300))} in this collection.`);
}

async function requireObject(store: Store, collection: string, id: string): Promise<void> {
  if (!(await store.hasObject(collection, id))) throw unknownObject(id);
}

/** §5.4 */
export function getObjects(reading: Reading, source: Source, filters: Filters): Promise<PackablePage> {
  const request = planPage(filters, source.collection, reading.limits);
  return findPage(reading, 'objects', source, request, readEnvelope(reading, source, request));
}

function toManifestRecord({ id, dateAdded, version, specVersion }: RecordPage['records'][number]): ManifestRecord {
  const media_type = `application/stix+json;version=${specVersion}`;
  return { id, date_added: formatMicros(dateAdded), version, media_type };
}

/** §5.3 */
export function getManifest(reading: Reading, source: Source, filters: Filters): Promise<PackablePage> {
  const request = planPage(filters, source.collection, reading.limits);
  return findPage(reading, 'manifest', source, request, async (assertWanted) => {
    const page = await findRecords(reading, source, request, assertWanted);
    const records = page?.records.map(toManifestRecord) ?? [];
    return page === undefined ? emptyOf(source) : toListing('objects', records, page, source, request);
  });
}

function scopeOf(source: Source, id: string): string {
  return `${source.collection} ${id}`;
}

/** §5.6. 404 when no version of the object is here; an empty envelope when the filters exclude those that are. */
export function getObject(reading: Reading, source: Source, id: string, filters: Filters): Promise<PackablePage> {
  const request = planPage({ ...filters, ids: [id] }, scopeOf(source, id), reading.limits);
  const read = readEnvelope(reading, source, request);
  return findPage(reading, 'object', source, request, async (assertWanted) => {
    const page = await read(assertWanted);
    if (page.count === 0) await requireObject(reading.store, source.collection, id);
    return page;
  });
}

/** §5.8: the versions in the order in which they were added. */
export function getVersions(reading: Reading, source: Source, id: string, filters: Filters): Promise<PackablePage> {
  const request = planPage({ ...filters, ids: [id] }, scopeOf(source, id), reading.limits, everyVersion);
  return findPage(reading, 'versions', source, request, async (assertWanted) => {
    const page = await findRecords(reading, source, request, assertWanted);
    if (page === undefined) await requireObject(reading.store, source.collection, id);
    const versions = page?.records.map(({ version }) => version) ?? [];
    return page === undefined ? plainEmpty : toListing('versions', versions, page, source, request);
  });
}

/**
 * §5.7. Without `match[version]` every version goes. A tombstone stays for each. Throws 404 when nothing matches, 403
 * when the caller is neither curator nor the one who submitted all that would go.
 */
export async function deleteObject(
  store: Store,
  collection: string,
  id: string,
  filters: Filters,
  by: { readonly name: string; readonly roles: readonly string[] },
): Promise<void> {
  if (filters.specVersions !== undefined && !filters.specVersions.includes('2.1')) {
    await requireObject(store, collection, id);
    throw new TaxiiError('not-found', 'No version of the object is of that STIX version; nothing was deleted.');
  }
  const onlySubmitter = !by.roles.includes('curator') && !by.roles.includes('admin');
  const selector = filters.versions ?? everyVersion;
  const result = await store.deleteObject(collection, id, selector, { user: by.name, onlySubmitter });
  if (result.outcome === 'unknown-object') throw unknownObject(id);
  if (result.outcome === 'not-submitter') {
    throw new TaxiiError(
      'not-permitted',
      'Only who submitted the object, a curator or an admin may delete it; nothing was deleted.',
    );
  }
  if (result.outcome === 'deleted' && result.versions === 0) {
    throw new TaxiiError('not-found', 'No version of the object matches match[version]; nothing was deleted.');
  }
}
