/** Bodies of answers, read within bounds of length and time. */

import { type Duplex, pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { formatBytes } from '../text.ts';
import { HttpFault, toHttpFault } from './http-fault.ts';
import { showUrl } from './peer-url.ts';

/** Waits for a peer: each time so long at most, and in all no longer than `total`, whatever we do in between. */
export function createPatience(url: URL, total: number, cut: AbortController) {
  let left = total;
  return async <T>(answer: Promise<T>, atMost: number): Promise<T> => {
    const since = performance.now();
    const time = Math.min(atMost, left);
    const timer = setTimeout(() => {
      const what = time < atMost ? `takes longer than ${total / 1000} s` : `sends nothing for ${time / 1000} s`;
      cut.abort(new HttpFault(`${showUrl(url)} is too slow: it ${what}; ask for smaller pages, or later`, 'later'));
    }, time);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      left = Math.max(left - (performance.now() - since), 0);
    }
  };
}

export type Patience = ReturnType<typeof createPatience>;

const unpackers = new Map<string, () => Duplex>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);

/** What a body holds that is packed so (RFC 9110 §8.4). Throws SourceError for what was not asked for. */
export function unpack(body: Readable, encoding: string, url: URL): Readable {
  if (encoding === '' || encoding === 'identity') return body;
  const unpacker = unpackers.get(encoding)?.();
  if (unpacker === undefined) {
    body.destroy();
    throw new HttpFault(
      `${showUrl(url)} packs its answer as ${JSON.stringify(encoding.slice(0, 50))}, which was not asked for`,
      'never',
    );
  }
  return pipeline(body, unpacker, () => {});
}

export interface Reading {
  readonly url: URL;
  /** Bytes, unpacked. */
  readonly limit: number;
  /** Milliseconds between bytes. */
  readonly idleTime: number;
  readonly wait: Patience;
  readonly signal: AbortSignal;
}

/** Reads a body within its bounds. Throws SourceError, or the reason of the signal. */
export async function* readBody(
  stream: Readable,
  { url, limit, idleTime, wait, signal }: Reading,
): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let length = 0;
  try {
    for (;;) {
      const next = await wait(chunks.next(), idleTime).catch((error: unknown) => {
        throw signal.aborted ? signal.reason : toHttpFault(error, url);
      });
      if (next.done === true) return;
      length += next.value.length;
      if (length > limit) {
        const message = `${showUrl(url)} sends more than ${formatBytes(limit)}; ask for smaller pages or fewer objects`;
        throw new HttpFault(message, 'never', { isTooLong: true });
      }
      yield next.value;
    }
  } finally {
    stream.destroy();
  }
}

/** The beginning of a body. */
export async function* atMost(body: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
