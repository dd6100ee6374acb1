/** The body of a request, decoded, chunk by chunk, and never more of it than allowed. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { TaxiiError } from '../errors.ts';

function tooLarge(limit: number): TaxiiError {
  const description = `The body is larger than the ${limit} bytes that max_content_length allows (decoded). Send it in parts.`;
  return new TaxiiError('content-too-large', description);
}

function findDecoder(encoding: string): NodeJS.ReadWriteStream {
  if (encoding === '' || encoding === 'identity') return new PassThrough();
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  throw new TaxiiError(
    'unsupported-media-type',
    `Content-Encoding: ${JSON.stringify(encoding.slice(0, 100))} is not taken here. Send gzip, or no encoding.`,
    // RFC 9110 §12.5.3: tells which encodings would do.
    { 'Accept-Encoding': 'gzip, identity' },
  );
}

// Who stops reading early still has an answer to send, so it must not end the request.
function bytesOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false });
}

async function* limited(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > limit) throw tooLarge(limit);
    yield chunk;
  }
}

function isZlibFault(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && String(error.code).startsWith('Z_');
}

async function* decoded(request: IncomingMessage, decoder: NodeJS.ReadWriteStream): AsyncGenerator<Uint8Array> {
  const decoding = pipeline(bytesOf(request), decoder);
  // Its failure also ends the loop below, which reports it.
  decoding.catch(() => undefined);
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
    await decoding;
  } catch (error) {
    if (!isZlibFault(error)) throw error;
    throw new TaxiiError('malformed-request', `The body is not gzip, as Content-Encoding says: ${String(error)}.`);
  }
}

/**
 * The decoded bytes of a body. Throws 413 at once when the declared length is over the limit, or as soon as what was
 * decoded is; 415 for an unknown encoding, 400 for broken gzip.
 */
export function readBody(request: IncomingMessage, response: ServerResponse, limit: number): AsyncIterable<Uint8Array> {
  const encoding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
  const decoder = findDecoder(encoding);
  const declared = Number(request.headers['content-length'] ?? '0');
  // Of a packed body the length says nothing about what comes out.
  if (declared > limit && decoder instanceof PassThrough) throw tooLarge(limit);
  // RFC 9110 §10.1.1: the client waits for this word before it sends a body that might be refused.
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  if (decoder instanceof PassThrough) return limited(bytesOf(request), limit);
  return limited(decoded(request, decoder), limit);
}
