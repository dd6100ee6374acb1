/** The resources of TAXII 2.1 as a client reads them: what is missing or wrong in them is as if it were not there. */

import { isObject, listOf } from '../stix/json-value.ts';
import { showUrl } from './peer-url.ts';
import { SourceError } from './source.ts';

/** A resource as it came. */
export type Resource = Readonly<Record<string, unknown>>;

export interface RootResource {
  readonly title: string;
  readonly description?: string;
  readonly versions: readonly string[];
  /** Bytes of a body it takes; undefined when it does not say. */
  readonly maxContentLength: number | undefined;
}

export interface CollectionResource {
  readonly id: string;
  readonly title: string;
  readonly description?: string;
  readonly alias?: string;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly mediaTypes: readonly string[];
}

export interface StatusResource {
  readonly id: string;
  readonly status: 'pending' | 'complete';
  readonly totalCount: number;
  readonly successCount: number;
  readonly failureCount: number;
  readonly pendingCount: number;
  readonly failures: readonly { readonly id: string; readonly version: string; readonly message: string }[];
}

export interface ManifestEntry {
  readonly id: string;
  readonly version: string;
  /** Empty when the server does not say. */
  readonly dateAdded: string;
}

/** Characters of a text in a resource: titles and reasons are kept and shown. */
const longestText = 10_000;

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longestText ? value : undefined;
}

export function textsOf(value: unknown): string[] {
  return listOf(value).map(textOf).filter(isDefined);
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

/** The members that are there. */
function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

export function parseRoot(resource: Resource): RootResource {
  const maxContentLength = countOf(resource.max_content_length);
  return {
    title: textOf(resource.title) ?? '',
    ...present({ description: textOf(resource.description) }),
    versions: textsOf(resource.versions),
    maxContentLength: maxContentLength === 0 ? undefined : maxContentLength,
  };
}

export function parseCollection(resource: unknown): CollectionResource | undefined {
  const id = isObject(resource) ? textOf(resource.id) : undefined;
  if (id === undefined || !isObject(resource)) return undefined;
  return {
    id,
    title: textOf(resource.title) ?? id,
    ...present({ description: textOf(resource.description), alias: textOf(resource.alias) }),
    canRead: resource.can_read === true,
    canWrite: resource.can_write === true,
    mediaTypes: textsOf(resource.media_types),
  };
}

export function parseStatus(resource: Resource, url: URL): StatusResource {
  const { id, status, failures } = resource;
  if (typeof id !== 'string' || (status !== 'pending' && status !== 'complete')) {
    throw new SourceError(`${showUrl(url)} answers with something else than a status (TAXII 2.1 §4.3.1)`, 'later');
  }
  return {
    id,
    status,
    totalCount: countOf(resource.total_count),
    successCount: countOf(resource.success_count),
    failureCount: countOf(resource.failure_count),
    pendingCount: countOf(resource.pending_count),
    failures: listOf(failures)
      .filter(isObject)
      .map((failure) => ({
        id: textOf(failure.id) ?? '',
        version: textOf(failure.version) ?? '',
        message: textOf(failure.message) ?? '',
      })),
  };
}

/** Members of other resources: whoever answers with them was asked at the wrong place. */
const foreign = ['versions', 'collections', 'api_roots', 'can_read'];

/**
 * Throws SourceError for a resource that is no page of objects or of a manifest (TAXII 2.1 §3.7, §5.3.1): some servers
 * send their errors with status 200. `hasList`: its `objects` are a list.
 */
export function assertPage(resource: Resource, hasList: boolean, url: URL): void {
  const isEmpty = resource.objects === undefined || resource.objects === null;
  const isPage = ['more', 'next', 'objects'].some((member) => member in resource) || resource.type === 'bundle';
  if (hasList || (isEmpty && (isPage || Object.keys(resource).length === 0))) return;
  const isForeign = foreign.some((member) => member in resource);
  throw new SourceError(
    `${showUrl(url)} answers with JSON that is no envelope (TAXII 2.1 §3.7)${isForeign ? '; check the URL of the API root' : ', perhaps an error; ask its operator if it stays so'}`,
    isForeign ? 'never' : 'later',
  );
}

export function parseEntry(entry: unknown): ManifestEntry | undefined {
  const { id, version, date_added: dateAdded } = isObject(entry) ? entry : {};
  if (typeof id !== 'string' || typeof version !== 'string') return undefined;
  return { id, version, dateAdded: typeof dateAdded === 'string' ? dateAdded : '' };
}

export function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** A URL as a base for others: its path ends with a slash, and it has no query. */
export function asBase(url: URL): URL {
  return new URL(url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`, url.origin);
}
