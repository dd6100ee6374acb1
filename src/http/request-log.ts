/** One line per request when it is over: who, what, with which outcome. */

import type { RequestHandler } from 'express';
import type { AccessedRequest, AccessLog } from '../hub/access-log.ts';
import type { Log } from '../log.ts';
import { microsNow } from '../stix/timestamp.ts';
import type { TaxiiResponse } from './send.ts';

function bytesOf(response: TaxiiResponse): number {
  return response.req.method === 'HEAD' ? 0 : Number(response.getHeader('content-length') ?? 0);
}

/** What the access log keeps of a request that is over. `status` is null when the client left first. */
function describeAccess(
  response: TaxiiResponse,
  request: Pick<AccessedRequest, 'at' | 'path' | 'client' | 'ms'>,
): AccessedRequest {
  const { caller, objects = 0, errorCode = null } = response.locals;
  const isFinished = response.writableFinished;
  return {
    ...request,
    user: caller?.kind === 'user' ? caller.name : null,
    agent: response.req.headers['user-agent'] ?? '',
    method: response.req.method,
    status: isFinished ? response.statusCode : null,
    objects,
    bytes: isFinished ? bytesOf(response) : 0,
    errorCode,
  };
}

/** Characters of what a client chose that a line of the log repeats. */
const maxText = 300;

export function logRequests(log: Log, accessLog: Pick<AccessLog, 'record'>): RequestHandler {
  return (request, response: TaxiiResponse, next) => {
    const start = performance.now();
    const at = microsNow();
    // Without the query, which a client might put a secret into.
    const path = request.path;
    // Now: a request whose connection was lost has no address any more.
    const client = request.ip;
    const received = request.headers['content-length'];
    response.once('close', () => {
      const ms = Math.round(performance.now() - start);
      accessLog.record(describeAccess(response, { at, path, client: client ?? '', ms }));
      const { caller, objects, errorId, errorCode, errorDescription } = response.locals;
      log.info(
        {
          method: request.method,
          path: path.slice(0, maxText),
          status: response.writableFinished ? response.statusCode : 'aborted',
          user: caller?.kind === 'user' ? caller.name : null,
          ...(caller?.kind === 'user' && caller.token !== undefined && { token_id: caller.token }),
          client,
          agent: request.headers['user-agent']?.slice(0, maxText),
          ms: Math.round((performance.now() - start) * 10) / 10,
          bytes: bytesOf(response),
          ...(received !== undefined && { received: Number(received) }),
          ...(objects !== undefined && { objects }),
          ...(errorId !== undefined && { error_id: errorId, error_code: errorCode, description: errorDescription }),
        },
        'request',
      );
    });
    next();
  };
}
