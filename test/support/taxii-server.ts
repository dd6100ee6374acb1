/** A server in this process, or in several, on a free port, with collections for every combination of rights, and a raw HTTP client. */

import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Environment, loadConfig } from '../../src/config.ts';
import { defaultLimits, type HttpLimits } from '../../src/http/limits.ts';
import { createUser } from '../../src/hub/users.ts';
import { createLog } from '../../src/log.ts';
import { startServer } from '../../src/server.ts';
import { openStore } from '../../src/store/open-store.ts';
import { runServer } from './run-server.ts';
import { newStore } from './stores.ts';

export const taxii = 'application/taxii+json;version=2.1';

/** Ids of the collections of root `main`, by what the user `member` may do there. */
export const ids = {
  rw: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a01',
  ro: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a02',
  wo: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a03',
  /** Neither right: it does not exist for `member`. */
  hidden: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a04',
  /** Readable without login. */
  open: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a05',
} as const;

const roots = [
  {
    api_root: 'main',
    title: 'Main root',
    description: 'Every combination of rights',
    contact: 'ops@example.com',
    default: true,
    collections: [
      {
        id: ids.rw,
        alias: 'rw',
        title: 'Read and write',
        description: 'Both',
        read: ['members'],
        write: ['role:publisher'],
      },
      { id: ids.ro, alias: 'ro', title: 'Read only', read: ['members'], write: ['user:feeder'] },
      { id: ids.wo, alias: 'wo', title: 'Write only', read: ['user:feeder'], write: ['role:publisher'] },
      { id: ids.hidden, title: 'Hidden', read: ['user:feeder'], write: ['user:feeder'] },
    ],
  },
  {
    api_root: 'open',
    title: 'Open root',
    collections: [{ id: ids.open, alias: 'open', title: 'Open', read: ['public'], write: ['user:feeder'] }],
  },
  { api_root: 'empty', title: 'Empty root', collections: [] },
  {
    api_root: 'small',
    title: 'Small bodies',
    max_content_length: 4096,
    client_compat: { empty_objects: true },
    collections: [
      {
        id: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a06',
        alias: 'small',
        title: 'Small',
        read: ['members'],
        write: ['members'],
      },
      {
        id: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a07',
        alias: 'green',
        title: 'Green',
        read: ['members'],
        write: ['members'],
        tlp_ceiling: 'green',
      },
      {
        id: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a08',
        alias: 'strict',
        title: 'Strict',
        read: ['members'],
        write: ['members'],
        validation: 'strict',
      },
    ],
  },
  {
    api_root: 'closed',
    title: 'Closed root',
    collections: [
      { id: 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a09', title: 'Closed', read: ['user:feeder'], write: ['user:feeder'] },
    ],
  },
];

/**
 * Users, each with this password: `member` (publisher), `other` (publisher), `reader` (no role), `curator` (publisher
 * and curator), `feeder` (no role, named in the collections), `boss` (admin).
 */
export const password = 'correct horse battery staple';
const users: Readonly<Record<string, readonly string[]>> = {
  member: ['publisher'],
  other: ['publisher'],
  reader: [],
  curator: ['publisher', 'curator'],
  feeder: [],
  boss: ['admin'],
};

export function basic(user: string, secret: string = password): string {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json<T = Record<string, unknown>>(): T;
}

export interface Ask {
  readonly method?: string;
  /** A user of the list above; null: no login. `member` when absent. */
  readonly as?: string | null;
  /** Instead of `as`. */
  readonly authorization?: string;
  readonly accept?: string | readonly string[] | null;
  readonly type?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | object;
  /** PEM text of the certificate to trust, for https. */
  readonly ca?: string;
}

function headersOf({
  as,
  authorization,
  accept,
  type,
  headers,
  body,
}: Ask): Record<string, string | readonly string[]> {
  const login = authorization ?? (as === null ? undefined : basic(as ?? 'member'));
  return {
    ...(accept !== null && { Accept: accept ?? taxii }),
    ...(login !== undefined && { Authorization: login }),
    ...(body !== undefined && type !== null && { 'Content-Type': type ?? taxii }),
    ...headers,
  };
}

/** Sends one request as it is given, to the byte in path and query. */
export function ask(url: string, path: string, options: Ask = {}): Promise<Answer> {
  const { method = options.body === undefined ? 'GET' : 'POST', body } = options;
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const outgoing = send(
      url,
      {
        path,
        method,
        headers: headersOf(options) as never,
        agent: false,
        ...(options.ca !== undefined && { ca: options.ca }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text,
            json: () => JSON.parse(text),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}

export interface TestServer {
  readonly url: string;
  readonly folder: string;
  get(path: string, options?: Ask): Promise<Answer>;
  /** Publishes objects as an envelope; by default to `rw`. */
  publish(objects: readonly unknown[], path?: string, options?: Ask): Promise<Answer>;
  close(): Promise<void>;
}

let workers = 1;

/** From now on the servers of this file serve from so many processes, unless they are to have other limits. */
export function useWorkers(count: number): void {
  workers = count;
}

/** The server with this environment: where it is, and what ends it. */
async function start(environment: Environment, limits: Partial<HttpLimits>, folder: string) {
  if (workers > 1 && Object.keys(limits).length === 0) {
    const env = { ...environment, HUIJU_WORKERS: String(workers) } as Record<string, string>;
    const { url, stop } = await runServer({ folder, env });
    return { url, close: stop };
  }
  const config = loadConfig(environment);
  return startServer(config, createLog(config.logLevel), { limits: { ...defaultLimits, ...limits } });
}

/** Starts a server of its own for a test file. Logs go nowhere unless `log` is given. */
export async function startTaxiiServer(
  environment: Environment = {},
  declared: readonly { readonly api_root: string }[] = roots,
  limits: Partial<HttpLimits> = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-test-'));
  const collections = join(folder, 'collections');
  mkdirSync(collections);
  for (const root of declared) writeFileSync(join(collections, `${root.api_root}.json`), JSON.stringify(root));
  const env = {
    HUIJU_PORT: '0',
    HUIJU_STORE: newStore(folder),
    HUIJU_COLLECTIONS: collections,
    HUIJU_LOG_LEVEL: 'silent',
    ...environment,
  };
  const store = await openStore(loadConfig(env).store);
  for (const [name, roles] of Object.entries(users)) await createUser(store, name, password, roles);
  await store.close();
  const { url, close } = await start(env, limits, folder);
  return {
    url,
    folder,
    get: (path, options) => ask(url, path, options),
    publish: (objects, path = `/main/collections/${ids.rw}/objects/`, options = {}) =>
      ask(url, path, { ...options, body: { objects } }),
    close: async () => {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A valid object of its own, for tests that need one more. */
export function newIdentity(
  properties: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> & { id: string } {
  const id = `identity--${randomUUID()}`;
  const created = '2024-05-06T07:08:09.000Z';
  return { type: 'identity', spec_version: '2.1', id, created, modified: created, name: 'ACME', ...properties };
}
