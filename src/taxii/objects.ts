/** Reading and deleting objects (TAXII 2.1 §5.3, §5.4, §5.6, §5.7, §5.8). Rights were decided before. */

import { TaxiiError } from '../errors.ts';
import { formatMicros } from '../stix/timestamp.ts';
import {
  emptyPage,
  type ObjectPage,
  type PageInfo,
  type RecordBounds,
  type RecordPage,
  type Store,
} from '../store/store.ts';
import { everyVersion, type PageLimits, type PageRequest, planPage } from './page.ts';
import type { Filters } from './query.ts';
import type { ManifestResource, VersionsResource } from './resources.ts';

export interface Reading {
  readonly store: Store;
  readonly limits: PageLimits;
  /** Ends the reading when nobody waits for it any more. */
  readonly signal?: AbortSignal;
}

/** What is read: a collection, and how its API root wants empty pages. */
export interface Source {
  readonly collection: string;
  readonly emptyObjects: boolean;
}

/** A page of a resource, with the values of its two headers (§3.2); none when it is empty. */
export interface PageOf<Body> {
  readonly body: Body;
  readonly count: number;
  readonly dateAddedFirst?: string;
  readonly dateAddedLast?: string;
}

function pageOf<Body>(body: Body, { count, first, last }: PageInfo): PageOf<Body> {
  if (first === undefined || last === undefined) return { body, count };
  return { body, count, dateAddedFirst: formatMicros(first), dateAddedLast: formatMicros(last) };
}

/** `"more":…,"next":…`, without braces. `next` stands there if and only if `more` is true (§3.7). */
function moreMembers(page: PageInfo, request: PageRequest): string {
  const next = request.nextAfter(page);
  return next === undefined ? '"more":false' : `"more":true,"next":"${next}"`;
}

// The stored texts are spliced into the envelope as they are: never parsed, never rewritten (promise 3).
function envelope(page: ObjectPage, request: PageRequest, emptyObjects: boolean): Buffer {
  const members = moreMembers(page, request);
  if (page.count === 0) return Buffer.from(emptyObjects ? `{${members},"objects":[]}` : `{${members}}`);
  return Buffer.concat([Buffer.from(`{${members},"objects":[`), page.texts, Buffer.from(']}')]);
}

function boundsOf({ signal }: Reading, { limit }: PageRequest): RecordBounds {
  return signal === undefined ? { limit } : { limit, signal };
}

async function findEnvelope(reading: Reading, source: Source, request: PageRequest): Promise<PageOf<Buffer>> {
  const page =
    request.query === undefined
      ? { ...emptyPage, texts: Buffer.alloc(0) }
      : await reading.store.findObjects(source.collection, request.query, {
          ...boundsOf(reading, request),
          maxBytes: reading.limits.bytes,
        });
  return pageOf(envelope(page, request, source.emptyObjects), page);
}

async function findRecords(reading: Reading, collection: string, request: PageRequest): Promise<RecordPage> {
  if (request.query === undefined) return { ...emptyPage, records: [] };
  return reading.store.findRecords(collection, request.query, boundsOf(reading, request));
}

function unknownObject(id: string): TaxiiError {
  return new TaxiiError('not-found', `There is no object ${JSON.stringify(id.slice(0, 300))} in this collection.`);
}

async function requireObject(store: Store, collection: string, id: string): Promise<void> {
  if (!(await store.hasObject(collection, id))) throw unknownObject(id);
}

/** §5.4 */
export function getObjects(reading: Reading, source: Source, filters: Filters): Promise<PageOf<Buffer>> {
  return findEnvelope(reading, source, planPage(filters, source.collection, reading.limits));
}

/** §5.3 */
export async function getManifest(
  reading: Reading,
  source: Source,
  filters: Filters,
): Promise<PageOf<ManifestResource>> {
  const request = planPage(filters, source.collection, reading.limits);
  const page = await findRecords(reading, source.collection, request);
  const objects = page.records.map(({ id, dateAdded, version, specVersion }) => ({
    id,
    date_added: formatMicros(dateAdded),
    version,
    media_type: `application/stix+json;version=${specVersion}`,
  }));
  const next = request.nextAfter(page);
  const body = {
    more: next !== undefined,
    ...(next !== undefined && { next }),
    ...((objects.length > 0 || source.emptyObjects) && { objects }),
  };
  return pageOf(body, page);
}

function scopeOf(source: Source, id: string): string {
  return `${source.collection} ${id}`;
}

/** §5.6. 404 when no version of the object is here; an empty envelope when the filters exclude those that are. */
export async function getObject(
  reading: Reading,
  source: Source,
  id: string,
  filters: Filters,
): Promise<PageOf<Buffer>> {
  const request = planPage({ ...filters, ids: [id] }, scopeOf(source, id), reading.limits);
  const page = await findEnvelope(reading, source, request);
  if (page.count === 0) await requireObject(reading.store, source.collection, id);
  return page;
}

/** §5.8: the versions in the order in which they were added. */
export async function getVersions(
  reading: Reading,
  source: Source,
  id: string,
  filters: Filters,
): Promise<PageOf<VersionsResource>> {
  const request = planPage({ ...filters, ids: [id] }, scopeOf(source, id), reading.limits, everyVersion);
  const page = await findRecords(reading, source.collection, request);
  if (page.count === 0) await requireObject(reading.store, source.collection, id);
  const versions = page.records.map(({ version }) => version);
  const next = request.nextAfter(page);
  const more = next !== undefined;
  return pageOf({ more, ...(more && { next }), ...(versions.length > 0 && { versions }) }, page);
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
