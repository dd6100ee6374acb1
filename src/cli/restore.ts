/** `huiju restore`: a backup back into an empty place. */

import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { type BackupFile, decodeBackup } from '../store/backup-file.ts';
import { assertNoStore, restoreStore } from '../store/open-store.ts';
import type { SnapshotPart } from '../store/store.ts';
import { formatCount } from '../text.ts';
import { describeCounts, readDeclarations, verifyBackup } from './backup.ts';
import { printLine } from './output.ts';
import { startProgress } from './progress.ts';
import { cannot } from './reason.ts';

/** The files that are still to be written: those that are there already as in the backup need not. */
async function findMissing(folder: string, files: readonly BackupFile[]): Promise<readonly BackupFile[]> {
  if (!existsSync(folder)) return files;
  const there = new Map((await readDeclarations(folder)).map(({ name, content }) => [name, content]));
  const wanted = new Map(files.map(({ name, content }) => [name, content]));
  const other = [...there.keys()].filter((name) => wanted.get(name) !== there.get(name));
  if (other.length === 0) return files.filter(({ name }) => !there.has(name));
  throw new OperatorError(
    `${folder} holds what the backup has otherwise or not at all: ${other.join(', ')}. Move that away, or set HUIJU_COLLECTIONS to an empty folder`,
  );
}

/**
 * Writes the files, then does `work`; when that fails, removes what it has written. The store comes last: as long as it is
 * missing, the same restore can be run again.
 */
async function withDeclarations(
  folder: string,
  files: readonly BackupFile[],
  work: () => Promise<void>,
): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  const written: string[] = [];
  try {
    for (const { name, content } of files) {
      await writeFile(join(folder, name), Buffer.from(content, 'base64'), { flag: 'wx', flush: true });
      written.push(join(folder, name));
    }
    await work();
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  }
}

async function* readParts(path: string, total: number): AsyncGenerator<SnapshotPart> {
  const progress = startProgress('restore', total);
  const input = createReadStream(path);
  let objects = 0;
  let bytes = 0;
  try {
    for await (const part of decodeBackup(input)) {
      if (part.part === 'file') continue;
      yield part;
      if (part.part !== 'object') continue;
      objects += 1;
      bytes += Buffer.byteLength(part.text);
      progress.update(bytes, formatCount(objects, 'object'));
    }
  } finally {
    progress.stop();
    input.destroy();
  }
}

async function restore(path: string): Promise<void> {
  const config = loadConfig();
  await assertNoStore(config.store);
  try {
    const { createdAt, counts, files, bytes } = await verifyBackup(path);
    const missing = await findMissing(config.collections, files);
    await withDeclarations(config.collections, missing, () => restoreStore(config.store, readParts(path, bytes)));
    printLine(`restored the backup of ${createdAt}: ${describeCounts(counts)}`);
  } catch (error) {
    throw cannot('restore', path, error);
  }
}

export function registerRestore(program: Command): void {
  program
    .command('restore')
    .description('make the store and the files of API roots from a backup, where there are none')
    .argument('<file>', 'what `huiju backup` has written')
    .action(restore);
}
