/**
 * The one way to other servers. What they send is hostile until proven otherwise: there is a bound to everything, and
 * neither a redirect nor a name leads to where the operator has not sent us.
 */

import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, request as sendRequest } from 'undici';
import { codeOf, messageOf } from '../errors.ts';
import { isObject } from '../stix/json-value.ts';
import { assertPublicHost, guardLookup } from './address-guard.ts';
import { atMost, createPatience, type Patience, readBody, unpack } from './http-body.ts';
import { createRedirectedFault, createStatusFault, findRetryAfter, HttpFault, toHttpFault } from './http-fault.ts';
import { showUrl } from './peer-url.ts';
import { SourceError } from './source.ts';

/** How Huiju shows a peer who it is. Never part of a URL, never shown. */
export type Login =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  /** A header field of free name, `X-API-Key` for example. */
  | { readonly kind: 'header'; readonly name: string; readonly value: string };

/** PEM texts. `ca` counts in place of the system's authorities; certificate and key go together. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpClientLimits {
  /** Milliseconds: until a connection stands, until the answer begins, between bytes, and waited for in all per request. */
  readonly connectTime: number;
  readonly headersTime: number;
  readonly idleTime: number;
  readonly totalTime: number;
  /** Bytes: of header fields, and of an unpacked body. */
  readonly headersLength: number;
  readonly bodyLength: number;
}

export const defaultClientLimits: HttpClientLimits = {
  connectTime: 10_000,
  headersTime: 60_000,
  idleTime: 30_000,
  totalTime: 600_000,
  headersLength: 64 * 1024,
  bodyLength: 1024 ** 3,
};

export interface HttpClientOptions {
  /** The peer: login and client certificate go to its origin and to no other. */
  readonly home: URL;
  readonly login?: Login;
  readonly tls?: ClientTls;
  /** Whether the peer may have a private, loopback, link-local or other address that is not public; where it leads may not. */
  readonly allowPrivate?: boolean;
  readonly limits?: Partial<HttpClientLimits>;
  /** Finds the addresses of a name; as the system does if absent. */
  readonly lookup?: LookupFunction;
}

export interface HttpRequest {
  readonly url: URL;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Bytes of an unpacked body, if fewer than the client allows. */
  readonly bodyLength?: number;
  /** Ends the request; what it throws then is the signal's reason. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; fields that came several times are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from in the end. */
  readonly url: URL;
  /** Unpacked; read it to its end or call `discard`. Throws SourceError. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
}

export interface HttpClient {
  /** Asks, follows redirects of GET, and gives answers of status 2xx and 304. Throws SourceError for all else. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const mostRedirects = 5;
/** Bytes of an answer that refuses which are looked at. */
const refusalLength = 64 * 1024;
const redirects = new Set([301, 302, 303, 307, 308]);

function loginHeaders(login: Login | undefined): Record<string, string> {
  if (login === undefined) return {};
  if (login.kind === 'header') return { [login.name.toLowerCase()]: login.value };
  if (login.kind === 'bearer') return { authorization: `Bearer ${login.token}` };
  return { authorization: `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}` };
}

/** Takes the login out of what a server says: some show what they were sent. */
function createRedactor(login: Login | undefined): (text: string) => string {
  const words = Object.values(loginHeaders(login)).flatMap((value) => [value, value.replace(/^(?:Basic|Bearer) /, '')]);
  if (login?.kind === 'basic') words.push(login.password);
  return (text) => words.filter((word) => word.length > 2).reduce((rest, word) => rest.replaceAll(word, '***'), text);
}

function checkTls(tls: ClientTls): ClientTls {
  try {
    createSecureContext(tls);
    return tls;
  } catch (error) {
    throw new SourceError(
      `the certificates of the feed are not in PEM form, or key and certificate do not belong together (${messageOf(error)})`,
      'never',
    );
  }
}

function createAgent(tls: ClientTls, { connectTime, headersLength }: HttpClientLimits, lookup: LookupFunction): Agent {
  const connect = buildConnector({
    ...tls,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    allowH2: false,
    timeout: connectTime,
    lookup,
  });
  // What bounds the wait for an answer is the patience of each request.
  return new Agent({ connect, maxHeaderSize: headersLength, headersTimeout: 0, bodyTimeout: 0, connections: 4 });
}

/** What an answer that refuses says: title and description of a TAXII error message (TAXII 2.1 §3.6.1). */
async function findSaid(
  body: AsyncIterable<Uint8Array>,
  redact: (text: string) => string,
): Promise<string | undefined> {
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    const error: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (!isObject(error)) return undefined;
    const words = [error.title, error.description].filter((word) => typeof word === 'string' && word !== '');
    return words.length === 0 ? undefined : redact(words.join(': ')).slice(0, 300);
  } catch {
    // It refuses, whatever it wraps that in.
    return undefined;
  }
}

function joinFields(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? []].flat().join(', ')]));
}

/** Where a redirect leads. Throws SourceError when nobody may be led there. */
function followRedirect(from: URL, { method = 'GET' }: HttpRequest, location: string | undefined): URL {
  const to = location === undefined ? null : URL.parse(location, from.href);
  if (to === null) throw new HttpFault(`${showUrl(from)} redirects to nowhere; ask its operator`, 'never');
  const leads = `${showUrl(from)} redirects to ${showUrl(to)}`;
  if (!['http:', 'https:'].includes(to.protocol)) throw new HttpFault(`${leads}, which is not followed`, 'never');
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new HttpFault(`${leads}, which is not encrypted; it is not followed`, 'never');
  }
  if (method !== 'GET') throw new HttpFault(`${leads}; objects are only sent where you say: use that URL`, 'never');
  to.username = '';
  to.password = '';
  return to;
}

/** Whether a connection that was kept had ended meanwhile: then nothing was asked yet. */
function isStale(error: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '');
}

/** A client for one peer. Throws SourceError when login or certificates can't be used. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { home, login, allowPrivate = false, lookup = systemLookup } = options;
  const limits: HttpClientLimits = { ...defaultClientLimits, ...options.limits };
  const tls = checkTls(options.tls ?? {});
  const isMeant = (host: string): boolean => allowPrivate && host === home.hostname;
  const guarded = guardLookup(lookup);
  const resolver: LookupFunction = (host, ...rest) => (isMeant(host) ? lookup : guarded)(host, ...rest);
  const homeAgent = createAgent(tls, limits, resolver);
  const otherAgent = createAgent(tls.ca === undefined ? {} : { ca: tls.ca }, limits, resolver);
  const redact = createRedactor(login);

  /** One exchange, without redirects. */
  async function exchange(url: URL, request: HttpRequest, wait: Patience): Promise<HttpAnswer> {
    const { method = 'GET', body = null, signal } = request;
    const isHome = url.origin === home.origin;
    const headers = {
      'user-agent': 'huiju',
      'accept-encoding': 'gzip',
      ...request.headers,
      ...(isHome && loginHeaders(login)),
    };
    const dispatcher = isHome ? homeAgent : otherAgent;
    const ask = () => sendRequest(url, { dispatcher, method, headers, body, signal });
    let response: Dispatcher.ResponseData;
    try {
      if (!isMeant(url.hostname)) assertPublicHost(url.hostname);
      const first = ask().catch((error: unknown) => {
        if (method === 'GET' && isStale(error)) return ask();
        throw error;
      });
      response = await wait(first, limits.headersTime);
    } catch (error) {
      throw signal.aborted ? signal.reason : toHttpFault(error, url);
    }
    response.body.on('error', () => {});
    const fields = joinFields(response.headers);
    const stream = unpack(response.body, (fields['content-encoding'] ?? '').trim().toLowerCase(), url);
    const limit = Math.min(limits.bodyLength, request.bodyLength ?? limits.bodyLength);
    return {
      status: response.statusCode,
      headers: fields,
      url,
      body: readBody(stream, { url, limit, idleTime: limits.idleTime, wait, signal }),
      discard: () => stream.destroy(),
    };
  }

  async function refuse({ url, status, headers, body, discard }: HttpAnswer): Promise<never> {
    if (login !== undefined && url.origin !== home.origin && status === 401) {
      discard();
      throw createRedirectedFault(home, url);
    }
    const said = await findSaid(atMost(body, refusalLength), redact);
    const retryAfter = findRetryAfter(headers['retry-after'], Date.now());
    throw createStatusFault(url, status, said, retryAfter);
  }

  async function send(request: HttpRequest): Promise<HttpAnswer> {
    let url = request.url;
    const cut = new AbortController();
    const wait = createPatience(url, limits.totalTime, cut);
    const bounded = { ...request, signal: AbortSignal.any([request.signal, cut.signal]) };
    for (let hops = 0; hops <= mostRedirects; hops += 1) {
      request.signal.throwIfAborted();
      const answer = await exchange(url, bounded, wait);
      if (!redirects.has(answer.status)) {
        const isGiven = (answer.status >= 200 && answer.status < 300) || answer.status === 304;
        return isGiven ? answer : refuse(answer);
      }
      answer.discard();
      url = followRedirect(url, request, answer.headers.location);
    }
    throw new HttpFault(
      `${showUrl(request.url)} redirects more than ${mostRedirects} times; ask its operator`,
      'never',
    );
  }

  return {
    send,
    close: async () => {
      await Promise.all([homeAgent.destroy(), otherAgent.destroy()]);
    },
  };
}
