/**
 * Splits what a peer sends into the texts of its objects, as they came, without holding more than a batch of them. What
 * was whole before a fault is good and is given first.
 */

import { gunzip } from '../gunzip.ts';
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
/** Whoever has more to write at once writes so many bytes. */
const pauseLength = 16 * 1024;
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

type Form = 'unknown' | 'document' | 'lines';

export interface TextOptions {
  /** Bytes of one object; longer ones are unreadable. */
  readonly maxObjectLength: number;
  /** Bytes of a packed text, unpacked; absent: as many as there are. */
  readonly mostUnpacked?: number;
  /** That it is NDJSON; absent or false: its first line tells. */
  readonly isLines?: boolean;
  /** Gives what is whole whenever the writer pauses, not only when there is much; absent or false: it does not. */
  readonly isLive?: boolean;
}

/**
 * Reads a bundle, envelope, single object, or NDJSON of any of them, packed with gzip or not. A line that is broken is unreadable and the next one is read; a document that is broken ends with its
 * ScanError, as in `readDocument`.
 */
export async function* readTexts(
  chunks: AsyncIterable<Uint8Array>,
  { maxObjectLength, mostUnpacked, isLines = false, isLive = false }: TextOptions,
): AsyncGenerator<Piece> {
  const gatherer = new Gatherer(maxObjectLength);
  const onObject = (object: ScannedObject): void => gatherer.add(object);
  let form: Form = isLines ? 'lines' : 'unknown';
  let line = 1;
  let offset = 0;
  let isBlank = true;
  // What is wrong with a first line, after which lines may follow or the rest of a broken document.
  let doubt: ScanError | undefined;
  // Undefined: the rest of the line is passed over.
  let scanner: Scanner | undefined = createScanner({ maxObjectLength, onObject });

  function report(error: unknown, part: Uint8Array): void {
    if (!(error instanceof ScanError)) throw error;
    if (doubt !== undefined) throw doubt;
    gatherer.addUnreadable(describeFault(error, part, offset));
    if (form === 'document') throw error;
    if (form === 'unknown') doubt = error;
    form = 'lines';
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
      doubt = undefined;
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
    for await (const chunk of gunzip(chunks, mostUnpacked)) {
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
      yield* isLive && chunk.length < pauseLength ? gatherer.takeAll() : gatherer.takeFull();
    }
    finish();
    if (doubt !== undefined) throw doubt;
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

/** Characters of a cursor: a longer one fits into no request, and would be kept with every page. */
const longestCursor = 8000;

/** What a page says besides its objects (TAXII 2.1 §3.7); some servers count their pages in `next`. */
export function readPageMembers(page: Readonly<Record<string, unknown>>): {
  readonly more: boolean | undefined;
  readonly next: string | undefined;
} {
  const { more, next } = page;
  const cursor = typeof next === 'number' ? String(next) : next;
  return {
    more: typeof more === 'boolean' ? more : undefined,
    next: typeof cursor === 'string' && cursor !== '' && cursor.length <= longestCursor ? cursor : undefined,
  };
}
