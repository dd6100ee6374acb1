/**
 * The form of a backup: gzip of lines of JSON, whatever store it is of. The first line says what it is; the last has the
 * counts of the parts, and the SHA-256 of all lines before it.
 */

import { createHash } from 'node:crypto';
import { createGunzip } from 'node:zlib';
import { codeOf, messageOf, OperatorError } from '../errors.ts';
import { isObject } from '../stix/json-value.ts';
import type { SnapshotPart } from './store.ts';

/** A file that belongs to the store and is not in it: it declares an API root. */
export interface BackupFile {
  readonly part: 'file';
  /** Without a folder. */
  readonly name: string;
  /** Base64. */
  readonly content: string;
}

export type BackupPart = BackupFile | SnapshotPart;
export type PartCounts = Readonly<Record<BackupPart['part'], number>>;

/** Whoever changes what is written below, or adds a kind of part, raises it. */
const format = 2;
// Longer than any object may be, and short enough for a string.
const maxLineLength = 480 * 1024 ** 2;
/** Lines are handed on in pieces of about this many bytes. */
const pieceLength = 64 * 1024;

type FieldType =
  | 'string'
  | 'number'
  | 'boolean'
  | 'string or null'
  | 'string or null or undefined'
  | 'number or null'
  | 'texts'
  | 'anything';

const textFields = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'string' as const]));
const numberFields = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'number' as const]));

/** The fields of each kind of part. */
export const shapes: Readonly<Record<BackupPart['part'], Readonly<Record<string, FieldType>>>> = {
  file: textFields('name', 'content'),
  sequence: numberFields('last'),
  collection: { ...textFields('collection'), ...numberFields('highWater', 'generation', 'versions', 'bytes') },
  object: {
    ...textFields('collection', 'submitter', 'id', 'type', 'specVersion', 'version', 'versionKey', 'text'),
    ...numberFields('seq', 'dateAdded'),
    isFirst: 'boolean',
    isLast: 'boolean',
    digest: 'string or null',
    // Since form 2.
    origin: 'string or null or undefined',
  },
  tombstone: {
    ...textFields('collection', 'id', 'version', 'deletedBy'),
    ...numberFields('seq', 'dateAdded', 'deletedAt'),
  },
  status: { ...textFields('id', 'apiRoot', 'submitter', 'text'), ...numberFields('completedAt') },
  record: { ...textFields('kind', 'id'), ...numberFields('revision'), keys: 'texts', document: 'anything' },
  access: {
    ...textFields('collection', 'client', 'agent', 'method', 'endpoint'),
    ...numberFields('at', 'objects', 'bytes', 'ms'),
    user: 'string or null',
    status: 'number or null',
    errorCode: 'string or null',
  },
  'access-totals': { ...textFields('user'), ...numberFields('requests', 'lastAt') },
};

function isA(type: FieldType, value: unknown): boolean {
  if (type === 'anything') return value !== undefined;
  if (type === 'texts') return isObject(value) && Object.values(value).every((one) => typeof one === 'string');
  return type.split(' or ').includes(value === null ? 'null' : typeof value);
}

function isPart(value: unknown): value is BackupPart {
  if (!isObject(value) || typeof value.part !== 'string' || !Object.hasOwn(shapes, value.part)) return false;
  const shape = shapes[value.part as BackupPart['part']];
  return Object.entries(shape).every(([name, type]) => isA(type, value[name]));
}

function isName(name: string): boolean {
  return /^[^/\\\0]{1,255}$/.test(name) && !name.startsWith('.') && name.endsWith('.json');
}

/** Counts parts, and holds the objects of each collection against its state. */
export function createTally() {
  const counts: Record<BackupPart['part'], number> = {
    file: 0,
    sequence: 0,
    collection: 0,
    object: 0,
    tombstone: 0,
    status: 0,
    record: 0,
    access: 0,
    'access-totals': 0,
  };
  const missing = new Map<string, { versions: number; bytes: number }>();
  return {
    counts: counts as PartCounts,
    add(part: BackupPart): void {
      counts[part.part] += 1;
      if (part.part === 'collection') missing.set(part.collection, { versions: part.versions, bytes: part.bytes });
      if (part.part !== 'object') return;
      const rest = missing.get(part.collection);
      if (rest === undefined) return;
      rest.versions -= 1;
      rest.bytes -= Buffer.byteLength(part.text);
    },
    /** A collection that has not the objects that it says. */
    findIncomplete: () => [...missing].find(([, { versions, bytes }]) => versions !== 0 || bytes !== 0)?.[0],
  };
}

/** The lines of a backup, in pieces, unpacked. `onPart` hears of each part when it is written. */
export async function* encodeBackup(
  createdAt: string,
  parts: AsyncIterable<BackupPart>,
  onPart: (part: BackupPart) => void,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const tally = createTally();
  let lines = [`${JSON.stringify({ huiju_backup: format, created_at: createdAt })}\n`];
  let length = 0;
  const takePiece = (): Buffer => {
    const piece = Buffer.from(lines.join(''));
    lines = [];
    length = 0;
    hash.update(piece);
    return piece;
  };
  for await (const part of parts) {
    const line = `${JSON.stringify(part)}\n`;
    lines.push(line);
    length += line.length;
    tally.add(part);
    onPart(part);
    if (length >= pieceLength) yield takePiece();
  }
  yield takePiece();
  yield Buffer.from(`${JSON.stringify({ end: { counts: tally.counts, sha256: hash.digest('hex') } })}\n`);
}

async function* splitLines(chunks: AsyncIterable<Buffer>, maxLength: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  let line = 1;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      parts.push(chunk.subarray(from, end + 1));
      yield Buffer.concat(parts);
      parts = [];
      length = 0;
      line += 1;
      from = end + 1;
    }
    const rest = chunk.subarray(from);
    length += rest.length;
    if (length > maxLength) throw damaged(`line ${line} is longer than any of a backup`);
    if (rest.length > 0) parts.push(rest);
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

function damaged(how: string): OperatorError {
  return new OperatorError(`it is damaged: ${how}; use another backup`);
}

function empty(): OperatorError {
  return new OperatorError('it is empty');
}

function notBackup(): OperatorError {
  return new OperatorError('it is not a backup of Huiju: `huiju backup` writes them, `huiju import` reads STIX files');
}

function parseLine(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString());
  } catch {
    return undefined;
  }
}

function checkHead(head: unknown): string {
  if (!isObject(head) || typeof head.huiju_backup !== 'number' || typeof head.created_at !== 'string')
    throw notBackup();
  if (head.huiju_backup > format)
    throw new OperatorError(`it was written by a newer Huiju (form ${head.huiju_backup}; this one reads ${format})`);
  return head.created_at;
}

function checkEnd(end: Readonly<Record<string, unknown>>, sha256: string, tally: ReturnType<typeof createTally>): void {
  if (end.sha256 !== sha256) throw damaged('the checksum at its end is that of other lines');
  const counts = isObject(end.counts) ? Object.entries(end.counts).filter(([, count]) => count !== 0) : [];
  const found = new Map<string, unknown>(Object.entries(tally.counts));
  const differing = counts.find(([part, count]) => found.get(part) !== count);
  if (differing !== undefined) throw damaged(`it says that it has another number of parts ${differing[0]} than it has`);
  const collection = tally.findIncomplete();
  if (collection !== undefined)
    throw new OperatorError(`the store that it is of was damaged: objects of the collection ${collection} are missing`);
}

/** `read` are the bytes that were unpacked until then. */
function describeUnpacking(error: unknown, read: number): unknown {
  const code = codeOf(error);
  if (code === 'Z_BUF_ERROR' && read === 0) return empty();
  if (code === 'Z_BUF_ERROR') return damaged(`it ends too early, after ${read} bytes`);
  if (code?.startsWith('Z_') !== true) return error;
  const fault = messageOf(error);
  if (fault === 'incorrect header check') {
    // What begins otherwise is nothing that we have written.
    return read <= 2 ? notBackup() : damaged('something follows its end');
  }
  if (fault === 'incorrect data check')
    return damaged('the checksum of its gzip data is wrong: a byte of it was changed');
  return damaged(`its gzip data is broken at about byte ${read}`);
}

async function* unpack(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const { Readable } = await import('node:stream');
  const source = Readable.from(chunks);
  const gunzip = source.pipe(createGunzip({ chunkSize: pieceLength }));
  source.once('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    throw describeUnpacking(error, gunzip.bytesWritten);
  }
}

export interface DecodedBackup {
  readonly createdAt: string;
  readonly counts: PartCounts;
}

/**
 * Reads a backup part by part, and returns what it is at its end. Throws OperatorError, whose message continues a
 * sentence about the file, when it is foreign or damaged: that is certain at the end only, so read a file once for
 * nothing else before parts of it are used.
 */
export async function* decodeBackup(
  chunks: AsyncIterable<Uint8Array>,
  maxLength = maxLineLength,
): AsyncGenerator<BackupPart, DecodedBackup> {
  const hash = createHash('sha256');
  const tally = createTally();
  let createdAt: string | undefined;
  let isEnded = false;
  let number = 0;
  for await (const line of splitLines(unpack(chunks), maxLength)) {
    if (isEnded) throw damaged('something follows its end');
    const value = parseLine(line);
    number += 1;
    if (createdAt === undefined) createdAt = checkHead(value);
    else if (isPart(value) && (value.part !== 'file' || isName(value.name))) {
      tally.add(value);
      yield value;
    } else if (isObject(value) && isObject(value.end)) {
      checkEnd(value.end, hash.digest('hex'), tally);
      isEnded = true;
      continue;
    } else throw damaged(`line ${number} of its text is broken`);
    hash.update(line);
  }
  if (createdAt === undefined) throw empty();
  if (!isEnded) throw damaged(`it ends too early, after line ${number}`);
  return { createdAt, counts: tally.counts };
}
