/**
 * Splits what a peer sends into the texts of its objects, as they came, without holding more than a batch of them. What
 * was whole before a fault is good and is given first.
 */

import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createScanner, ScanError, type ScannedObject, type Scanner, type ScanResult } from '../stix/scan.ts';
import type { Unreadable } from './source.ts';

/** Some objects in their order, with the bytes of their texts. */
export interface Texts {
  readonly objects: readonly string[];
  readonly bytes: number;
}

export type Piece = Texts | Unreadable;

const mostObjects = 1000;
const mostBytes = 4 * 1024 * 1024;
/** Bytes of a text that are kept to show what was wrong with it, before the fault and after it. */
const shownBefore = 2000;
const shownAfter = 500;
const lineFeed = 0x0a;

export function isUnreadable(piece: object): piece is Unreadable {
  return 'code' in piece;
}

/** Gathers texts until they make a piece. */
class Gatherer {
  readonly #maxObjectLength: number;
  #objects: string[] = [];
  #bytes = 0;
  #ready: Piece[] = [];

  constructor(maxObjectLength: number) {
    this.#maxObjectLength = maxObjectLength;
  }

  add({ text, tooLong }: Pick<ScannedObject, 'text' | 'tooLong'>): void {
    if (tooLong) {
      const message = `The object is longer than ${this.#maxObjectLength} bytes, which is all that is taken here.`;
      this.addUnreadable({ code: 'object-too-long', message, text: text.toString('utf8', 0, shownBefore) });
      return;
    }
    this.#objects.push(text.toString());
    this.#bytes += text.length;
    if (this.#objects.length >= mostObjects || this.#bytes >= mostBytes) this.#flush();
  }

  addUnreadable(unreadable: Unreadable): void {
    this.#flush();
    this.#ready.push(unreadable);
  }

  #flush(): void {
    if (this.#objects.length > 0) this.#ready.push({ objects: this.#objects, bytes: this.#bytes });
    this.#objects = [];
    this.#bytes = 0;
  }

  takeFull(): Piece[] {
    return this.#ready.splice(0);
  }

  takeAll(): Piece[] {
    this.#flush();
    return this.takeFull();
  }
}

/** What stands around a place of the text, of which `chunk` begins at `base`. */
function describeFault(error: ScanError, chunk: Uint8Array, base: number): Unreadable {
  const at = Math.max((error.place?.byte ?? base) - base, 0);
  const text = Buffer.from(chunk.subarray(Math.max(at - shownBefore, 0), at + shownAfter)).toString();
  const code = error.kind === 'syntax' ? 'JSON-syntax' : 'no-objects';
  return { code, message: `The text is not what it should be: ${error.message}.`, text };
}

/**
 * Reads one document: an envelope or a bundle. Whatever ends it, a ScanError or what `chunks` throws, is thrown after
 * all that was whole, and after a text that is broken (not merely cut off) was reported as unreadable. No text at all is
 * an envelope without objects.
 */
export async function* readDocument(
  chunks: AsyncIterable<Uint8Array>,
  maxObjectLength: number,
): AsyncGenerator<Piece, ScanResult> {
  const gatherer = new Gatherer(maxObjectLength);
  const scanner = createScanner({ maxObjectLength, onObject: (object) => gatherer.add(object) });
  let base = 0;
  try {
    for await (const chunk of chunks) {
      try {
        scanner.push(chunk);
      } catch (error) {
        if (error instanceof ScanError) gatherer.addUnreadable(describeFault(error, chunk, base));
        throw error;
      }
      base += chunk.length;
      yield* gatherer.takeFull();
    }
    const nothing = { root: '{}', objects: 'absent', count: 0 } as const;
    const result = base === 0 ? nothing : scanner.end();
    yield* gatherer.takeAll();
    return result;
  } catch (error) {
    yield* gatherer.takeAll();
    throw error;
  }
}

/** Text that is packed with gzip is unpacked, whatever its name says. */
export async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  async function* whole(beginning: Uint8Array): AsyncGenerator<Uint8Array> {
    yield beginning;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  try {
    const beginning = await readBeginning(iterator, 2);
    if (beginning[0] === 0x1f && beginning[1] === 0x8b) yield* unzipped(whole(beginning));
    else yield* whole(beginning);
  } finally {
    await iterator.return?.();
  }
}

async function readBeginning(iterator: AsyncIterator<Uint8Array>, length: number): Promise<Uint8Array> {
  let beginning = Buffer.alloc(0);
  while (beginning.length < length) {
    const next = await iterator.next();
    if (next.done === true) break;
    beginning = Buffer.concat([beginning, next.value]);
  }
  return beginning;
}

async function* unzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = pipeline(Readable.from(chunks), createGunzip(), () => {});
  for await (const chunk of gunzip) yield chunk as Buffer;
}

type Form = 'unknown' | 'document' | 'lines';

/**
 * Reads a bundle, envelope, single object, or NDJSON of any of them. `isLines` says that it is NDJSON; else its first
 * line tells. A line that is broken is unreadable and the next one is read; a document that is broken ends with its
 * ScanError, as in `readDocument`.
 */
export async function* readTexts(
  chunks: AsyncIterable<Uint8Array>,
  maxObjectLength: number,
  isLines = false,
): AsyncGenerator<Piece> {
  const gatherer = new Gatherer(maxObjectLength);
  const onObject = (object: ScannedObject): void => gatherer.add(object);
  let form: Form = isLines ? 'lines' : 'unknown';
  let line = 1;
  let offset = 0;
  let isBlank = true;
  // Undefined: the rest of the line is passed over.
  let scanner: Scanner | undefined = createScanner({ maxObjectLength, onObject });

  function report(error: unknown, part: Uint8Array): void {
    if (!(error instanceof ScanError)) throw error;
    gatherer.addUnreadable(describeFault(error, part, offset));
    if (form !== 'lines') throw error;
    scanner = undefined;
  }

  function push(part: Uint8Array): void {
    if (part.length === 0 || scanner === undefined) return;
    if (isBlank && part.every((byte) => byte <= 0x20)) return;
    isBlank = false;
    try {
      scanner.push(part);
    } catch (error) {
      report(error, part);
    }
  }

  function finish(): void {
    if (scanner === undefined || isBlank) return;
    try {
      const { root, objects } = scanner.end();
      if (objects !== 'list') gatherer.add({ text: Buffer.from(root), tooLong: false });
    } catch (error) {
      report(error, new Uint8Array());
    }
  }

  const isDocument = (): boolean => form === 'document';

  /** Whether a line ends here, not merely a line of a document. */
  function isEndOfText(): boolean {
    if (form === 'unknown' && !isBlank) form = isWhole(scanner) ? 'lines' : 'document';
    return form === 'lines';
  }

  try {
    for await (const chunk of unpacked(chunks)) {
      let from = 0;
      for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
        if (isDocument()) break;
        push(chunk.subarray(from, end));
        offset += end - from;
        if (isEndOfText()) {
          finish();
          line += 1;
          scanner = createScanner({ maxObjectLength, onObject, begin: { line, offset: offset + 1 } });
          isBlank = true;
        } else push(chunk.subarray(end, end + 1));
        offset += 1;
        from = end + 1;
      }
      push(chunk.subarray(from));
      offset += chunk.length - from;
      yield* gatherer.takeFull();
    }
    finish();
    yield* gatherer.takeAll();
  } catch (error) {
    yield* gatherer.takeAll();
    throw error;
  }
}

function isWhole(scanner: Scanner | undefined): boolean {
  try {
    scanner?.end();
    return true;
  } catch {
    return false;
  }
}

/** What a page says besides its objects (TAXII 2.1 §3.7); some servers count their pages in `next`. */
export function readPageMembers(page: Readonly<Record<string, unknown>>): {
  readonly more: boolean | undefined;
  readonly next: string | undefined;
} {
  const { more, next } = page;
  const cursor = typeof next === 'number' ? String(next) : next;
  return {
    more: typeof more === 'boolean' ? more : undefined,
    next: typeof cursor === 'string' && cursor !== '' ? cursor : undefined,
  };
}
