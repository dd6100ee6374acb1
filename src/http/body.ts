/** The body of a request, decoded, chunk by chunk: never more of it than allowed, and never slower. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { codeOf, TaxiiError } from '../errors.ts';
import type { Upload } from './uploads.ts';

export interface BodyLimits {
  /** Decoded bytes. */
  readonly maxLength: number;
  /** Bytes received before the upload needs a turn. */
  readonly freeBytes: number;
}

function tooLarge(limit: number): TaxiiError {
  const description = `The body is larger than the ${limit} bytes that max_content_length allows (decoded). Send it in parts.`;
  return new TaxiiError('content-too-large', description);
}

/** What unpacks a body; undefined when it comes as it is. */
function findDecoder(encoding: string): NodeJS.ReadWriteStream | undefined {
  if (encoding === '' || encoding === 'identity') return undefined;
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  throw new TaxiiError(
    'unsupported-media-type',
    `Content-Encoding: ${JSON.stringify(encoding.slice(0, 100))} is not taken here. Send gzip, or no encoding.`,
    // RFC 9110 §12.5.3: tells which encodings would do.
    { 'Accept-Encoding': 'gzip, identity' },
  );
}

// Not the stream's own iterator, which can't give up waiting. Who stops reading early still has an answer to send, so
// the request is never destroyed here.
async function* bytesOf(request: IncomingMessage, { patience, tooSlow }: Upload): AsyncGenerator<Buffer> {
  while (!request.readableEnded) {
    const chunk: Buffer | null = request.read();
    if (chunk !== null) {
      patience.earn(chunk.length);
      yield chunk;
      continue;
    }
    if (request.destroyed) throw new Error('the client left in the middle of its body');
    if (!(await patience.wait(request, ['readable', 'end', 'close', 'error']))) throw tooSlow();
  }
}

/** Lets bytes through up to the limit, and beyond the first ones only when the upload has its turn. */
async function* limited(
  chunks: AsyncIterable<Uint8Array>,
  { maxLength, freeBytes }: BodyLimits,
  upload: Upload,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > maxLength) throw tooLarge(maxLength);
    if (length > freeBytes) await upload.enter();
    yield chunk;
  }
}

async function* decoded(bytes: AsyncIterable<Buffer>, decoder: NodeJS.ReadWriteStream): AsyncGenerator<Uint8Array> {
  const decoding = pipeline(bytes, decoder);
  // Its failure also ends the loop below, which reports it.
  decoding.catch(() => undefined);
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
    await decoding;
  } catch (error) {
    if (codeOf(error)?.startsWith('Z_') !== true) throw error;
    throw new TaxiiError('malformed-request', `The body is not gzip, as Content-Encoding says: ${String(error)}.`);
  }
}

/**
 * The decoded bytes of a body. Throws 413 at once when the declared length is over the limit, or as soon as what was
 * decoded is; 415 for an unknown encoding, 400 for broken gzip, 408 for a client that is too slow.
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
  upload: Upload,
): AsyncIterable<Uint8Array> {
  const encoding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
  const decoder = findDecoder(encoding);
  const declared = Number(request.headers['content-length'] ?? '0');
  // Of a packed body the length says nothing about what comes out.
  if (declared > limits.maxLength && decoder === undefined) throw tooLarge(limits.maxLength);
  // RFC 9110 §10.1.1: the client waits for this word before it sends a body that might be refused.
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  const bytes = bytesOf(request, upload);
  return limited(decoder === undefined ? bytes : decoded(bytes, decoder), limits, upload);
}
