/** `huiju backup`: the store and the files that declare API roots in one file, while a server runs. */

import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Command } from 'commander';
import { type Config, loadConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { type BackupFile, type BackupPart, decodeBackup, encodeBackup, type PartCounts } from '../store/backup-file.ts';
import { hasStore, nameOfStore, openStore, type StoreLocation } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { formatBytes, formatCount } from '../text.ts';
import { printLine } from './output.ts';
import { startProgress } from './progress.ts';
import { realPathOf } from './real-path.ts';
import { assertWritable, cannot, reasonOf } from './reason.ts';
import { untilSignal } from './signals.ts';

// STIX shrinks to a fifth already; a higher level takes twice the time and saves little.
const compressionLevel = 3;

/** The files of a folder that declare API roots, right or wrong: as they are. */
export async function readDeclarations(folder: string): Promise<BackupFile[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.')).sort();
    return await Promise.all(
      names.map(async (name) => ({
        part: 'file' as const,
        name,
        content: (await readFile(join(folder, name))).toString('base64'),
      })),
    );
  } catch (error) {
    throw new OperatorError(`HUIJU_COLLECTIONS is ${folder}, which cannot be read: ${reasonOf(error)}`);
  }
}

interface VerifiedBackup {
  readonly createdAt: string;
  readonly counts: PartCounts;
  readonly files: readonly BackupFile[];
  /** Of the objects. */
  readonly bytes: number;
}

/**
 * Reads a backup to its end without using it, and says what is in it. Throws OperatorError unless it is whole, and the
 * signal's reason when that comes first.
 */
export async function verifyBackup(path: string, signal: AbortSignal): Promise<VerifiedBackup> {
  const { size } = await stat(path);
  const progress = startProgress('check', size);
  const files: BackupFile[] = [];
  let bytes = 0;
  const input = createReadStream(path);
  const parts = decodeBackup(input);
  try {
    for (let count = 0; ; count += 1) {
      const next = await parts.next();
      signal.throwIfAborted();
      if (next.done === true) return { ...next.value, files, bytes };
      if (next.value.part === 'file') files.push(next.value);
      if (next.value.part === 'collection') bytes += next.value.bytes;
      progress.update(input.bytesRead, formatCount(count, 'part'));
    }
  } catch (error) {
    throw error instanceof OperatorError ? new OperatorError(`${path}: ${error.message}`) : error;
  } finally {
    progress.stop();
    input.destroy();
  }
}

async function* partsOf(store: Store, files: readonly BackupFile[]): AsyncGenerator<BackupPart> {
  yield* files;
  yield* store.readSnapshot();
}

async function writeParts(
  store: Store,
  files: readonly BackupFile[],
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const states = await store.listCollectionStates();
  const total = states.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = startProgress('backup', total);
  let bytes = 0;
  let objects = 0;
  const onPart = (part: BackupPart): void => {
    signal.throwIfAborted();
    if (part.part !== 'object') return;
    objects += 1;
    bytes += Buffer.byteLength(part.text);
    progress.update(bytes, formatCount(objects, 'object'));
  };
  try {
    const encoded = encodeBackup(new Date().toISOString(), partsOf(store, files), onPart);
    // `flush`: on disk before it gets its name.
    const out = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
    await pipeline(Readable.from(encoded), createGzip({ level: compressionLevel }), out);
  } finally {
    progress.stop();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(resolve(path)));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function openStoreToBackUp(config: Config): Promise<Store> {
  // Not made here: a slip in HUIJU_STORE would yield backups of nothing.
  if (!(await hasStore(config.store)))
    throw new OperatorError(`there is no store at ${nameOfStore(config.store)}, where HUIJU_STORE points to`);
  return openStore(config.store);
}

/** Writes beside the name, reads it back, and only then gives it the name. */
async function writeBackup(config: Config, path: string, signal: AbortSignal): Promise<PartCounts> {
  const partial = `${path}.partial`;
  const store = await openStoreToBackUp(config);
  try {
    const files = await readDeclarations(config.collections);
    await rm(partial, { force: true });
    await writeParts(store, files, partial, signal);
    const { counts } = await verifyBackup(partial, signal);
    await rename(partial, path);
    await syncFolder(path);
    return counts;
  } catch (error) {
    await rm(partial, { force: true });
    throw cannot('write', path, error);
  } finally {
    await store.close();
  }
}

/** What is in a backup, in a line. */
export function describeCounts(counts: PartCounts): string {
  return [
    formatCount(counts.object, 'object'),
    formatCount(counts.collection, 'collection'),
    formatCount(counts.tombstone, 'tombstone'),
    formatCount(counts.record, 'record'),
    formatCount(counts.file, 'API root'),
  ].join(', ');
}

async function filesOf(store: StoreLocation): Promise<readonly string[]> {
  if (store.kind !== 'sqlite') return [];
  const file = await realPathOf(store.path);
  return [file, `${file}-wal`, `${file}-shm`];
}

/** What the backup is made of must not be replaced by it. */
async function refuseOwnFiles(config: Config, path: string): Promise<void> {
  const real = await realPathOf(path);
  const collections = await realPathOf(config.collections);
  const isOwn = (await filesOf(config.store)).includes(real) || dirname(real) === collections;
  if (isOwn) throw new OperatorError(`${path} is part of what would be backed up: name another file`);
}

async function backup(path: string, { force }: { force?: true }): Promise<void> {
  const config = loadConfig();
  await refuseOwnFiles(config, path);
  assertWritable(path);
  if (force !== true && existsSync(path)) throw new OperatorError(`${path} exists: name another file, or say --force`);
  const counts = await untilSignal((signal) => writeBackup(config, path, signal));
  const { size } = await stat(path);
  printLine(`${path}: ${formatBytes(size)}: ${describeCounts(counts)}`);
}

export function registerBackup(program: Command): void {
  program
    .command('backup')
    .description('write all that a new machine needs to one file, while the server runs')
    .argument('<file>', 'the file; it appears when it is complete and checked')
    .option('--force', 'replace the file if it exists')
    .action(backup);
}
