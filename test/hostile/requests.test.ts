/** Request lines, header fields and queries that mean harm. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectError, idsOf, statusOf } from '../conformance/answers.ts';
import { openConnection, rawRequest, sendRaw } from '../support/raw-http.ts';
import { basic, ids, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';

let server: TestServer;
const stored = Array.from({ length: 3 }, () => newIdentity());
const objects = `/main/collections/${ids.rw}/objects/`;
const login = { Authorization: basic('member') };

beforeAll(async () => {
  server = await startTaxiiServer();
  expect(statusOf(await server.publish(stored)).success_count).toBe(3);
});
afterAll(() => server.close());

const body = JSON.stringify({ objects: [newIdentity()] });
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const smuggled = rawRequest('DELETE /main/', login);

/** A POST whose header has these lines as they are. */
function post(lines: readonly string[], content: string): string {
  const head = [
    `POST ${objects} HTTP/1.1`,
    'Host: a',
    `Authorization: ${login.Authorization}`,
    `Content-Type: ${taxii}`,
  ];
  return [...head, ...lines, '', content].join('\r\n');
}

describe('a request whose end can be read in two ways is refused, and what follows it is no request', () => {
  const length = `Content-Length: ${body.length}`;
  const tricks: Readonly<Record<string, string>> = {
    'two lengths': post([length, 'Content-Length: 3'], body),
    'two lengths in one field': post([`Content-Length: ${body.length}, 3`], body),
    'one length twice': post([length, length], body),
    'length and chunked': post([length, 'Transfer-Encoding: chunked'], chunked),
    'chunked and length': post(['Transfer-Encoding: chunked', 'Content-Length: 4'], chunked),
    'a sign before the length': post([`Content-Length: +${body.length}`], body),
    'a negative length': post(['Content-Length: -1'], body),
    'a hexadecimal length': post(['Content-Length: 0x10'], body),
    'a length of 30 digits': post([`Content-Length: ${'9'.repeat(30)}`], body),
    'an empty length': post(['Content-Length: '], body),
    'an unknown transfer coding': post(['Transfer-Encoding: xchunked'], chunked),
    'identity after chunked': post(['Transfer-Encoding: chunked, identity'], chunked),
    'a space before the colon': post(['Transfer-Encoding : chunked', length], chunked),
    'a folded field': post(['Transfer-Encoding:', ' chunked', length], chunked),
    'a bare line feed': post([`X: y\nTransfer-Encoding: chunked`, length], chunked),
    'a bare carriage return': post([`X: y\rTransfer-Encoding: chunked`, length], chunked),
    'a chunk size with sign': post(['Transfer-Encoding: chunked'], '-1\r\nx\r\n0\r\n\r\n'),
    'a chunk size beyond 64 bits': post(['Transfer-Encoding: chunked'], `${'f'.repeat(20)}\r\nx\r\n`),
    'a chunk longer than it says': post(['Transfer-Encoding: chunked'], `2\r\n${body}\r\n0\r\n\r\n`),
    'chunk extensions without end': post(['Transfer-Encoding: chunked'], `2;${'x'.repeat(200_000)}`),
    'trailers without end': post(['Transfer-Encoding: chunked'], `2\r\n{}\r\n0\r\n${'X: y\r\n'.repeat(50_000)}`),
  };
  test.each(Object.entries(tricks))('%s', async (_what, bytes) => {
    const connection = openConnection(server.url);
    connection.send(bytes + smuggled);
    const answer = await connection.next();
    expect(answer?.status).toBeGreaterThanOrEqual(400);
    expect(answer?.status).toBeLessThan(500);
    expect(answer?.headers.get('content-type')).toBe(taxii);
    expect(await connection.next()).toBeUndefined();
    connection.close();
    expect(idsOf(await server.get(objects))).toEqual(stored.map(({ id }) => id));
  });
});

describe('header fields', () => {
  test.each([
    ['in one field', { 'X-Long': 'x'.repeat(1_000_000) }],
    ['in a hundred thousand fields', Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`X-${n}`, 'y']))],
    ['in the credentials', { Authorization: `Basic ${'A'.repeat(1_000_000)}` }],
    ['in Accept', { Accept: 'a/b,'.repeat(250_000) }],
  ])('1 MB of them, %s, is a 431', async (_where, headers) => {
    const answer = await sendRaw(server.url, rawRequest(`GET ${objects}`, { ...login, ...headers }));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([431, taxii]);
  });

  test('a request line of 1 MB is a 431', async () => {
    const answer = await sendRaw(server.url, rawRequest(`GET /${'a'.repeat(1_000_000)}`));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([431, taxii]);
  });

  test.each([
    ['Accept', `${'"'.repeat(30_000)}${';a='.repeat(10_000)}`],
    ['Accept', `application/taxii+json${';version="2.1'.repeat(5000)}`],
    ['Accept', ','.repeat(60_000)],
    ['Accept-Encoding', `${'gzip;'.repeat(10_000)}`],
    ['Content-Type', `${'application/taxii+json;'.repeat(3000)}`],
    ['Authorization', `Basic ${' '.repeat(60_000)}x`],
    ['Authorization', `Basic ${'='.repeat(60_000)}`],
    ['Authorization', `${'B'.repeat(60_000)}`],
    ['X-Api-Key', 'k'.repeat(60_000)],
    ['Expect', 'x'.repeat(60_000)],
    ['Range', `bytes=${'0-0,'.repeat(10_000)}`],
    ['Origin', 'null'],
    ['Upgrade', 'websocket'],
    ['Cookie', 'a='.repeat(30_000)],
  ])('%s may hold anything: never a fault of the server', async (name, value) => {
    const answer = await server.get(objects, { headers: { [name]: value } });
    expect(answer.status).toBeLessThan(500);
    expect(answer.headers['content-type']).toBe(taxii);
  });

  test('what the server quotes of a request in its refusal is short', async () => {
    const long = 'x'.repeat(50_000);
    const refusals = [
      await server.get(objects, { accept: `application/taxii+json;version=${long}` }),
      await server.get(objects, { body: '{}', type: `text/${long}` }),
      await server.get(`/main/collections/${long}/`),
      await server.get(`/${long}/`),
      await server.get(`/nowhere/${long}/a/b/c/d/`),
      await server.get(`/main/status/${long}/`),
      await server.get(`${objects}?limit=${long}`),
      await server.get(`${objects}${long}/`),
    ];
    for (const answer of refusals) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text.length).toBeLessThan(2000);
    }
  });

  const evil = [
    'evil.example',
    'evil.example:80',
    'a@evil.example',
    '127.0.0.1.evil.example',
    'localhost:1/evil',
    '"evil',
  ];
  test.each(evil)('Host: %s never gets into an answer', async (host) => {
    const forwarded = { 'X-Forwarded-Host': host, 'X-Forwarded-Proto': 'gopher', Forwarded: `host=${host}` };
    for (const headers of [{ Host: host }, forwarded, { 'X-Forwarded-For': host, 'X-Original-URL': '/closed/' }]) {
      const answer = await sendRaw(server.url, rawRequest('GET /taxii2/', { ...login, ...headers }));
      expect(answer.text).not.toMatch(/evil|gopher/);
      const own = /^http:\/\/127\.0\.0\.1(:\d+)?\/main\/$/;
      if (answer.status === 200) expect(JSON.parse(answer.text).default).toMatch(own);
      else expect(answer.status).toBe(400);
    }
  });
});

describe('queries', () => {
  const names = ['limit', 'added_after', 'next', 'match[id]', 'match[type]', 'match[version]', 'match[spec_version]'];
  const paths = [objects, `/main/collections/${ids.rw}/manifest/`, `${objects}${stored[0]?.id}/`];
  const hostile = [
    '%00',
    '%FF%FE',
    '%ED%A0%80',
    '..%2f..',
    '%0d%0aSet-Cookie:a',
    '1e308',
    '-0',
    ','.repeat(500),
    '9'.repeat(5000),
  ];

  test.each(names)('%s, empty, repeated, hostile and huge, is served or refused by name', async (name) => {
    for (const path of paths) {
      const values = ['', ...hostile, 'a'.repeat(60_000), `${'a,'.repeat(20_000)}a`];
      const queries = [...values.map((value) => `${name}=${value}`), `${name}=1&${name}=2`, `${name}[]=1`, name];
      for (const query of queries) {
        const answer = await server.get(`${path}?${query}`);
        if (answer.status === 200) continue;
        expectError(answer, 400, 'malformed-parameter');
        expect(answer.text).toContain(name);
        expect(answer.text.length).toBeLessThan(1000);
      }
    }
  });

  test.each(names)('%s twice is a 400, but for next, of which the last counts', async (name) => {
    const next = (await server.get(`${objects}?limit=1`)).json<{ next: string }>().next;
    const value =
      { next, limit: '2', added_after: '2020-01-01T00:00:00Z', 'match[spec_version]': '2.1' }[name] ?? 'all';
    const answer = await server.get(`${objects}?${name}=${value}&${name}=${value}`);
    if (name === 'next') expect(idsOf(answer)).toHaveLength(1);
    else expectError(answer, 400, 'malformed-parameter');
  });

  test('150 ids in one query are looked up', async () => {
    const many = Array.from({ length: 147 }, () => newIdentity()).concat(stored);
    expect(idsOf(await server.get(`${objects}?match[id]=${many.map(({ id }) => id).join()}`))).toHaveLength(3);
  });

  test.each([
    '/main/collections/%2e%2e/%2e%2e/closed/',
    '/main/;/collections/',
    '/main/collections/rw%00/objects/',
    '/main\\..\\closed/',
    '/%6dain/../closed/',
    '//evil.example/%2f..',
    '/main/collections/*/objects/',
    '/main/collections/__proto__/objects/',
    '/constructor/collections/',
    '/main/status/../../closed/',
    '/%u002e%u002e/',
    '/main/collections/rw/objects/%ff/',
  ])('the path %s leads nowhere', async (path) => {
    const answer = await sendRaw(server.url, rawRequest(`GET ${path}`, login));
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers.get('content-type')).toBe(taxii);
    expect(answer.text).not.toMatch(/Closed root|"objects"/);
  });
});
