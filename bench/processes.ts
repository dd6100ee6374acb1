/** The processes that are measured, and what Linux tells of them. A tree is a process with all below it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, root } from '../test/support/huiju.ts';
import type { Place } from './data-set.ts';

export interface Running {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** Lines of its log so far that tell of an error. */
  faults(): number;
  /** Ends it as an operator does and waits for it; a fault if it had ended before. */
  stop(): Promise<void>;
}

const keptOutput = 20_000;
const errorLine = /"level":"(?:error|fatal)"/g;

function whenEnded(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

/**
 * Starts a server, and resolves when it tells its address. Everything it writes is read, as a supervisor does, and the
 * last of it is shown if it ends by itself.
 */
export async function startProcess(
  name: string,
  [file, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  // The channel ends a server when this process dies before it could.
  const child = spawn(file, args, { env: environment(env), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let said = '';
  let faults = 0;
  let isStopped = false;
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      said = `${said}${chunk.toString()}`.slice(-keptOutput);
      const found = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found === undefined) return;
      resolve(Number(found));
      for (const stream of [child.stdout, child.stderr]) stream?.off('data', read).on('data', keep);
    };
    const keep = (chunk: Buffer): void => {
      faults += chunk.toString('latin1').match(errorLine)?.length ?? 0;
      said = chunk.length > 500 ? chunk.toString('utf8', 0, 500) : chunk.toString();
    };
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${said}`)));
  });
  child.once('exit', (code, signal) => {
    if (!isStopped) throw new Error(`${name} ended by itself, with ${code ?? signal}:\n${said}`);
  });
  const stop = async (): Promise<void> => {
    isStopped = true;
    child.kill('SIGTERM');
    await whenEnded(child);
  };
  return { name, port, pid: child.pid ?? 0, faults: () => faults, stop };
}

/** What was built, run as `npm start` runs it. */
export const product = [
  process.execPath,
  '--max-semi-space-size=16',
  '--expose-gc',
  join(root, 'dist', 'main.js'),
] as const;

/** Starts the product with the configuration it has by default. */
export function serve(place: Place, env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const given = { HUIJU_STORE: place.store, HUIJU_COLLECTIONS: place.collections, HUIJU_PORT: '0' };
  return startProcess('huiju serve', [...product, 'serve'], { ...given, ...env });
}

function fieldsOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** What `read` yields; undefined when the process has ended meanwhile. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** A process and all that it started, and they, and so on; the first is the process itself. */
export function treeOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? ifThere(() => Number(fieldsOf(Number(name))[1])) : undefined;
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const tree = [pid];
  // Grows while it is walked.
  for (const member of tree) for (const [child, parent] of parents) if (parent === member) tree.push(child);
  return tree;
}

/** In clock ticks, of which Linux shows 100 a second; threads that have ended count. */
function tickTime(pid: number): number {
  const [user = 0, system = 0] = fieldsOf(pid).slice(11, 13).map(Number);
  return (user + system) * 10;
}

/** To the nanosecond, of the threads that there are. */
function scheduledTime(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'));
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e6;
}

/** Milliseconds of processor time of these processes, all their threads together. */
export function processorTime(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (ifThere(() => scheduledTime(pid)) ?? tickTime(pid)), 0);
}

function statusOf(pid: number, name: string): number {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

/** What a tree holds at a moment. */
export interface Holdings {
  /** Resident memory, in megabytes. */
  readonly megabytes: number;
  /** Open files and sockets. */
  readonly handles: number;
  readonly threads: number;
}

export function holdingsOf(pid: number): Holdings {
  const sum = (measure: (pid: number) => number): number =>
    treeOf(pid).reduce((total, member) => total + (ifThere(() => measure(member)) ?? 0), 0);
  return {
    megabytes: sum((member) => statusOf(member, 'VmRSS')) / 1024,
    handles: sum((member) => readdirSync(`/proc/${member}/fd`).length),
    threads: sum((member) => statusOf(member, 'Threads')),
  };
}

/** Forgets how much memory the tree has had at most. */
export function forgetPeak(pid: number): void {
  for (const member of treeOf(pid)) writeFileSync(`/proc/${member}/clear_refs`, '5');
}

/** The most memory that each process of the tree has had since then, added up, in megabytes. */
export function peakOf(pid: number): number {
  return treeOf(pid).reduce((sum, member) => sum + (ifThere(() => statusOf(member, 'VmHWM')) ?? 0), 0) / 1024;
}

/** Runs a command to its end: the most memory it had, in megabytes, and the seconds it took. Rejects when it fails. */
export async function runToEnd(
  [file, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly megabytes: number; readonly seconds: number }> {
  const start = performance.now();
  const child = spawn(file, args, { env: environment(env), stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-keptOutput);
  });
  let megabytes = 0;
  // The system keeps the highest value itself: the last look is enough.
  const look = setInterval(() => {
    megabytes = Math.max(megabytes, ifThere(() => statusOf(child.pid ?? 0, 'VmHWM') / 1024) ?? 0);
  }, 20);
  await whenEnded(child);
  clearInterval(look);
  if (child.exitCode !== 0)
    throw new Error(`${args.join(' ')} ended with ${child.exitCode ?? child.signalCode}:\n${said}`);
  return { megabytes, seconds: (performance.now() - start) / 1000 };
}
