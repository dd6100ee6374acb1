/** Connections: how many, and for how long one may do nothing. */

import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import type { Arrivals } from '../arrivals.ts';
import { type HttpLimits, readingTime } from './limits.ts';

/** A page cursor carries its filters, so a request line may be long. */
const maxHeaderSize = 96 * 1024;
/** What is left of a body that nobody wants may still arrive for so long after the answer. */
const lingerTimeout = 2000;

/** The options of Node's server. A body has a minimum speed instead of a time limit, see `patience.ts`. */
export function connectionOptions({ headersTimeout, keepAliveTimeout }: HttpLimits): ServerOptions {
  return {
    maxHeaderSize,
    keepAliveTimeout,
    headersTimeout,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(headersTimeout, 5000),
    requireHostHeader: false,
  };
}

/**
 * Lets clients close their side after a request and still read the answer (RFC 9112 §9.6); Node closes the other side
 * when it has been sent, or at once when none is due.
 */
export function allowHalfOpen(server: Server): void {
  Object.assign(server, { httpAllowHalfOpen: true });
}

/**
 * Returns what tells whether the client has left: its connection is gone, or it closed its side and was seen to have done so
 * for some time, which is all that is seen of many who leave. It is to be asked now and then.
 */
export function watchDeparture(
  { socket }: IncomingMessage,
  response: ServerResponse,
  halfOpenTimeout: number,
): () => boolean {
  let halfClosedAt: number | undefined;
  return () => {
    if (response.closed || !socket.readableEnded) return response.closed;
    halfClosedAt ??= performance.now();
    return performance.now() - halfClosedAt >= halfOpenTimeout;
  };
}

/** Bounds the connections of a server, and ends those on which nothing moves (with `excuseWaiting`). */
export function limitConnections(server: Server, { maxConnections, pace }: HttpLimits): void {
  server.maxConnections = maxConnections;
  // Of several processes a full one would hand the connection to the next, and so on in a circle.
  Object.assign(server, { dropMaxConnection: true });
  let open = 0;
  let sinceRoom = 0;
  server.on('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    sinceRoom += 1;
    // Looking at every connection costs something, so it is not done for each new one.
    if (open < maxConnections * 0.9 || sinceRoom < maxConnections * 0.05) return;
    // Who waits between two requests can connect again; who is new could not at all.
    sinceRoom = 0;
    server.closeIdleConnections();
  });
  server.timeout = readingTime(pace);
}

/**
 * Node ends a connection on which nothing was read or taken for its timeout, unless somebody listens. To wait for an
 * answer is no fault, to leave it is.
 */
export const excuseWaiting: RequestHandler = (_request, response, next) => {
  response.on('timeout', () => {
    if ((response.socket?.writableLength ?? 0) > 0) response.destroy();
  });
  next();
};

/** Requests that one connection may send ahead of their answers. */
const maxWaiting = 1000;
const waitingOn = new WeakMap<Socket, number>();

/** Where a request was answered before its body had come. Whatever is read there may begin with the rest of one. */
const answeredEarly = new WeakSet<Socket>();

/**
 * Requests that are sent without waiting for answers are read at once and answered in order: each is looked at only when
 * it is its turn, so that one packet of them can't fill the memory with answers.
 */
export const awaitTurn =
  ({ begin, end }: Arrivals): RequestHandler =>
  (request, response, next) => {
    const { socket } = request;
    if (response.socket !== null) {
      if (answeredEarly.has(socket)) end();
      else begin(socket);
      next();
      return;
    }
    const waiting = (waitingOn.get(socket) ?? 0) + 1;
    waitingOn.set(socket, waiting);
    // Node reads on as long as nothing is answered, so without a bound they would fill the memory themselves.
    if (waiting > maxWaiting) socket.destroy();
    response.once('socket', () => {
      waitingOn.set(socket, (waitingOn.get(socket) ?? 1) - 1);
      end();
      next();
    });
  };

/** Ends a connection on which a body goes on although its request was answered. */
export const endLateBodies =
  ({ touch }: Arrivals): RequestHandler =>
  (request, response, next) => {
    const { headers } = request;
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
      response.once('finish', () => {
        touch(request.socket);
        // One that is closed says so no more, and nothing would clear its timer.
        if (request.complete || request.closed) return;
        answeredEarly.add(request.socket);
        const timer = setTimeout(() => request.complete || request.socket.destroy(), lingerTimeout);
        request.once('close', () => clearTimeout(timer));
      });
    }
    next();
  };
