import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { runHuiju } from '../support/huiju.ts';
import { runServer } from '../support/run-server.ts';
import { ask, basic, newIdentity, taxii } from '../support/taxii-server.ts';

const objects = '/hub/collections/groups/objects/';

describe.each(['1', '2'])('starting and ending with HUIJU_WORKERS=%s', (workers) => {
  let folder: string;
  const env = { HUIJU_WORKERS: workers };
  const run = (options: { folder: string; env?: Readonly<Record<string, string>> }) =>
    runServer({ ...options, env: { ...env, ...options.env } });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'huiju-test-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('the first start makes an admin whose password only its owner can read', async () => {
    const server = await run({ folder });
    expect(statSync(join(folder, 'admin-password')).mode & 0o777).toBe(0o600);
    expect(server.adminPassword.length).toBeGreaterThanOrEqual(20);
    const { status } = await ask(server.url, '/taxii2/', { authorization: basic('admin', server.adminPassword) });
    expect([status, await server.stop()]).toEqual([200, 0]);
  });

  test('a second start keeps everything and makes no second password', async () => {
    const first = await run({ folder });
    const authorization = basic('admin', first.adminPassword);
    const identity = newIdentity();
    expect((await ask(first.url, objects, { authorization, body: { objects: [identity] } })).status).toBe(202);
    await first.stop();
    const second = await run({ folder });
    const { text } = await ask(second.url, objects, { authorization });
    await second.stop();
    expect(text).toBe(`{"more":false,"objects":[${JSON.stringify(identity)}]}`);
    expect(second.output()).not.toContain('password is in');
  });

  test('a running request finishes after the signal, a new connection is refused, the store is closed', async () => {
    const server = await run({ folder });
    const identity = newIdentity();
    const body = JSON.stringify({ objects: [identity] });
    const port = Number(new URL(server.url).port);
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.write(
      `POST ${objects} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${basic('admin', server.adminPassword)}\r\n` +
        `Content-Type: ${taxii}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
    );
    // The word to continue says that the request is being served.
    while (!answer.includes('100 Continue')) await new Promise((resolve) => setImmediate(resolve));
    const stopped = server.stop();
    const isRefused = async (): Promise<boolean> => {
      const other = connect(port, '127.0.0.1');
      return new Promise((resolve) => {
        other.once('error', () => resolve(true));
        other.once('connect', () => {
          other.destroy();
          resolve(false);
        });
      });
    };
    while (!(await isRefused())) await new Promise((resolve) => setImmediate(resolve));
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.write(body);
    await ended;
    expect(answer).toContain('HTTP/1.1 202 ');
    expect(answer).toContain(`"id":"${identity.id}"`);
    expect(await stopped).toBe(0);
    expect(existsSync(join(folder, 'huiju.db-wal'))).toBe(false);
  });

  test('an idle connection does not hold up the end', async () => {
    const server = await run({ folder });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /taxii2/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    expect(await server.stop()).toBe(0);
    socket.destroy();
  });

  test('a connection on which nothing was ever sent does not hold it up either', async () => {
    const server = await run({ folder });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const stopped = server.stop();
    await closed;
    expect(await stopped).toBe(0);
  });

  test('nor does one on which TLS was never begun', async () => {
    const pair = await generate([{ name: 'commonName', value: '127.0.0.1' }], { keySize: 2048, algorithm: 'sha256' });
    const files = { HUIJU_TLS_CERT: join(folder, 'cert.pem'), HUIJU_TLS_KEY: join(folder, 'key.pem') };
    writeFileSync(files.HUIJU_TLS_CERT, pair.cert);
    writeFileSync(files.HUIJU_TLS_KEY, pair.private);
    const server = await run({ folder, env: files });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    expect(await server.stop()).toBe(0);
    await closed;
    // Running requests get half a minute.
  }, 20_000);

  test('a start that cannot listen makes no admin whose password nobody saw', async () => {
    const server = await run({ folder });
    const fresh = join(folder, 'fresh');
    const other = { HUIJU_PORT: new URL(server.url).port, HUIJU_STORE: `sqlite:${join(fresh, 'huiju.db')}` };
    expect((await server.huiju(['serve'], { env: { ...env, ...other } })).code).toBe(1);
    expect((await server.huiju(['user', 'list', '--json'], { env: other })).stdout.trim()).toBe('[]');
    await server.stop();
  });

  test('a start that cannot hand over the first password ends, and the next one can', async () => {
    const other = join(folder, 'other');
    mkdirSync(join(other, 'admin-password', 'in-the-way'), { recursive: true });
    const fresh = { HUIJU_PORT: '0', HUIJU_STORE: `sqlite:${join(other, 'huiju.db')}` };
    const { code, stderr } = await runHuiju(['serve'], { env: { ...env, ...fresh } });
    expect([code, stderr]).toEqual([1, expect.stringContaining('admin-password')]);
    rmSync(join(other, 'admin-password'), { recursive: true });
    const server = await run({ folder: other });
    expect(server.adminPassword.length).toBeGreaterThanOrEqual(20);
    await server.stop();
  });

  test('a server whose only admin is disabled starts, and says so', async () => {
    const server = await run({ folder });
    await server.huiju(['user', 'disable', 'admin']);
    await server.stop();
    const again = await run({ folder });
    const { status } = await ask(again.url, '/public/collections/', { as: null });
    await again.huiju(['user', 'enable', 'admin']);
    await again.stop();
    expect([status, again.output()]).toEqual([200, expect.stringContaining('huiju user enable admin')]);
  });

  test('a port in use is one clear line', async () => {
    const server = await run({ folder });
    const port = new URL(server.url).port;
    const { code, stderr } = await server.huiju(['serve'], { env: { ...env, HUIJU_PORT: port } });
    await server.stop();
    expect(code).toBe(1);
    expect(stderr).toBe(
      `huiju: cannot listen on 127.0.0.1:${port}: something listens there already; stop it or set HUIJU_PORT to another port\n`,
    );
  });
});
