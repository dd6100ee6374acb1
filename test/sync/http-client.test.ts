/** What a peer may do to us over HTTP, and what it may not. */

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import {
  createHttpClient,
  type HttpAnswer,
  type HttpClient,
  type HttpClientOptions,
} from '../../src/sync/http-client.ts';
import { findRetryAfter, HttpFault } from '../../src/sync/http-fault.ts';
import { parsePeerUrl } from '../../src/sync/peer-url.ts';
import { SourceError } from '../../src/sync/source.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const never = new AbortController().signal;
const login = { kind: 'basic', user: 'anna', password: 'sesame-sesame' } as const;
const basicHeader = `Basic ${Buffer.from('anna:sesame-sesame').toString('base64')}`;

let server: ScriptedServer;
let other: ScriptedServer;
const clients: HttpClient[] = [];

beforeAll(async () => {
  server = await startScriptedServer(() => ({}));
  other = await startScriptedServer(() => ({ body: 'other' }));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(async () => {
  await server.close();
  await other.close();
});

function open(options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = createHttpClient({ home: new URL(server.url), allowPrivate: true, ...options });
  clients.push(client);
  return client;
}

async function textOf({ body }: HttpAnswer): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Asks for a path and reads the answer. */
async function get(path: string, options: Partial<HttpClientOptions> = {}, url = server.url): Promise<string> {
  return textOf(await open(options).send({ url: new URL(path, url), signal: never }));
}

/** How asking for a path fails. */
async function failure(path: string, options: Partial<HttpClientOptions> = {}, url = server.url): Promise<SourceError> {
  const error: unknown = await get(path, options, url).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof SourceError) return error;
  throw new Error('it should have failed with a SourceError', { cause: error });
}

function play(script: Script): void {
  server.play(script);
}

describe('answers', () => {
  test('are given with status, headers and text', async () => {
    play(() => ({ status: 206, headers: { 'x-a': '1' }, body: 'text' }));
    const answer = await open().send({ url: new URL(`${server.url}/a`), signal: never });
    expect([answer.status, answer.headers['x-a'], await textOf(answer)]).toEqual([206, '1', 'text']);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('packed with %s are unpacked', async (encoding, pack) => {
    play(() => ({ headers: { 'content-encoding': encoding }, body: pack('unpacked') }));
    expect(await get('/')).toBe('unpacked');
  });

  test.each(['zstd', 'constructor', 'gzip, gzip'])('packed as %j are refused', async (encoding) => {
    play(() => ({ headers: { 'content-encoding': encoding }, body: 'x' }));
    expect((await failure('/')).message).toContain(`packs its answer as "${encoding}"`);
  });

  test('that are packed wrongly or cut off fail, to be asked for later', async () => {
    const packed = gzipSync('x'.repeat(1000));
    play(() => ({ headers: { 'content-encoding': 'gzip' }, body: Buffer.from('no gzip') }));
    expect(await failure('/')).toMatchObject({ retry: 'later', message: expect.stringContaining('packed wrongly') });
    play(() => ({ headers: { 'content-encoding': 'gzip' }, body: packed.subarray(0, -12) }));
    expect(await failure('/')).toMatchObject({ retry: 'later', message: expect.stringContaining('broke off') });
  });

  test('of which the connection is cut fail, to be asked for later', async () => {
    play((_asked, { response }) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('beginning', () => response.destroy());
      return undefined;
    });
    expect(await failure('/')).toMatchObject({
      retry: 'later',
      message: expect.stringContaining('cut the connection'),
    });
  });

  test('that refuse say what the server says, with whether to come again and when', async () => {
    const body = { title: 'Slow down', description: 'ten questions in ten minutes' };
    play(() => ({ status: 429, headers: { 'retry-after': '120' }, body }));
    const error = await failure('/api/?apikey=sesame');
    expect(error).toMatchObject({ retry: 'later', retryAfter: 120_000, status: 429 });
    expect(error.message).toContain('"Slow down: ten questions in ten minutes"');
    expect(error.message).not.toContain('sesame');
    play(() => ({ status: 403, body: '<html>' }));
    expect(await failure('/')).toMatchObject({ retry: 'never', retryAfter: undefined, status: 403 });
    play(() => ({ status: 503 }));
    expect(await failure('/')).toMatchObject({ retry: 'later', status: 503 });
  });

  test('that repeat the login do not put it into messages', async () => {
    play(({ headers }) => ({
      status: 401,
      body: { title: `no ${headers.authorization}`, description: login.password },
    }));
    const { message } = await failure('/', { login });
    expect(message).toContain('no ***');
    expect(message).not.toContain(login.password);
    expect(message).not.toContain(basicHeader.slice(6));
    play(() => ({ status: 401, body: { title: `${'x'.repeat(295)}${login.password}` } }));
    expect((await failure('/', { login })).message).not.toContain('sesa');
  });

  test('that refuse at great length are read in part', async () => {
    play((_asked, { response }) => {
      response.writeHead(500);
      const fill = (): void => {
        while (response.write('x'.repeat(65_536)));
        response.once('drain', fill);
      };
      fill();
      return undefined;
    });
    expect(await failure('/')).toMatchObject({ status: 500 });
  });
});

test('Retry-After is understood as seconds and as a date, and no longer than a week', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(findRetryAfter('30', now)).toBe(30_000);
  expect(findRetryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
  expect(findRetryAfter('Wed, 31 Dec 2025 00:01:00 GMT', now)).toBe(0);
  expect(findRetryAfter('999999999', now)).toBe(7 * 86_400_000);
  expect(findRetryAfter('soon', now)).toBeUndefined();
  expect(findRetryAfter(undefined, now)).toBeUndefined();
});

describe('logins', () => {
  test.each([
    [login, 'authorization', basicHeader],
    [{ kind: 'bearer', token: 'tok' } as const, 'authorization', 'Bearer tok'],
    [{ kind: 'header', name: 'X-API-Key', value: 'key' } as const, 'x-api-key', 'key'],
  ])('are sent: %j', async (one, name, value) => {
    play(({ headers }) => ({ body: String(headers[name]) }));
    expect(await get('/', { login: one })).toBe(value);
  });

  test('are not sent to another origin', async () => {
    other.play(({ headers }) => ({ body: JSON.stringify(headers) }));
    play(() => ({ status: 302, headers: { location: `${other.url}/there` } }));
    for (const one of [login, { kind: 'header', name: 'X-API-Key', value: basicHeader } as const]) {
      const headers = await get('/', { login: one });
      expect(headers).toContain('huiju');
      expect(headers).not.toContain(basicHeader);
    }
    // Neither when it is asked for directly.
    expect(await get('/', { login }, other.url)).not.toContain(basicHeader);
  });

  test('that are wanted where a redirect leads: the message says why they were not sent', async () => {
    other.play(() => ({ status: 401 }));
    play(() => ({ status: 301, headers: { location: `${other.url}/there` } }));
    const { message } = await failure('/', { login });
    expect(message).toContain(`${server.url}/ leads to ${other.url}/there, which wants a login (401)`);
    expect(message).toContain(`goes to ${server.url} alone`);
    expect((await failure('/')).message).toContain('does not accept the login (401)');
  });

  test('in the URL are refused, and not shown', () => {
    const words = expect.not.stringContaining('sesame');
    expect(() => parsePeerUrl('https://anna:sesame@peer.example/')).toThrow(
      expect.objectContaining({ message: words }),
    );
    expect(() => parsePeerUrl('ftp://peer.example/')).toThrow(/https:\/\//);
    expect(parsePeerUrl('https://peer.example/a?b#c').href).toBe('https://peer.example/a?b');
  });

  test('that no header can hold fail in words', async () => {
    const error = await failure('/', { login: { kind: 'bearer', token: 'a\nb' } });
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('cannot hold') });
  });
});

describe('redirects', () => {
  test('are followed, relative ones too, five at most', async () => {
    play(({ path }) => {
      const left = Number(path.slice(1));
      return left === 0 ? { body: 'arrived' } : { status: 307, headers: { location: String(left - 1) } };
    });
    expect(await get('/5')).toBe('arrived');
    expect(await failure('/6')).toMatchObject({
      retry: 'never',
      message: expect.stringContaining('more than 5 times'),
    });
  });

  test.each([
    ['', 'redirects to nowhere'],
    ['file:///etc/passwd', 'is not followed'],
    ['http://[broken', 'redirects to nowhere'],
  ])('to %j fail', async (location, words) => {
    play(() => ({ status: 301, headers: location === '' ? {} : { location } }));
    expect(await failure('/')).toMatchObject({ retry: 'never', message: expect.stringContaining(words) });
  });

  test('of what is published are not followed', async () => {
    play(() => ({ status: 308, headers: { location: `${other.url}/` } }));
    const before = other.asked.length;
    const asking = open().send({ url: new URL(server.url), method: 'POST', body: '{}', signal: never });
    await expect(asking).rejects.toThrow(/only sent where you say/);
    expect(other.asked).toHaveLength(before);
  });
});

describe('bounds', () => {
  test('hold for the unpacked body, however small the packed one is', async () => {
    play(() => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(10_000_000)) }));
    const error = await failure('/', { limits: { bodyLength: 100_000 } });
    expect(error).toBeInstanceOf(HttpFault);
    expect(error).toMatchObject({ isTooLong: true, message: expect.stringContaining('more than 97.7 KiB') });
    play(() => ({ body: 'x'.repeat(100) }));
    expect(await get('/', { limits: { bodyLength: 100 } })).toHaveLength(100);
  });

  test('hold for header fields', async () => {
    play(() => ({ headers: { 'x-long': 'x'.repeat(12_000) } }));
    const error = await failure('/', { limits: { headersLength: 8192 } });
    expect(error).toMatchObject({
      retry: 'never',
      message: expect.stringContaining('header of its answer is too long'),
    });
  });

  test('hold for the wait until an answer begins', async () => {
    play(() => undefined);
    const error = await failure('/', { limits: { headersTime: 100 } });
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('sends nothing for 0.1 s') });
  });

  test('hold for the wait between bytes', async () => {
    play((_asked, { response }) => {
      response.writeHead(200);
      response.write('a');
      return undefined;
    });
    const error = await failure('/', { limits: { idleTime: 100 } });
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('sends nothing for 0.1 s') });
  });

  test('hold for slow drips in all', async () => {
    play((_asked, { response }) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('.'), 20);
      response.once('close', () => clearInterval(drip));
      return undefined;
    });
    const error = await failure('/', { limits: { idleTime: 5000, totalTime: 200 } });
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('takes longer than 0.2 s') });
  });

  test('do not count the time that the reader takes', async () => {
    play(() => ({ body: 'x'.repeat(1_000_000) }));
    const limits = { idleTime: 1500, totalTime: 1500 };
    const answer = await open({ limits }).send({ url: new URL(server.url), signal: never });
    let length = 0;
    for await (const chunk of answer.body) {
      length += chunk.length;
      // A slow store, longer than the peer may take.
      if (length < 100_000) await new Promise((resolve) => setTimeout(resolve, 900));
    }
    expect(length).toBe(1_000_000);
  });
});

test('whoever asks can end it, and gets the reason that was given', async () => {
  const reason = new Error('the operator has paused this feed');
  const controller = new AbortController();
  play(() => {
    controller.abort(reason);
    return undefined;
  });
  const asking = open().send({ url: new URL(server.url), signal: controller.signal });
  await expect(asking).rejects.toBe(reason);
});

describe('addresses that are not public', () => {
  test('are not connected to, by address, by name or by redirect', async () => {
    play(() => ({ body: 'inside' }));
    const before = server.asked.length;
    const error = await failure('/', { allowPrivate: false });
    expect(error).toMatchObject({
      retry: 'never',
      message: expect.stringContaining('127.0.0.1 is a loopback address'),
    });
    const port = new URL(server.url).port;
    const named = await failure('/', { allowPrivate: false }, `http://localhost:${port}`);
    expect(named.message).toMatch(/localhost is .*, which is a loopback address/);
    expect(server.asked).toHaveLength(before);
  });

  test('are allowed for the peer, and not for where it redirects', async () => {
    const named = (host: string) => server.url.replace('127.0.0.1', host);
    const lookup: NonNullable<HttpClientOptions['lookup']> = (_host, _options, callback) =>
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    for (const location of ['http://169.254.169.254/latest/meta-data/', named('inner.example')]) {
      play(({ path }) => (path === '/' ? { status: 302, headers: { location } } : { body: 'peer' }));
      const error = await failure('/', { home: new URL(named('peer.example')), lookup }, named('peer.example'));
      expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('give its own URL') });
    }
    expect(await get('/other', { home: new URL(named('peer.example')), lookup }, named('peer.example'))).toBe('peer');
  });

  test('are refused at each connection, whatever a name meant before', async () => {
    const answers = ['203.0.113.9', '127.0.0.1'];
    const asked: string[] = [];
    const { port } = new URL(server.url);
    const home = new URL(`http://feed.example:${port}/`);
    const lookup: NonNullable<HttpClientOptions['lookup']> = (name, _options, callback) => {
      asked.push(name);
      callback(null, [{ address: answers[asked.length - 1] ?? '127.0.0.1', family: 4 }]);
    };
    const client = open({ home, allowPrivate: false, lookup });
    for (const address of answers) {
      await expect(client.send({ url: home, signal: never })).rejects.toThrow(`feed.example is ${address}, which is`);
    }
    expect(asked).toEqual(['feed.example', 'feed.example']);
  });
});

describe('peers that cannot be reached', () => {
  test('nobody listens', async () => {
    const gone = await startScriptedServer(() => ({}));
    await gone.close();
    const error = await failure('/', {}, gone.url);
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('nothing listens there') });
  });

  test('the name is unknown', async () => {
    const lookup: NonNullable<HttpClientOptions['lookup']> = (_name, _options, callback) => {
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '');
    };
    const error = await failure('/', { lookup }, 'http://unknown.example');
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('its name is unknown') });
  });

  test('it takes the connection and says nothing', async () => {
    const taken: Socket[] = [];
    const silent = createServer((socket) => taken.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const error = await failure('/', { limits: { connectTime: 200 } }, `https://127.0.0.1:${port}`);
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('it does not answer') });
    // What nobody reads of does not end by itself.
    for (const socket of taken) socket.destroy();
    silent.close();
  });

  test('it is no HTTP', async () => {
    play((_asked, { socket }) => {
      socket.end('SSH-2.0-OpenSSH_9.2\r\n');
      return undefined;
    });
    expect((await failure('/')).message).toContain('is not HTTP');
  });

  test('a kept connection that was closed meanwhile is opened anew', async () => {
    const client = open();
    let turn = 0;
    play((_asked, { socket }) => {
      turn += 1;
      if (turn !== 2) return { body: String(turn) };
      socket.destroy();
      return undefined;
    });
    const ask = async () => textOf(await client.send({ url: new URL(server.url), signal: never }));
    expect([await ask(), await ask()]).toEqual(['1', '3']);
  });
});

describe('TLS', () => {
  let pair: { readonly cert: string; readonly private: string };
  let secure: ScriptedServer;

  beforeAll(async () => {
    pair = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      keySize: 2048,
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    secure = await startScriptedServer(() => ({ body: 'secure' }), {
      cert: pair.cert,
      key: pair.private,
      ca: pair.cert,
      requestCert: true,
    });
  });

  afterAll(() => secure.close());

  const secureClient = (more: Partial<HttpClientOptions> = {}) => ({ home: new URL(secure.url), ...more });

  test('certificates are verified, and the operator can name the authority', async () => {
    const error = await failure('/', secureClient(), secure.url);
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('signed by itself') });
    expect(await get('/', secureClient({ tls: { ca: pair.cert } }), secure.url)).toBe('secure');
  });

  test('certificates are for one name', async () => {
    const wrong = new URL(secure.url.replace('127.0.0.1', 'localhost'));
    const error = await failure('/', { home: wrong, tls: { ca: pair.cert } }, wrong.href);
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('for another name') });
  });

  test('a client certificate is shown to the peer, and to no other', async () => {
    secure.play((_asked, { socket }) => ({ body: String('authorized' in socket && socket.authorized) }));
    const tls = { ca: pair.cert, cert: pair.cert, key: pair.private };
    expect(await get('/', secureClient({ tls }), secure.url)).toBe('true');
    expect(await get('/', { tls }, secure.url)).toBe('false');
  });

  test('certificates that are none fail at once', () => {
    expect(() =>
      createHttpClient({ home: new URL('https://a.example'), tls: { ca: pair.cert, cert: 'x', key: 'y' } }),
    ).toThrow(/PEM form/);
  });

  test('a redirect away from encryption is not followed', async () => {
    secure.play(() => ({ status: 302, headers: { location: `${other.url}/` } }));
    const error = await failure('/', secureClient({ tls: { ca: pair.cert } }), secure.url);
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('not encrypted') });
  });

  test('a peer that speaks plain HTTP there is said to', async () => {
    const plain = new URL(server.url.replace('http:', 'https:'));
    expect((await failure('/', { home: plain }, plain.href)).message).toMatch(
      /does not speak TLS|EPROTO|cut the connection/,
    );
  });
});
