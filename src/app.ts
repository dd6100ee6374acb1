/** The Express application: everything a request passes, in order, on one screen. */

import express, { type Express, type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Authenticator } from './auth/authenticate.ts';
import { TaxiiError } from './errors.ts';
import { awaitTurn, endLateBodies, excuseWaiting } from './http/connections.ts';
import { allowOrigins, answerPreflights, type CorsOrigins } from './http/cors.ts';
import { createErrorHandler } from './http/error-handler.ts';
import { createHealthRouter, type HealthDeps } from './http/health.ts';
import { createLanding } from './http/landing.ts';
import { logRequests } from './http/request-log.ts';
import type { TaxiiResponse } from './http/send.ts';
import { createTaxiiRouter, type TaxiiDeps } from './http/taxii-routes.ts';
import type { AccessLog } from './hub/access-log.ts';
import type { Log } from './log.ts';
import { loginToSee } from './taxii/access.ts';

export interface AppDeps {
  readonly taxii: TaxiiDeps;
  readonly authenticator: Authenticator;
  readonly accessLog: AccessLog;
  readonly isClosing: HealthDeps['isClosing'];
  readonly log: Log;
  readonly trustedProxy: readonly string[];
  /** Web sites whose scripts may use the server; undefined: none. */
  readonly corsOrigins: CorsOrigins | undefined;
  /** Whether clients reach the server by HTTPS. */
  readonly isHttps: boolean;
}

/** How often a header field is given. Node joins some that are repeated and takes the first of others. */
function countOf(name: string, { rawHeaders }: Request): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;
}

// What a proxy in front of us made of the other one decides who is asked for, or who asks.
const refuseRepeated: RequestHandler = (request, _response, next) => {
  for (const name of ['Host', 'Authorization']) {
    const count = countOf(name.toLowerCase(), request);
    if (count < 2) continue;
    throw new TaxiiError('malformed-request', `The ${name} header is given ${count} times: give it once.`);
  }
  // RFC 9112 §3.2. Node would refuse a missing one too, in a form of its own.
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    throw new TaxiiError('malformed-request', 'The Host header is missing.');
  }
  next();
};

/** The request target without scheme and host, which RFC 9112 §3.2.2 allows it to have. */
function originForm(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*(?=\/)/i, '');
}

// Clients are known that double a slash where they join URLs; a redirect would turn their POST into a GET.
const collapseSlashes: RequestHandler = (request, _response, next) => {
  const target = originForm(request.url);
  const end = target.indexOf('?');
  const path = end < 0 ? target : target.slice(0, end);
  request.url = path.replace(/\/{2,}/g, '/') + target.slice(path.length);
  next();
};

// For an API that shows nothing in a browser. HSTS speaks for this host alone: others of the domain are not ours.
function secureHeaders(isHttps: boolean): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: isHttps && { includeSubDomains: false },
  });
}

function identify(authenticator: Authenticator): RequestHandler {
  return async (request, response, next) => {
    const { locals } = response as TaxiiResponse;
    locals.identifyAgain = () => authenticator.authenticate(request.headers, request.ip ?? '');
    locals.caller = await locals.identifyAgain();
    next();
  };
}

// Answers depend on who asks and change with every publication. Some are packed for who asks for it.
const forbidCaching: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  response.vary('Accept-Encoding');
  next();
};

const refuseUnknownPath = (request: Request, response: TaxiiResponse): void => {
  if (response.locals.caller?.kind !== 'user') throw new TaxiiError('login-required', loginToSee);
  const path = JSON.stringify(request.path.slice(0, 200));
  throw new TaxiiError('not-found', `There is nothing at ${path}. Discovery is at /taxii2/.`);
};

export function createApp({
  taxii,
  authenticator,
  accessLog,
  isClosing,
  log,
  trustedProxy,
  corsOrigins,
  isHttps,
}: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.set('trust proxy', trustedProxy.length === 0 ? false : [...trustedProxy]);
  app.use(
    awaitTurn,
    excuseWaiting,
    endLateBodies,
    allowOrigins(corsOrigins),
    createHealthRouter({ store: taxii.store, log, isClosing }),
    logRequests(log, accessLog),
  );
  app.use(refuseRepeated, collapseSlashes, secureHeaders(isHttps), forbidCaching, answerPreflights);
  app.get('/', createLanding(taxii));
  app.use(identify(authenticator));
  app.use(createTaxiiRouter(taxii));
  app.use(refuseUnknownPath as RequestHandler);
  app.use(createErrorHandler(log));
  return app;
}
