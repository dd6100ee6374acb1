/** Composition root: opens, wires, listens, closes. Everything is constructed here, top to bottom. */

import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createApp } from './app.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import type { Config } from './config.ts';
import { OperatorError } from './errors.ts';
import { createBaseUrl, formatAuthority } from './http/base-url.ts';
import { answerParserErrors } from './http/error-handler.ts';
import { ensureAdmin } from './hub/users.ts';
import type { Log } from './log.ts';
import { openStore } from './store/open-store.ts';
import { loadApiRoots } from './taxii/api-roots.ts';
import { startChecker } from './taxii/checker.ts';

export interface RunningServer {
  /** Where clients find the server, without a slash at the end. */
  readonly url: string;
  /** Names of the API roots that are served. */
  readonly roots: readonly string[];
  /** The password of the user `admin`, when this start created it. */
  readonly adminPassword: string | undefined;
  /** Lets running requests finish, then closes everything. May be called twice. */
  close(): Promise<void>;
}

/** A page cursor carries its filters, so a request line may be long. */
const maxHeaderSize = 96 * 1024;
/** How long a poller's connection is kept between its requests. */
const keepAliveTimeout = 75_000;
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

function createServer({ transport }: Config): Server {
  const options = { maxHeaderSize, keepAliveTimeout, requireHostHeader: false };
  if (transport.kind === 'http') return createHttpServer(options);
  const { cert, key } = transport;
  return createHttpsServer({ ...options, cert, key, ciphers, minVersion: 'TLSv1.2', honorCipherOrder: true });
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

/** Stops listening and waits for running requests; those that take too long are cut off. */
async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
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

const now = (): number => Date.now() * 1000;

/** Starts a server. Throws OperatorError for what the operator can mend. */
export async function startServer(config: Config, log: Log): Promise<RunningServer> {
  const roots = loadApiRoots(config.collections);
  const store = await openStore(config.store);
  const checker = startChecker(config.workers);
  const server = createServer(config);
  const work = new Set<Promise<unknown>>();
  try {
    const adminPassword = (await ensureAdmin(store))?.password;
    const baseUrl = createBaseUrl({
      publicUrl: config.publicUrl,
      scheme: config.transport.kind,
      host: config.host,
      server,
    });
    const app = createApp({
      log,
      trustedProxy: config.trustedProxy,
      isHttps: (config.publicUrl ?? config.transport.kind).startsWith('https'),
      authenticator: createAuthenticator({ store, now: Date.now }),
      taxii: {
        store,
        checker,
        roots,
        now,
        limits: config.page,
        maxContentLength: config.maxContentLength,
        maxObjectLength: config.maxObjectLength,
        baseUrlOf: baseUrl.of,
        track: async (promise) => {
          work.add(promise);
          try {
            return await promise;
          } finally {
            work.delete(promise);
          }
        },
      },
    });
    server.on('request', app).on('checkContinue', app).on('checkExpectation', app);
    answerParserErrors(server, log);
    await listen(server, config);

    const close = async (): Promise<void> => {
      await closeServer(server);
      await Promise.allSettled(work);
      await checker.close();
      await store.close();
    };
    let closing: Promise<void> | undefined;
    return {
      url: baseUrl.own(),
      roots: roots.map(({ name }) => name),
      adminPassword,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await checker.close();
    await store.close();
    throw error;
  }
}
