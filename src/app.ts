/** The Express application: everything a request passes, in order, on one screen. */

import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import express, { type Express, type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Arrivals } from './arrivals.ts';
import type { Authenticator } from './auth/authenticate.ts';
import { TaxiiError } from './errors.ts';
import { awaitTurn, endLateBodies, excuseWaiting } from './http/connections.ts';
import { allowOrigins, answerPreflights, type CorsOrigins, varyOf } from './http/cors.ts';
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
  readonly arrivals: Arrivals;
  readonly isClosing: HealthDeps['isClosing'];
  readonly log: Log;
  readonly trustedProxy: readonly string[];
  /** Web sites whose scripts may use the server; undefined: none. */
  readonly corsOrigins: CorsOrigins | undefined;
  /** Whether clients reach the server by HTTPS. */
  readonly isHttps: boolean;
}

/**
 * Handlers as one, each called by the `next` of the one before. What Express does for a layer of its router, on every request,
 * costs more than most of them.
 */
function inTurn(...handlers: readonly RequestHandler[]): RequestHandler {
  return (request, response, next) => {
    let place = 0;
    const step = (error?: unknown): void => {
      const handler = handlers[place];
      place += 1;
      if (error !== undefined || handler === undefined) {
        next(error);
        return;
      }
      try {
        const handling: unknown = handler(request, response, step);
        if (handling instanceof Promise) handling.catch(next);
      } catch (thrown) {
        next(thrown);
      }
    };
    step();
  };
}

/** Lets all requests pass but those that read these paths, without trying the expressions that Express makes of paths. */
function onlyAt(paths: readonly string[], handler: RequestHandler): RequestHandler {
  const own = new Set(paths);
  const isMeant = ({ method, path }: Request): boolean => own.has(path) && (method === 'GET' || method === 'HEAD');
  return (request, response, next) => (isMeant(request) ? handler(request, response, next) : next());
}

/** How often a header field is given. Node joins some that are repeated and takes the first of others. */
function countOf(name: string, { rawHeaders }: Request): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const given = rawHeaders[index];
    if (given?.length === name.length && given.toLowerCase() === name) count += 1;
  }
  return count;
}

// What a proxy in front of us made of the other one decides who is asked for, or who asks.
function refuseRepeated(request: Request): void {
  for (const name of ['Host', 'Authorization']) {
    const count = countOf(name.toLowerCase(), request);
    if (count < 2) continue;
    throw new TaxiiError('malformed-request', `The ${name} header is given ${count} times: give it once.`);
  }
  // RFC 9112 §3.2. Node would refuse a missing one too, in a form of its own.
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    throw new TaxiiError('malformed-request', 'The Host header is missing.');
  }
}

/** The request target without scheme and host, which RFC 9112 §3.2.2 allows it to have. */
function originForm(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*(?=\/)/i, '');
}

// Clients are known that double a slash where they join URLs; a redirect would turn their POST into a GET.
function collapseSlashes(request: Request): void {
  if (request.url.startsWith('/') && !request.url.includes('//')) return;
  const target = originForm(request.url);
  const end = target.indexOf('?');
  const path = end < 0 ? target : target.slice(0, end);
  request.url = path.replace(/\/{2,}/g, '/') + target.slice(path.length);
}

/**
 * The fields of an API that shows nothing in a browser, names and values in turn, without those that old browsers alone
 * know. HSTS speaks for this host alone: others of the domain are not ours. They are the same for all answers, so they are
 * made once.
 */
function secureFields(isHttps: boolean): readonly string[] {
  const secure = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: isHttps && { includeSubDomains: false },
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
  const fields: string[] = [];
  class Recorder extends ServerResponse {
    override setHeader(name: string, value: number | string | readonly string[]): this {
      fields.push(name, String(value));
      return this;
    }
  }
  const request = new IncomingMessage(new Socket());
  secure(request, new Recorder(request), () => undefined);
  return fields;
}

/** What is looked at and kept of every request, before anybody asks who sent it. */
function prepare(corsOrigins: CorsOrigins | undefined, isHttps: boolean): RequestHandler {
  // Some answers are packed for who asks for it.
  const fields = [...secureFields(isHttps), 'Vary', [...varyOf(corsOrigins), 'Accept-Encoding'].join(', ')];
  return (request, response: TaxiiResponse, next) => {
    response.locals.fields = fields;
    refuseRepeated(request);
    collapseSlashes(request);
    next();
  };
}

function identify(authenticator: Authenticator): RequestHandler {
  return async (request, response, next) => {
    const { locals } = response as TaxiiResponse;
    locals.identifyAgain = () => authenticator.authenticate(request.headers, locals.client ?? '');
    locals.caller = await locals.identifyAgain();
    next();
  };
}

const refuseUnknownPath = (request: Request, response: TaxiiResponse): void => {
  if (response.locals.caller?.kind !== 'user') throw new TaxiiError('login-required', loginToSee);
  const path = JSON.stringify(request.path.slice(0, 200));
  throw new TaxiiError('not-found', `There is nothing at ${path}. Discovery is at /taxii2/.`);
};

export function createApp({
  taxii,
  authenticator,
  accessLog,
  arrivals,
  isClosing,
  log,
  trustedProxy,
  corsOrigins,
  isHttps,
}: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.set('trust proxy', trustedProxy.length === 0 ? false : [...trustedProxy]);
  const health = createHealthRouter({ store: taxii.store, log, isClosing });
  app.use(
    inTurn(
      ...[awaitTurn(arrivals), excuseWaiting, endLateBodies(arrivals), allowOrigins(corsOrigins)],
      onlyAt(['/healthz', '/healthz/', '/readyz', '/readyz/'], health),
      logRequests(log, accessLog, trustedProxy.length > 0),
      ...[prepare(corsOrigins, isHttps), answerPreflights],
      onlyAt(['/'], createLanding(taxii)),
      ...[identify(authenticator), createTaxiiRouter(taxii), refuseUnknownPath as RequestHandler],
    ),
  );
  app.use(createErrorHandler(log));
  return app;
}
