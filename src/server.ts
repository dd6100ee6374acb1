/** Composition root: opens, wires, listens, closes. Everything is constructed here, top to bottom. */

import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createApp } from './app.ts';
import { createArrivals } from './arrivals.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import type { Config } from './config.ts';
import { OperatorError } from './errors.ts';
import { createBaseUrl, formatAuthority } from './http/base-url.ts';
import { allowHalfOpen, connectionOptions, limitConnections } from './http/connections.ts';
import { answerParserErrors } from './http/error-handler.ts';
import { defaultLimits, type HttpLimits, shareLimits } from './http/limits.ts';
import { createMessages, type Messages } from './http/messages.ts';
import { createOutbox } from './http/outbox.ts';
import { createUploads } from './http/uploads.ts';
import { dropOldAccess, startAccessLog } from './hub/access-log.ts';
import { shareHashing } from './hub/passwords.ts';
import { watchExtensions } from './hub/registered-extensions.ts';
import { ensureAdmin } from './hub/users.ts';
import type { Log } from './log.ts';
import type { Settings } from './settings.ts';
import { microsNow } from './stix/timestamp.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { type Feeds, startFeeds } from './sync/feeds-server.ts';
import { createTurns } from './taxii/add-objects.ts';
import { type ApiRoot, loadApiRoots } from './taxii/api-roots.ts';
import { countCheckers, startChecker } from './taxii/checker.ts';
import { createPageCache, pageCacheBytes } from './taxii/page-cache.ts';
import { type Retention, startRetention } from './taxii/retention.ts';
import { createTracker } from './under-way.ts';

export interface RunningServer {
  /** Where clients find the server, without a slash at the end. */
  readonly url: string;
  /** Names of the API roots that are served. */
  readonly roots: readonly string[];
  /** The password of the user `admin`, when this start created it. */
  readonly adminPassword: string | undefined;
  /**
   * Serves what these settings declare from the next request on, with their certificate from the next connection on. No
   * connection is lost. Whatever else has changed waits for a start.
   */
  reload(settings: Settings): Promise<void>;
  /** Lets running requests finish, then closes everything. May be called twice. */
  close(): Promise<void>;
}

export interface StartOptions {
  /** Of the whole server. */
  readonly limits?: HttpLimits;
  /** Gets the password of the user `admin` if this start creates it; when it fails the start does. */
  readonly keepPassword?: (password: string) => Promise<void>;
  /** What the files of `config.collections` declare, where they were read already. */
  readonly roots?: readonly ApiRoot[];
  /** Which of `config.workers` processes on one port and store this is, from 1. Absent: it serves alone. */
  readonly worker?: number;
}

/** How long a running request may take when the server ends. */
const closeTimeout = 30_000;

// TLS 1.2 with forward secrecy and authenticated encryption only (RFC 7540 appendix A lists the others); TLS 1.3 has
// no other kind. Node does not use early data.
const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');

function tlsOptions({ cert, key }: Extract<Config['transport'], { kind: 'https' }>) {
  return { cert, key, ciphers, minVersion: 'TLSv1.2', honorCipherOrder: true } as const;
}

function createServer({ transport }: Config, limits: HttpLimits, messages: Messages): Server {
  const options = { ...connectionOptions(limits), ...messages.options };
  if (transport.kind === 'http') return createHttpServer(options);
  // Node's HTTP server has this set, its HTTPS server passes it on.
  const tcp = { allowHalfOpen: true, handshakeTimeout: limits.headersTimeout };
  return createHttpsServer({ ...options, ...tlsOptions(transport), ...tcp });
}

function listen(server: Server, { host, port }: Config): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        EADDRINUSE: 'something listens there already; stop it or set HUIJU_PORT to another port',
        EACCES: 'this user may not; set HUIJU_PORT to a port above 1023',
        EADDRNOTAVAIL: 'this machine has no such address; set HUIJU_HOST',
        ENOTFOUND: 'the name is unknown; set HUIJU_HOST',
      };
      const reason = reasons[error.code ?? ''] ?? error.message;
      reject(new OperatorError(`cannot listen on ${formatAuthority(host, port)}: ${reason}`));
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

/** The client's end of a connection. The socket of a request is another object than its connection's when there is TLS. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Connections on which no request ever began, or no TLS either; Node does not count them as idle. */
function trackSilent(server: Server): ReadonlyMap<string, Socket> {
  const silent = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    silent.set(peer, socket);
    socket.once('close', () => {
      if (silent.get(peer) === socket) silent.delete(peer);
    });
  });
  const speaks = ({ socket }: IncomingMessage): void => {
    if (silent.size > 0) silent.delete(peerOf(socket));
  };
  server.on('request', speaks).on('checkContinue', speaks).on('checkExpectation', speaks);
  return silent;
}

/** Stops listening and waits for running requests; those that take too long are cut off. */
async function closeServer(server: Server, silent: ReadonlyMap<string, Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  for (const socket of silent.values()) socket.destroy();
  // A connection whose request ends from now on is idle and must not be waited for.
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false;
  });
  const idle = setInterval(() => server.closeIdleConnections(), 100);
  const late = setTimeout(() => server.closeAllConnections(), closeTimeout);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}

function startSweeping(store: Store, roots: readonly ApiRoot[], log: Log): Retention {
  return startRetention({
    store,
    roots,
    now: microsNow,
    dropAccess: () => dropOldAccess(store, microsNow),
    onExpired: (collection, versions) => log.info({ collection, versions }, 'versions have expired'),
    onFault: (err) => log.warn({ err }, 'what is too old could not be removed; trying again every few minutes'),
  });
}

function startFollowing(
  { store: location, maxObjectLength, secretKeys }: Config,
  store: Store,
  roots: readonly ApiRoot[],
  log: Log,
): Feeds {
  return startFeeds({
    store: location,
    roots,
    maxObjectLength,
    secretKeys,
    records: store,
    onRun: (feed, words, { outcome, counts, bytes, nextRunAt }) => {
      const fields = { feed, outcome, ...counts, bytes, next_run_at: nextRunAt };
      if (outcome === 'failed') log.warn(fields, words);
      else log.info(fields, words);
    },
    onFault: (err) => log.error({ err }, 'feeds cannot run; trying again'),
  });
}

/**
 * Starts a server, or one of several processes that are one to the outside. Throws OperatorError for what the operator can
 * mend.
 *
 * What is the server's as a whole when there are several: who may come in, and everything else that is kept, is read from
 * the store at each request. Places (connections, uploads, unread bytes, hashing, requests of nobody in the access log)
 * are divided among the processes, since connections are, and so are the bytes of the page cache. One sweeps old things
 * away and runs the feeds. Each has threads and memory of its own: the turn of a body with many objects, packing, logins
 * that were good lately, the revision of extensions.
 */
export async function startServer(config: Config, log: Log, options: StartOptions = {}): Promise<RunningServer> {
  const { keepPassword, worker } = options;
  const processes = worker === undefined ? 1 : config.workers;
  const limits = shareLimits(options.limits ?? defaultLimits, processes);
  shareHashing(processes);
  // The list stays when its content is replaced: all parts look into it anew for each request, so nobody may copy it.
  const roots = [...(options.roots ?? loadApiRoots(config.collections))];
  const arrivals = createArrivals();
  const store = await openStore(config.store, arrivals);
  const checker = startChecker(countCheckers(processes));
  const accessLog = startAccessLog({
    store,
    roots,
    processes,
    now: microsNow,
    onLoss: (entries, err) => log.warn({ entries, err }, 'requests are missing in the access log'),
    onExcess: (requests) =>
      log.warn({ requests }, 'requests without login are not in the access log: too many of an address in a minute'),
  });
  const retention = (worker ?? 1) === 1 ? startSweeping(store, roots, log) : undefined;
  const feeds = (worker ?? 1) === 1 ? startFollowing(config, store, [...roots], log) : undefined;
  const messages = createMessages();
  const server = createServer(config, limits, messages);
  const silent = trackSilent(server);
  const work = createTracker();
  let closing: Promise<void> | undefined;
  try {
    const baseUrl = createBaseUrl({
      publicUrl: config.publicUrl,
      scheme: config.transport.kind,
      host: config.host,
      server,
    });
    const app = createApp({
      log,
      trustedProxy: config.trustedProxy,
      corsOrigins: config.corsOrigins,
      isHttps: (config.publicUrl ?? config.transport.kind).startsWith('https'),
      isClosing: () => closing !== undefined,
      authenticator: createAuthenticator({ store, now: Date.now }),
      accessLog,
      arrivals,
      taxii: {
        store,
        checker,
        registeredExtensions: watchExtensions(store),
        inTurn: createTurns(),
        roots,
        now: microsNow,
        limits: config.page,
        http: limits,
        pages: createPageCache(store, Math.ceil(pageCacheBytes / processes)),
        outbox: createOutbox(limits),
        uploads: createUploads(limits),
        maxContentLength: config.maxContentLength,
        maxObjectLength: config.maxObjectLength,
        baseUrlOf: baseUrl.of,
        track: work.track,
      },
    });
    messages.adopt(app);
    server.on('request', app).on('checkContinue', app).on('checkExpectation', app);
    answerParserErrors(server, log, config.corsOrigins);
    allowHalfOpen(server);
    limitConnections(server, limits);
    await listen(server, config);
    // Only now: a start that fails must not create a user whose password is never seen.
    const { password: adminPassword, warning } = await ensureAdmin(store, keepPassword);
    if (warning !== undefined) log.warn(warning);

    const close = async (): Promise<void> => {
      await closeServer(server, silent);
      await work.settled();
      await feeds?.close();
      await retention?.close();
      await accessLog.close();
      await checker.close();
      await store.close();
    };
    return {
      url: baseUrl.own(),
      roots: roots.map(({ name }) => name),
      adminPassword,
      reload: async (settings) => {
        roots.splice(0, roots.length, ...settings.roots);
        feeds?.reload(settings.roots);
        const { transport } = settings.config;
        if (server instanceof HttpsServer && transport.kind === 'https') server.setSecureContext(tlsOptions(transport));
      },
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    server.close();
    await feeds?.close();
    await retention?.close();
    await accessLog.close();
    await checker.close();
    await store.close();
    throw error;
  }
}
