/** Clients in browsers (Fetch Standard, "CORS protocol"): which web sites' scripts may use this server. */

import type { RequestHandler } from 'express';
import { setFields, type TaxiiResponse } from './send.ts';

/** Origins as browsers write them, `https://example.org` or with a port; `*` for all, then without credentials. */
export type CorsOrigins = readonly string[] | '*';

// `version` is what the ATT&CK Navigator sends. Authorization must be named, a wildcard does not cover it.
const preflightHeaders = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, DELETE',
  'Access-Control-Allow-Headers':
    'Accept, Authorization, Content-Encoding, Content-Type, If-None-Match, Range, version, X-Api-Key',
  'Access-Control-Max-Age': '600',
};
const exposedHeaders = 'X-TAXII-Date-Added-First, X-TAXII-Date-Added-Last, ETag, Allow, Retry-After, WWW-Authenticate';

/** The header fields by which answers differ. */
export function varyOf(origins: CorsOrigins | undefined): readonly string[] {
  return origins === undefined || origins === '*' ? [] : ['Origin'];
}

/** The header fields that answers to a request of this origin have. */
export function corsHeaders(origins: CorsOrigins | undefined, origin: string | undefined): Record<string, string> {
  if (origins === undefined) return {};
  const vary = origins === '*' ? undefined : { Vary: varyOf(origins).join() };
  if (origin === undefined || (origins !== '*' && !origins.includes(origin))) return { ...vary };
  return {
    ...vary,
    ...(origins === '*'
      ? { 'Access-Control-Allow-Origin': '*' }
      : { 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' }),
    'Access-Control-Expose-Headers': exposedHeaders,
  };
}

/** Marks all answers, errors included, for the sites in `origins`. */
export function allowOrigins(origins: CorsOrigins | undefined): RequestHandler {
  if (origins === undefined) return (_request, _response, next) => next();
  return (request, response, next) => {
    for (const [name, value] of Object.entries(corsHeaders(origins, request.headers.origin))) {
      response.setHeader(name, value);
    }
    next();
  };
}

/** Answers the preflights of sites that may use the server, without a login. */
export const answerPreflights: RequestHandler = (request, response: TaxiiResponse, next) => {
  const asks = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
  if (!asks || !response.hasHeader('Access-Control-Allow-Origin')) return next();
  setFields(response);
  response.removeHeader('Access-Control-Expose-Headers');
  response.writeHead(204, preflightHeaders).end();
};
