/** Clients in browsers (Fetch Standard, "CORS protocol"): which web sites' scripts may use this server. */

import type { RequestHandler } from 'express';

/** Origins as browsers write them, `https://example.org` or with a port; `*` for all, then without credentials. */
export type CorsOrigins = readonly string[] | '*';

// `version` is what the ATT&CK Navigator sends. Authorization must be named, a wildcard does not cover it.
const preflightHeaders = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, DELETE',
  'Access-Control-Allow-Headers': 'Accept, Authorization, Content-Encoding, Content-Type, Range, version, X-Api-Key',
  'Access-Control-Max-Age': '600',
};
const exposedHeaders = 'X-TAXII-Date-Added-First, X-TAXII-Date-Added-Last, Allow, Retry-After, WWW-Authenticate';

/** Answers preflights, without a login, and marks the other answers for the sites in `origins`. */
export function allowOrigins(origins: CorsOrigins): RequestHandler {
  return (request, response, next) => {
    const { origin } = request.headers;
    if (origins !== '*') response.vary('Origin');
    if (origin === undefined || (origins !== '*' && !origins.includes(origin))) return next();
    response.setHeader('Access-Control-Allow-Origin', origins === '*' ? '*' : origin);
    if (origins !== '*') response.setHeader('Access-Control-Allow-Credentials', 'true');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) {
      response.setHeader('Access-Control-Expose-Headers', exposedHeaders);
      return next();
    }
    response.writeHead(204, preflightHeaders).end();
  };
}
