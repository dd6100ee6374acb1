/** Pushing to a folder: one bundle file for each batch, which is there whole or not at all. */

import { createHash } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemReasonOf } from '../errors.ts';
import type { Target } from './push.ts';
import { SourceError } from './source.ts';

/** The UUID that a digest makes (RFC 9562 §5.8): the same texts give the same bundle. */
function uuidOf(digest: string): string {
  const hex = `${digest.slice(0, 12)}8${digest.slice(13, 16)}8${digest.slice(17, 32)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  // Hidden until it is whole: who watches the folder leaves such names alone.
  const unfinished = join(folder, `.${name}.part`);
  // A link that somebody put there would be followed.
  const handle = await open(unfinished, 'wx', 0o644);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await rename(unfinished, join(folder, name));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await sync(folder);
}

/** A target that writes files `FEED-TIME-DIGEST.json` into a folder that is there. */
export function createFolderTarget(folder: string, feed: string, now: () => number): Target {
  return {
    name: folder,
    async send(texts, signal) {
      signal.throwIfAborted();
      const objects = texts.join(',');
      const digest = createHash('sha256').update(objects).digest('hex');
      const time = new Date(now()).toISOString().replace(/[-:.]/g, '');
      const text = `{"type":"bundle","id":"bundle--${uuidOf(digest)}","objects":[${objects}]}\n`;
      try {
        if (!(await stat(folder)).isDirectory()) throw new SourceError(`${folder} is no folder`, 'never');
        await writeWhole(folder, `${feed}-${time}-${digest.slice(0, 8)}.json`, text);
      } catch (error) {
        if (error instanceof SourceError) throw error;
        throw new SourceError(`cannot write into ${folder}: ${systemReasonOf(error)}`, 'later', undefined, {
          cause: error,
        });
      }
      return [];
    },
  };
}
