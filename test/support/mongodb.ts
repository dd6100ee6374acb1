/**
 * The database that the MongoDB store is tested with: the one that HUIJU_TEST_MONGODB_URL names, else a `mongod` on the
 * PATH, else mongo-java-server, built by Maven from `test/mongodb/`. The last one knows no more than correctness: it
 * keeps everything in memory and has no plans to explain.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { MongoClient } from 'mongodb';
import { withLock } from '../../bin/lock.js';
import { findFreePort } from './free-port.ts';
import { root, runProgram } from './huiju.ts';

export interface Engine {
  readonly name: 'mongod' | 'mongo-java-server' | 'given';
  /** The URL of a database of its own, which is empty. */
  newUrl(): string;
  /** Ends it, if it was started here. */
  stop(): Promise<void>;
}

export type EngineKind = { readonly kind: 'given'; readonly url: string } | { readonly kind: 'mongod' | 'java' };

const engineFolder = join(root, 'test', 'mongodb');
const builtJar = join(engineFolder, 'target', 'test-mongodb-1.jar');

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)));
}

/** Which engine can be had here, or why none. */
export function findEngine(): EngineKind | { readonly missing: string } {
  const url = process.env.HUIJU_TEST_MONGODB_URL;
  if (url !== undefined && url !== '') return { kind: 'given', url };
  if (isOnPath('mongod')) return { kind: 'mongod' };
  if (isOnPath('java') && (existsSync(builtJar) || isOnPath('mvn'))) return { kind: 'java' };
  return {
    missing:
      'no MongoDB: set HUIJU_TEST_MONGODB_URL, or put a mongod, or Java 17 and Maven (on Debian: apt-get install openjdk-17-jdk-headless maven), on the PATH',
  };
}

/** A URL of a server with another database at its end. */
export function withDatabase(url: string, database: string): string {
  const [, server = '', options = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]*)(?:\/[^?]*)?(\?.*)?$/.exec(url) ?? [];
  return `${server}/${database}${options}`;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

function createEngine(name: Engine['name'], url: string, stop: () => Promise<void>): Engine {
  return { name, newUrl: () => withDatabase(url, `huiju_test_${randomUUID().replaceAll('-', '').slice(0, 20)}`), stop };
}

async function build(): Promise<void> {
  await withLock(`${engineFolder}/.build.lock`, async () => {
    if (existsSync(builtJar)) return;
    const built = await runProgram('mvn', ['-q', '-B', '-f', join(engineFolder, 'pom.xml'), 'package']);
    if (built.code !== 0) throw new Error(`Maven could not build ${engineFolder}:\n${built.stdout}\n${built.stderr}`);
  });
}

function readPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.once('exit', (code) => reject(new Error(`the engine ended with ${code}:\n${said}`)));
    if (child.stdout === null) throw new Error('the engine has no output');
    createInterface(child.stdout).on('line', (line) => {
      const port = /^port (\d+)$/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}

async function startJava(): Promise<Engine> {
  await build();
  const classPath = [builtJar, join(engineFolder, 'target', 'lib', '*')].join(delimiter);
  // It ends when its input does, so also when this process is killed.
  const child = spawn('java', ['-Xmx512m', '-XX:+UseSerialGC', '-cp', classPath, 'Engine'], { stdio: 'pipe' });
  const url = `mongodb://127.0.0.1:${await readPort(child)}/`;
  return createEngine('mongo-java-server', url, async () => {
    child.stdin.end();
    await ended(child);
  });
}

async function initiate(url: string, host: string): Promise<void> {
  const client = new MongoClient(`${url}?directConnection=true`, { serverSelectionTimeoutMS: 30_000 });
  await client.connect();
  await client.db('admin').command({ replSetInitiate: { _id: 'test', members: [{ _id: 0, host }] } });
  await client.close();
}

async function startMongod(): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'huiju-mongod-'));
  const host = `127.0.0.1:${await findFreePort()}`;
  const port = host.slice(host.indexOf(':') + 1);
  const place = ['--dbpath', folder, '--bind_ip', '127.0.0.1', '--port', port];
  const child = spawn('mongod', [...place, '--replSet', 'test', '--wiredTigerCacheSizeGB', '0.25'], {
    stdio: 'ignore',
  });
  await initiate(`mongodb://${host}/`, host);
  return createEngine('mongod', `mongodb://${host}/?replicaSet=test`, async () => {
    child.kill();
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  });
}

/** Starts the engine, or uses the one that is given. Whoever starts one stops it. */
export function startEngine(found: EngineKind): Promise<Engine> {
  if (found.kind === 'given') return Promise.resolve(createEngine('given', found.url, async () => {}));
  return found.kind === 'mongod' ? startMongod() : startJava();
}

/** Why no proxy can be put in front of what was found: an engine that somebody else runs may be a set of machines. */
export function findUnfitForProxy(found: ReturnType<typeof findEngine>): string | undefined {
  if ('missing' in found) return found.missing;
  return found.kind === 'given'
    ? 'the MongoDB is given: only one that is started here can be put behind a proxy'
    : undefined;
}
