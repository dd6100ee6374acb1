/** The virtual environments in which Python programs run that the tests and benches talk to. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../../bin/lock.js';
import { type RunResult, root, runProgram } from './huiju.ts';

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

function stampFileOf(folder: string): string {
  return join(folder, '.stamp');
}

// A virtual environment belongs to the interpreter that made it and to its place.
async function findStamp(folder: string, requirements: string): Promise<string | undefined> {
  const version = await runPython('python3', ['-c', 'import sys; print(sys.version, sys.executable)']);
  if (version.code !== 0) return undefined;
  return createHash('sha256')
    .update(`${version.stdout}\n${folder}\n`)
    .update(await readFile(requirements))
    .digest('hex');
}

async function isReady(folder: string, stamp: string): Promise<boolean> {
  const stampFile = stampFileOf(folder);
  return existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === stamp;
}

async function make(folder: string, requirements: string, stamp: string): Promise<Python> {
  const python = join(folder, 'bin', 'python');
  await rm(folder, { recursive: true, force: true });
  const made = await runPython('python3', ['-m', 'venv', folder]);
  if (made.code !== 0)
    return { missing: 'Python 3 is there, but without venv; on Debian: apt-get install python3-venv' };
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  const installed = await runPython(python, pip);
  if (installed.code !== 0)
    return { missing: `pip could not install what ${requirements} lists: ${lastLine(installed)}` };
  await writeFile(stampFileOf(folder), stamp);
  return { python };
}

/**
 * The interpreter of `place/.venv`, which has the packages of `place/requirements.txt`: made when missing or out of
 * date, otherwise as it is. Without Python 3, venv or the packages, what is missing.
 */
export async function findPython(place: string): Promise<Python> {
  const folder = join(place, '.venv');
  const requirements = join(place, 'requirements.txt');
  const found = { python: join(folder, 'bin', 'python') };
  const stamp = await findStamp(folder, requirements);
  if (stamp === undefined) return { missing: 'Python 3 is not on the PATH' };
  if (await isReady(folder, stamp)) return found;
  return withLock(`${folder}.lock`, async () =>
    (await isReady(folder, stamp)) ? found : make(folder, requirements, stamp),
  );
}

/** The interpreter that has the clients of `test/clients/requirements.txt`. */
export function findClientPython(): Promise<Python> {
  return findPython(join(root, 'test', 'clients'));
}
