import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { ask, basic, newIdentity } from '../support/taxii-server.ts';

const objects = '/hub/collections/groups/objects/';
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-test-'));
  folders.push(folder);
  return folder;
}

const quiet = { HUIJU_LOG_LEVEL: 'warn' };

async function publish(server: RunningServer, batch: readonly unknown[]): Promise<number> {
  const authorization = basic('admin', server.adminPassword);
  return (await ask(server.url, objects, { authorization, body: { objects: batch } })).status;
}

interface Entry {
  readonly id: string;
  readonly date_added: string;
}

/** Everything in the collection, by way of added_after alone, as clients without `next` read it. */
async function poll(server: RunningServer, after = '1970-01-01T00:00:00Z'): Promise<Entry[]> {
  const entries: Entry[] = [];
  let addedAfter = after;
  for (;;) {
    const path = `/hub/collections/groups/manifest/?limit=100&added_after=${addedAfter}`;
    const page = (await ask(server.url, path, { authorization: basic('admin', server.adminPassword) })).json<{
      objects?: Entry[];
    }>();
    if (page.objects === undefined) return entries;
    entries.push(...page.objects);
    addedAfter = page.objects.at(-1)?.date_added ?? addedAfter;
  }
}

describe('promise 1: acknowledged means durable', () => {
  test('every object of a 202 is there after SIGKILL, and none by half', async () => {
    const folder = newFolder();
    const acknowledged = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      const server = await runServer({ folder, env: quiet });
      let isOver = false;
      const publisher = async (size: number): Promise<void> => {
        while (!isOver) {
          const batch = Array.from({ length: size }, () => newIdentity());
          // The server dies in the middle of some of these; what it did not acknowledge it may keep or lose.
          const status = await publish(server, batch).catch(() => 0);
          if (status === 202) for (const { id } of batch) acknowledged.add(id);
        }
      };
      const publishers = [1, 1, 3, 250].map(publisher);
      const before = acknowledged.size;
      while (acknowledged.size < before + 600) await new Promise((resolve) => setImmediate(resolve));
      await server.kill();
      isOver = true;
      await Promise.all(publishers);
    }
    const server = await runServer({ folder, env: quiet });
    const ids = (await poll(server)).map(({ id }) => id);
    await server.stop();
    expect(new Set(ids).size).toBe(ids.length);
    expect([...acknowledged].filter((id) => !ids.includes(id))).toEqual([]);
  });
});

describe('promise 2: a poller misses nothing and sees nothing twice', () => {
  test('while two server processes on one file publish, polling by added_after alone', async () => {
    const folder = newFolder();
    const first = await runServer({ folder, env: quiet });
    const second = await runServer({ folder, env: quiet });
    const published: string[] = [];
    let isOver = false;
    const publisher = async (server: RunningServer, size: number): Promise<void> => {
      for (let round = 0; round < 40; round += 1) {
        const batch = Array.from({ length: size }, () => newIdentity());
        expect(await publish(server, batch)).toBe(202);
        published.push(...batch.map(({ id }) => id));
      }
    };
    const seen: Entry[] = [];
    const poller = async (): Promise<void> => {
      do seen.push(...(await poll(second, seen.at(-1)?.date_added)));
      while (!isOver);
    };
    const polling = poller();
    await Promise.all([publisher(first, 1), publisher(first, 20), publisher(second, 1), publisher(second, 20)]);
    isOver = true;
    await polling;
    seen.push(...(await poll(second, seen.at(-1)?.date_added)));
    await Promise.all([first.stop(), second.stop()]);
    const ids = seen.map(({ id }) => id);
    expect(ids).toHaveLength(published.length);
    expect(new Set(ids)).toEqual(new Set(published));
    const dates = seen.map(({ date_added }) => date_added);
    expect([...new Set(dates)].sort()).toEqual(dates);
  });
});

async function findStrace(): Promise<string | undefined> {
  const child = spawn('strace', ['-f', '-e', 'trace=none', 'true'], { stdio: 'ignore' });
  const [code] = await Promise.race([once(child, 'exit'), once(child, 'error').then(() => [null])]);
  return code === 0 ? undefined : 'strace is missing or may not trace here';
}

describeWith('strace', await findStrace(), 'the system calls of one POST', () => {
  test('the write-ahead log is synced after the body came and before the 202 goes out', async () => {
    const folder = newFolder();
    const server = await runServer({ folder, env: quiet });
    const trace = join(folder, 'trace');
    const tracing = spawn(
      'strace',
      [
        '-f',
        '-y',
        '-s',
        '200',
        '-e',
        'trace=read,write,writev,sendto,pwrite64,fsync,fdatasync',
        '-o',
        trace,
        '-p',
        String(server.pid),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    // strace says on standard error that it is attached.
    await once(tracing.stderr, 'data');
    const identity = newIdentity();
    const status = await publish(server, [identity]);
    await server.stop();
    await once(tracing, 'exit');
    expect(status).toBe(202);
    const calls = readFileSync(trace, 'utf8').split('\n');
    const logged = calls.findIndex((call) => call.includes('pwrite64') && call.includes('huiju.db-wal'));
    const synced = calls.findIndex((call, index) => index > logged && /f(?:data)?sync\(.*huiju\.db-wal/.test(call));
    const answered = calls.findIndex((call) => call.includes('HTTP/1.1 202'));
    expect([logged, synced, answered].every((index) => index >= 0)).toBe(true);
    expect(logged).toBeLessThan(synced);
    expect(synced).toBeLessThan(answered);
  });
});
