/** Opens the other ends of feeds: makes sources and targets of what a feed's record says. */

import { readFile } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { OperatorError, systemReasonOf } from '../errors.ts';
import { type SecretKey, unseal } from '../hub/secrets.ts';
import type { Clock } from './clock.ts';
import { describePeer, type Feed, principalOf, type SealedLogin, type TlsFiles } from './feed.ts';
import type { NewLogin } from './feeds.ts';
import { createFolderSource } from './folder-source.ts';
import { createFolderTarget } from './folder-target.ts';
import { type ClientTls, createHttpClient, type HttpClient, type Login } from './http-client.ts';
import type { OpenSource, OpenTarget, Peers } from './run.ts';
import { SourceError } from './source.ts';
import { createStreamSource } from './stream-source.ts';
import { createTaxiiClient, type TaxiiClient } from './taxii-client.ts';
import { createTaxiiSource } from './taxii-source.ts';
import { createTaxiiTarget } from './taxii-target.ts';
import { createWebSource } from './web-source.ts';

export interface PeersOptions {
  /** The keys that seal credentials; asked when a feed has some. */
  readonly secretKeys: () => Promise<readonly SecretKey[]>;
  readonly clock: Clock;
  readonly maxObjectLength: number;
  /** What a feed from standard input reads; absent: there is none here. */
  readonly standardInput?: Readable;
}

/** Bytes of a body for servers that do not say what they take, as they must (TAXII 2.1 §4.2.1). */
const modestContentLength = 1024 * 1024;

/** A login as the client for the outside takes it. */
export function toLogin(login: NewLogin): Login {
  if (login.kind === 'basic') return { kind: 'basic', user: login.user, password: login.secret };
  if (login.kind === 'bearer') return { kind: 'bearer', token: login.secret };
  return { kind: 'header', name: login.header, value: login.secret };
}

function openLogin(keys: readonly SecretKey[], name: string, login: SealedLogin): Login {
  return toLogin({ ...login, secret: unseal(keys, login.secret, principalOf(name)) });
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new SourceError(`the file ${path} of its TLS settings cannot be read: ${systemReasonOf(error)}`, 'never');
  }
}

/** The PEM texts of a feed's files. Throws SourceError. */
export async function readTls(files: TlsFiles): Promise<ClientTls> {
  const entries = Object.entries(files).filter(([, path]) => path !== undefined);
  return Object.fromEntries(await Promise.all(entries.map(async ([name, path]) => [name, await readPem(path)])));
}

// The server chose the id; an origin has 2048 characters.
const longestId = 500;

/** As origins have it: by the id, since an alias and an id name one collection. */
function nameOfPeer(root: URL, id: string): string {
  return `${root.href.replace(/\/*$/, '/')}collections/${id.slice(0, longestId)}/`;
}

/** What is an id wherever it stands: a UUID (TAXII 2.1 §5.2.1), or with a name before it as ATT&CK's server has them. */
function isId(name: string): boolean {
  return /(?:^|--)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(name);
}

/** The id of the collection to read. One that is given is taken at its word: some servers count each question. */
async function findReadable(client: TaxiiClient, root: URL, name: string, signal: AbortSignal): Promise<string> {
  if (isId(name)) return name;
  const { id, canRead } = await client.findCollection(root, name, signal);
  if (canRead) return id;
  throw new SourceError(`the collection ${name} of ${root} may not be read with this login`, 'never');
}

/** Opens what feeds read and write. Everything it throws is a SourceError or an OperatorError. */
export function createPeers({ secretKeys, clock, maxObjectLength, standardInput }: PeersOptions): Peers {
  async function openHttp({ name, login, tls, allowPrivate }: Feed, home: URL): Promise<HttpClient> {
    const opened = login === null ? undefined : openLogin(await secretKeys(), name, login);
    return createHttpClient({ home, ...(opened && { login: opened }), tls: await readTls(tls), allowPrivate });
  }

  /** Opens a client, and closes it again when `work` fails. */
  async function withHttp<T>(feed: Feed, home: URL, work: (http: HttpClient) => Promise<T>): Promise<T> {
    const http = await openHttp(feed, home);
    try {
      return await work(http);
    } catch (error) {
      await http.close();
      throw error;
    }
  }

  function openTaxiiSource(feed: Feed, root: URL, name: string, signal: AbortSignal): Promise<OpenSource> {
    return withHttp(feed, root, async (http) => {
      const collection = await findReadable(createTaxiiClient({ http }), root, name, signal);
      const { types, ids, versions, specVersions, addedAfter } = feed.filters;
      const filters = {
        versions: versions.split(','),
        ...(types && { types }),
        ...(ids && { ids }),
        ...(specVersions && { specVersions }),
      };
      const source = createTaxiiSource({
        http,
        root,
        collection,
        filters,
        ...(addedAfter !== undefined && { addedAfter }),
        pageSize: feed.pageSize,
        maxObjectLength,
      });
      return { source, upstream: nameOfPeer(root, collection), close: () => http.close() };
    });
  }

  function openTaxiiTarget(feed: Feed, root: URL, name: string, signal: AbortSignal): Promise<OpenTarget> {
    return withHttp(feed, root, async (http) => {
      const client = createTaxiiClient({ http });
      const { maxContentLength = modestContentLength } = await client.getRoot(root, signal);
      const { id, canWrite } = await client.findCollection(root, name, signal);
      if (!canWrite)
        throw new SourceError(`the collection ${name} of ${root} may not be written with this login`, 'never');
      const place = { root, collection: id };
      const target = createTaxiiTarget({ client, clock, place, name: nameOfPeer(root, id), maxContentLength });
      return { target, close: () => http.close() };
    });
  }

  const nothing = async (): Promise<void> => undefined;
  return {
    async openSource(feed, signal) {
      const { peer } = feed;
      if (peer.kind === 'taxii') return openTaxiiSource(feed, new URL(peer.root), peer.collection, signal);
      if (peer.kind === 'web') {
        const url = new URL(peer.url);
        return withHttp(feed, url, async (http) => ({
          source: createWebSource({ http, url, maxObjectLength }),
          upstream: describePeer(peer),
          close: () => http.close(),
        }));
      }
      if (peer.kind === 'folder') {
        const source = createFolderSource({ folder: peer.path, maxObjectLength, now: clock.now });
        return { source, upstream: peer.path, close: nothing };
      }
      if (standardInput === undefined) throw new OperatorError('standard input is read by `huiju feed run` alone');
      const name = 'standard input';
      return {
        // A run that is stopped does not wait until somebody writes.
        source: createStreamSource({ chunks: addAbortSignal(signal, standardInput), name, maxObjectLength }),
        upstream: name,
        close: nothing,
      };
    },
    async openTarget(feed, signal) {
      const { peer } = feed;
      if (peer.kind === 'taxii') return openTaxiiTarget(feed, new URL(peer.root), peer.collection, signal);
      if (peer.kind === 'folder')
        return { target: createFolderTarget(peer.path, feed.name, clock.now), close: nothing };
      throw new OperatorError('a feed pushes to a TAXII collection or to a folder');
    },
  };
}
