/** The virtual environment in which the Python clients run. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../../bin/lock.js';
import { type RunResult, root, runProgram } from './huiju.ts';

const clients = join(root, 'test', 'clients');
const requirements = join(clients, 'requirements.txt');
const folder = join(clients, '.venv');
const stampFile = join(folder, '.stamp');
const python = join(folder, 'bin', 'python');

export type Python = { readonly python: string } | { readonly missing: string };

async function runPython(file: string, args: readonly string[]): Promise<RunResult> {
  try {
    return await runProgram(file, args);
  } catch (error) {
    return { code: 127, signal: null, stdout: '', stderr: String(error) };
  }
}

function lastLine(result: RunResult): string {
  return `${result.stdout}\n${result.stderr}`.trim().split('\n').at(-1) ?? '';
}

// A virtual environment belongs to the interpreter that made it and to its place.
async function findStamp(): Promise<string | undefined> {
  const version = await runPython('python3', ['-c', 'import sys; print(sys.version, sys.executable)']);
  if (version.code !== 0) return undefined;
  return createHash('sha256')
    .update(`${version.stdout}\n${folder}\n`)
    .update(await readFile(requirements))
    .digest('hex');
}

async function isReady(stamp: string): Promise<boolean> {
  return existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === stamp;
}

async function make(stamp: string): Promise<Python> {
  await rm(folder, { recursive: true, force: true });
  const made = await runPython('python3', ['-m', 'venv', folder]);
  if (made.code !== 0)
    return { missing: 'Python 3 is there, but without venv; on Debian: apt-get install python3-venv' };
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  const installed = await runPython(python, pip);
  if (installed.code !== 0) return { missing: `pip could not install the Python clients: ${lastLine(installed)}` };
  await writeFile(stampFile, stamp);
  return { python };
}

/**
 * The interpreter of `test/clients/.venv`, which has the packages of `requirements.txt`: made when missing or out of
 * date, otherwise as it is. Without Python 3, venv or the packages, what is missing.
 */
export async function findPython(): Promise<Python> {
  const stamp = await findStamp();
  if (stamp === undefined) return { missing: 'Python 3 is not on the PATH' };
  if (await isReady(stamp)) return { python };
  return withLock(`${folder}.lock`, async () => ((await isReady(stamp)) ? { python } : make(stamp)));
}
