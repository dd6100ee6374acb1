/**
 * Many hostile requests against the product in a process of its own: none is a fault of the server, the others are served
 * meanwhile, and nothing grows. `HUIJU_TEST_FUZZ` is the number of requests, `HUIJU_TEST_SEED` the seed.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { ask, basic, newIdentity } from '../support/taxii-server.ts';
import { createGenerator, type HostileRequest } from './generator.ts';

const count = Number(process.env.HUIJU_TEST_FUZZ ?? '3000');
const seed = Number(process.env.HUIJU_TEST_SEED ?? '20210610');
const atOnce = 8;
/** Nothing of a hostile request may hold up another for longer; it is generous, since machines differ. */
const maxWait = 5000;
const maxGrowth = 128 * 1024 * 1024;

const declared = {
  api_root: 'main',
  title: 'Main',
  max_content_length: 65_536,
  collections: [
    { id: '5f3c9a52-1c4d-4e8f-8a6b-000000000001', title: 'One', read: ['members'], write: ['members'] },
    { id: '5f3c9a52-1c4d-4e8f-8a6b-000000000002', title: 'Two', read: ['public'], write: ['user:nobody'] },
    { id: '5f3c9a52-1c4d-4e8f-8a6b-000000000003', title: 'Kept', read: ['role:keeper'], write: ['role:keeper'] },
  ],
};
const [one, two, kept] = declared.collections.map(({ id }) => `/main/collections/${id}/`) as [string, string, string];

const goOn = 'HTTP/1.1 100 Continue\r\n\r\n';

/** The first line of the answer; undefined when the connection ended without one. Fails when neither happens in time. */
function sendHostile(port: number, { bytes, leaves, isShort }: HostileRequest): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const settle = () => {
      clearTimeout(timer);
      // Without waiting for the other end: tens of thousands of ports would wait with it.
      socket.resetAndDestroy();
      resolve(/^HTTP\/1\.1 [^\r]*/.exec(received)?.[0]);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${maxWait} ms to ${JSON.stringify(bytes.toString('latin1'))}`));
    }, maxWait);
    socket.on('error', settle).on('close', settle);
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1', 0, 200);
      // The word to continue and the answer may arrive in pieces, or in one.
      if (received.startsWith(goOn)) received = received.slice(goOn.length);
      if (received.includes('\r\n') && !goOn.startsWith(received.slice(0, goOn.length))) settle();
    });
    const sent = () => leaves && settle();
    if (isShort) socket.end(bytes, sent);
    else socket.write(bytes, sent);
  });
}

function memoryOf({ pid }: RunningServer): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

function openFiles({ pid }: RunningServer): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

async function start(): Promise<{ server: RunningServer; admin: string; end(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-fuzz-'));
  mkdirSync(join(folder, 'collections'));
  writeFileSync(join(folder, 'collections', 'main.json'), JSON.stringify(declared));
  const env = { HUIJU_LOG_LEVEL: 'warn', HUIJU_PAGE_BYTES: '256KiB' };
  const server = await runServer({ collections: join(folder, 'collections'), env });
  return {
    server,
    admin: basic('admin', server.adminPassword),
    end: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test(
  `${count} hostile requests of seed ${seed}: no 5xx, no stall, no growth, and what they may not touch stays`,
  async () => {
    const { server, admin, end } = await start();
    try {
      const password = 'a password of the fuzzer';
      const added = await server.huiju(['user', 'add', 'member', '--password-stdin'], { input: `${password}\n` });
      expect(added.code).toBe(0);
      const objects = Array.from({ length: 5 }, () => newIdentity());
      for (const path of [one, two, kept]) {
        const answer = await ask(server.url, `${path}objects/`, { authorization: admin, body: { objects } });
        expect(answer.status).toBe(202);
      }
      const next = createGenerator(seed, {
        logins: [basic('member', password)],
        collections: [one, one, two, kept],
        roots: ['/main/', '/main/collections/'],
        objects: objects.map(({ id }) => id),
      });

      const port = Number(new URL(server.url).port);
      const outcomes = new Map<string, number>();
      const faults: string[] = [];
      let sent = 0;
      const attack = async (until: number): Promise<void> => {
        while (sent < until && faults.length === 0) {
          sent += 1;
          const request = next();
          const line = await sendHostile(port, request);
          const status = line?.split(' ')[1] ?? 'none';
          outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
          const isSilent = line === undefined && !request.leaves && !request.isShort;
          if (status.startsWith('5') || isSilent) faults.push(`${status}: ${request.bytes.toString('latin1')}`);
        }
      };
      const poll = async (until: number): Promise<void> => {
        while (sent < until && faults.length === 0) {
          const asked = performance.now();
          const answer = await ask(server.url, `${kept}objects/`, { authorization: admin });
          if (answer.status !== 200) faults.push(`a poll was answered ${answer.status}`);
          if (performance.now() - asked > maxWait) faults.push(`a poll took ${performance.now() - asked} ms`);
        }
      };
      const run = (until: number) => Promise.all([poll(until), ...Array.from({ length: atOnce }, () => attack(until))]);

      await run(count / 3);
      const before = { memory: memoryOf(server), files: openFiles(server) };
      await run(count);
      expect(faults).toEqual([]);
      expect(memoryOf(server) - before.memory).toBeLessThan(maxGrowth);
      expect(openFiles(server) - before.files).toBeLessThan(3 * atOnce);
      // Most reach something: a generator of nonsense alone would prove little.
      for (const status of ['200', '202', '400', '401', '404', '405', '406', '415', '422']) {
        expect([status, (outcomes.get(status) ?? 0) > 0]).toEqual([status, true]);
      }
      const untouched = await ask(server.url, `${kept}objects/`, { authorization: admin });
      expect(untouched.json().objects).toEqual(objects);
      const readable = await ask(server.url, `${two}objects/`, { authorization: admin });
      expect(readable.json().objects).toEqual(objects);
      expect(server.output()).not.toMatch(/request failed|"level":"(error|fatal)"/);
    } catch (error) {
      throw new Error(`The server said:\n${server.output().slice(-4000)}`, { cause: error });
    } finally {
      await end();
    }
  },
  30_000 + count * 20,
);
