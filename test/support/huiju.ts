/** Runs the product's commands as an operator does: as a process, with an environment of its own. */

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The program as sources; the Node that runs the tests strips their types. */
export const program = join(root, 'src', 'main.ts');

export interface RunOptions {
  /** Added to a bare environment: no `HUIJU_*` variable comes through from the outside. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; empty if absent. */
  readonly input?: string | Buffer;
  readonly cwd?: string;
}

export interface RunResult {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The tests' environment without the variables that configure the product, and `extra`. */
export function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('HUIJU_'));
  return { ...Object.fromEntries(outside), ...extra };
}

/** Runs a program to its end. Rejects only if it cannot be started. */
export function runProgram(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: environment(options.env), cwd: options.cwd ?? root, stdio: 'pipe' });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // It may end without reading its input; that is no failure of the test.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

/** Runs `huiju` with these arguments to its end. */
export function runHuiju(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return runProgram(process.execPath, [program, ...args], options);
}
