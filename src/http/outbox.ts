/** How the bytes of an answer leave: packed when the client asks for it, and not waiting for ever for who does not read. */

import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type HttpLimits, readingTime } from './limits.ts';
import { acceptsGzip } from './negotiation.ts';
import { firstOf } from './patience.ts';

export interface Outbox {
  /** Ends the answer with this body and its length; everything else of its head must be set. Never throws. */
  deliver(response: ServerResponse, bytes: Buffer): void;
}

/** Shorter answers fit into a packet or two. */
const packedFrom = 1024;
// zlib works in libuv's pool of four threads, which files and passwords need too.
const maxPacking = 2;
/** Longer answers are written in steps, each of which the client must have begun to take in time. */
const stepLength = 256 * 1024;
const watchedFrom = 64 * 1024;

const pack = promisify(gzip);

export function createOutbox({ pace, unreadBytes }: Pick<HttpLimits, 'pace' | 'unreadBytes'>): Outbox {
  // The order of a Map is that of insertion: the first has stood still for longest.
  const unread = new Map<ServerResponse, number>();
  let held = 0;
  let packing = 0;

  function forget(response: ServerResponse): void {
    held -= unread.get(response) ?? 0;
    unread.delete(response);
  }

  function hold(response: ServerResponse, length: number): void {
    forget(response);
    unread.set(response, length);
    held += length;
    for (const standing of unread.keys()) {
      if (held <= unreadBytes || standing === response) break;
      forget(standing);
      standing.destroy();
    }
  }

  async function writeInSteps(response: ServerResponse, bytes: Buffer): Promise<void> {
    for (let from = 0; from < bytes.length && !response.destroyed; from += stepLength) {
      const step = bytes.subarray(from, from + stepLength);
      hold(response, bytes.length);
      const isLast = from + stepLength >= bytes.length;
      if (isLast) response.end(step);
      else if (response.write(step)) continue;
      const isTaken = await firstOf(response, [isLast ? 'finish' : 'drain', 'close'], readingTime(pace));
      if (!isTaken) response.destroy();
    }
    forget(response);
  }

  async function write(response: ServerResponse, bytes: Buffer): Promise<void> {
    response.setHeader('Content-Length', bytes.length);
    // The body of an answer to HEAD is never sent.
    if (bytes.length < watchedFrom || response.req.method === 'HEAD') response.end(bytes);
    else await writeInSteps(response, bytes);
  }

  async function packAndWrite(response: ServerResponse, bytes: Buffer): Promise<void> {
    packing += 1;
    const packed = await pack(bytes, { level: 1 }).finally(() => {
      packing -= 1;
    });
    response.setHeader('Content-Encoding', 'gzip');
    await write(response, packed);
  }

  return {
    deliver: (response, bytes) => {
      const wanted = bytes.length >= packedFrom && acceptsGzip(response.req.headers['accept-encoding']);
      // RFC 9110 §12.5.3: unpacked is always acceptable, and better than a queue.
      const delivery = wanted && packing < maxPacking ? packAndWrite(response, bytes) : write(response, bytes);
      // Nobody waits for it, and what is half sent can't be turned into an error any more.
      delivery.catch(() => {
        forget(response);
        response.destroy();
      });
    },
  };
}
