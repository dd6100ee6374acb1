/** Why a file could not be used, in a few words. */

import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, messageOf, OperatorError, systemReasonOf } from '../errors.ts';

/** Whether zlib found that data is no gzip, or broken. */
export function isGzipFault(error: unknown): boolean {
  return codeOf(error)?.startsWith('Z_') === true;
}

/** Whether it is the file that is at fault, or the operating system that refused. */
export function isFileFault(error: unknown): boolean {
  return isGzipFault(error) || (error instanceof Error && 'syscall' in error);
}

/** Why reading a file failed, which may be packed. */
export function reasonOf(error: unknown): string {
  if (codeOf(error) === 'Z_BUF_ERROR') return 'the gzip data ends too early';
  if (codeOf(error) === 'ENOENT') return 'there is no such file';
  if (!isGzipFault(error)) return systemReasonOf(error);
  // What does not begin as gzip is never unpacked, so the header that is wrong stands behind gzip that was whole.
  return messageOf(error) === 'incorrect header check'
    ? 'something follows the end of the gzip data'
    : 'it is broken gzip';
}

function findFolderFault(path: string): string | undefined {
  const folder = dirname(path);
  if (!existsSync(folder)) return `the folder ${folder} does not exist; make it, or name another`;
  return statSync(folder).isDirectory() ? undefined : `${folder} is a file, not a folder`;
}

/** What to throw when a file could not be read or written: an OperatorError, or the error itself if it is no fault of the file. */
export function cannot(verb: 'read' | 'write' | 'restore', path: string, error: unknown): unknown {
  if (!isFileFault(error)) return error;
  const fault = (verb === 'write' ? findFolderFault(path) : undefined) ?? reasonOf(error);
  return new OperatorError(`cannot ${verb} ${path}: ${fault}`);
}

/** Throws OperatorError where a file cannot be made because of what is there: before hours of work are lost on it. */
export function assertWritable(path: string): void {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const fault = isFolder ? 'it is a folder; name a file in it' : findFolderFault(path);
  if (fault !== undefined) throw new OperatorError(`cannot write ${path}: ${fault}`);
}
