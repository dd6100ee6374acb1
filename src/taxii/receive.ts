/**
 * The first half of the door: a body is received and scanned whole before anything of it is stored, so that an error
 * anywhere in the text leaves no trace. Small bodies wait in memory, others in a file without a name.
 */

import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemReasonOf, TaxiiError } from '../errors.ts';
import { createScanner, ScanError, type ScannedObject, type ScanResult } from '../stix/scan.ts';

/** Some objects of a body, in their order. */
export interface Slice {
  /** Compact texts, each followed by a line feed, which compact JSON never contains. An empty line: too long. */
  readonly lines: Buffer;
  readonly count: number;
  /** The line of the text on which each object begins, from 1. */
  readonly startLines: Uint32Array;
}

export interface Received {
  readonly scan: ScanResult;
  /** The beginnings of objects that were too long to keep, by their place in the body. */
  readonly tooLong: ReadonlyMap<number, string>;
  /** All objects in order, once. */
  slices(): AsyncIterable<Slice>;
  /** Frees what holds the body. May be called twice. */
  close(): Promise<void>;
}

export interface ReceiveLimits {
  readonly maxObjectLength: number;
  /** Objects of one body. Each costs memory for its verdict, however short it is. */
  readonly maxObjects: number;
}

/** Objects and bytes that are checked and committed at a time: about ten milliseconds of either. */
const sliceObjects = 200;
const sliceBytes = 256 * 1024;
/** Bytes of compact text kept in memory per body; the rest goes to the file. */
const memoryLength = 1024 * 1024;

const lineFeed = 0x0a;

/** Lines of these texts, in memory of their own: a thread is sent the whole memory that a Buffer is a part of. */
function linesOf(texts: readonly Buffer[], length: number): Buffer {
  const lines = Buffer.allocUnsafeSlow(length);
  let end = 0;
  for (const text of texts) {
    lines.set(text, end);
    end += text.length + 1;
    lines[end - 1] = lineFeed;
  }
  return lines;
}

/** The texts of a slice, in order, given its lines. */
export function textsOf(lines: Buffer): string[] {
  const texts: string[] = [];
  let from = 0;
  // Decoded each for itself: one character beyond Latin-1 makes a whole string twice as wide, and slow to cut.
  for (let end = lines.indexOf(lineFeed); end >= 0; end = lines.indexOf(lineFeed, from)) {
    texts.push(lines.toString('utf8', from, end));
    from = end + 1;
  }
  return texts;
}

/** What to throw when the folder for bodies does not take one: that is the operator's to mend, and the client may wait. */
function noRoom(reason: string): TaxiiError {
  return new TaxiiError('unavailable', `A body cannot be kept in ${tmpdir()}: ${reason}. Mend it, or set TMPDIR.`, {
    'Retry-After': '60',
  });
}

async function openSpoolFile(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'huiju-'));
  try {
    return await open(join(folder, 'body'), 'wx+', 0o600);
  } finally {
    // The open file lives on without its name, and ends with the process, however that ends.
    await rm(folder, { recursive: true });
  }
}

/** Groups texts into slices, then hands each full one on. */
export class Slicer {
  readonly #tooLong: Map<number, string>;
  #total = 0;
  #texts: Buffer[] = [];
  #bytes = 0;
  #startLines: number[] = [];
  readonly #full: Slice[] = [];

  /** Takes the beginnings of objects that are too long, by their place. */
  constructor(tooLong: Map<number, string>) {
    this.#tooLong = tooLong;
  }

  add(object: ScannedObject): void {
    if (object.tooLong) this.#tooLong.set(this.#total, object.text.toString());
    const text = Buffer.from(object.tooLong ? '' : object.text);
    this.#total += 1;
    this.#texts.push(text);
    this.#bytes += text.length + 1;
    this.#startLines.push(object.line);
    if (this.#texts.length >= sliceObjects || this.#bytes >= sliceBytes) this.flush();
  }

  flush(): void {
    const count = this.#texts.length;
    if (count === 0) return;
    this.#full.push({
      lines: linesOf(this.#texts, this.#bytes),
      count,
      startLines: Uint32Array.from(this.#startLines),
    });
    this.#texts = [];
    this.#bytes = 0;
    this.#startLines = [];
  }

  takeFull(): Slice[] {
    return this.#full.splice(0);
  }
}

/** Slices in memory up to a length, then in a file, read back in order. */
class Spool {
  readonly #kept: Slice[] = [];
  readonly #filed: (Omit<Slice, 'lines'> & { readonly position: number; readonly length: number })[] = [];
  #keptBytes = 0;
  #end = 0;
  #file: FileHandle | undefined;

  async write(slice: Slice): Promise<void> {
    if (this.#file === undefined && this.#keptBytes + slice.lines.length <= memoryLength) {
      this.#kept.push(slice);
      this.#keptBytes += slice.lines.length;
      return;
    }
    const { lines, ...rest } = slice;
    await this.#append(lines).catch((error: unknown) => {
      throw noRoom(systemReasonOf(error));
    });
    this.#filed.push({ ...rest, position: this.#end, length: lines.length });
    this.#end += lines.length;
  }

  async #append(bytes: Buffer): Promise<void> {
    this.#file ??= await openSpoolFile();
    const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, this.#end);
    if (bytesWritten !== bytes.length) throw new Error('it took only a part');
  }

  async *read(): AsyncGenerator<Slice> {
    yield* this.#kept;
    for (const { position, length, ...rest } of this.#filed) {
      const lines = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await (this.#file as FileHandle).read(lines, 0, length, position);
      if (bytesRead !== length) throw new Error('the spool file is shorter than what was written to it');
      yield { lines, ...rest };
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/**
 * The slices of a text that was scanned before and found whole, straight from where it is read: for files, which can be
 * read twice. Throws ScanError. Objects that are too long are put into `tooLong`.
 */
export async function* streamSlices(
  chunks: AsyncIterable<Uint8Array>,
  maxObjectLength: number,
  tooLong: Map<number, string>,
): AsyncGenerator<Slice> {
  const slicer = new Slicer(tooLong);
  const scanner = createScanner({ maxObjectLength, onObject: (object) => slicer.add(object) });
  for await (const chunk of chunks) {
    scanner.push(chunk);
    yield* slicer.takeFull();
  }
  scanner.end();
  slicer.flush();
  yield* slicer.takeFull();
}

function toTaxiiError(error: unknown): unknown {
  if (!(error instanceof ScanError)) return error;
  return new TaxiiError(error.kind === 'syntax' ? 'malformed-json' : 'invalid-envelope', `The body: ${error.message}.`);
}

/**
 * Reads a body to its end. Throws TaxiiError 400 for what is not JSON, 422 for what has another shape than an object,
 * and whatever `chunks` throws; nothing is kept then.
 */
export async function receive(chunks: AsyncIterable<Uint8Array>, limits: ReceiveLimits): Promise<Received> {
  const tooLong = new Map<number, string>();
  const slicer = new Slicer(tooLong);
  const spool = new Spool();
  let count = 0;

  function onObject(object: ScannedObject): void {
    if (count === limits.maxObjects) {
      throw new ScanError('shape', `it holds more than ${limits.maxObjects} objects: send several smaller ones`);
    }
    slicer.add(object);
    count += 1;
  }

  try {
    const scanner = createScanner({ maxObjectLength: limits.maxObjectLength, onObject });
    for await (const chunk of chunks) {
      scanner.push(chunk);
      for (const slice of slicer.takeFull()) await spool.write(slice);
    }
    const scan = scanner.end();
    slicer.flush();
    for (const slice of slicer.takeFull()) await spool.write(slice);
    return { scan, tooLong, slices: () => spool.read(), close: () => spool.close() };
  } catch (error) {
    await spool.close();
    throw toTaxiiError(error);
  }
}
