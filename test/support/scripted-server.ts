/** A server that does what a test tells it to, however wrong: for clients that must survive it. */

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: string | Buffer | object;
}

/** Answers with a reply, or takes the connection into its own hands. */
export type Script = (
  asked: Asked,
  raw: { readonly socket: Socket; readonly response: ServerResponse },
) => Reply | undefined | Promise<Reply | undefined>;

export interface ScriptedServer {
  readonly url: string;
  /** All that was asked so far. */
  readonly asked: readonly Asked[];
  /** From now on this is the script. */
  play(script: Script): void;
  close(): Promise<void>;
}

export const taxiiType = 'application/taxii+json;version=2.1';

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, { status = 200, headers = {}, body = '' }: Reply): void {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': taxiiType, ...headers });
  response.end(bytes);
}

/** Starts one on a free port of this machine, with TLS if it gets a certificate. */
export async function startScriptedServer(
  script: Script,
  tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly requestCert?: boolean },
): Promise<ScriptedServer> {
  let current = script;
  const asked: Asked[] = [];
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://scripted');
    const one: Asked = {
      method: request.method ?? '',
      target: request.url ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: await readBody(request),
    };
    asked.push(one);
    const reply = await current(one, { socket: request.socket, response });
    if (reply !== undefined) send(response, reply);
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    // A client that leaves is what some tests are about.
    listener(request, response).catch(() => response.destroy());
  };
  const server =
    tls === undefined ? createServer(handle) : createTlsServer({ ...tls, rejectUnauthorized: false }, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    asked,
    play: (next) => {
      current = next;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
