/**
 * How the bytes of an answer leave: together with others of the same moment, packed when the client asks for it, and not waiting
 * for ever for who does not read.
 */

import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, gzip, constants as zlib } from 'node:zlib';
import { lengthOf } from '../taxii/page-cache.ts';
import { type HttpLimits, readingTime } from './limits.ts';
import type { PackedCoding } from './negotiation.ts';
import { firstOf } from './patience.ts';

type Answer = readonly [response: ServerResponse, status: number, fields: readonly string[], body: readonly Buffer[]];

export interface Outbox {
  /** Ends the answer with this head and body, soon; the length is added, but for 304 (RFC 9110 §8.6). Never throws. */
  deliver(...answer: Answer): void;
  /**
   * Packs a body off the main thread. Undefined when enough are being packed: as it is, it is acceptable, and better than a
   * queue. What `must` be packed waits for its turn.
   */
  pack(body: readonly Buffer[], coding: PackedCoding, must: boolean): Promise<Buffer> | undefined;
}

// zlib works in libuv's pool of four threads, which files and passwords need too.
const maxPacking = 2;
/** Longer answers are written in steps, each of which the client must have begun to take in time. */
const stepLength = 256 * 1024;
const watchedFrom = 64 * 1024;
/** So many answers wait for each other at most, so many bytes of them, and the first for so many milliseconds of others. */
const maxTogether = 32;
const maxTogetherBytes = 256 * 1024;
const longestTogether = 2;
/** Shorter answers are sent as text: Node writes it together with the head in one piece, a Buffer beside it. */
const joinedBelow = 1024;

const packGzip = promisify(gzip);
const packBrotli = promisify(brotliCompress);
// The least quality costs a few times what reading the page does, and reaches nine tenths of what others do.
const packers: Readonly<Record<PackedCoding, (body: Buffer) => Promise<Buffer>>> = {
  br: (body) =>
    packBrotli(body, { params: { [zlib.BROTLI_PARAM_QUALITY]: 1, [zlib.BROTLI_PARAM_SIZE_HINT]: body.length } }),
  gzip: (body) => packGzip(body, { level: 1 }),
};

/** Runs so much packing at once. */
function createPacker() {
  const waiting: (() => void)[] = [];
  let running = 0;
  const run = async (body: readonly Buffer[], coding: PackedCoding): Promise<Buffer> => {
    // Who waits is given the place of whoever ends.
    if (running >= maxPacking) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await packers[coding](Buffer.concat(body));
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
  return (body: readonly Buffer[], coding: PackedCoding, must: boolean): Promise<Buffer> | undefined =>
    must || running < maxPacking ? run(body, coding) : undefined;
}

/** The body, cut into steps. */
function stepsOf(body: readonly Buffer[]): Buffer[][] {
  let step: Buffer[] = [];
  let room = stepLength;
  const steps = [step];
  for (const part of body) {
    for (let from = 0; from < part.length; ) {
      if (room === 0) {
        step = [];
        room = stepLength;
        steps.push(step);
      }
      const piece = part.subarray(from, from + room);
      step.push(piece);
      room -= piece.length;
      from += piece.length;
    }
  }
  return steps;
}

/**
 * Lets answers leave one after the other, when what had arrived with their requests is handled. The first wakes its client,
 * which costs as much as making a short answer; those behind it find a client of many connections, or a proxy, awake. Each
 * sent as soon as it is made would find it asleep again.
 */
function createDepartures(send: (...answer: Answer) => void): (...answer: Answer) => void {
  let waiting: Answer[] = [];
  let bytes = 0;
  let leaveBy = 0;

  function leave(): void {
    const leaving = waiting;
    waiting = [];
    bytes = 0;
    for (const answer of leaving) send(...answer);
  }

  return (...answer) => {
    const present = performance.now();
    if (waiting.length === 0) {
      setImmediate(leave);
      leaveBy = present + longestTogether;
    }
    waiting.push(answer);
    bytes += lengthOf(answer[3]);
    if (waiting.length >= maxTogether || bytes >= maxTogetherBytes || present >= leaveBy) leave();
  };
}

/** The bytes as text of as many characters. */
function textOf(body: readonly Buffer[]): string {
  return body.map((part) => part.toString('latin1')).join('');
}

/** Writes the pieces in one call of the system. False when it is time to wait for the client. */
function writeTogether(response: ServerResponse, pieces: readonly Buffer[], isLast: boolean): boolean {
  let goesOn = false;
  response.cork();
  for (const piece of pieces.slice(0, -1)) response.write(piece);
  if (isLast) response.end(pieces.at(-1));
  else {
    goesOn = response.write(pieces.at(-1));
    response.uncork();
  }
  // What the system took at once waits for nobody.
  return goesOn || response.socket?.writableLength === 0;
}

export function createOutbox({ pace, unreadBytes }: Pick<HttpLimits, 'pace' | 'unreadBytes'>): Outbox {
  // The order of a Map is that of insertion: the first has stood still for longest.
  const unread = new Map<ServerResponse, number>();
  let held = 0;

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

  /** Waits until the client has begun to take what was written. */
  async function waitFor(response: ServerResponse, event: 'finish' | 'drain', length: number): Promise<void> {
    hold(response, length);
    const isTaken = await firstOf(response, [event, 'close'], readingTime(pace));
    if (!isTaken) response.destroy();
  }

  async function writeInSteps(response: ServerResponse, body: readonly Buffer[], length: number): Promise<void> {
    const steps = stepsOf(body);
    for (const [index, pieces] of steps.entries()) {
      if (response.destroyed) break;
      const isLast = index === steps.length - 1;
      if (!writeTogether(response, pieces, isLast)) await waitFor(response, isLast ? 'finish' : 'drain', length);
    }
  }

  /** Nobody waits for it, and what is half sent can't be turned into an error any more. */
  function letRun(response: ServerResponse, writing: Promise<void>): void {
    writing.catch(() => response.destroy()).finally(() => forget(response));
  }

  function write(...[response, status, fields, body]: Answer): void {
    if (status === 304) {
      response.writeHead(status, [...fields]).end();
      return;
    }
    const length = lengthOf(body);
    response.writeHead(status, fields.concat('Content-Length', String(length)));
    // The body of an answer to HEAD is never sent.
    if (response.req.method === 'HEAD') response.end();
    else if (length < joinedBelow) response.end(textOf(body), 'latin1');
    else if (length > stepLength) letRun(response, writeInSteps(response, body, length));
    else if (!writeTogether(response, body, true) && length >= watchedFrom)
      letRun(response, waitFor(response, 'finish', length));
  }

  return {
    pack: createPacker(),
    deliver: createDepartures((...answer) => {
      try {
        write(...answer);
      } catch {
        answer[0].destroy();
      }
    }),
  };
}
