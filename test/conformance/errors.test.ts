/** TAXII 2.1 §3.6: every error, wherever it arises, has the TAXII error message, and the log has its error_id. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { pino } from 'pino';
import { type ErrorCode, TaxiiError } from '../../src/errors.ts';
import { answerParserErrors, createErrorHandler } from '../../src/http/error-handler.ts';
import { createLog } from '../../src/log.ts';
import { openConnection, type RawAnswer, rawRequest, sendRaw } from '../support/raw-http.ts';
import { runServer } from '../support/run-server.ts';
import { type Answer, type Ask, ask, basic, ids, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { expectError } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const rw = `/main/collections/${ids.rw}`;
const readOnly = `/main/collections/${ids.ro}`;
const writeOnly = `/main/collections/${ids.wo}`;

function asAnswer({ status, headers, text }: RawAnswer): Answer {
  return { status, headers: Object.fromEntries(headers), text, json: () => JSON.parse(text) };
}

interface Case {
  readonly path: string;
  readonly options?: Ask;
  readonly status: number;
  readonly code: ErrorCode;
  /** What the description must name. */
  readonly names: string | RegExp;
}

const bad: readonly Case[] = [
  { path: `${rw}/objects/?limit=x`, status: 400, code: 'malformed-parameter', names: 'limit="x"' },
  { path: `${rw}/manifest/?added_after=x`, status: 400, code: 'malformed-parameter', names: 'added_after="x"' },
  { path: `${rw}/objects/?match[version]=x`, status: 400, code: 'malformed-parameter', names: 'match[version]="x"' },
  { path: `${rw}/objects/?next=x`, status: 400, code: 'malformed-parameter', names: 'next' },
  { path: `${rw}/objects/`, options: { body: '{"objects":[' }, status: 400, code: 'malformed-json', names: /body/ },
  { path: '/%zz/', status: 400, code: 'malformed-request', names: /.{10}/ },
  { path: '/main/collections/%ff/', status: 400, code: 'malformed-request', names: /.{10}/ },
  { path: `${rw}/objects/`, options: { as: null }, status: 401, code: 'login-required', names: /[Ll]og in/ },
  {
    path: '/main/',
    options: { authorization: basic('member', 'wrong') },
    status: 401,
    code: 'login-required',
    names: 'password',
  },
  { path: `${writeOnly}/objects/`, status: 403, code: 'not-permitted', names: 'read' },
  { path: `${readOnly}/objects/`, options: { body: {} }, status: 403, code: 'not-permitted', names: 'write' },
  { path: '/nowhere/', status: 404, code: 'not-found', names: 'nowhere' },
  { path: '/no/such/path', status: 404, code: 'not-found', names: '/no/such/path' },
  { path: `${rw}/objects/identity--1/`, status: 404, code: 'not-found', names: 'identity--1' },
  { path: '/main/status/1/', status: 404, code: 'not-found', names: '1' },
  { path: '/taxii2/', options: { method: 'PUT' }, status: 405, code: 'method-not-allowed', names: 'PUT' },
  {
    path: '/taxii2/',
    options: { accept: 'application/taxii+json;version=2.0' },
    status: 406,
    code: 'not-acceptable',
    names: '2.0',
  },
  {
    path: '/small/collections/small/objects/',
    options: { body: 'x'.repeat(4097) },
    status: 413,
    code: 'content-too-large',
    names: '4096',
  },
  {
    path: `${rw}/objects/`,
    options: { body: '{}', type: 'text/plain' },
    status: 415,
    code: 'unsupported-media-type',
    names: 'text/plain',
  },
  {
    path: `${rw}/objects/`,
    options: { body: '{}', headers: { 'Content-Encoding': 'br' } },
    status: 415,
    code: 'unsupported-media-type',
    names: 'br',
  },
  { path: `${rw}/objects/`, options: { body: '{}' }, status: 422, code: 'invalid-envelope', names: 'objects' },
  {
    path: `${rw}/objects/`,
    options: { body: '{"objects":[]}' },
    status: 422,
    code: 'invalid-envelope',
    names: '/objects',
  },
  { path: `${rw}/objects/`, options: { body: '[]' }, status: 422, code: 'invalid-envelope', names: /body/ },
];

describe('TAXII 2.1 §3.6 errors', () => {
  test.each(bad)(
    'T-150, T-151, T-153: $status $code is a TAXII error message that names the fault, $path',
    async (fault) => {
      const answer = await server.get(fault.path, fault.options);
      expectError(answer, fault.status, fault.code);
      const { description } = answer.json<{ description: string }>();
      if (typeof fault.names === 'string') expect(description).toContain(fault.names);
      else expect(description).toMatch(fault.names);
    },
  );

  test('T-150: each answer has an error_id of its own', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => server.get('/nowhere/')));
    expect(new Set(answers.map((answer) => answer.json().error_id)).size).toBe(3);
  });

  test('T-155: what HTTP asks for beside a status is there', async () => {
    const unauthorized = await server.get('/main/', { as: null });
    expect(unauthorized.headers['www-authenticate']).toMatch(/^Basic realm="[^"]+"/);
    expect((await server.get('/main/', { method: 'PUT' })).headers.allow).toBe('GET, HEAD, OPTIONS');
    const encoded = await server.get(`${rw}/objects/`, { body: '{}', headers: { 'Content-Encoding': 'br' } });
    expect(encoded.headers['accept-encoding']).toMatch(/gzip/);
    const tooLarge = await server.get('/small/collections/small/objects/', { body: 'x'.repeat(5000) });
    expect([tooLarge.status, tooLarge.headers.connection]).toEqual([413, 'close']);
  });

  test('T-155: too many passwords at once are a 429 with Retry-After, and the server goes on', async () => {
    const wrong = Array.from({ length: 130 }, (_, index) => basic('member', `wrong password ${index}`));
    const answers = await Promise.all(wrong.map((authorization) => server.get('/taxii2/', { authorization })));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of answers) {
      if (answer.status === 429) {
        expectError(answer, 429, 'too-many-logins');
        expect(answer.headers['retry-after']).toMatch(/^\d+$/);
      } else expectError(answer, 401, 'login-required');
    }
    expect((await server.get('/taxii2/')).status).toBe(200);
  });

  const inside =
    /\bat .{1,80}:\d+:\d+|node_modules|\.ts\b|\.js\b|SQLITE|sqlite|SELECT |\/tmp\/|\/src\/|huiju\.db|Error:/;
  test('T-156, T-500: an error shows nothing of the inside, whatever was sent', async () => {
    const odd = [
      `${rw}/objects/?match[id]=${encodeURIComponent("' OR 1=1; --")}`,
      `${rw}/objects/?match[id]=%00`,
      `${rw}/objects/%00/`,
      `${rw}/objects/${'x'.repeat(5000)}/`,
      `${rw}/objects/${encodeURIComponent('{"$gt":""}')}/versions/`,
      `/main/collections/${encodeURIComponent("'")}/objects/`,
      '/main/collections/..%2f..%2fetc%2fpasswd/',
      '/main/status/%F0%9F%A6%8A/',
      '/__proto__/',
      '/constructor/collections/',
      '/main/collections/__proto__/objects/',
      `${rw}/objects/?limit=${'9'.repeat(5000)}&match[__proto__]=x&__proto__=y`,
      `${rw}/objects/?${'a&'.repeat(2000)}`,
    ];
    for (const path of odd) {
      const answer = await server.get(path);
      expect([path, answer.status < 500, inside.exec(answer.text)]).toEqual([path, true, null]);
    }
    for (const body of [
      '\u0000',
      '{"objects":[{}]}',
      '{"objects":[1]}',
      '{"objects":{"length":1}}',
      '"',
      '{"__proto__":1}',
    ]) {
      const answer = await server.get(`${rw}/objects/`, { body });
      expect([body, answer.status < 500, inside.exec(answer.text)]).toEqual([body, true, null]);
    }
  });
});

describe('TAXII 2.1 §3.6 errors of the HTTP parser', () => {
  const login = { Authorization: basic('member') };
  const unreadable: readonly (readonly [string, string, number, ErrorCode])[] = [
    [
      'a header line over the limit',
      rawRequest('GET /taxii2/', { 'X-Long': 'x'.repeat(100_000) }),
      431,
      'headers-too-large',
    ],
    ['a request line over the limit', rawRequest(`GET /taxii2/?${'x'.repeat(100_000)}`), 431, 'headers-too-large'],
    ['bytes that are no HTTP', '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', 400, 'malformed-request'],
    ['words that are no HTTP', 'hello there\r\n\r\n', 405, 'method-not-allowed'],
    ['another protocol', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n', 400, 'malformed-request'],
    ['no Host', 'GET /taxii2/ HTTP/1.1\r\n\r\n', 400, 'malformed-request'],
    ['an unknown method', rawRequest('FOO /taxii2/'), 405, 'method-not-allowed'],
    ['CONNECT', rawRequest('CONNECT example.com:443'), 405, 'method-not-allowed'],
    ['a space in a header name', 'GET /taxii2/ HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n', 400, 'malformed-request'],
    [
      'a Content-Length that is no number',
      rawRequest('POST /taxii2/', { 'Content-Length': 'ten' }),
      400,
      'malformed-request',
    ],
    [
      'two framings of one body',
      rawRequest('POST /taxii2/', { 'Content-Length': '3', 'Transfer-Encoding': 'chunked' }, '0\r\n\r\n'),
      400,
      'malformed-request',
    ],
  ];
  test.each(unreadable)('T-150, T-153, T-155: %s', async (_what, bytes, status, code) => {
    const answer = asAnswer(await sendRaw(server.url, bytes));
    expectError(answer, status, code);
    expect((await server.get('/taxii2/')).status).toBe(200);
  });

  test('T-155: 64 KiB of header fields are read', async () => {
    const text = rawRequest('GET /taxii2/', { ...login, 'X-Long': 'x'.repeat(64 * 1024) });
    expect((await sendRaw(server.url, text)).status).toBe(200);
  });

  test('T-155: a request without Host is served when it is HTTP/1.0', async () => {
    const answer = await sendRaw(server.url, `GET /taxii2/ HTTP/1.0\r\nAuthorization: ${basic('member')}\r\n\r\n`);
    expect(answer.status).toBe(200);
  });

  test('T-155: garbage after a whole request does not take its answer away', async () => {
    const connection = openConnection(server.url);
    connection.send(`${rawRequest('GET /taxii2/', login)}garbage\r\n\r\n`);
    expect((await connection.next())?.status).toBe(200);
    const second = await connection.next();
    if (second !== undefined) expectError(asAnswer(second), 405, 'method-not-allowed');
    expect(await connection.next()).toBeUndefined();
    connection.close();
  });
});

/** A server of its own for what the whole product would not show in a test: faults of ours, and waiting in vain. */
async function listen(own: Server): Promise<{ readonly url: string; close(): Promise<void> }> {
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(own.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => own.close(() => resolve())),
  };
}

describe('TAXII 2.1 §3.6 errors that are not the client’s fault', () => {
  test('T-150, T-156: a 5xx tells its error_id and no more; the log has the rest', async () => {
    const lines: string[] = [];
    const log = pino(
      new Writable({
        write: (chunk, _encoding, done) => {
          lines.push(String(chunk));
          done();
        },
      }),
    );
    const app = express();
    app.get('/broken', () => {
      throw new Error('SELECT secret FROM /tmp/huiju.db');
    });
    app.get('/full', () => {
      throw new TaxiiError('unavailable', 'The disk /tmp is full.');
    });
    app.use(createErrorHandler(log));
    const own = await listen(createServer(app));
    try {
      for (const [path, status, code, secret, advice] of [
        ['/broken', 500, 'internal-error', 'SELECT secret', 'Something went wrong here. Tell the operator this id: '],
        ['/full', 503, 'unavailable', 'The disk /tmp', 'The server cannot do this now: try again in a while. Tell'],
      ] as const) {
        const answer = await ask(own.url, path);
        expectError(answer, status, code);
        expect(answer.text).not.toContain(secret);
        expect(answer.json().description).toMatch(advice);
        const logged = lines.filter((line) => line.includes(String(answer.json().error_id)));
        expect(logged).toHaveLength(1);
        expect(logged[0]).toContain(secret);
      }
    } finally {
      await own.close();
    }
  });

  test('T-150, T-153: a request that never ends is a 408', async () => {
    const own = createServer({ headersTimeout: 50, requestTimeout: 50, connectionsCheckingInterval: 20 });
    answerParserErrors(own, createLog('silent'));
    const { url, close } = await listen(own);
    const connection = openConnection(url);
    try {
      connection.send('GET /taxii2/ HTTP/1.1\r\nHost: ');
      const answer = await connection.next();
      expectError(asAnswer(answer as RawAnswer), 408, 'request-timeout');
    } finally {
      connection.close();
      await close();
    }
  });
});

describe('TAXII 2.1 §3.6.1 error_id', () => {
  test('T-150: the log has the error_id of every error, with its code and description', async () => {
    const process = await runServer();
    const answers: Answer[] = [];
    try {
      const authorization = basic('admin', process.adminPassword);
      answers.push(
        await ask(process.url, '/nowhere/', { authorization }),
        await ask(process.url, '/hub/collections/indicators/objects/?limit=0', { authorization }),
        await ask(process.url, '/hub/collections/indicators/objects/', { authorization, body: { objects: [] } }),
        await ask(process.url, '/hub/', { as: null }),
        await ask(process.url, '/taxii2/', { authorization, method: 'PUT' }),
        ...(await Promise.all(
          [
            'FOO / HTTP/1.1\r\n\r\n',
            rawRequest('GET /', { 'X-Long': 'x'.repeat(100_000) }),
            rawRequest('CONNECT a:1'),
          ].map(async (bytes) => asAnswer(await sendRaw(process.url, bytes))),
        )),
      );
    } finally {
      await process.stop();
      await process.closed;
    }
    expect(answers.map(({ status }) => status)).toEqual([404, 400, 422, 401, 405, 405, 431, 405]);
    const lines = process.output().split('\n');
    for (const answer of answers) {
      const { error_id: errorId, error_code: errorCode, description } = answer.json();
      const logged = lines.filter((line) => line.includes(String(errorId))).map((line) => JSON.parse(line));
      expect(logged).toEqual([expect.objectContaining({ error_id: errorId, error_code: errorCode, description })]);
      expect(logged[0]?.status).toBe(answer.status);
    }
  });
});
