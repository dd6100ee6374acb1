/** Text that may be packed with gzip, whatever its name says. */

import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { formatBytes } from './text.ts';

/** A packed text that is longer, unpacked, than it may be. */
export class UnpackedTooLong extends Error {
  constructor(limit: number) {
    super(`it is packed, and unpacked longer than ${formatBytes(limit)}; split it`);
    this.name = 'UnpackedTooLong';
  }
}

/** Reads until there are two bytes, by which gzip is known (RFC 1952 §2.3.1), or no more. */
async function readBeginning(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let beginning = Buffer.alloc(0);
  while (beginning.length < 2) {
    const next = await iterator.next();
    if (next.done === true) break;
    beginning = Buffer.concat([beginning, next.value]);
  }
  return beginning;
}

async function* unpack(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  const unpacked = pipeline(Readable.from(chunks), createGunzip(), () => {});
  let length = 0;
  for await (const chunk of unpacked) {
    length += chunk.length;
    if (length > limit) throw new UnpackedTooLong(limit);
    yield chunk as Buffer;
  }
}

/**
 * The text of `chunks`, unpacked if it is packed; throws UnpackedTooLong when a packed one has more bytes than `limit`,
 * and what zlib or `chunks` throws. Ends `chunks` when it is left early.
 */
export async function* gunzip(
  chunks: AsyncIterable<Uint8Array>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  async function* whole(beginning: Uint8Array): AsyncGenerator<Uint8Array> {
    yield beginning;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  try {
    const beginning = await readBeginning(iterator);
    if (beginning[0] === 0x1f && beginning[1] === 0x8b) yield* unpack(whole(beginning), limit);
    else yield* whole(beginning);
  } finally {
    await iterator.return?.();
  }
}
