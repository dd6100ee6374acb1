/** HUIJU_WORKERS=2: two processes that are one to the outside. */

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { environment, program, root, runHuiju } from '../support/huiju.ts';
import { openConnection, type RawConnection, rawRequest } from '../support/raw-http.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { type LogLine, logOf, pidsOf, until } from '../support/server-log.ts';
import { ask, basic, newIdentity, taxii } from '../support/taxii-server.ts';

const id = '5d1f7c1e-5b0f-4f0e-9a63-0d6a3b0c2a01';
const objects = '/desk/collections/desk/objects/';
const two = { HUIJU_WORKERS: '2' };
let folder: string;
let collections: string;

function declare(title: string): void {
  const rights = { read: ['members'], write: ['role:publisher'] };
  const declared = { api_root: 'desk', title, collections: [{ id, alias: 'desk', title: 'Desk', ...rights }] };
  writeFileSync(join(collections, 'desk.json'), JSON.stringify(declared));
}

function start(env: Readonly<Record<string, string>> = {}): Promise<RunningServer> {
  return runServer({ folder, collections, env: { ...two, ...env } });
}

const requestsOf = (server: RunningServer): LogLine[] => logOf(server).filter(({ msg }) => msg === 'request');

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Files and sockets that a process has open. */
const countFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Asks on a connection that stays open. */
async function get(connection: RawConnection, path: string, authorization: string) {
  connection.send(rawRequest(`GET ${path}`, { Authorization: authorization }));
  return connection.next();
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'huiju-workers-'));
  collections = mkdtempSync(join(tmpdir(), 'huiju-workers-'));
  declare('Desk');
});
afterAll(() => {
  for (const each of [folder, collections]) rmSync(each, { recursive: true, force: true });
});

describe('two processes on one port and one store', () => {
  test.each([2, 4])('share the requests of %d connections that stay open evenly', async (count) => {
    const server = await start();
    const authorization = basic('admin', server.adminPassword);
    const connections: RawConnection[] = [];
    for (let opened = 0; opened < count; opened += 1) {
      const connection = openConnection(server.url);
      connections.push(connection);
      expect((await get(connection, '/desk/', authorization))?.status).toBe(200);
    }
    for (let round = 0; round < 10; round += 1) {
      for (const connection of connections) {
        expect((await get(connection, '/desk/', authorization))?.status).toBe(200);
      }
    }
    for (const connection of connections) connection.close();
    await server.stop();
    const ofFirst = requestsOf(server).filter((line) => line.process === 'worker 1').length;
    expect([requestsOf(server).length, ofFirst]).toEqual([11 * count, (11 * count) / 2]);
  });

  test('are one server: what the one took, deleted or refuses, so does the other, at once', async () => {
    const server = await start();
    const authorization = basic('admin', server.adminPassword);
    const { stdout } = await server.huiju(['token', 'create', 'admin']);
    const bearer = `Bearer ${stdout.trim()}`;
    const [left, right] = [openConnection(server.url), openConnection(server.url)] as const;
    for (const connection of [left, right]) expect((await get(connection, '/desk/', bearer))?.status).toBe(200);
    for (let round = 0; round < 20; round += 1) {
      const [writer, reader] = round % 2 === 0 ? [left, right] : [right, left];
      const identity = newIdentity();
      const body = JSON.stringify({ objects: [identity] });
      const fields = { Authorization: bearer, 'Content-Type': taxii, 'Content-Length': String(body.length) };
      writer.send(rawRequest(`POST ${objects}`, fields) + body);
      const accepted = await writer.next();
      expect(accepted?.status).toBe(202);
      const status = JSON.parse(String(accepted?.text));
      expect((await get(reader, `/desk/status/${status.id}/`, bearer))?.text).toBe(accepted?.text);
      expect((await get(reader, objects, bearer))?.text).toBe(`{"more":false,"objects":[${JSON.stringify(identity)}]}`);
      writer.send(rawRequest(`DELETE ${objects}${identity.id}/`, { Authorization: bearer }));
      expect((await writer.next())?.status).toBe(200);
      expect((await get(reader, `${objects}${identity.id}/`, bearer))?.status).toBe(404);
    }
    const list = await server.huiju(['token', 'list', '--json']);
    const [token] = JSON.parse(list.stdout) as { id: string }[];
    await server.huiju(['token', 'revoke', String(token?.id)]);
    for (const connection of [left, right]) expect((await get(connection, '/desk/', bearer))?.status).toBe(401);
    for (const connection of [left, right]) {
      expect((await get(connection, '/desk/', authorization))?.status).toBe(200);
      connection.close();
    }
    expect(await server.stop()).toBe(0);
    expect(new Set(requestsOf(server).map((line) => line.process))).toEqual(new Set(['worker 1', 'worker 2']));
  });

  test('write one log, whose lines are whole and say which process it was', async () => {
    const file = join(folder, 'log');
    const descriptor = openSync(file, 'w');
    const env = environment({
      HUIJU_PORT: '0',
      HUIJU_STORE: `sqlite:${join(folder, 'huiju.db')}`,
      HUIJU_COLLECTIONS: collections,
      ...two,
    });
    const child = spawn(process.execPath, [program, 'serve'], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', descriptor],
    });
    closeSync(descriptor);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const url = await new Promise<string>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        const found = /http:\S+\d/.exec(chunk.toString())?.[0];
        if (found !== undefined) resolve(found);
      });
    });
    const path = `/desk/${'x'.repeat(1000)}`;
    const headers = { 'User-Agent': 'y'.repeat(1000) };
    const asked = Array.from({ length: 200 }, () => ask(url, path, { as: null, headers }));
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([401]));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    const lines: LogLine[] = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ msg }) => msg === 'request')).toHaveLength(200);
    const known = ['supervisor', 'worker 1', 'worker 2'];
    expect(lines.filter((line) => !known.includes(line.process))).toEqual([]);
    expect(lines.at(-1)).toMatchObject({ process: 'supervisor', msg: 'ended' });
  });
});

test('each serves with a young generation that processors cache, and that it may collect', async () => {
  const server = await start();
  const pids = await pidsOf(server, 2);
  const options = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, 3));
  const wanted = ['--max-semi-space-size=16', '--expose-gc'];
  expect([options, await server.stop()]).toEqual([[wanted, wanted], 0]);
});

describe('a process that ends by itself', () => {
  test('is replaced, and meanwhile the other serves', async () => {
    const server = await start();
    const authorization = basic('admin', server.adminPassword);
    const [victim = 0, other = 0] = await pidsOf(server, 2);
    process.kill(victim, 'SIGKILL');
    await until(() => (isRunning(victim) ? undefined : true));
    await until(() => logOf(server).find(({ level }) => level === 'error'));
    expect((await ask(server.url, '/desk/', { authorization })).status).toBe(200);
    await pidsOf(server, 3);
    const connections = [openConnection(server.url), openConnection(server.url)];
    for (const connection of connections) {
      expect((await get(connection, '/desk/', authorization))?.status).toBe(200);
      connection.close();
    }
    expect([await server.stop(), isRunning(other)]).toEqual([0, false]);
    expect(logOf(server).find(({ level }) => level === 'error')).toMatchObject({
      process: 'supervisor',
      worker: 1,
      signal: 'SIGKILL',
      msg: 'a serving process ended by itself; another takes its place',
    });
    const last = requestsOf(server)
      .slice(-2)
      .map((line) => line.process);
    expect(last.sort()).toEqual(['worker 1', 'worker 2']);
  });

  test('leaves no client waiting: a connection on its way to it is closed, and others are served', async () => {
    const server = await start();
    const authorization = basic('admin', server.adminPassword);
    const [victim = 0, other = 0] = await pidsOf(server, 2);
    // A process that stands still takes no connection, so each has one on its way to it.
    for (const pid of [victim, other]) process.kill(pid, 'SIGSTOP');
    const idle = countFiles(server.pid);
    const connections = Array.from({ length: 4 }, () => openConnection(server.url));
    const answers = connections.map((connection) => get(connection, '/desk/', authorization));
    await until(() => (countFiles(server.pid) >= idle + connections.length ? true : undefined));
    process.kill(victim, 'SIGKILL');
    process.kill(other, 'SIGCONT');
    const statuses = (await Promise.all(answers)).map((answer) => answer?.status ?? 'closed');
    expect(statuses.sort()).toEqual([200, 200, 200, 'closed']);
    for (const connection of connections) connection.close();
    expect(countFiles(server.pid)).toBeLessThanOrEqual(idle);
    expect(await server.stop()).toBe(0);
  });

  test('at the start ends everything, with the same line and exit code as a server alone', async () => {
    const server = await start();
    const { port } = new URL(server.url);
    const { code, stderr, stdout } = await server.huiju(['serve'], { env: { HUIJU_PORT: port } });
    await server.stop();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      `huiju: cannot listen on 127.0.0.1:${port}: something listens there already; stop it or set HUIJU_PORT to another port\n`,
    );
  });

  test('does not do so for a signal that a terminal sends to all: what follows is for the supervisor to say', async () => {
    const server = await start();
    const pids = await pidsOf(server, 2);
    for (const pid of pids) for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(pid, signal);
    const authorization = basic('admin', server.adminPassword);
    for (let asked = 0; asked < 4; asked += 1) {
      expect((await ask(server.url, '/desk/', { authorization })).status).toBe(200);
    }
    expect([await server.stop(), logOf(server).filter(({ level }) => level === 'error')]).toEqual([0, []]);
  });

  test('because its supervisor was killed leaves nothing behind', async () => {
    const server = await start();
    const pids = await pidsOf(server, 2);
    await server.kill();
    await server.closed;
    await until(() => (pids.some(isRunning) ? undefined : true));
    expect(pids).toHaveLength(2);
    await expect(fetch(`${server.url}/taxii2/`)).rejects.toThrow('fetch failed');
  });
});

describe.each(['1', '2'])('SIGHUP, with HUIJU_WORKERS=%s', (workers) => {
  const env = { HUIJU_WORKERS: workers };
  const reloads = (server: RunningServer): number =>
    logOf(server).filter(({ msg }) => msg.startsWith('reloaded')).length;
  const titleOf = async (server: RunningServer): Promise<unknown> =>
    (await ask(server.url, '/desk/', { authorization: basic('admin', server.adminPassword) })).json().title;

  test('serves what the files declare then, and no request on any connection is lost', async () => {
    const server = await start(env);
    const authorization = basic('admin', server.adminPassword);
    let isOver = false;
    const client = async (): Promise<Set<string>> => {
      const connection = openConnection(server.url);
      const titles = new Set<string>();
      while (!isOver) titles.add(JSON.parse(String((await get(connection, '/desk/', authorization))?.text)).title);
      connection.close();
      return titles;
    };
    const clients = [client(), client(), client(), client()];
    for (const round of [1, 2, 3]) {
      declare(`Desk ${round}`);
      process.kill(server.pid, 'SIGHUP');
      await until(() => (reloads(server) === round ? true : undefined));
      expect(await titleOf(server)).toBe(`Desk ${round}`);
    }
    isOver = true;
    for (const titles of await Promise.all(clients)) {
      expect(titles.has('Desk 3')).toBe(true);
      expect([...titles].filter((title) => !title.startsWith('Desk'))).toEqual([]);
    }
    expect(await server.stop()).toBe(0);
    declare('Desk');
  });

  test('changes nothing when a file is wrong, says why, and works once it is mended', async () => {
    const server = await start(env);
    writeFileSync(join(collections, 'desk.json'), '{"api_root": "desk", "titel": "Desk"}');
    process.kill(server.pid, 'SIGHUP');
    const refused = await until(() => logOf(server).find(({ msg }) => msg.startsWith('not reloaded')));
    expect(refused.reason).toContain('desk.json:1:');
    expect(await titleOf(server)).toBe('Desk');
    declare('Mended');
    process.kill(server.pid, 'SIGHUP');
    await until(() => (reloads(server) === 1 ? true : undefined));
    expect(await titleOf(server)).toBe('Mended');
    expect(await server.stop()).toBe(0);
    declare('Desk');
  });

  test('takes a renewed certificate for new connections', async () => {
    const files = { HUIJU_TLS_CERT: join(folder, 'cert.pem'), HUIJU_TLS_KEY: join(folder, 'key.pem') };
    const renew = async (name: string): Promise<void> => {
      const pair = await generate([{ name: 'commonName', value: name }], { keySize: 2048, algorithm: 'sha256' });
      writeFileSync(files.HUIJU_TLS_CERT, pair.cert);
      writeFileSync(files.HUIJU_TLS_KEY, pair.private);
    };
    const nameOf = (url: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port: Number(new URL(url).port), rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        });
        socket.once('error', reject);
      });
    await renew('before');
    const server = await start({ ...env, ...files });
    expect(await nameOf(server.url)).toBe('before');
    await renew('after');
    process.kill(server.pid, 'SIGHUP');
    await until(() => (reloads(server) === 1 ? true : undefined));
    expect([await nameOf(server.url), await nameOf(server.url)]).toEqual(['after', 'after']);
    expect(await server.stop()).toBe(0);
  });
});

test('a process that is replaced serves what its server serves, not what is wrong in a file meanwhile', async () => {
  const server = await start();
  declare('Newer');
  process.kill(server.pid, 'SIGHUP');
  await until(() => logOf(server).find(({ msg }) => msg.startsWith('reloaded')));
  writeFileSync(join(collections, 'desk.json'), 'broken');
  for (const [index, pid] of (await pidsOf(server, 2)).entries()) {
    process.kill(pid, 'SIGKILL');
    await pidsOf(server, 3 + index);
  }
  const authorization = basic('admin', server.adminPassword);
  const answers = [
    await ask(server.url, '/desk/', { authorization }),
    await ask(server.url, '/desk/', { authorization }),
  ];
  expect(answers.map((answer) => answer.json().title)).toEqual(['Newer', 'Newer']);
  expect(await server.stop()).toBe(0);
  declare('Desk');
});

test('a second signal, a second later, does not wait for requests', async () => {
  const server = await start();
  const pids = await pidsOf(server, 2);
  const connection = openConnection(server.url);
  const fields = { Authorization: basic('admin', server.adminPassword), 'Content-Type': taxii };
  connection.send(rawRequest(`POST ${objects}`, { ...fields, 'Content-Length': '100', Expect: '100-continue' }));
  expect((await connection.next({ noBody: true }))?.status).toBe(100);
  process.kill(server.pid, 'SIGTERM');
  // The first is over after a second; until then they count as one.
  const again = setInterval(() => process.kill(server.pid, 'SIGTERM'), 300);
  await server.closed;
  clearInterval(again);
  connection.close();
  await until(() => (pids.some(isRunning) ? undefined : true));
});

test('a wrong configuration is told before anything starts', async () => {
  const { code, stderr } = await runHuiju(['serve'], { env: { HUIJU_WORKERS: '2', HUIJU_COLLECTIONS: '/nowhere' } });
  expect([code, stderr.split('\n').length]).toEqual([1, 2]);
  expect(stderr).toContain('/nowhere');
});
