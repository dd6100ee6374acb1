/** The server's own URL, for the absolute URLs in its resources. */

import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Request } from 'express';

/** `host:port` as URLs write it. */
export function formatAuthority(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

// An IPv4 client of a socket that listens on IPv6 shows up as ::ffff:192.0.2.1.
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The address at which this connection arrived: never a wildcard, always one the client can reach. */
function authorityOf(socket: Socket): string {
  return formatAuthority(plainAddress(socket.localAddress ?? '127.0.0.1'), socket.localPort ?? 0);
}

export interface BaseUrl {
  /** As the client of this request should see it. */
  of(request: Request): string;
  /** As an operator on this machine would type it; only once the server listens. */
  own(): string;
}

/**
 * The configured public URL, else the listening address. A Host header is believed only when it names loopback or the
 * address at which the request arrived: anything else could send other clients to a place of the sender's choice.
 */
export function createBaseUrl(listening: {
  readonly publicUrl: string | undefined;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly server: Server;
}): BaseUrl {
  const { publicUrl, scheme, host, server } = listening;
  const of = (request: Request): string => {
    if (publicUrl !== undefined) return publicUrl;
    const arrived = authorityOf(request.socket);
    const named = request.headers.host ?? '';
    return `${scheme}://${loopbackHost.test(named) || named === arrived ? named : arrived}`;
  };
  const own = (): string => {
    if (publicUrl !== undefined) return publicUrl;
    const { address, port } = server.address() as AddressInfo;
    const isWildcard = address === '0.0.0.0' || address === '::';
    return `${scheme}://${formatAuthority(isWildcard ? '127.0.0.1' : host, port)}`;
  };
  return { of, own };
}
