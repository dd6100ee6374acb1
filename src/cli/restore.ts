/** `huiju restore`: a backup back into an empty place. */

import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Config, loadConfig } from '../config.ts';
import { codeOf, OperatorError } from '../errors.ts';
import { type BackupFile, decodeBackup } from '../store/backup-file.ts';
import { assertNoStore, restoreStore } from '../store/open-store.ts';
import type { SnapshotPart } from '../store/store.ts';
import { describeCounts, readDeclarations, verifyBackup } from './backup.ts';
import { printLine } from './output.ts';
import { cannot } from './reason.ts';
import { showParts } from './show-parts.ts';
import { untilSignal } from './signals.ts';

/** SHA-256 of the files that a fresh checkout and the package have in `collections/`. */
export const shippedDeclarations: Readonly<Record<string, string>> = {
  'hub.json': '7288a6513cb0ad35a4c2cc9a92715e9c64ecc045c01ff79dbd72fad3c81e949c',
  'inbox.json': '2149ad396ad098ccdcabde36af557c4edc75c9f727b33c73a908a3831c6a90b8',
  'public.json': '7f0c6dff3586b9680cc7cd42727425747ae341f1340819e7c0c58cb0c767bdcb',
};

function isShipped({ name, content }: BackupFile): boolean {
  const digest = createHash('sha256').update(Buffer.from(content, 'base64')).digest('hex');
  return shippedDeclarations[name] === digest;
}

interface DeclarationsPlan {
  /** What the backup has and the folder has not, or otherwise. */
  readonly missing: readonly BackupFile[];
  /** Shipped files that give way. One that the backup has not at all would declare API roots that were taken out. */
  readonly obsolete: readonly BackupFile[];
}

/** Throws OperatorError where a file would be lost that somebody has written. */
async function planDeclarations(folder: string, files: readonly BackupFile[]): Promise<DeclarationsPlan> {
  if (!existsSync(folder)) return { missing: files, obsolete: [] };
  const there = await readDeclarations(folder);
  const isIn = (list: readonly BackupFile[], { name, content }: BackupFile): boolean =>
    list.some((one) => one.name === name && one.content === content);
  const other = there.filter((file) => !isIn(files, file));
  const own = other.filter((file) => !isShipped(file)).map(({ name }) => name);
  if (own.length === 0) return { missing: files.filter((file) => !isIn(there, file)), obsolete: other };
  throw new OperatorError(
    `${folder} has files that the backup has not, or otherwise: ${own.join(', ')}. Nothing was restored: move them away, or set HUIJU_COLLECTIONS to another folder, for this command and for the server`,
  );
}

async function writeDeclaration(folder: string, { name, content }: BackupFile): Promise<void> {
  const path = join(folder, name);
  try {
    await writeFile(path, Buffer.from(content, 'base64'), { flag: 'wx', flush: true });
  } catch (error) {
    // Half of it may be there, on a full disk for example.
    if (codeOf(error) !== 'EEXIST') await rm(path, { force: true });
    throw error;
  }
}

/**
 * Brings the files to what the backup has, then does `work`; when that fails, takes it back. The store comes last: as long
 * as it is missing, the same restore can be run again.
 */
async function withDeclarations(
  folder: string,
  { missing, obsolete }: DeclarationsPlan,
  work: () => Promise<void>,
): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  const removed: BackupFile[] = [];
  const written: string[] = [];
  try {
    for (const file of obsolete) {
      await rm(join(folder, file.name));
      removed.push(file);
    }
    for (const file of missing) {
      await writeDeclaration(folder, file);
      written.push(join(folder, file.name));
    }
    await work();
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    for (const file of removed) await writeDeclaration(folder, file);
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  }
}

async function* readParts(path: string, total: number, signal: AbortSignal): AsyncGenerator<SnapshotPart> {
  const input = createReadStream(path);
  try {
    for await (const part of showParts('restore', total, decodeBackup(input), signal))
      if (part.part !== 'file') yield part;
  } finally {
    input.destroy();
  }
}

async function restoreFrom(path: string, config: Config, signal: AbortSignal): Promise<string> {
  const { createdAt, counts, files, bytes } = await verifyBackup(path, signal);
  const plan = await planDeclarations(config.collections, files);
  await withDeclarations(config.collections, plan, () => restoreStore(config.store, readParts(path, bytes, signal)));
  const given = plan.obsolete.map(({ name }) => name).join(', ');
  const note = given === '' ? '' : `; shipped files that gave way to the backup's: ${given}`;
  return `restored the backup of ${createdAt}: ${describeCounts(counts)}${note}`;
}

async function restore(path: string): Promise<void> {
  const config = loadConfig();
  await assertNoStore(config.store);
  try {
    printLine(await untilSignal((signal) => restoreFrom(path, config, signal)));
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
