/**
 * Follows a folder into which others put files: bundles, envelopes, single objects or NDJSON, packed or not. A file is
 * read when it is complete, and again when its content has changed; moving it or giving it another name changes nothing.
 * Whoever may write into the folder may not make us read what lies elsewhere: links lead to files within it or nowhere.
 */

import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, opendir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { codeOf, systemReasonOf } from '../errors.ts';
import { UnpackedTooLong } from '../gunzip.ts';
import { ScanError } from '../stix/scan.ts';
import { isUnreadable, type Piece, readTexts } from './object-texts.ts';
import { type Batch, type Position, type Source, SourceError, type Unreadable } from './source.ts';

export interface FolderSourceOptions {
  readonly folder: string;
  /** Bytes of one object; longer ones are unreadable. */
  readonly maxObjectLength: number;
  /** Bytes of a packed file, unpacked; 16 GiB if absent. */
  readonly mostUnpacked?: number;
  /** Milliseconds for which a file must not have changed to count as complete; 2000 if absent. */
  readonly settled?: number;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

interface Found {
  readonly path: string;
  /** Names the file, whatever its content. */
  readonly inode: string;
  /** Names the content, wherever the file lies. */
  readonly fingerprint: string;
  /** When it was changed last, its name included, in milliseconds by the clock of this machine (copying keeps `mtime`). */
  readonly changedAt: number;
}

/** Files of a folder: all that were read are part of the position. */
const mostFiles = 10_000;
const readable = /\.(?:json|ndjson|jsonl)(?:\.gz)?$/i;
const linesName = /\.(?:ndjson|jsonl)(?:\.gz)?$/i;
/** Objects that are gathered before they are handed on, of many small files. */
const mostObjects = 1000;
const mostBytes = 4 * 1024 * 1024;
const fingerprintLength = 11;

function fingerprintOf({ ino, size, mtimeNs }: BigIntStats): string {
  const text = [ino, size, mtimeNs].join(' ');
  return createHash('sha256').update(text).digest('base64url').slice(0, fingerprintLength);
}

function inodeOf({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`;
}

/** The file of a path; of a link only one that is in the folder too. */
async function findFile(path: string, isLink: boolean, folder: string): Promise<Found | undefined> {
  try {
    if (isLink && !(await realpath(path)).startsWith(`${folder}${sep}`)) return undefined;
    const stats = await stat(path, { bigint: true });
    if (!stats.isFile()) return undefined;
    const changedAt = Number(stats.ctimeNs / 1_000_000n);
    return { path, inode: inodeOf(stats), fingerprint: fingerprintOf(stats), changedAt };
  } catch (error) {
    // Moved or removed since the folder was listed, or a link that leads nowhere.
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ELOOP') return undefined;
    throw error;
  }
}

/** Opens what was found. Throws when something else stands there by now, a pipe that never ends for example. */
async function openFound({ path, inode }: Found): Promise<FileHandle> {
  // Else opening a pipe waits until somebody writes to it.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (inodeOf(await handle.stat({ bigint: true })) !== inode) throw new Error('it was replaced by something else');
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The files in and below a folder by their names; hidden ones are left out, and so are links to folders. */
async function* walkFiles(folder: string, top: string): AsyncGenerator<Found> {
  for await (const entry of await opendir(folder)) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walkFiles(path, top);
    else if (readable.test(entry.name)) {
      const file = await findFile(path, entry.isSymbolicLink(), top);
      if (file !== undefined) yield file;
    }
  }
}

async function listFiles(folder: string): Promise<Found[]> {
  const files: Found[] = [];
  for await (const file of walkFiles(folder, await realpath(folder))) {
    files.push(file);
    if (files.length <= mostFiles) continue;
    throw new SourceError(
      `the folder ${folder} has more than ${mostFiles} files: move those away that were read`,
      'never',
    );
  }
  return files;
}

/** What was read, as text of fixed-length fingerprints: a position holds nothing deeper. */
function readFingerprints(from: Position | undefined): Set<string> {
  const read = typeof from?.read === 'string' ? from.read : '';
  const count = Math.floor(read.length / fingerprintLength);
  return new Set(
    Array.from({ length: count }, (_, index) => read.slice(index * fingerprintLength, (index + 1) * fingerprintLength)),
  );
}

/** Reads files oldest first; one that is broken is unreadable and does not hinder the others. */
export function createFolderSource(options: FolderSourceOptions): Source {
  const { folder, maxObjectLength, mostUnpacked = 16 * 1024 ** 3, settled = 2000, now = Date.now } = options;

  async function list(): Promise<Found[]> {
    try {
      const files = await listFiles(folder);
      return files.sort((a, b) => a.changedAt - b.changedAt || (a.path < b.path ? -1 : 1));
    } catch (error) {
      if (error instanceof SourceError) throw error;
      throw new SourceError(`the folder ${folder} cannot be read: ${systemReasonOf(error)}`, 'never', undefined, {
        cause: error,
      });
    }
  }

  /** The texts of a file. Returns whether the file could be read; a broken one could. */
  async function* readFile(file: Found, signal: AbortSignal): AsyncGenerator<Piece, boolean> {
    const { path } = file;
    try {
      const stream = (await openFound(file)).createReadStream({ signal });
      yield* readTexts(stream, { maxObjectLength, mostUnpacked, isLines: linesName.test(path) });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(error) ?? '';
      if (error instanceof ScanError) return true;
      if (code === 'ENOENT') return false;
      const message = `The file ${path} cannot be read: ${systemReasonOf(error)}.`;
      yield { code: 'file-unreadable', message, text: '' };
      // Packed wrongly: that is its content, and does not change by itself.
      return code.startsWith('Z_') || error instanceof UnpackedTooLong;
    }
  }

  async function* walk(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch | Unreadable> {
    const files = await list();
    // What is not there any more need not be remembered.
    const known = readFingerprints(from);
    const read = new Set(files.map(({ fingerprint }) => fingerprint).filter((fingerprint) => known.has(fingerprint)));
    let objects: string[] = [];
    let bytes = 0;
    const take = (): Batch => {
      const batch = { objects, bytes, position: { read: [...read].join('') } };
      objects = [];
      bytes = 0;
      return batch;
    };
    for (const file of files) {
      if (read.has(file.fingerprint) || now() - file.changedAt < settled) continue;
      const pieces = readFile(file, signal);
      try {
        let piece = await pieces.next();
        for (; piece.done !== true; piece = await pieces.next()) {
          if (isUnreadable(piece.value)) {
            yield piece.value;
            continue;
          }
          if (objects.length + piece.value.objects.length > mostObjects || bytes > mostBytes) yield take();
          objects.push(...piece.value.objects);
          bytes += piece.value.bytes;
        }
        // As it was before: what changed while it was read has another fingerprint now, and is read again.
        if (piece.value) read.add(file.fingerprint);
      } finally {
        await pieces.return(false);
      }
    }
    yield take();
  }

  return { walk };
}
