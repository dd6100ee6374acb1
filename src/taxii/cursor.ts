/**
 * `next` (TAXII 2.1 §3.5): a position, not a session. A cursor holds the date_added reached and the whole question, so
 * that it works alone, for ever, on any server process, as often as it is sent. It gives no rights: who sends it asks
 * the question anew, with the rights of that moment.
 */

import { hash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { TaxiiError } from '../errors.ts';
import type { Micros, VersionSelector } from '../store/store.ts';

export interface Cursor {
  /** What was being read: a collection's id, and the object's id when it was one object. */
  readonly scope: string;
  /** date_added of the last object handed out. */
  readonly position: Micros;
  readonly addedAfter?: Micros;
  readonly limit?: number;
  readonly ids?: readonly string[];
  readonly types?: readonly string[];
  readonly versions: readonly VersionSelector[];
}

const layout = 1;
const checksumPrefix = Buffer.from('huiju cursor');
const checksumLength = 6;
// Header fields of 96 KiB are read; a longer cursor cannot have come in a request line.
const maxLength = 98_304;
/** Payloads from this length on are deflated: a cursor is then no longer than the list of ids that it carries. */
const deflatedFrom = 1024;
// Twice what a request line can ask for: a cursor carries the filters of its request, and one more set at the most.
const maxPayload = 2 * maxLength;
/** A walk narrows its versions once, if at all; a cursor must not grow with every page. */
export const maxSelectors = 8;

function checksum(payload: Buffer): Buffer {
  const bytes = Buffer.concat([checksumPrefix, payload]);
  return hash('sha256', bytes, 'buffer').subarray(0, checksumLength);
}

function pack(text: string): Buffer {
  const bytes = Buffer.from(text);
  return bytes.length < deflatedFrom ? bytes : deflateRawSync(bytes);
}

// Anybody can compute the checksum, so what is inflated is bounded and may be anything.
function findUnpacked(bytes: Buffer): unknown {
  try {
    const isPlain = bytes[0] === 0x5b;
    return JSON.parse((isPlain ? bytes : inflateRawSync(bytes, { maxOutputLength: maxPayload })).toString());
  } catch {
    return undefined;
  }
}

function packSelector({ all, first, last, exact }: VersionSelector): unknown[] {
  return [Number(all) + 2 * Number(first) + 4 * Number(last), ...exact];
}

/** Writes a cursor in `[A-Za-z0-9_-]`. */
export function formatCursor(cursor: Cursor): string {
  const { scope, position, addedAfter, limit, ids, types, versions } = cursor;
  const fields = [layout, scope, position, addedAfter ?? null, limit ?? null, ids ?? null, types ?? null];
  const payload = pack(JSON.stringify([...fields, versions.map(packSelector)]));
  return Buffer.concat([payload, checksum(payload)]).toString('base64url');
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function unpackSelector(value: unknown): VersionSelector | undefined {
  if (!Array.isArray(value)) return undefined;
  const [keywords, ...exact] = value as unknown[];
  if (!isWhole(keywords) || keywords < 0 || keywords > 7 || !exact.every(isText)) return undefined;
  return { all: (keywords & 1) !== 0, first: (keywords & 2) !== 0, last: (keywords & 4) !== 0, exact };
}

function findFields(text: string): unknown[] | undefined {
  if (text.length > maxLength || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  // Base64 leaves bits over: only the one spelling that we wrote counts.
  if (bytes.toString('base64url') !== text) return undefined;
  const payload = bytes.subarray(0, -checksumLength);
  if (payload.length === 0 || !checksum(payload).equals(bytes.subarray(-checksumLength))) return undefined;
  const fields = findUnpacked(payload);
  return Array.isArray(fields) && fields[0] === layout ? fields : undefined;
}

/** Reads what formatCursor wrote. Throws 400 for anything else. */
export function parseCursor(text: string): Cursor {
  const [, scope, position, addedAfter, limit, ids, types, packed] = findFields(text) ?? [];
  const versions = Array.isArray(packed) ? packed.map(unpackSelector) : [];
  const isSound =
    isText(scope) &&
    isWhole(position) &&
    (addedAfter === null || isWhole(addedAfter)) &&
    (limit === null || (isWhole(limit) && limit > 0)) &&
    (ids === null || isTextList(ids)) &&
    (types === null || isTextList(types)) &&
    versions.length > 0 &&
    versions.length <= maxSelectors &&
    versions.every((selector) => selector !== undefined);
  if (!isSound) {
    throw new TaxiiError('malformed-parameter', 'next: this is no cursor of this server. Send `next` as it was given.');
  }
  return {
    scope,
    position,
    versions,
    ...(addedAfter !== null && { addedAfter }),
    ...(limit !== null && { limit }),
    ...(ids !== null && { ids }),
    ...(types !== null && { types }),
  };
}
