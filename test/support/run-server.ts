/** Starts the product as a process of its own, for tests that talk to it over a real socket. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment, program, type RunOptions, type RunResult, root, runHuiju } from './huiju.ts';

export interface ServerOptions {
  /** Holds the store; absent: a new temporary one, removed by `stop`. Give it to start a second time on one store. */
  readonly folder?: string;
  /** The folder of API roots; absent: the one that the project ships. */
  readonly collections?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The program and the arguments before `serve`; absent: the sources under this Node. */
  readonly command?: readonly [string, ...string[]];
}

export interface RunningServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly folder: string;
  readonly pid: number;
  /** The password of the user `admin`, as the first start on this store wrote it; empty when it wrote none. */
  readonly adminPassword: string;
  /** Resolves when every process that writes to its output has ended. */
  readonly closed: Promise<void>;
  /** All that it printed so far, both streams. */
  output(): string;
  /** Runs a command on the server's store and collections. */
  huiju(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Ends it as an operator does (SIGTERM); resolves to the exit code, null when a signal ended it. */
  stop(): Promise<number | null>;
  /** Ends it as a power failure does (SIGKILL) and keeps the folder. */
  kill(): Promise<void>;
}

const readyLine = /https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\]):\d+/;

function whenEnded(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('exit', resolve);
  });
}

// Resolves to the URL of the ready line; what it printed until then explains why there is none.
function whenReady(child: ChildProcess, keep: (text: string) => string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      const url = readyLine.exec(keep(chunk.toString()))?.[0];
      if (url !== undefined) resolve(url);
    });
    child.stderr?.on('data', (chunk: Buffer) => keep(chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`the server ended with ${code}:\n${keep('')}`)));
  });
}

// A store that had an admin before its first start gets none.
async function readPassword(folder: string): Promise<string> {
  const file = join(folder, 'admin-password');
  return existsSync(file) ? (await readFile(file, 'utf8')).trim() : '';
}

/** Starts `huiju serve` on a free port and waits until it listens. Whoever starts one stops it. */
export async function runServer(options: ServerOptions = {}): Promise<RunningServer> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'huiju-')));
  const env = {
    HUIJU_STORE: `sqlite:${join(folder, 'huiju.db')}`,
    HUIJU_COLLECTIONS: options.collections ?? join(root, 'collections'),
    ...options.env,
  };
  const [file, ...args] = options.command ?? [process.execPath, program];
  let printed = '';
  const keep = (text: string) => {
    printed += text;
    return printed;
  };
  const child = spawn(file, [...args, 'serve'], {
    env: environment({ HUIJU_PORT: '0', ...env }),
    cwd: root,
    // The channel ends the server when the test's process dies before it could.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const removeFolder = () => (options.folder === undefined ? rm(folder, { recursive: true, force: true }) : undefined);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return whenEnded(child);
  };
  try {
    const url = await whenReady(child, keep);
    const adminPassword = await readPassword(folder);
    return {
      url,
      folder,
      pid: child.pid ?? 0,
      adminPassword,
      closed,
      output: () => printed,
      huiju: (command, run = {}) => runHuiju(command, { ...run, env: { ...env, ...run.env } }),
      stop: async () => {
        const code = await end('SIGTERM');
        await removeFolder();
        return code;
      },
      kill: async () => {
        await end('SIGKILL');
      },
    };
  } catch (error) {
    await end('SIGKILL');
    await removeFolder();
    throw error;
  }
}
