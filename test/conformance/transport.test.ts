import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createServer, type SecureVersion, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { describeWith } from '../support/skip.ts';
import { ask, basic, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';

let server: TestServer;
let folder: string;
let ca: string;
/** Takes everything that the TLS library can do, to show that the clients of these tests can too. */
let lenient: Server;

beforeAll(async () => {
  const pair = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  ca = pair.cert;
  folder = mkdtempSync(join(tmpdir(), 'huiju-tls-'));
  const files = { HUIJU_TLS_CERT: join(folder, 'cert.pem'), HUIJU_TLS_KEY: join(folder, 'key.pem') };
  writeFileSync(files.HUIJU_TLS_CERT, pair.cert);
  writeFileSync(files.HUIJU_TLS_KEY, pair.private);
  server = await startTaxiiServer(files);
  lenient = createServer({ cert: pair.cert, key: pair.private, ciphers: 'ALL:@SECLEVEL=0', minVersion: 'TLSv1' });
  lenient.on('secureConnection', (socket) => socket.end()).on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => lenient.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await new Promise((resolve) => lenient.close(resolve));
  await server.close();
  rmSync(folder, { recursive: true });
});

const portOf = (url: string): number => Number(new URL(url).port);

/** The protocol and suite that were agreed on, or the code of the failure. */
function handshake(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca, ...options }, () => {
      resolve(`${socket.getProtocol()} ${socket.getCipher().name}`);
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
  });
}

const only = (version: SecureVersion): ConnectionOptions => ({ minVersion: version, maxVersion: version });
const lenientPort = (): number => {
  const address = lenient.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

describe('TAXII 2.1 §8.2.2 transport', () => {
  test('T-440: HTTPS serves discovery, whose URLs are https', async () => {
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const answer = await ask(server.url, '/taxii2/', { ca });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
    expect(answer.json().default).toBe(`${server.url}/main/`);
    expect(answer.headers['strict-transport-security']).toMatch(/^max-age=\d{8,}$/);
  });

  test('T-187, T-440: behind TLS every API root is an https URL', async () => {
    const { api_roots: roots } = (await ask(server.url, '/taxii2/', { ca })).json<{ api_roots: string[] }>();
    expect(roots).toHaveLength(4);
    for (const root of roots) expect(root.startsWith(`${server.url}/`)).toBe(true);
  });

  test('T-440: plain HTTP on the port of TLS is not served', async () => {
    const plain = server.url.replace('https:', 'http:');
    await expect(ask(plain, '/taxii2/', { as: null })).rejects.toThrow();
    expect((await ask(server.url, '/open/', { as: null, ca })).status).toBe(200);
  });

  test('T-441, T-442: TLS 1.2 and TLS 1.3 are accepted', async () => {
    const port = portOf(server.url);
    expect(await handshake(port, only('TLSv1.2'))).toMatch(/^TLSv1\.2 ECDHE-/);
    expect(await handshake(port, only('TLSv1.3'))).toMatch(/^TLSv1\.3 TLS_/);
  });

  test('a client that closes its side of TLS after its request reads the answer', async () => {
    const socket = connect({ port: portOf(server.url), host: '127.0.0.1', ca });
    socket.end(`GET /main/ HTTP/1.1\r\nHost: a\r\nAuthorization: ${basic('member')}\r\n\r\n`);
    const answer = await socket.reduce((text: string, chunk: Buffer) => text + chunk.toString(), '');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('Main root');
  });

  test('T-441: TLS 1.1 and 1.0 are refused', async () => {
    for (const version of ['TLSv1.1', 'TLSv1'] as const) {
      const options = { ...only(version), ciphers: 'ALL:@SECLEVEL=0' };
      expect(await handshake(lenientPort(), options)).toMatch(new RegExp(`^${version} `));
      expect(await handshake(portOf(server.url), options)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    }
  });

  const good = ['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256'];
  test.each(good)('T-444: the TLS 1.2 suite %s is accepted', async (suite) => {
    const options = { ...only('TLSv1.2'), ciphers: suite };
    expect(await handshake(portOf(server.url), options)).toBe(`TLSv1.2 ${suite}`);
  });

  // RFC 7540 appendix A: without forward secrecy, or with CBC.
  const weak = [
    'AES128-SHA',
    'AES256-SHA256',
    'AES128-GCM-SHA256',
    'AES256-GCM-SHA384',
    'ECDHE-RSA-AES128-SHA',
    'ECDHE-RSA-AES128-SHA256',
    'ECDHE-RSA-AES256-SHA384',
  ];
  test.each(weak)('T-444: the TLS 1.2 suite %s is refused', async (suite) => {
    const options = { ...only('TLSv1.2'), ciphers: `${suite}:@SECLEVEL=0` };
    expect(await handshake(lenientPort(), options)).toBe(`TLSv1.2 ${suite}`);
    expect(await handshake(portOf(server.url), options)).toBe('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE');
  });
});

const missing = spawnSync('openssl', ['version']).status === 0 ? undefined : 'there is no openssl on the PATH';

describeWith('openssl', missing, 'TAXII 2.1 §8.2.2 early data', () => {
  test('T-443: session tickets of TLS 1.3 allow no early data', async () => {
    const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${portOf(server.url)}`, '-tls1_3', '-ign_eof']);
    let output = '';
    client.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    // The answer comes after the tickets, and the server closes after it.
    client.stdin.end('GET /taxii2/ HTTP/1.0\r\n\r\n');
    await new Promise((resolve) => client.once('close', resolve));
    expect(output).toContain('Post-Handshake New Session Ticket arrived');
    expect([...output.matchAll(/Max Early Data: (\d+)/g)].map(([, bytes]) => bytes)).toEqual(
      expect.arrayContaining(['0']),
    );
    expect(output).not.toMatch(/Max Early Data: [1-9]/);
  });
});
