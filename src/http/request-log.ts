/** One line per request when it is over: who, what, with which outcome. */

import type { RequestHandler } from 'express';
import type { AccessedRequest, AccessLog } from '../hub/access-log.ts';
import type { Log } from '../log.ts';
import { microsNow } from '../stix/timestamp.ts';
import type { TaxiiResponse } from './send.ts';

function bytesOf(response: TaxiiResponse): number {
  return response.req.method === 'HEAD'
    ? 0
    : (response.locals.bytes ?? Number(response.getHeader('content-length') ?? 0));
}

/** What is known of a request when it begins. */
interface Begun {
  readonly at: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly start: number;
  readonly path: string;
  readonly client: string | undefined;
}

// Spelled out, here and below: to spread objects costs more than all else that is done for a line.
/** What the access log keeps of a request that is over. `status` is null when the client left first. */
function describeAccess(response: TaxiiResponse, { at, start, path, client = '' }: Begun): AccessedRequest {
  const { caller, objects = 0, errorCode = null } = response.locals;
  const { method, headers } = response.req;
  const isFinished = response.writableFinished;
  return {
    at,
    path,
    client,
    ms: Math.round(performance.now() - start),
    user: caller?.kind === 'user' ? caller.name : null,
    agent: headers['user-agent'] ?? '',
    method,
    status: isFinished ? response.statusCode : null,
    objects,
    bytes: isFinished ? bytesOf(response) : 0,
    errorCode,
  };
}

/** Characters of what a client chose that a line of the log repeats. */
const maxText = 300;

function describeLine(response: TaxiiResponse, { start, path, client }: Begun): Record<string, unknown> {
  const { caller, objects, errorId, errorCode, errorDescription } = response.locals;
  const { method, headers } = response.req;
  const user = caller?.kind === 'user' ? caller : undefined;
  const line: Record<string, unknown> = {
    method,
    path: path.slice(0, maxText),
    status: response.writableFinished ? response.statusCode : 'aborted',
    user: user?.name ?? null,
    client,
    agent: headers['user-agent']?.slice(0, maxText),
    ms: Math.round((performance.now() - start) * 10) / 10,
    bytes: bytesOf(response),
  };
  if (user?.token !== undefined) line.token_id = user.token;
  if (headers['content-length'] !== undefined) line.received = Number(headers['content-length']);
  if (objects !== undefined) line.objects = objects;
  if (errorId !== undefined) {
    line.error_id = errorId;
    line.error_code = errorCode;
    line.description = errorDescription;
  }
  return line;
}

/** `trustsProxies`: whether a proxy may say from where a request came. */
export function logRequests(log: Log, accessLog: Pick<AccessLog, 'record'>, trustsProxies: boolean): RequestHandler {
  return (request, response: TaxiiResponse, next) => {
    const begun: Begun = {
      at: microsNow(),
      start: performance.now(),
      // Without the query, which a client might put a secret into.
      path: request.path,
      // Now: a request whose connection was lost has no address any more.
      client: trustsProxies ? request.ip : request.socket.remoteAddress,
    };
    if (begun.client !== undefined) response.locals.client = begun.client;
    response.on('close', () => {
      accessLog.record(describeAccess(response, begun));
      log.info(describeLine(response, begun), 'request');
    });
    next();
  };
}
