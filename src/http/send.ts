/** What every answer has in common. */

import type { Response } from 'express';
import type { Caller } from '../taxii/access.ts';
import type { PageOf } from '../taxii/objects.ts';
import { taxiiMediaType } from '../taxii/resources.ts';
import type { Outbox } from './outbox.ts';

/** What a request carries along while it is served; the log reports it at the end. */
export interface Locals {
  caller?: Caller;
  /** Who calls by what is stored now: an upload can outlast a login. Throws as at the beginning of the request. */
  identifyAgain?: () => Promise<Caller>;
  /** Objects in the answer, or in the body that was received. */
  objects?: number;
  errorId?: string;
  errorCode?: string;
  errorDescription?: string;
}

export type TaxiiResponse = Response<unknown, Locals & Record<string, unknown>>;

/**
 * Sends a resource, or nothing when there is no body; the media type is spelled as clients compare it. Whatever can be
 * long goes by the outbox.
 */
export function send(
  response: TaxiiResponse,
  status: number,
  body: Buffer | string | object | undefined,
  outbox?: Outbox,
): void {
  const isReady = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(isReady ? (body ?? '') : JSON.stringify(body));
  response.statusCode = status;
  response.setHeader('Content-Type', taxiiMediaType);
  if (outbox !== undefined) {
    outbox.deliver(response, bytes);
    return;
  }
  response.setHeader('Content-Length', bytes.length);
  response.end(bytes);
}

/** Sends a page with its two headers (TAXII 2.1 §3.2); an empty page has no dates to give. */
export function sendPage(response: TaxiiResponse, page: PageOf<Buffer | object>, outbox: Outbox): void {
  if (page.dateAddedFirst !== undefined && page.dateAddedLast !== undefined) {
    response.setHeader('X-TAXII-Date-Added-First', page.dateAddedFirst);
    response.setHeader('X-TAXII-Date-Added-Last', page.dateAddedLast);
  }
  response.locals.objects = page.count;
  send(response, 200, page.body, outbox);
}
