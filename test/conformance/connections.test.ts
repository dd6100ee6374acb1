import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openConnection, rawRequest, sendRaw } from '../support/raw-http.ts';
import { type Answer, basic, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, expectError, idsOf, statusOf } from './answers.ts';

let server: TestServer;
const stored = Array.from({ length: 5 }, () => newIdentity());
beforeAll(async () => {
  server = await startTaxiiServer();
  expect(statusOf(await server.publish(stored)).success_count).toBe(5);
});
afterAll(() => server.close());

const login = { Authorization: basic('member') };
const objects = `${at.rw}/objects/`;
const discovery = rawRequest('GET /taxii2/', login);

describe('TAXII 2.1 §3 on HTTP connections (RFC 9112)', () => {
  test('T-501: three requests on one connection are answered in order, one by one and all at once', async () => {
    const paths = ['/taxii2/', '/main/', '/main/collections/'];
    const members = ['default', 'max_content_length', 'collections'];
    const connection = openConnection(server.url);
    for (const [place, path] of paths.entries()) {
      connection.send(rawRequest(`GET ${path}`, login));
      const answer = await connection.next();
      expect([answer?.status, answer?.headers.get('connection')]).toEqual([200, 'keep-alive']);
      expect(Object.keys(JSON.parse(answer?.text ?? ''))).toContain(members[place]);
    }
    connection.send(paths.map((path) => rawRequest(`GET ${path}`, login)).join(''));
    for (const member of members) {
      expect(Object.keys(JSON.parse((await connection.next())?.text ?? ''))).toContain(member);
    }
    connection.close();
  });

  // A body that would be answered as a request of its own if the server lost count.
  const trap = rawRequest('GET /main/', login);
  const refusals: Record<string, [line: string, headers: Record<string, string>, body: string, status: number]> = {
    'malformed JSON': [`POST ${objects}`, { ...login, 'Content-Type': taxii }, trap, 400],
    'a wrong envelope': [
      `POST ${objects}`,
      { ...login, 'Content-Type': taxii },
      `["${trap.trim().replaceAll('\r\n', '')}"]`,
      422,
    ],
    'no login': [`POST ${objects}`, { 'Content-Type': taxii }, trap, 401],
    'no right': [`POST ${at.ro}/objects/`, { ...login, 'Content-Type': taxii }, trap, 403],
    'an unknown collection': ['POST /main/collections/none/objects/', { ...login, 'Content-Type': taxii }, trap, 404],
    'no such method': ['PUT /main/', login, trap, 405],
    Accept: [`POST ${objects}`, { ...login, Accept: 'application/taxii+json;version=9.9' }, trap, 406],
    'its length': [
      'POST /small/collections/small/objects/',
      { ...login, 'Content-Type': taxii },
      trap.repeat(200),
      413,
    ],
    'its type': [`POST ${objects}`, { ...login, 'Content-Type': 'text/plain' }, trap, 415],
    'its encoding': [`POST ${objects}`, { ...login, 'Content-Type': taxii, 'Content-Encoding': 'gzip' }, trap, 400],
  };
  const cases = Object.keys(refusals).flatMap((name) => [
    [name, 'a length'],
    [name, 'chunks'],
  ]);
  test.each(cases)(
    'T-502: after a body refused for %s, sent with %s, the next request is answered or the connection closed',
    async (name, framing) => {
      const [line, headers, body, status] = refusals[name as keyof typeof refusals] ?? ['', {}, '', 0];
      const request =
        framing === 'chunks'
          ? rawRequest(
              line,
              { ...headers, 'Transfer-Encoding': 'chunked' },
              `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
            )
          : rawRequest(line, { ...headers, 'Content-Length': String(body.length) }, body);
      const connection = openConnection(server.url);
      connection.send(request + discovery);
      const refused = await connection.next();
      expect([refused?.status, refused?.headers.get('content-type')]).toEqual([status, taxii]);
      const next = await connection.next();
      if (refused?.headers.get('connection') === 'close') {
        expect(next).toBeUndefined();
      } else {
        expect([next?.status, JSON.parse(next?.text ?? '{}').default]).toEqual([200, 'http://127.0.0.1/main/']);
      }
      connection.send(rawRequest('GET /main/', { ...login, Connection: 'close' }));
      const answers = [await connection.next(), await connection.next()].filter((answer) => answer !== undefined);
      expect(answers).toHaveLength(next === undefined ? 0 : 1);
      connection.close();
    },
  );

  test('RFC 9112 §3.2.2: a target with scheme and host is the same resource, doubled slashes and all', async () => {
    for (const target of ['http://example.org/main/', 'HTTP://a//main//', 'http://a:1//main/?x=//y']) {
      const answer = await sendRaw(server.url, rawRequest(`GET ${target}`, { ...login, Connection: 'close' }));
      expect([target, answer.status, JSON.parse(answer.text).title]).toEqual([target, 200, 'Main root']);
    }
  });

  test('RFC 9112 §9.6: a client that closes its side after its requests reads the answers to all of them', async () => {
    const body = JSON.stringify({ objects: [stored[0]] });
    const fields = { ...login, 'Content-Type': taxii, 'Content-Length': String(body.length) };
    const post = rawRequest(`POST ${objects}`, fields, body);
    const get = rawRequest(`GET ${objects}`, login);
    for (const [requests, statuses] of [
      [post, [202]],
      [get, [200]],
      [get + post + get, [200, 202, 200]],
    ] as const) {
      const connection = openConnection(server.url);
      connection.send(requests);
      connection.end();
      for (const status of statuses) expect((await connection.next())?.status).toBe(status);
      expect(await connection.next()).toBeUndefined();
      connection.close();
    }
  });

  test('a connection whose client has closed its side and is owed no answer ends', async () => {
    for (const [bytes, statuses] of [
      ['', []],
      [discovery, [200]],
      [discovery.slice(0, -2), [400]],
      [rawRequest(`POST ${objects}`, { ...login, 'Content-Type': taxii, 'Content-Length': '9' }, '{'), [400]],
    ] as const) {
      const connection = openConnection(server.url);
      connection.send(bytes);
      for (const status of statuses.filter((status) => status === 200)) {
        expect((await connection.next())?.status).toBe(status);
      }
      connection.end();
      for (const status of statuses.filter((status) => status === 400)) {
        expect((await connection.next())?.status).toBe(status);
      }
      expect(await connection.next()).toBeUndefined();
      connection.close();
    }
  });

  test('RFC 9112 §3.2: two Host headers are 400', async () => {
    const answer = await sendRaw(server.url, 'GET /main/ HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n');
    expect([answer.status, JSON.parse(answer.text).error_code]).toEqual([400, 'malformed-request']);
  });

  test('T-502: a small body that is refused once it was read keeps the connection', async () => {
    const connection = openConnection(server.url);
    for (const [body, status] of [
      ['{', 400],
      ['{}', 422],
      ['{"objects":[]}', 422],
    ] as const) {
      const fields = { ...login, 'Content-Type': taxii, 'Content-Length': String(body.length) };
      connection.send(rawRequest(`POST ${objects}`, fields, body));
      const answer = await connection.next();
      expect([answer?.status, answer?.headers.get('connection')]).toEqual([status, 'keep-alive']);
    }
    connection.send(discovery);
    expect((await connection.next())?.status).toBe(200);
    connection.close();
  });

  test('T-502: a refusal in the middle of a large body reaches the client that is still sending', async () => {
    const body = Buffer.alloc(3 * 1024 * 1024, 'x');
    for (const headers of [undefined, { 'Transfer-Encoding': 'chunked' }]) {
      const answer: Answer = await server.get(objects, { body, ...(headers && { headers }) });
      expectError(answer, 400, 'malformed-json');
    }
  });

  test('T-503: a Content-Type on a GET does not matter', async () => {
    for (const type of [taxii, 'application/json', 'text/plain', 'nonsense']) {
      const answer = await server.get(objects, { headers: { 'Content-Type': type } });
      expect([answer.status, idsOf(answer).length]).toEqual([200, 5]);
    }
  });

  test('T-502, T-503: a GET with a body is answered, and the next request on the connection too', async () => {
    const chunks = `${trap.length.toString(16)}\r\n${trap}\r\n0\r\n\r\n`;
    const connection = openConnection(server.url);
    for (const [framing, body] of [
      [{ 'Content-Length': String(trap.length) }, trap],
      [{ 'Transfer-Encoding': 'chunked' }, chunks],
    ] as const) {
      connection.send(rawRequest(`GET ${objects}?limit=1`, { ...login, ...framing }, body) + discovery);
      const answer = await connection.next();
      expect([answer?.status, JSON.parse(answer?.text ?? '{}').objects?.length]).toEqual([200, 1]);
      expect(JSON.parse((await connection.next())?.text ?? '{}').default).toBe('http://127.0.0.1/main/');
    }
    connection.close();
  });

  test('T-504: Range of TAXII 2.0, or of bytes, is ignored', async () => {
    for (const range of ['items 0-1', 'items=0-1', 'bytes=0-10']) {
      for (const path of [objects, `${at.rw}/manifest/`]) {
        const answer = await server.get(path, { headers: { Range: range } });
        expect([answer.status, idsOf(answer).length]).toEqual([200, 5]);
        expect(answer.headers).not.toHaveProperty('content-range');
      }
    }
  });
});
