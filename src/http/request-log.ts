/** One line per request when it is over: who, what, with which outcome. */

import type { RequestHandler } from 'express';
import type { Log } from '../log.ts';
import type { TaxiiResponse } from './send.ts';

export function logRequests(log: Log): RequestHandler {
  return (request, response: TaxiiResponse, next) => {
    const start = performance.now();
    // Without the query, which a client might put a secret into.
    const path = request.path;
    // Now: a request whose connection was lost has no address any more.
    const client = request.ip;
    response.once('close', () => {
      const { caller, objects, errorId, errorCode, errorDescription } = response.locals;
      log.info(
        {
          method: request.method,
          path,
          status: response.writableFinished ? response.statusCode : 'aborted',
          user: caller?.kind === 'user' ? caller.name : null,
          client,
          agent: request.headers['user-agent'],
          ms: Math.round((performance.now() - start) * 10) / 10,
          ...(objects !== undefined && { objects }),
          ...(errorId !== undefined && { error_id: errorId, error_code: errorCode, description: errorDescription }),
        },
        'request',
      );
    });
    next();
  };
}
