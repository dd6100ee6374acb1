/** What `import` and `validate` read: bundles, envelopes, single objects and NDJSON, from files or standard input. */

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { OperatorError } from '../errors.ts';
import { createScanner, ScanError, type ScanResult } from '../stix/scan.ts';

export interface Input {
  readonly name: string;
  /** Bytes as stored; undefined when they are not known before the end. */
  readonly size: number | undefined;
  readonly form: 'document' | 'lines';
  /** Whether `read` may be called again. */
  readonly isRepeatable: boolean;
  /** The text, unpacked. `onBytes` hears of the bytes as stored that were read. */
  read(onBytes?: (count: number) => void): AsyncIterable<Uint8Array>;
}

/** Bytes that are looked at to tell a document from NDJSON. */
const peekLength = 1024 * 1024;

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** NDJSON has an object on each line; a document is one value, over as many lines as it likes. */
function detectForm(name: string, beginning: Buffer): Input['form'] {
  if (/\.(?:ndjson|jsonl)(?:\.gz)?$/i.test(name)) return 'lines';
  const [first, second, ...rest] = beginning
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '');
  if (first === undefined || second === undefined) return 'document';
  if (isJsonObject(first)) return 'lines';
  // A broken first line must not hide that there are lines.
  const isWhole = rest.length > 0 || beginning.length < peekLength;
  return first.startsWith('{') && isWhole && isJsonObject(second) ? 'lines' : 'document';
}

function isGzip(beginning: Uint8Array): boolean {
  return beginning[0] === 0x1f && beginning[1] === 0x8b;
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes?: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes?.(chunk.length);
    yield chunk;
  }
}

async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  let pending: Uint8Array[] = [];
  let length = 0;
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    pending.push(next.value);
    length += next.value.length;
    if (length >= 2) break;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* pending;
    pending = [];
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  if (!isGzip(Buffer.concat(pending))) {
    yield* whole();
    return;
  }
  const { Readable } = await import('node:stream');
  const source = Readable.from(whole());
  const gunzip = source.pipe(createGunzip());
  source.once('error', (error) => gunzip.destroy(error));
  for await (const chunk of gunzip) yield chunk as Buffer;
}

async function peek(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= peekLength) break;
  }
  return Buffer.concat(parts).subarray(0, peekLength);
}

async function* fromStandardInput(): AsyncGenerator<Uint8Array> {
  for await (const chunk of process.stdin) yield chunk as Buffer;
}

async function openStandardInput(): Promise<Input> {
  let counter: ((count: number) => void) | undefined;
  const iterator = unpacked(counted(fromStandardInput(), (count) => counter?.(count)));
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < peekLength) {
    const next = await iterator.next();
    if (next.done === true) break;
    parts.push(next.value);
    length += next.value.length;
  }
  return {
    name: 'standard input',
    size: undefined,
    form: detectForm('', Buffer.concat(parts)),
    isRepeatable: false,
    read: async function* (onBytes) {
      counter = onBytes;
      onBytes?.(length);
      yield* parts.splice(0);
      yield* iterator;
    },
  };
}

/** Opens a file, or standard input for `-`. Throws OperatorError when it cannot be read. */
export async function openInput(path: string): Promise<Input> {
  if (path === '-') return openStandardInput();
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new OperatorError(`${path} is a folder: name the files in it`);
    await (await open(path)).close();
    const isRepeatable = status.isFile();
    const read: Input['read'] = (onBytes) => unpacked(counted(createReadStream(path), onBytes));
    const form = isRepeatable ? detectForm(path, await peek(read())) : detectForm(path, Buffer.alloc(0));
    return { name: path, size: isRepeatable ? status.size : undefined, form, isRepeatable, read };
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(`cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** Why reading failed, in a few words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
  };
  if (code.startsWith('Z_')) return 'it is broken gzip';
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}

export interface ScannedLine {
  /** From 1. */
  readonly line: number;
  /** The line as it stands in the file. */
  readonly bytes: Buffer;
}

/** Lines that are not blank. A line over `maxLength` is cut there, which makes it broken JSON. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxLength: number): AsyncGenerator<ScannedLine> {
  let line = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array): void => {
    const kept = part.subarray(0, Math.max(0, maxLength - length));
    // A copy, since the chunk it is part of would be kept alive by it.
    if (kept.length > 0) parts.push(Buffer.from(kept));
    length += part.length;
  };
  const finish = (): Buffer => {
    const bytes = Buffer.concat(parts);
    parts = [];
    length = 0;
    return bytes;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      take(chunk.subarray(from, end));
      const bytes = finish();
      if (!isBlank(bytes)) yield { line, bytes };
      line += 1;
      from = end + 1;
    }
    take(chunk.subarray(from));
  }
  const last = finish();
  if (!isBlank(last)) yield { line, bytes: last };
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

export interface Document {
  readonly scan: ScanResult;
  /** What the text is: a bundle, an envelope, or one object. */
  readonly kind: 'bundle' | 'envelope' | 'object';
}

/** Tells what a scanned text is. A list under `objects` makes it an envelope, unless `type` says what else it is. */
export function kindOf(scan: ScanResult): Document['kind'] {
  const { type } = JSON.parse(scan.root) as { type?: unknown };
  if (type === 'bundle') return 'bundle';
  return type === undefined && scan.objects === 'list' ? 'envelope' : 'object';
}

/** Scans a whole text that is in memory, a line for example. Throws ScanError. */
export function scanText(
  bytes: Uint8Array,
  maxObjectLength: number,
): Document & { readonly elements: readonly Buffer[] } {
  const elements: Buffer[] = [];
  const scanner = createScanner({
    maxObjectLength,
    onObject: ({ text, tooLong }) => {
      if (tooLong) throw new ScanError('shape', `an object is longer than ${maxObjectLength} bytes`);
      elements.push(Buffer.from(text));
    },
  });
  scanner.push(bytes);
  const scan = scanner.end();
  return { scan, kind: kindOf(scan), elements };
}
