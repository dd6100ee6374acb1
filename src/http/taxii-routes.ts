/**
 * The protocol's table of contents: every endpoint of TAXII 2.1 with who may call it, which parameters it has and the
 * operation behind it.
 */

import type { Request, RequestHandler } from 'express';
import { TaxiiError } from '../errors.ts';
import { remember } from '../remember.ts';
import { type Caller, getCollection, getRoot, type Rights } from '../taxii/access.ts';
import { type AddDeps, addObjects, getStatus } from '../taxii/add-objects.ts';
import type { ApiRoot, Collection } from '../taxii/api-roots.ts';
import {
  deleteObject,
  getManifest,
  getObject,
  getObjects,
  getVersions,
  type Reading,
  type Source,
} from '../taxii/objects.ts';
import type { PageLimits } from '../taxii/page.ts';
import type { PackablePage, PageCache } from '../taxii/page-cache.ts';
import { createFilterParser, type Filters, type Parameter } from '../taxii/query.ts';
import { describeCollection, getApiRoot, getCollections, getDiscovery, maxContentLengthOf } from '../taxii/roots.ts';
import { readBody } from './body.ts';
import { watchDeparture } from './connections.ts';
import { type Endpoint, findEndpoint, type Params, parsePath } from './endpoints.ts';
import type { HttpLimits } from './limits.ts';
import { preferredLanguage, requireAcceptable, requireStixContent } from './negotiation.ts';
import type { Outbox } from './outbox.ts';
import { send, sendPage, setFields, type TaxiiResponse } from './send.ts';
import type { Uploads } from './uploads.ts';

export interface TaxiiDeps extends AddDeps {
  readonly roots: readonly ApiRoot[];
  readonly limits: PageLimits;
  readonly pages: PageCache;
  readonly http: HttpLimits;
  readonly outbox: Outbox;
  readonly uploads: Uploads;
  readonly maxContentLength: number;
  readonly maxObjectLength: number;
  /** The server's own URL as the client should see it, without a slash at the end. */
  readonly baseUrlOf: (request: Request) => string;
  /** Tells of work that goes on when the client has left; closing the server waits for it. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
}

type Handle = (request: Request, response: TaxiiResponse, params: Params) => Promise<void> | void;

interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly handle: Handle;
}

/** A request to one collection, its caller's rights decided and its parameters read. */
interface CollectionRequest {
  readonly caller: Caller;
  readonly root: ApiRoot;
  readonly collection: Collection;
  readonly rights: Rights;
  readonly source: Source;
  readonly filters: Filters;
  /** The id of one object, for the endpoints that have it in their path. */
  readonly object: string;
  readonly request: Request;
  readonly response: TaxiiResponse;
}

const paging: readonly Parameter[] = ['added_after', 'limit', 'next'];
const ofObjects: readonly Parameter[] = [
  ...paging,
  'match[id]',
  'match[type]',
  'match[version]',
  'match[spec_version]',
];
const ofObject: readonly Parameter[] = [...paging, 'match[version]', 'match[spec_version]'];
const ofVersions: readonly Parameter[] = [...paging, 'match[spec_version]'];
const ofDeletion: readonly Parameter[] = ['match[version]', 'match[spec_version]'];

function callerOf(response: TaxiiResponse): Caller {
  return response.locals.caller ?? { kind: 'anonymous' };
}

function pathOf({ url }: Request): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

function queryOf({ url }: Request): string {
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark + 1);
}

/** The name of who publishes or deletes: `write` is never granted without a login. */
function submitterOf(caller: Caller): { readonly name: string; readonly roles: readonly string[] } {
  if (caller.kind === 'user') return caller;
  throw new TaxiiError('login-required', 'Log in to publish or delete.');
}

function onServer(outbox: Outbox, operation: (caller: Caller, request: Request) => object): Handle {
  return (request, response) => {
    const resource = operation(callerOf(response), request);
    requireAcceptable(request.headers.accept);
    send(response, 200, resource, outbox);
  };
}

function onRoot(
  { roots, outbox }: TaxiiDeps,
  operation: (root: ApiRoot, caller: Caller, params: Params) => object | string | Promise<object | string>,
): Handle {
  return async (request, response, params) => {
    const caller = callerOf(response);
    const root = getRoot(roots, caller, params.root ?? '');
    requireAcceptable(request.headers.accept);
    send(response, 200, await operation(root, caller, params), outbox);
  };
}

/** The caller needs every right in `need`; none: to see the collection is enough. */
function onCollection(
  roots: readonly ApiRoot[],
  need: Partial<Rights>,
  parameters: readonly Parameter[],
  operation: (input: CollectionRequest) => Promise<void> | void,
): Handle {
  const parse = createFilterParser(parameters);
  return (request, response, params) => {
    const caller = callerOf(response);
    const root = getRoot(roots, caller, params.root ?? '');
    const { collection, rights } = getCollection(root, caller, params.collection ?? '', need);
    requireAcceptable(request.headers.accept);
    return operation({
      caller,
      root,
      collection,
      rights,
      source: { collection: collection.id, emptyObjects: root.emptyObjects },
      filters: parse(queryOf(request)),
      object: params.object ?? '',
      request,
      response,
    });
  };
}

/** A page of a collection, for those who may read it. When the client leaves, the search for it ends. */
function onPage(
  { roots, store, pages, limits, http, outbox }: TaxiiDeps,
  parameters: readonly Parameter[],
  operation: (reading: Reading, input: CollectionRequest) => Promise<PackablePage>,
): Handle {
  return onCollection(roots, { read: true }, parameters, async (input) => {
    const { request, response } = input;
    const hasLeft = watchDeparture(request, response, http.halfOpenTimeout);
    const page = await operation({ store, pages, limits, hasLeft }, input);
    if (!response.closed) sendPage(response, page, outbox);
  });
}

/** The body, and then the certainty that its sender may still publish it: a token may have been revoked meanwhile. */
async function* confirmed(body: AsyncIterable<Uint8Array>, input: CollectionRequest): AsyncGenerator<Uint8Array> {
  yield* body;
  const { root, collection, response } = input;
  const caller = await response.locals.identifyAgain?.();
  if (caller !== undefined) getCollection(root, caller, collection.id, { write: true });
}

async function publish(deps: TaxiiDeps, input: CollectionRequest): Promise<void> {
  const { root, collection, caller, request, response } = input;
  requireStixContent(request.headersDistinct['content-type']?.join());
  const submitter = submitterOf(caller).name;
  const { freeBytes } = deps.http.uploads;
  const limits = { maxLength: maxContentLengthOf(root, deps.maxContentLength), freeBytes };
  const upload = deps.uploads.open(submitter);
  // What has its turn is processed to the end, whether the client stays or not.
  response.once('close', () => upload.abandon());
  try {
    const body = confirmed(readBody(request, response, limits, upload), input);
    const language = preferredLanguage(request);
    const added = addObjects(deps, { apiRoot: root.name, collection, submitter, language, body }, deps);
    const { status, count } = await deps.track(added);
    response.locals.objects = count;
    send(response, 202, status, deps.outbox);
  } finally {
    upload.leave();
  }
}

async function remove(deps: TaxiiDeps, input: CollectionRequest): Promise<void> {
  const by = submitterOf(input.caller);
  await deps.track(deleteObject(deps.store, input.collection.id, input.object, input.filters, by));
  send(input.response, 200, undefined);
}

function table(deps: TaxiiDeps): readonly Route[] {
  const { roots, store, outbox } = deps;
  const objects = '/:root/collections/:collection/objects';
  return [
    // §4.1 to §4.3
    {
      method: 'GET',
      path: '/taxii2',
      handle: onServer(outbox, (caller, request) => getDiscovery(roots, caller, deps.baseUrlOf(request))),
    },
    { method: 'GET', path: '/:root', handle: onRoot(deps, (root) => getApiRoot(root, deps.maxContentLength)) },
    {
      method: 'GET',
      path: '/:root/status/:status',
      handle: onRoot(deps, (root, caller, { status = '' }) => getStatus(store, root.name, status, caller)),
    },
    // §5.1, §5.2
    { method: 'GET', path: '/:root/collections', handle: onRoot(deps, getCollections) },
    {
      method: 'GET',
      path: '/:root/collections/:collection',
      handle: onCollection(roots, {}, [], ({ collection, rights, response }) =>
        send(response, 200, describeCollection(collection, rights), outbox),
      ),
    },
    // §5.3
    {
      method: 'GET',
      path: '/:root/collections/:collection/manifest',
      handle: onPage(deps, ofObjects, (reading, { source, filters }) => getManifest(reading, source, filters)),
    },
    // §5.4 to §5.8
    {
      method: 'GET',
      path: objects,
      handle: onPage(deps, ofObjects, (reading, { source, filters }) => getObjects(reading, source, filters)),
    },
    {
      method: 'POST',
      path: objects,
      handle: onCollection(roots, { write: true }, [], (input) => publish(deps, input)),
    },
    {
      method: 'GET',
      path: `${objects}/:object`,
      handle: onPage(deps, ofObject, (reading, { source, object, filters }) =>
        getObject(reading, source, object, filters),
      ),
    },
    {
      method: 'DELETE',
      path: `${objects}/:object`,
      handle: onCollection(roots, { read: true, write: true }, ofDeletion, (input) => remove(deps, input)),
    },
    {
      method: 'GET',
      path: `${objects}/:object/versions`,
      handle: onPage(deps, ofVersions, (reading, { source, object, filters }) =>
        getVersions(reading, source, object, filters),
      ),
    },
  ];
}

/** Methods that the endpoint has not: 405 with what it has, to those who are logged in or could be answered anyway. */
function refuseMethod({ method }: Request, response: TaxiiResponse, allowed: readonly string[]): void {
  const allow = allowed.join(', ');
  if (method !== 'OPTIONS') {
    const description = `${method} is not possible here. Use one of ${allow}.`;
    throw new TaxiiError('method-not-allowed', description, { Allow: allow });
  }
  setFields(response);
  response.setHeader('Allow', allow);
  response.statusCode = 204;
  response.end();
}

function methodsOf({ method }: Route): readonly string[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

/**
 * Answers the endpoints of the table, and lets all other paths pass. To try the expressions that Express would make of the
 * paths, one after the other, takes longer than to find an empty page.
 */
export function createTaxiiRouter(deps: TaxiiDeps): RequestHandler {
  const byPath = new Map<string, Endpoint<Handle>>();
  for (const route of table(deps)) {
    const endpoint = byPath.get(route.path) ?? parsePath<Handle>(route.path);
    for (const method of methodsOf(route)) endpoint.handles.set(method, route.handle);
    byPath.set(route.path, endpoint);
  }
  const endpoints = [...byPath.values()];
  const find = remember((path) => findEndpoint(endpoints, path) ?? null);
  return (request, response: TaxiiResponse, next) => {
    const found = find(pathOf(request));
    if (found === null) return next();
    const { handles, params } = found;
    const handle = handles.get(request.method);
    return handle === undefined
      ? refuseMethod(request, response, [...handles.keys(), 'OPTIONS'])
      : handle(request, response, params);
  };
}
