/** Promise 1 in system calls. What kills and races prove of it is in `test/races/`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
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
