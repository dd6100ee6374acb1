/**
 * Promise 1 where the disk lets the embedded store down: publications get a 503, reads go on, nothing that was acknowledged
 * is lost, and the service returns by itself.
 */

import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { codeOf } from '../../src/errors.ts';
import { createRandom } from '../hostile/generator.ts';
import { program, runProgram } from '../support/huiju.ts';
import { type RunningServer, runServer, type ServerOptions } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { type Answer, ask, taxii } from '../support/taxii-server.ts';
import { type Client, checkStatuses, readAll } from './clients.ts';
import { declareCollections, kept, loginOf, prepareStore } from './deployment.ts';
import { judgeCollection } from './judge.ts';
import { Ledger } from './ledger.ts';
import { seed } from './races.ts';

const run = promisify(execFile);
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder with a prepared store in `seed/`, and the variables that point a server to it. */
async function prepare(): Promise<{ readonly folder: string; readonly env: Record<string, string> }> {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-disk-'));
  folders.push(folder);
  const [declared, store] = ['declared', 'seed'].map((name) => join(folder, name)) as [string, string];
  mkdirSync(declared);
  const env = { ...(await declareCollections(declared)), HUIJU_STORE: `sqlite:${join(store, 'huiju.db')}` };
  await prepareStore(env);
  return { folder, env };
}

/** Something that keeps a server from writing, until it is undone. */
interface Fault {
  begin(server: RunningServer): Promise<void>;
  end(server: RunningServer): Promise<void>;
}

/** Publishes through one server; `publish` sends one batch of some size and answers with what it got. */
function createPublisher(server: RunningServer) {
  const ledger = new Ledger();
  const random = createRandom(seed);
  const client: Client = { deployment: { pick: async () => server.url }, ledger, random, isOver: () => false };
  return {
    ledger,
    client,
    async publish(size: number): Promise<Answer> {
      const batch = Array.from({ length: size }, () => ledger.next(random));
      for (const object of batch) ledger.willSend(object);
      const body = `{"objects":[${batch.map(({ text }) => text).join()}]}`;
      const answer = await ask(server.url, `${kept}objects/`, { authorization: loginOf('ada'), body });
      if (answer.status === 202) ledger.acknowledge(batch, 'ada', answer.text);
      return answer;
    },
  };
}

function expectUnavailable(answer: Answer): void {
  expect([answer.status, answer.headers['content-type']]).toEqual([503, taxii]);
  expect(answer.json()).toMatchObject({ error_code: 'unavailable', http_status: '503' });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
}

const patience = 10_000;

/** Runs a server into the fault and out of it. */
async function survive(options: ServerOptions, fault: Fault): Promise<void> {
  const server = await runServer(options);
  try {
    const { ledger, client, publish } = createPublisher(server);
    for (const size of [1, 200, 20]) expect((await publish(size)).status).toBe(202);
    await fault.begin(server);
    const refused: Answer[] = [];
    // What room the files have already may still be used up.
    for (let attempt = 0; attempt < 200 && refused.length < 2; attempt += 1) {
      const began = performance.now();
      // The second comes while the first waits.
      const answers = await Promise.all([publish(200), publish(1)]);
      expect(performance.now() - began).toBeLessThan(patience);
      refused.push(...answers.filter(({ status }) => status !== 202));
    }
    expect(refused.length).toBeGreaterThan(1);
    refused.forEach(expectUnavailable);
    expect(judgeCollection(await readAll(client, kept, 'all'), ledger.acknowledged)).toEqual([]);
    await checkStatuses(client, ledger.statuses);
    await fault.end(server);
    const back = Date.now() + patience;
    while ((await publish(100)).status !== 202) expect(Date.now()).toBeLessThan(back);
    for (const size of [1, 200, 20]) expect((await publish(size)).status).toBe(202);
    expect(judgeCollection(await readAll(client, kept, 'all'), ledger.acknowledged)).toEqual([]);
    expect(ledger.faults).toEqual([]);
  } finally {
    await fault.end(server).catch(() => undefined);
    await server.kill();
  }
}

/** Why a command cannot be used here; undefined: it can. */
async function findFault(command: string, args: readonly string[]): Promise<string | undefined> {
  return run(command, args).then(
    () => undefined,
    (error: Error) => `${command} cannot be used here: ${error.message.split('\n')[0]}`,
  );
}

/** Files of the store as a process sees them, which may have mounts of its own. */
function storeFile(name: string, { pid, folder }: RunningServer): string {
  return `/proc/${pid}/root${join(folder, 'seed', name)}`;
}

/** Takes all the room that the file system of the store has. */
function fill(server: RunningServer): void {
  const file = openSync(storeFile('ballast', server), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096, 'x'));
  } catch (error) {
    expect(codeOf(error)).toBe('ENOSPC');
  } finally {
    closeSync(file);
  }
}

/** Why files cannot be made immutable here: it takes root, and a file system that heeds it for open files. */
async function findImmutableFault(): Promise<string | undefined> {
  const file = join(mkdtempSync(join(tmpdir(), 'huiju-disk-')), 'file');
  folders.push(dirname(file));
  const open = openSync(file, 'w');
  try {
    const fault = await findFault('chattr', ['+i', file]);
    if (fault !== undefined) return fault;
    writeSync(open, 'x');
    return `files in ${tmpdir()} that are open stay writable`;
  } catch {
    return undefined;
  } finally {
    closeSync(open);
    await findFault('chattr', ['-i', file]);
  }
}

const missing = {
  chattr: await findImmutableFault(),
  prlimit: await findFault('prlimit', ['--version']),
  tmpfs: await findFault('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]),
};

describeWith('prlimit', missing.prlimit, 'promise 1 on a file that may not grow', () => {
  test('publications get a 503 until it may grow again, and nothing is lost', async () => {
    const options = await prepare();
    const limit = async (pid: number, bytes: string): Promise<void> => {
      await run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
    };
    await survive(options, {
      begin: (server) => limit(server.pid, String(statSync(storeFile('huiju.db-wal', server)).size + 10_000)),
      end: ({ pid }) => limit(pid, 'unlimited'),
    });
  });
});

describeWith('chattr', missing.chattr, 'promise 1 on files that became read-only', () => {
  const change = async (flag: '+i' | '-i', { folder }: RunningServer): Promise<void> => {
    // Not the -shm file: it is memory, and the kernel ends whoever writes to memory that may not be written.
    const names = ['huiju.db', 'huiju.db-wal'];
    await run('chattr', [flag, ...names.map((name) => join(folder, 'seed', name))]);
  };

  test('publications get a 503 until they may be written again, and nothing is lost', async () => {
    const fault: Fault = { begin: (server) => change('+i', server), end: (server) => change('-i', server) };
    await survive(await prepare(), fault);
  });
});

describeWith('tmpfs', missing.tmpfs, 'promise 1 on a full disk', () => {
  // A small file system of its own over the folder of the store, with the store in it.
  const script = 'cp -r "$0" "$0.copy" && mount -t tmpfs -o size=12m tmpfs "$0" && cp "$0.copy"/* "$0" || exit;';
  const onSmallDisk = (folder: string, before = ''): readonly [string, ...string[]] => [
    ...(['unshare', '-rm', 'sh', '-c', `${script} ${before} exec "$@"`, join(folder, 'seed')] as const),
    ...[process.execPath, program],
  ];

  test('a start says so in one line', async () => {
    const { folder, env } = await prepare();
    const [file, ...args] = onSmallDisk(folder, 'head -c 20m /dev/zero > "$0/ballast" 2>&-;');
    const { code, stderr } = await runProgram(file, [...args, 'serve'], { env });
    const store = join(folder, 'seed', 'huiju.db');
    expect(stderr.trim()).toBe(`huiju: the store ${store} cannot be opened: the disk is full: free some space`);
    expect(code).toBe(1);
  });

  test('publications get a 503 until there is room, and nothing is lost', async () => {
    const options = await prepare();
    await survive(
      { ...options, command: onSmallDisk(options.folder) },
      {
        begin: async (server) => fill(server),
        end: async (server) => rmSync(storeFile('ballast', server)),
      },
    );
  });
});

test('while another process holds the store, publications get a 503, and nothing is lost', async () => {
  const options = await prepare();
  let holder: Database.Database | undefined;
  await survive(options, {
    begin: async ({ folder }) => {
      holder = new Database(join(folder, 'seed', 'huiju.db'));
      holder.exec('BEGIN IMMEDIATE');
    },
    end: async () => {
      holder?.close();
    },
  });
});

test('while there is no folder for large bodies, they get a 503, and small ones are taken', async () => {
  const { folder, env } = await prepare();
  const spool = join(folder, 'spool');
  const server = await runServer({ folder, env: { ...env, TMPDIR: spool } });
  try {
    const { ledger, client, publish } = createPublisher(server);
    // Above 1 MiB; up to 5,000 objects the status names them all.
    const large = 4_500;
    expectUnavailable(await publish(large));
    expect((await publish(10)).status).toBe(202);
    mkdirSync(spool);
    expect((await publish(large)).status).toBe(202);
    expect(judgeCollection(await readAll(client, kept, 'all'), ledger.acknowledged)).toEqual([]);
    expect(ledger.faults).toEqual([]);
  } finally {
    await server.kill();
  }
});
