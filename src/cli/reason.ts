/** Why a file could not be used, in a few words. */

import { codeOf, messageOf, OperatorError } from '../errors.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  Z_BUF_ERROR: 'the gzip data ends too early',
};

/** Whether zlib found that data is no gzip, or broken. */
export function isGzipFault(error: unknown): boolean {
  return codeOf(error)?.startsWith('Z_') === true;
}

/** Whether it is the file that is at fault, or the operating system that refused. */
export function isFileFault(error: unknown): boolean {
  return isGzipFault(error) || (error instanceof Error && 'syscall' in error);
}

/** Why reading or writing failed. */
export function reasonOf(error: unknown): string {
  const reason = reasons[codeOf(error) ?? ''];
  if (reason !== undefined || !isGzipFault(error)) return reason ?? messageOf(error);
  // What does not begin as gzip is never unpacked, so the header that is wrong stands behind gzip that was whole.
  return messageOf(error) === 'incorrect header check'
    ? 'something follows the end of the gzip data'
    : 'it is broken gzip';
}

/** What to throw when a file could not be read or written: an OperatorError, or the error itself if it is no fault of the file. */
export function cannot(verb: 'read' | 'write' | 'restore', path: string, error: unknown): unknown {
  return isFileFault(error) ? new OperatorError(`cannot ${verb} ${path}: ${reasonOf(error)}`) : error;
}
