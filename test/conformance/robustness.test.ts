import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatCursor } from '../../src/taxii/cursor.ts';
import { everyVersion } from '../../src/taxii/page.ts';
import { openConnection, rawRequest, sendRaw } from '../support/raw-http.ts';
import { basic, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
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

/** Every endpoint that takes filters. */
const filtered = [objects, `${at.rw}/manifest/`, `${objects}${stored[0]?.id}/`, `${objects}${stored[0]?.id}/versions/`];

/** The collection is as it was, and the server answers. */
async function expectUnharmed(): Promise<void> {
  expect(idsOf(await server.get(objects))).toEqual(stored.map(({ id }) => id));
}

describe('TAXII 2.1 appendix B: hostile requests', () => {
  test('T-470: a cursor that was not given by this server, or was changed, is 400', async () => {
    const { next } = (await server.get(`${objects}?limit=2`)).json<{ next: string }>();
    const forged = Buffer.from(JSON.stringify([1, 'x', 0, null, null, null, null, [[1]]])).toString('base64url');
    const changed = [`${next}A`, next.slice(0, -1), `A${next.slice(1)}`, next.toUpperCase(), `${next}=`, forged];
    for (const cursor of [...changed, 'x', '0', '__proto__', '%00', "';DROP", 'a'.repeat(60_000)]) {
      for (const path of [objects, `${at.rw}/manifest/`]) {
        expectError(await server.get(`${path}?next=${cursor}`), 400, 'malformed-parameter');
      }
    }
    expect(idsOf(await server.get(`${objects}?next=${next}`))).toEqual(stored.slice(2, 4).map(({ id }) => id));
  });

  test('T-470: a cursor whose parts make no sense is 400, although its sum is right', async () => {
    const sound = { scope: 'x', position: 0, versions: [everyVersion] };
    for (const wrong of [{ limit: 1.5 }, { limit: -1 }, { position: 0.5 }, { versions: [] }, { ids: [] }]) {
      const next = formatCursor({ ...sound, ...wrong });
      expectError(await server.get(`${objects}?next=${next}`), 400, 'malformed-parameter');
    }
    expect(idsOf(await server.get(`${objects}?next=${formatCursor(sound)}`))).toHaveLength(5);
  });

  test('T-472: many ids, types and versions in one request are answered', async () => {
    const many = Array.from({ length: 1000 }, () => `identity--${randomUUID()}`);
    const wanted = stored[3]?.id ?? '';
    expect(idsOf(await server.get(`${objects}?match[id]=${[...many, wanted].join(',')}`))).toEqual([wanted]);
    const types = Array.from({ length: 2000 }, (_, number) => `x-type-${number}`);
    expect(idsOf(await server.get(`${objects}?match[type]=${[...types, 'identity'].join(',')}&limit=1`))).toHaveLength(
      1,
    );
    const versions = Array.from({ length: 1000 }, (_, number) => `2001-01-01T00:00:00.${1000 + number}Z`);
    expect(idsOf(await server.get(`${objects}?match[version]=${[...versions, 'last'].join(',')}`))).toHaveLength(5);
  });

  test('T-472: a cursor fits into a request line whenever the filters that it carries did', async () => {
    const many = Array.from({ length: 1700 }, () => `identity--${randomUUID()}`);
    const filters = `match[id]=${[...many, ...stored.map(({ id }) => id)].join(',')}`;
    const { next } = (await server.get(`${objects}?${filters}&limit=2`)).json<{ next: string }>();
    expect(next.length).toBeLessThan(filters.length);
    expect(idsOf(await server.get(`${objects}?next=${next}`))).toEqual(stored.slice(2, 4).map(({ id }) => id));
  });

  test('T-472: a request line and header fields beyond what is read are 431 in the form of TAXII', async () => {
    const answer = await server.get(`${objects}?match[id]=${'a'.repeat(200_000)}`);
    expectError(answer, 431, 'headers-too-large');
    expectError(await server.get(objects, { headers: { 'X-Long': 'a'.repeat(200_000) } }), 431, 'headers-too-large');
    expect((await server.get(objects, { headers: { 'X-Long': 'a'.repeat(64 * 1024) } })).status).toBe(200);
  });

  const traversals = [
    '/../../../../etc/passwd',
    '/taxii2/../../etc/passwd',
    '/main/../closed/',
    '/main/collections/../../closed/',
    '/main/%2e%2e/closed/',
    '/main/..%2fclosed/',
    '/main/..%5cclosed/',
    '/main/collections/%2e%2e%2f%2e%2e%2fetc%2fpasswd/',
    '/..%252f..%252fetc/passwd',
    '/main/collections/rw/objects/..%2f..%2fhidden/',
    '/collections/main.json',
    '/%00/main/',
    '/package.json',
  ];
  test.each(traversals)('T-475: %s leads nowhere', async (target) => {
    const answer = await sendRaw(server.url, rawRequest(`GET ${target}`, { ...login, Connection: 'close' }));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, taxii]);
    expect(answer.text).not.toMatch(/root:|Closed root|"api_root"|dependencies/);
  });

  test('T-500: what a client gets wrong in the query is 200 or 400, never a fault of the server', async () => {
    const values = [
      '',
      '%00',
      '%zz',
      '%FF',
      '\u{1F30A}',
      "'",
      '"',
      '[]',
      '-1',
      '1e9',
      '99999999999999999999',
      'null',
      'a,b',
    ];
    const names = ['limit', 'added_after', 'next', 'match[id]', 'match[type]', 'match[version]', 'match[spec_version]'];
    for (const path of filtered) {
      const answers = await Promise.all(
        names.flatMap((name) =>
          values.map((value) => server.get(`${path}?${name}=${encodeURI(value).replaceAll('%25', '%')}`)),
        ),
      );
      for (const answer of answers) {
        expect([200, 400]).toContain(answer.status);
        if (answer.status === 400) expectError(answer, 400, 'malformed-parameter');
      }
    }
    for (const query of [
      '?',
      '?&&&',
      '?=',
      '?limit',
      '??limit=1',
      '?match',
      '?match[]=x',
      '?match[id][$ne]=x',
      '?a=%',
    ]) {
      const { status } = await server.get(objects + query);
      expect([query, status]).toEqual([query, query === '?limit' ? 400 : 200]);
    }
    await expectUnharmed();
  });

  test('T-500: bytes that are no request are 4xx in the form of TAXII', async () => {
    const broken: [string, number][] = [
      ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
      ['GET /taxii2/ HTTP/9.9\r\n\r\n', 400],
      ['GET /taxii2/ HTTP/1.1\r\n\r\n', 400],
      ['GET /taxii2/ HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n', 400],
      [`GET /taxii2/ HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n`, 400],
      [rawRequest('POST /main/', { 'Content-Length': '-1' }), 400],
      [rawRequest('POST /main/', { 'Content-Length': '3', 'Transfer-Encoding': 'chunked' }, '0\r\n\r\n'), 400],
      [
        rawRequest(`POST ${objects}`, { ...login, 'Content-Type': taxii, 'Transfer-Encoding': 'chunked' }, 'zz\r\n'),
        400,
      ],
      [rawRequest('FOO /taxii2/'), 405],
      [rawRequest('CONNECT example.com:443'), 405],
      [rawRequest('GET /%E0%A4%A/', login), 400],
    ];
    for (const [bytes, status] of broken) {
      const answer = await sendRaw(server.url, bytes);
      expect([bytes, answer.status, answer.headers.get('content-type')]).toEqual([bytes, status, taxii]);
      expect(JSON.parse(answer.text).http_status).toBe(String(status));
    }
    await expectUnharmed();
  });

  test('T-500: a client that leaves in the middle of its body leaves nothing behind', async () => {
    const object = newIdentity();
    const text = JSON.stringify({ objects: [object] });
    for (const [framing, body] of [
      [{ 'Content-Length': String(text.length + 1) }, text],
      [{ 'Transfer-Encoding': 'chunked' }, `${text.length.toString(16)}\r\n${text}\r\n`],
    ] as const) {
      const connection = openConnection(server.url);
      connection.send(rawRequest(`POST ${objects}`, { ...login, 'Content-Type': taxii, ...framing }, body));
      connection.end();
      expect((await connection.next())?.status).toBe(400);
      connection.close();
    }
    expectError(await server.get(`${objects}${object.id}/`), 404, 'not-found');
    await expectUnharmed();
  });

  test('T-334: a body that has come whole is stored, although its client left before the answer', async () => {
    const many = Array.from({ length: 100 }, () => newIdentity({ description: 'd'.repeat(10_000) }));
    const body = JSON.stringify({ objects: many });
    const fields = { ...login, 'Content-Type': taxii, 'Content-Length': String(body.length) };
    const connection = openConnection(server.url);
    connection.send(rawRequest('POST /main/collections/wo/objects/', fields, body));
    connection.leave();
    const last = `/main/collections/wo/objects/${many.at(-1)?.id}/`;
    while ((await server.get(last, { as: 'feeder' })).status === 404);
    expect(idsOf(await server.get('/main/collections/wo/manifest/', { as: 'feeder' }))).toEqual(
      many.map(({ id }) => id),
    );
  });
});
