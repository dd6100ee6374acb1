/** Where the password of the first admin goes: on a terminal it is shown, else a file is written that nobody else can read. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Config } from './config.ts';

/** The file: beside the store; `data` is where the usual one is. */
export function passwordFileOf({ store }: Pick<Config, 'store'>): string {
  return store.kind === 'sqlite' ? join(dirname(store.path), 'admin-password') : resolve('data', 'admin-password');
}

/** Writes the file, unless somebody looks on. */
export async function keepPassword(config: Pick<Config, 'store'>, password: string): Promise<void> {
  if (process.stdout.isTTY) return;
  const file = passwordFileOf(config);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // Whatever lies there may have other rights, or be a link.
  await rm(file, { force: true });
  await writeFile(file, `${password}\n`, { mode: 0o600, flag: 'wx' });
}
