/** Where a path leads in the end, so that two names of one file can be told. */

import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';

/** The path without links; of what does not exist, or cannot be looked at, the absolute path. */
export function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}
