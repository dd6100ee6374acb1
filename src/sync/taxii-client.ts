/** A client of TAXII 2.1: what a server has, and publishing there. `taxii-source.ts` walks collections with it. */

import { isObject, listOf } from '../stix/json-value.ts';
import type { HttpAnswer, HttpClient, HttpRequest } from './http-client.ts';
import { HttpFault } from './http-fault.ts';
import { readPageMembers } from './object-texts.ts';
import { showUrl } from './peer-url.ts';
import { SourceError } from './source.ts';
import { type Discovered, discover } from './taxii-discovery.ts';
import {
  asBase,
  assertPage,
  type CollectionResource,
  isDefined,
  type ManifestEntry,
  parseCollection,
  parseEntry,
  parseRoot,
  parseStatus,
  type Resource,
  type RootResource,
  type StatusResource,
} from './taxii-resources.ts';

/** A collection of an API root, by id or alias. */
export interface CollectionPlace {
  readonly root: URL;
  readonly collection: string;
}

/** Values of `match[...]`; absent: not asked for. */
export interface Filters {
  readonly types?: readonly string[];
  readonly ids?: readonly string[];
  readonly versions?: readonly string[];
  readonly specVersions?: readonly string[];
}

export interface PageQuery {
  readonly filters: Filters;
  readonly addedAfter?: string;
  readonly next?: string;
  readonly limit?: number;
}

/** What a page of objects or of a manifest says of itself. */
export interface PageHead {
  readonly url: URL;
  /** As the server spells them; undefined when it does not say. */
  readonly dateAddedFirst: string | undefined;
  readonly dateAddedLast: string | undefined;
}

/** A page whose objects are still to be read: an envelope, or the bundle that some servers send. */
export interface ObjectsPage extends PageHead {
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
}

export interface ManifestPage extends PageHead {
  readonly entries: readonly ManifestEntry[];
  /** Whether each entry of it could be read. */
  readonly isWhole: boolean;
  readonly more: boolean | undefined;
  readonly next: string | undefined;
}

/** Every method throws SourceError. URLs of API roots may lack the slash at their end. */
export interface TaxiiClient {
  /** Roots and collections of a server: given its URL alone, that of its discovery resource, or of one API root. */
  discover(url: URL, signal: AbortSignal): Promise<Discovered>;
  getRoot(root: URL, signal: AbortSignal): Promise<RootResource>;
  listCollections(root: URL, signal: AbortSignal): Promise<CollectionResource[]>;
  getCollection(place: CollectionPlace, signal: AbortSignal): Promise<CollectionResource>;
  /** The collection that an id, alias or title names. */
  findCollection(root: URL, name: string, signal: AbortSignal): Promise<CollectionResource>;
  openObjects(place: CollectionPlace, query: PageQuery, signal: AbortSignal): Promise<ObjectsPage>;
  getManifest(place: CollectionPlace, query: PageQuery, signal: AbortSignal): Promise<ManifestPage>;
  /** Posts the text of an envelope. */
  addObjects(place: CollectionPlace, envelope: string | Uint8Array, signal: AbortSignal): Promise<StatusResource>;
  getStatus(root: URL, id: string, signal: AbortSignal): Promise<StatusResource>;
}

const mediaType = 'application/taxii+json;version=2.1';
/** Bytes of a resource that is read whole. */
const resourceLength = 16 * 1024 * 1024;
/** Bytes of a page of a manifest; some servers give all of it at once. */
const manifestLength = 64 * 1024 * 1024;
/** Bytes of a page of objects. */
const pageLength = 256 * 1024 * 1024;

const speaksOther =
  'it does not speak TAXII 2.1; Huiju cannot follow servers that speak TAXII 2.0 or 1.x only: ask its operator for the URL of a 2.1 API root';

/** Throws if an answer is TAXII 2.0's: those have a media type of their own. */
function assertVersion({ headers, url, discard }: HttpAnswer): void {
  const type = headers['content-type'] ?? '';
  if (!/vnd\.oasis\./i.test(type) || /version=["']?2\.1/i.test(type)) return;
  discard();
  throw new HttpFault(`${showUrl(url)} answers as ${JSON.stringify(type.slice(0, 100))}: ${speaksOther}`, 'never');
}

function collectionUrl({ root, collection }: CollectionPlace, below = ''): URL {
  return new URL(`collections/${encodeURIComponent(collection)}/${below}`, asBase(root));
}

function withQuery(url: URL, { filters, addedAfter, next, limit }: PageQuery): URL {
  const { types, ids, versions, specVersions } = filters;
  const values = {
    limit: limit?.toString(),
    added_after: addedAfter,
    next,
    'match[type]': types?.join(','),
    'match[id]': ids?.join(','),
    'match[version]': versions?.join(','),
    'match[spec_version]': specVersions?.join(','),
  };
  for (const [name, value] of Object.entries(values)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

function headOf({ headers, url }: HttpAnswer): PageHead {
  return {
    url,
    dateAddedFirst: headers['x-taxii-date-added-first'],
    dateAddedLast: headers['x-taxii-date-added-last'],
  };
}

async function readResource(answer: HttpAnswer): Promise<Resource> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  // Passes over the byte order mark that some servers send (RFC 8259 §8.1).
  const text = new TextDecoder().decode(Buffer.concat(chunks));
  const where = showUrl(answer.url);
  try {
    const resource: unknown = JSON.parse(text);
    if (isObject(resource)) return resource;
  } catch {
    const isPage = /^\s*</.test(text);
    throw new HttpFault(
      `${where} answers with ${isPage ? 'a web page, perhaps to log in at,' : 'broken JSON'} in place of a TAXII resource; check the URL`,
      isPage ? 'never' : 'later',
    );
  }
  throw new HttpFault(`${where} answers with JSON that is no TAXII resource; check the URL`, 'never');
}

/** A client that speaks through `http`, which knows the login. */
export function createTaxiiClient({ http }: { readonly http: HttpClient }): TaxiiClient {
  async function open(
    url: URL,
    signal: AbortSignal,
    more: Pick<HttpRequest, 'method' | 'body' | 'bodyLength'> = { bodyLength: resourceLength },
  ): Promise<HttpAnswer> {
    const headers = { accept: mediaType, ...(more.body !== undefined && { 'content-type': mediaType }) };
    try {
      const answer = await http.send({ url, headers, signal, ...more });
      assertVersion(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof SourceError) || (error.status !== 406 && error.status !== 415)) throw error;
      const { status } = error;
      throw new HttpFault(`${showUrl(url)} refuses TAXII 2.1 (${status}): ${speaksOther}`, 'never', { status });
    }
  }

  async function get(url: URL, signal: AbortSignal): Promise<Resource> {
    return readResource(await open(url, signal));
  }

  async function listCollections(root: URL, signal: AbortSignal): Promise<CollectionResource[]> {
    const { collections } = await get(new URL('collections/', asBase(root)), signal);
    return listOf(collections).map(parseCollection).filter(isDefined);
  }

  async function getCollection(place: CollectionPlace, signal: AbortSignal): Promise<CollectionResource> {
    const url = collectionUrl(place);
    const collection = parseCollection(await get(url, signal));
    if (collection !== undefined) return collection;
    throw new SourceError(`${showUrl(url)} is no collection: check the URL of the API root`, 'never');
  }

  /** Undefined when there is none, or the login may not see it. */
  async function findByPath(place: CollectionPlace, signal: AbortSignal): Promise<CollectionResource | undefined> {
    try {
      return await getCollection(place, signal);
    } catch (error) {
      if (error instanceof SourceError && error.retry === 'never') return undefined;
      throw error;
    }
  }

  async function findCollection(root: URL, name: string, signal: AbortSignal): Promise<CollectionResource> {
    const collections = await listCollections(root, signal);
    const found =
      collections.find(({ id, alias }) => id === name || alias === name) ??
      collections.find(({ id, title }) => id.toLowerCase() === name.toLowerCase() || title === name) ??
      // An alias need not be in the list, and a server need not list all that it serves.
      (await findByPath({ root, collection: name }, signal));
    if (found !== undefined) return found;
    const known = collections.slice(0, 20).map(({ id, alias, title }) => `${alias ?? id} (${title})`);
    const list = known.length === 0 ? 'there is none that this login may see' : `there are ${known.join(', ')}`;
    throw new SourceError(`${showUrl(asBase(root))} has no collection ${JSON.stringify(name)}: ${list}`, 'never');
  }

  return {
    discover: (url, signal) => discover({ get, listCollections }, url, signal),
    listCollections,
    getCollection,
    findCollection,
    getRoot: async (root, signal) => parseRoot(await get(asBase(root), signal)),
    openObjects: async (place, query, signal) => {
      const answer = await open(withQuery(collectionUrl(place, 'objects/'), query), signal, { bodyLength: pageLength });
      return { ...headOf(answer), body: answer.body, discard: answer.discard };
    },
    getManifest: async (place, query, signal) => {
      const answer = await open(withQuery(collectionUrl(place, 'manifest/'), query), signal, {
        bodyLength: manifestLength,
      });
      const resource = await readResource(answer);
      assertPage(resource, Array.isArray(resource.objects), answer.url);
      const listed = listOf(resource.objects);
      const entries = listed.map(parseEntry).filter(isDefined);
      return { ...headOf(answer), entries, isWhole: entries.length === listed.length, ...readPageMembers(resource) };
    },
    addObjects: async (place, envelope, signal) => {
      const url = collectionUrl(place, 'objects/');
      const posted = { method: 'POST', body: envelope, bodyLength: resourceLength } as const;
      return parseStatus(await readResource(await open(url, signal, posted)), url);
    },
    getStatus: async (root, id, signal) => {
      const url = new URL(`status/${encodeURIComponent(id)}/`, asBase(root));
      return parseStatus(await get(url, signal), url);
    },
  };
}
