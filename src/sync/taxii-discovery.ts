/** What a server has, given one URL of it. */

import { showUrl } from './peer-url.ts';
import { SourceError } from './source.ts';
import {
  asBase,
  type CollectionResource,
  parseRoot,
  type Resource,
  type RootResource,
  textOf,
  textsOf,
} from './taxii-resources.ts';

/** An API root as `discover` found it. */
export interface DiscoveredRoot {
  readonly url: URL;
  readonly title: string | undefined;
  readonly isDefault: boolean;
  /** Undefined when it does not say. */
  readonly maxContentLength: number | undefined;
  readonly collections: readonly CollectionResource[];
  /** Why the root or its collections could not be read, in words. */
  readonly fault: string | undefined;
}

export interface Discovered {
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly contact: string | undefined;
  readonly roots: readonly DiscoveredRoot[];
}

/** Reads resources. Throws SourceError. */
export interface ResourceReader {
  get(url: URL, signal: AbortSignal): Promise<Resource>;
  listCollections(root: URL, signal: AbortSignal): Promise<CollectionResource[]>;
}

/** API roots that are looked at. */
const mostRoots = 100;

/** What `work` gives, or why it could not. */
async function attempt<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly fault: string }> {
  try {
    return { value: await work };
  } catch (error) {
    if (error instanceof SourceError) return { fault: error.message };
    throw error;
  }
}

async function readRoot(reader: ResourceReader, url: URL, signal: AbortSignal): Promise<RootResource> {
  const resource = await reader.get(url, signal);
  if (Array.isArray(resource.versions)) return parseRoot(resource);
  throw new SourceError(`${showUrl(url)} is no API root (TAXII 2.1 §4.2.1)`, 'never');
}

/** Describes the API root at the first of these URLs that has one. */
async function describeRoot(
  reader: ResourceReader,
  [url, ...others]: readonly [URL, ...URL[]],
  isDefault: boolean,
  signal: AbortSignal,
): Promise<DiscoveredRoot> {
  const root = await attempt(readRoot(reader, url, signal));
  const [other, ...rest] = others;
  if ('fault' in root && other !== undefined) return describeRoot(reader, [other, ...rest], isDefault, signal);
  const unknown = { url, isDefault, title: undefined, maxContentLength: undefined, collections: [] };
  if ('fault' in root) return { ...unknown, fault: root.fault };
  const { title, maxContentLength } = root.value;
  const listed = await attempt(reader.listCollections(url, signal));
  const collections = 'value' in listed ? listed.value : [];
  return { url, isDefault, title, maxContentLength, collections, fault: 'fault' in listed ? listed.fault : undefined };
}

/**
 * Where an API root may be that discovery names. A server behind a proxy may name its inner host: then the root is on
 * the host that was asked, and only that one gets the login.
 */
function candidatesOf(advertised: string, from: URL): [URL, ...URL[]] | undefined {
  const url = URL.parse(advertised, from.href);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return undefined;
  const root = asBase(url);
  return root.origin === from.origin ? [root] : [new URL(root.pathname, from.origin), root];
}

async function describeServer(
  reader: ResourceReader,
  resource: Resource,
  url: URL,
  signal: AbortSignal,
): Promise<Discovered> {
  const roots: DiscoveredRoot[] = [];
  for (const advertised of textsOf(resource.api_roots).slice(0, mostRoots)) {
    const candidates = candidatesOf(advertised, url);
    const isDefault = advertised === resource.default;
    if (candidates !== undefined) roots.push(await describeRoot(reader, candidates, isDefault, signal));
  }
  return {
    title: textOf(resource.title),
    description: textOf(resource.description),
    contact: textOf(resource.contact),
    roots,
  };
}

/** Roots and collections of a server: given its URL alone, that of its discovery resource, or of one API root. */
export async function discover(reader: ResourceReader, url: URL, signal: AbortSignal): Promise<Discovered> {
  const base = asBase(url);
  const discovery = new URL('/taxii2/', base);
  const places = base.pathname === '/' || base.href === discovery.href ? [discovery] : [base, discovery];
  let fault: SourceError | undefined;
  for (const place of places) {
    try {
      const resource = await reader.get(place, signal);
      if (Array.isArray(resource.api_roots)) return await describeServer(reader, resource, place, signal);
      if (!Array.isArray(resource.versions)) continue;
      const root = await describeRoot(reader, [place], false, signal);
      return { title: root.title, description: undefined, contact: undefined, roots: [root] };
    } catch (error) {
      if (!(error instanceof SourceError) || error.retry === 'later') throw error;
      fault ??= error;
    }
  }
  if (fault !== undefined && fault.status !== 404) throw fault;
  throw new SourceError(
    `${places.map(showUrl).join(' and ')}: no TAXII 2.1 server or API root is there. Give the URL of the server, or of an API root; servers that speak TAXII 2.0 only, with their discovery at /taxii/, cannot be followed`,
    'never',
  );
}
