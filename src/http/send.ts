/** What every answer has in common. */

import type { Response } from 'express';
import type { Caller } from '../taxii/access.ts';
import { lengthOf, type Pack, type PackablePage } from '../taxii/page-cache.ts';
import { taxiiMediaType } from '../taxii/resources.ts';
import { acceptedCodings, type Coding } from './negotiation.ts';
import type { Outbox } from './outbox.ts';
import { findHeldTag, formatTag } from './validators.ts';

/** What a request carries along while it is served; the log reports it at the end. */
export interface Locals {
  /**
   * Fields of every answer, names and values in turn, that were not set yet: written together with the head, they cost a
   * tenth.
   */
  fields?: readonly string[];
  /** Whoever sent the request: its address, as far as proxies are trusted. */
  client?: string;
  caller?: Caller;
  /** Who calls by what is stored now: an upload can outlast a login. Throws as at the beginning of the request. */
  identifyAgain?: () => Promise<Caller>;
  /** Of the body, when it went by the outbox. */
  bytes?: number;
  /** Objects in the answer, or in the body that was received. */
  objects?: number;
  errorId?: string;
  errorCode?: string;
  errorDescription?: string;
}

export type TaxiiResponse = Response<unknown, Locals & Record<string, unknown>>;

/** Bodies are packed from this length on: shorter ones fit into a packet or two. */
const packedFrom = 1024;

// Answers depend on who asks and change with every publication.
const uncacheable: readonly string[] = ['Cache-Control', 'no-store'];
const typeFields: readonly string[] = ['Content-Type', taxiiMediaType];
/** Pages are asked for again and again, often for nothing new. They may be kept by who asked, and are asked for each time. */
const revalidated: readonly string[] = ['Cache-Control', 'private, no-cache'];

function takeFields({ locals }: TaxiiResponse): readonly string[] {
  const { fields = [] } = locals;
  locals.fields = [];
  return fields;
}

/** Sets the fields of every answer, for one whose head is not written by `send`. */
export function setFields(response: TaxiiResponse): void {
  const fields = takeFields(response);
  if (fields.length === 0) return;
  response.setHeader('Cache-Control', 'no-store');
  for (let index = 0; index < fields.length; index += 2)
    response.setHeader(fields[index] ?? '', fields[index + 1] ?? '');
}

interface Answer {
  readonly status: number;
  /** Without those of every answer. */
  readonly fields: readonly string[];
  readonly body: readonly Buffer[];
  readonly tag?: string;
  packed(coding: string, pack: Pack): Promise<Buffer> | undefined;
}

function tagFields(tag: string | undefined, coding: Coding): readonly string[] {
  return tag === undefined ? [] : ['ETag', formatTag(tag, coding)];
}

/** Sends an answer in the coding that the client likes best. */
function sendCoded(response: TaxiiResponse, codings: readonly Coding[], answer: Answer, outbox: Outbox): void {
  const { status, body, tag } = answer;
  const fields = takeFields(response).concat(answer.fields, typeFields);
  const [coding = 'identity'] = codings;
  const must = !codings.includes('identity');
  const isWorth = coding !== 'identity' && (must || lengthOf(body) >= packedFrom);
  const packing = isWorth ? answer.packed(coding, (parts) => outbox.pack(parts, coding, must)) : undefined;
  const deliver = (specific: readonly string[], sent: readonly Buffer[]): void => {
    response.locals.bytes = lengthOf(sent);
    outbox.deliver(response, status, fields.concat(specific), sent);
  };
  if (packing === undefined) deliver(tagFields(tag, 'identity'), body);
  else {
    packing.then(
      (packed) => deliver(['Content-Encoding', coding, ...tagFields(tag, coding)], [packed]),
      () => response.destroy(),
    );
  }
}

function toBytes(body: Buffer | string | object | undefined): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body));
}

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
  const bytes = toBytes(body);
  if (outbox !== undefined) {
    const codings = acceptedCodings(response.req.headers['accept-encoding']);
    const packed = (_coding: string, pack: Pack) => pack([bytes]);
    sendCoded(response, codings, { status, fields: uncacheable, body: [bytes], packed }, outbox);
    return;
  }
  setFields(response);
  response.statusCode = status;
  response.setHeader('Content-Type', taxiiMediaType);
  response.setHeader('Content-Length', bytes.length);
  response.end(bytes);
}

/** Sends a page with its two headers (TAXII 2.1 §3.2), or the word that the client has it already (RFC 9110 §15.4.5). */
export function sendPage(response: TaxiiResponse, page: PackablePage, outbox: Outbox): void {
  const { dateAddedFirst, dateAddedLast, tag } = page;
  const { headers } = response.req;
  // An empty page has no dates to give.
  const dates =
    dateAddedFirst === undefined || dateAddedLast === undefined
      ? []
      : ['X-TAXII-Date-Added-First', dateAddedFirst, 'X-TAXII-Date-Added-Last', dateAddedLast];
  const fields = [...revalidated, ...dates];
  const codings = acceptedCodings(headers['accept-encoding']);
  const held = findHeldTag(headers['if-none-match'], tag, codings);
  if (held !== undefined) {
    outbox.deliver(response, 304, [...takeFields(response), ...fields, 'ETag', held], []);
    return;
  }
  response.locals.objects = page.count;
  sendCoded(response, codings, { status: 200, fields, body: page.body, tag, packed: page.packed }, outbox);
}
