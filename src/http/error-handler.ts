/** The one place where errors become answers: Express's, ours, and those of Node's own HTTP parser. */

import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorRequestHandler } from 'express';
import { challenges } from '../auth/authenticate.ts';
import { type ErrorCode, TaxiiError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type ErrorResource, taxiiMediaType } from '../taxii/resources.ts';
import { type CorsOrigins, corsHeaders } from './cors.ts';
import { send, setFields, type TaxiiResponse } from './send.ts';

/** What is read and thrown away of a body that was refused, so that the client finds our answer before the end. */
const lingerBytes = 8 * 1024 * 1024;
const lingerMilliseconds = 2000;

/** Seconds after which it is worth trying again, where nothing says better: a disk is not freed sooner. */
const retryAfter = '10';

// A fault of ours is in the log under this id; the client learns nothing of our inside.
function describeFault({ status }: TaxiiError, errorId: string): string {
  const advice = status === 503 ? 'The server cannot do this now: try again in a while.' : 'Something went wrong here.';
  return `${advice} Tell the operator this id${status === 503 ? ' if that does not help' : ''}: ${errorId}.`;
}

function describe(error: TaxiiError, errorId: string): ErrorResource {
  return {
    title: error.title,
    description: error.status >= 500 ? describeFault(error, errorId) : error.message,
    error_id: errorId,
    error_code: error.code,
    http_status: String(error.status),
  };
}

function hasStatus(error: unknown): error is { status: number; message: string } {
  return typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number';
}

function toTaxiiError(error: unknown): TaxiiError {
  if (error instanceof TaxiiError) return error;
  // Express and its router refuse what they cannot read, a broken percent-encoding in the path for example.
  if (hasStatus(error) && error.status >= 400 && error.status < 500) {
    return new TaxiiError('malformed-request', `The request can't be read: ${error.message}.`);
  }
  return new TaxiiError('internal-error', 'internal error');
}

/** Ends an answer to a request whose body is still arriving: the client reads it, then the connection closes. */
function sendAndClose(request: IncomingMessage, response: TaxiiResponse, status: number, body: ErrorResource): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.statusCode = status;
  response.shouldKeepAlive = false;
  response.setHeader('Content-Type', taxiiMediaType);
  response.setHeader('Content-Length', bytes.length);
  response.write(bytes);
  let read = 0;
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(finish, lingerMilliseconds);
  request.on('data', (chunk: Buffer) => {
    read += chunk.length;
    if (read > lingerBytes) finish();
  });
  request.once('end', finish).once('close', finish).resume();
}

/** Answers with the error's TAXII message. */
export function createErrorHandler(log: Log): ErrorRequestHandler {
  return (error: unknown, request, response: TaxiiResponse, _next) => {
    const taxiiError = toTaxiiError(error);
    const errorId = randomUUID();
    response.locals.errorId = errorId;
    response.locals.errorCode = taxiiError.code;
    response.locals.errorDescription = taxiiError.message;
    // The client is gone, perhaps in mid-body: nobody to answer, and no fault of ours.
    if (response.headersSent || response.destroyed || response.socket?.destroyed !== false) {
      response.destroy();
      return;
    }
    setFields(response);
    if (taxiiError.status >= 500) log.error({ err: error, error_id: errorId }, 'request failed');
    if (taxiiError.status === 503) response.setHeader('Retry-After', retryAfter);
    for (const [name, value] of Object.entries(taxiiError.headers)) response.setHeader(name, value);
    if (taxiiError.status === 401) response.setHeader('WWW-Authenticate', challenges);
    const resource = describe(taxiiError, errorId);
    if (request.complete || request.method === 'GET' || request.method === 'HEAD') {
      send(response, taxiiError.status, resource);
      // What was not read of the body must not stop the next request on this connection.
      request.resume();
    } else sendAndClose(request, response, taxiiError.status, resource);
  };
}

/** Methods of TAXII 2.1; each endpoint has some of them. */
const allowedSomewhere = 'GET, HEAD, POST, DELETE, OPTIONS';

/** The bytes in which the parser found the error, as far as Node tells them. */
function packetOf(error: NodeJS.ErrnoException): string | undefined {
  const packet = 'rawPacket' in error ? error.rawPacket : undefined;
  return Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 4096) : undefined;
}

/** Bytes that do not even begin with a word and a space, a TLS handshake for example, name no method. */
function isNonsense(error: NodeJS.ErrnoException): boolean {
  const packet = packetOf(error);
  return error.code === 'HPE_INVALID_METHOD' && packet !== undefined && !/^[!-~]{1,64} /.test(packet);
}

/** The site whose script sent a request that could not be read, where that much of it was. */
function originOf(error: NodeJS.ErrnoException): string | undefined {
  return /\nOrigin: {0,9}([!-~]{1,300})\r?\n/i.exec(packetOf(error) ?? '')?.[1];
}

function parserError(error: NodeJS.ErrnoException): TaxiiError {
  const codes: Record<string, [ErrorCode, string]> = {
    HPE_HEADER_OVERFLOW: ['headers-too-large', 'The request line and header fields are longer than this server reads.'],
    ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'The request did not arrive in time.'],
    HPE_INVALID_METHOD: ['method-not-allowed', `The method is unknown here. Use one of ${allowedSomewhere}.`],
  };
  const [code, description] = (isNonsense(error) ? undefined : codes[error.code ?? '']) ?? [
    'malformed-request',
    `The bytes are no HTTP request: ${error.message}.`,
  ];
  return new TaxiiError(code, description, code === 'method-not-allowed' ? { Allow: allowedSomewhere } : {});
}

function writeRaw(socket: Duplex, error: TaxiiError, errorId: string, cors: Readonly<Record<string, string>>): void {
  // Node has let go of a socket that asked for CONNECT: an error without a listener would end the process.
  socket.on('error', () => socket.destroy());
  const body = JSON.stringify(describe(error, errorId));
  const headers = {
    ...error.headers,
    ...cors,
    'Content-Type': taxiiMediaType,
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  socket.end(`HTTP/1.1 ${error.status} ${error.title}\r\n${lines.join('')}\r\n${body}`);
  const timer = setTimeout(() => socket.destroy(), lingerMilliseconds);
  socket.once('close', () => clearTimeout(timer));
}

/** The answer that is due on this connection, or going out: bytes of ours would be read as part of it. */
function findAnswer(socket: Duplex): ServerResponse | undefined {
  const answer = '_httpMessage' in socket ? socket._httpMessage : undefined;
  return answer instanceof ServerResponse ? answer : undefined;
}

/** Gives the answers that Node would give itself, to bytes that never become a request, the TAXII form too. */
export function answerParserErrors(server: Server, log: Log, corsOrigins?: CorsOrigins): void {
  const answer = (error: TaxiiError, socket: Duplex, origin: string | undefined): void => {
    const errorId = randomUUID();
    log.info(
      { error_id: errorId, status: error.status, error_code: error.code, description: error.message },
      'refused',
    );
    writeRaw(socket, error, errorId, corsHeaders(corsOrigins, origin));
  };
  const refuse = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const underWay = findAnswer(socket);
    // A request that came whole before gets its answer first.
    if (underWay?.req.complete) underWay.once('close', () => refuse(error, socket));
    else if (socket.writable && underWay?.headersSent !== true) {
      answer(parserError(error), socket, underWay?.req.headers.origin ?? originOf(error));
    } else socket.destroy();
  };
  // After its first error the parser repeats it for all that follows on the connection.
  const refused = new WeakSet<Duplex>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else if (!refused.has(socket)) refuse(error, socket);
    refused.add(socket);
  });
  server.on('connect', ({ headers }, socket: Duplex) => {
    const error = new TaxiiError('method-not-allowed', 'This is no proxy.', { Allow: allowedSomewhere });
    answer(error, socket, headers.origin);
  });
}
