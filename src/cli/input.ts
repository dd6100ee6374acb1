/** What `import` and `validate` read: bundles, envelopes, single objects and NDJSON, from files or standard input. */

import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { OperatorError } from '../errors.ts';
import { gunzip } from '../gunzip.ts';
import { createScanner, ScanError, type ScanOptions, type ScanResult } from '../stix/scan.ts';
import { cannot, isGzipFault } from './reason.ts';

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

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes?: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes?.(chunk.length);
    yield chunk;
  }
}

async function peek(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of chunks) {
      parts.push(chunk);
      length += chunk.length;
      if (length >= peekLength) break;
    }
  } catch (error) {
    // Whoever reads the text comes upon it.
    if (!isGzipFault(error)) throw error;
  }
  return Buffer.concat(parts).subarray(0, peekLength);
}

async function* fromStandardInput(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const source = signal === undefined ? process.stdin : addAbortSignal(signal, process.stdin);
  for await (const chunk of source) yield chunk as Buffer;
}

async function openStandardInput(signal: AbortSignal | undefined): Promise<Input> {
  let counter: ((count: number) => void) | undefined;
  const iterator = gunzip(counted(fromStandardInput(signal), (count) => counter?.(count)));
  const parts: Uint8Array[] = [];
  let length = 0;
  let fault: unknown;
  try {
    while (length < peekLength) {
      const next = await iterator.next();
      if (next.done === true) break;
      parts.push(next.value);
      length += next.value.length;
    }
  } catch (error) {
    if (!isGzipFault(error)) throw error;
    fault = error;
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
      if (fault !== undefined) throw fault;
      yield* iterator;
    },
  };
}

const readable = /\.(?:json|ndjson|jsonl)(?:\.gz)?$/i;

/** The files in and below a folder that hold objects by their names, in the order of names; hidden ones are left out. */
async function listFolder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    // A link to a folder is not followed: it may lead back.
    if (entry.isDirectory()) files.push(...(await listFolder(path)));
    else if (readable.test(entry.name) && (await stat(path)).isFile()) files.push(path);
  }
  return files;
}

/** The files that a path names: itself, or all that are in a folder. Throws OperatorError when that is none. */
export async function listInputs(path: string): Promise<readonly string[]> {
  try {
    if (path === '-' || !(await stat(path)).isDirectory()) return [path];
    const files = await listFolder(path);
    if (files.length > 0) return files;
  } catch (error) {
    throw cannot('read', path, error);
  }
  throw new OperatorError(`${path} has no file that ends in .json, .ndjson or .jsonl, packed (.gz) or not`);
}

/** Bytes of all files; undefined when one is no file and has no size before its end. */
export async function totalSize(files: readonly string[]): Promise<number | undefined> {
  let total = 0;
  for (const file of files) {
    const status = file === '-' ? undefined : await stat(file);
    if (status?.isFile() !== true) return undefined;
    total += status.size;
  }
  return total;
}

/**
 * Opens a file, or standard input for `-`. It, and what reads from the input, throws what Node throws when it cannot be
 * read (`reasonOf` explains it), after the signal an AbortError.
 */
export async function openInput(path: string, signal?: AbortSignal): Promise<Input> {
  if (path === '-') return openStandardInput(signal);
  const status = await stat(path);
  await (await open(path)).close();
  const isRepeatable = status.isFile();
  const read: Input['read'] = (onBytes) =>
    gunzip(counted(createReadStream(path, signal === undefined ? {} : { signal }), onBytes));
  const form = detectForm(path, isRepeatable ? await peek(read()) : Buffer.alloc(0));
  return { name: path, size: isRepeatable ? status.size : undefined, form, isRepeatable, read };
}

interface ScannedLine {
  /** From 1. */
  readonly line: number;
  /** The byte of the text at which it begins. */
  readonly offset: number;
  /** The line as it stands in the file. */
  readonly bytes: Buffer;
}

/** Lines that are not blank. A line over `maxLength` is cut there, which makes it broken JSON. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxLength: number): AsyncGenerator<ScannedLine> {
  let line = 1;
  let offset = 0;
  let read = 0;
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
      if (!isBlank(bytes)) yield { line, offset, bytes };
      line += 1;
      from = end + 1;
      offset = read + from;
    }
    take(chunk.subarray(from));
    read += chunk.length;
  }
  const last = finish();
  if (!isBlank(last)) yield { line, offset, bytes: last };
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

interface Document {
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

/** What is wrong with the list of a bundle or envelope; undefined for one that has objects, and for a single object. */
export function findListFault(scan: ScanResult): string | undefined {
  if (kindOf(scan) === 'object') return undefined;
  if (scan.objects === 'absent') return 'there is no member `objects`';
  if (scan.objects === 'other') return '`objects` is not a list';
  return scan.count === 0 ? 'the list `objects` is empty' : undefined;
}

/** Scans a whole text that is in memory, a line for example; `begin` is where it stands in its file. Throws ScanError. */
export function scanText(
  bytes: Uint8Array,
  maxObjectLength: number,
  begin: ScanOptions['begin'] = { line: 1, offset: 0 },
): Document & { readonly elements: readonly Buffer[] } {
  const elements: Buffer[] = [];
  const scanner = createScanner({
    maxObjectLength,
    begin,
    onObject: ({ text, tooLong }) => {
      if (tooLong) throw new ScanError('length', `an object is longer than ${maxObjectLength} bytes`);
      elements.push(Buffer.from(text));
    },
  });
  scanner.push(bytes);
  const scan = scanner.end();
  return { scan, kind: kindOf(scan), elements };
}
