/** The requests of real clients, header by header as they send them, over a bare socket. */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createToken } from '../../src/hub/tokens.ts';
import { openStore } from '../../src/store/open-store.ts';
import { openConnection, type RawAnswer, sendRaw } from '../support/raw-http.ts';
import { basic, ids, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';

let server: TestServer;
let token = '';
const stored = Array.from({ length: 7 }, () => newIdentity());
const allIds = stored.map(({ id }) => id);
const other = newIdentity();
const rw = `/main/collections/${ids.rw}/objects/`;
const open = `/open/collections/${ids.open}/objects/`;
const login = `Authorization: ${basic('member')}`;
const stix = 'application/stix+json;version=2.1';

async function newToken(): Promise<string> {
  const store = await openStore({ kind: 'sqlite', path: join(server.folder, 'store', 'huiju.db') });
  try {
    return await createToken(store, 'member', Date.now() * 1000);
  } finally {
    await store.close();
  }
}

beforeAll(async () => {
  server = await startTaxiiServer();
  expect((await server.publish(stored)).status).toBe(202);
  expect((await server.publish([other], open, { as: 'feeder' })).status).toBe(202);
  token = await newToken();
});
afterAll(() => server.close());

/** The text of a request with these lines as its header, nothing added but Host. */
function text(line: string, lines: readonly string[], body = '', version = '1.1'): string {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return [`${line} HTTP/${version}`, 'Host: taxii.example.org', ...lines, ...length, '', body].join('\r\n');
}

function send(line: string, lines: readonly string[], body = ''): Promise<RawAnswer> {
  return sendRaw(server.url, text(line, lines, body));
}

function json<T = { objects?: { id: string }[]; more?: boolean; next?: string }>(answer: RawAnswer): T {
  return JSON.parse(answer.text) as T;
}

function idsOf(answer: RawAnswer): string[] {
  return (json(answer).objects ?? []).map(({ id }) => id);
}

const python = ['User-Agent: taxii2-client/2.3.0', 'Accept-Encoding: gzip, deflate', 'Connection: keep-alive'];
const axios = ['User-Agent: axios/1.7.2', 'Accept-Encoding: gzip, compress, deflate, br', 'Connection: keep-alive'];

/** Headers of a GET by client, the login left out. */
const clients: Readonly<Record<string, readonly string[]>> = {
  'taxii2-client 2.3': [...python, `Accept: ${taxii}`],
  'OpenCTI ingester': [`Accept: ${taxii}`, ...axios],
  'OpenCTI 5.10': ['Accept: application/json, text/plain, */*', ...axios],
  MISP: [`Accept: ${taxii}`, `Content-type: ${taxii}`, 'Connection: close', 'User-Agent: MISP 2.5.4'],
  'Elastic ti_custom': [`Accept: ${taxii}`, `Content-Type: ${taxii}`, 'Accept-Encoding: gzip', 'User-Agent: Elastic'],
  'Cortex XSOAR': ['Accept: application/taxii+json;version=2.1', ...python],
  MineMeld: ['Accept: application/taxii+json; version=2.1', ...python],
  cytaxii2: [`Accept: ${taxii}`, `Content-Type: ${taxii}`, 'User-Agent: python-requests/2.31.0', 'Connection: close'],
  FortiSOAR: ['Accept: */*', 'Content-Type: application/json', 'User-Agent: python-requests/2.28.2'],
  'FortiSOAR, second request': [`Accept: ${taxii}`, 'User-Agent: python-requests/2.28.2'],
  'TAXII2Sharp, media_types[0]': [`Accept: ${stix}`, 'User-Agent: taxii2-client/2.3.0'],
  'ATT&CK Navigator': ['accept: application/taxii+json; version=2.1', 'version: 2.1', 'origin: https://example.org'],
  'Rust stix': [`accept: ${taxii}`, `accept: ${stix}`, `content-type: ${taxii}`],
  curl: ['User-Agent: curl/8.5.0', 'Accept: */*'],
  'a client without Accept': ['User-Agent: Wget'],
  'with charset': ['Accept: application/taxii+json; charset=utf-8; version=2.1'],
  'with Range of TAXII 2.0': [`Accept: ${taxii}`, 'Range: items 0-999'],
};

function unpacked(answer: Buffer): string {
  const end = answer.indexOf('\r\n\r\n');
  const coding = /\r\ncontent-encoding: (\w+)/i.exec(answer.toString('latin1', 0, end))?.[1];
  const body = answer.subarray(end + 4);
  if (coding === undefined) return body.toString();
  return (coding === 'br' ? brotliDecompressSync(body) : gunzipSync(body)).toString();
}

/** Everything that comes on a connection that ends after one answer. */
async function receiveAll(request: string): Promise<Buffer> {
  const connection = openConnection(server.url);
  connection.send(request);
  const all = await connection.rest();
  connection.close();
  return all;
}

describe('every client reads', () => {
  const resources = [
    '/taxii2/',
    '/main/',
    '/main/collections/',
    `/main/collections/${ids.rw}/`,
    rw,
    `${rw}${allIds[0]}/`,
  ];
  test.each(Object.entries(clients))('%s', async (_client, lines) => {
    for (const path of resources) {
      const kept = lines.filter((line) => !line.startsWith('Connection'));
      const answer = await receiveAll(text(`GET ${path}`, [...kept, login, 'Connection: close']));
      const head = answer.toString('latin1', 0, answer.indexOf('\r\n\r\n'));
      expect([path, head.slice(0, 15)]).toEqual([path, 'HTTP/1.1 200 OK']);
      expect(head).toContain('Content-Type: application/taxii+json;version=2.1\r\n');
      expect(JSON.parse(unpacked(answer))).toEqual(expect.any(Object));
    }
  });

  const other20: Readonly<Record<string, string>> = {
    'MineMeld asks for 2.0 first': 'application/vnd.oasis.taxii+json; version=2.0',
    'Elastic limo': 'application/vnd.oasis.taxii+json',
    'FortiGate stix://': 'application/vnd.oasis.stix+json; version=2.0',
  };
  test.each(Object.entries(other20))('%s and learns by a 406 what is spoken', async (_client, accept) => {
    const answer = await send('GET /taxii2/', [login, `Accept: ${accept}`]);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([406, taxii]);
    const { description } = json<{ description: string }>(answer);
    expect(description).toContain(accept);
    expect(description).toContain(taxii);
  });
});

describe('every way to log in', () => {
  const encode = (credentials: string) => Buffer.from(credentials).toString('base64');
  const ways: Readonly<Record<string, () => string>> = {
    'Basic, as most do': () => login,
    'basic in lower case, as MISP': () => login.replace('Basic', 'basic'),
    'Bearer, as OpenCTI and Elastic': () => `Authorization: Bearer ${token}`,
    'Token, as taxii2-client and XSOAR': () => `Authorization: Token ${token}`,
    'ApiKey, as Elastic lets one type': () => `Authorization: ApiKey ${token}`,
    'no scheme, as a free header of XSOAR': () => `Authorization: ${token}`,
    'X-Api-Key': () => `X-Api-Key: ${token}`,
    'X-Api-Key beside empty credentials': () => `Authorization: Basic Og==\r\nx-api-key: ${token}`,
    'token as password of any user': () => `Authorization: Basic ${encode(`whoever:${token}`)}`,
    'token as password of no user': () => `Authorization: Basic ${encode(`:${token}`)}`,
    'token as user with any password': () => `Authorization: Basic ${encode(`${token}:x`)}`,
    'token as user without password': () => `Authorization: Basic ${encode(`${token}:`)}`,
  };
  test.each(Object.entries(ways))('%s', async (_way, header) => {
    expect(idsOf(await send(`GET ${rw}`, [`Accept: ${taxii}`, header()]))).toEqual(allIds);
  });

  test.each(['Basic Og==', 'Basic Tm9uZTpOb25l'])('the empty credentials %s read what is public', async (empty) => {
    expect(idsOf(await send(`GET ${open}`, [`Accept: ${taxii}`, `Authorization: ${empty}`]))).toEqual([other.id]);
    expect((await send(`GET ${rw}`, [`Accept: ${taxii}`, `Authorization: ${empty}`])).status).toBe(401);
  });

  test('what is not valid is a 401 that says what would work, and never shows a secret', async () => {
    const changed = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    const wrong = ['Authorization: Digest username="member"', `X-Api-Key: ${changed}`, `X-Api-Key: secret`];
    for (const header of [
      ...wrong,
      `Authorization: Token ${changed}`,
      `Authorization: Basic ${encode(`a:${changed}`)}`,
    ]) {
      const answer = await send(`GET ${open}`, [header]);
      expect([header, answer.status, answer.headers.has('www-authenticate')]).toEqual([header, 401, true]);
      const { description } = json<{ description: string }>(answer);
      expect(description).toMatch(/Basic|token/);
      expect(description).not.toMatch(/secret|huiju_|username/);
    }
  });
});

describe('every way to page', () => {
  type Walk = (page: RawAnswer, query: string) => string | undefined;
  const next = (page: RawAnswer): string => json(page).next ?? '';
  const whenMore = (query: (page: RawAnswer) => string): Walk => {
    return (page) => (json(page).more === true ? query(page) : undefined);
  };
  const begin = 'limit=3&added_after=2020-01-01T00:00:00.000Z&match%5Btype%5D=identity';
  const styles: Readonly<Record<string, Walk>> = {
    'next with all parameters, as taxii2-client': whenMore((page) => `${begin}&next=${next(page)}`),
    'next and limit, as the OpenCTI connector': whenMore((page) => `limit=3&next=${next(page)}`),
    'next alone, as Maltiverse': whenMore((page) => `next=${next(page)}`),
    'dates alone, as ESET and MineMeld': whenMore(
      (page) => `limit=3&match[type]=identity&added_after=${page.headers.get('x-taxii-date-added-last')}`,
    ),
    'until next is gone, as Elastic': (page) => json(page).next && `limit=3&next=${json(page).next}`,
    'until the date header is gone, as cybersixgill': (page) => {
      const last = page.headers.get('x-taxii-date-added-last');
      return last && `limit=3&added_after=${last}`;
    },
    'next appended again and again, as cc-taxii2-client-rs': (page, query) =>
      json(page).next && `${query}&next=${json(page).next}`,
    'limit of its own at each page': whenMore((page) => `limit=${idsOf(page).length + 1}&next=${next(page)}`),
  };
  test.each(Object.entries(styles))('%s', async (_style, walk) => {
    const seen: string[] = [];
    for (let query: string | undefined = begin, pages = 0; query !== undefined && pages < 10; pages += 1) {
      const page = await send(`GET ${rw}?${query}`, [`Accept: ${taxii}`, login]);
      expect(page.status).toBe(200);
      seen.push(...idsOf(page));
      query = walk(page, query);
    }
    expect(seen).toEqual(allIds);
  });

  test('a cursor kept for days goes on where it was, after new objects came', async () => {
    const collection = `/main/collections/${ids.ro}/objects/`;
    const early = Array.from({ length: 4 }, () => newIdentity());
    const late = newIdentity();
    await server.publish(early, collection, { as: 'feeder' });
    const first = await send(`GET ${collection}?limit=2`, [login]);
    await server.publish([late], collection, { as: 'feeder' });
    const rest = await send(`GET ${collection}?limit=100&next=${next(first)}`, [login]);
    expect(idsOf(rest)).toEqual([...early.slice(2), late].map(({ id }) => id));
  });

  test('a cursor of another collection starts this one, as the OpenCTI connector needs it', async () => {
    const cursor = next(await send(`GET ${rw}?limit=2`, [login]));
    expect(idsOf(await send(`GET ${open}?limit=100&next=${cursor}`, [login]))).toEqual([other.id]);
  });
});

describe('every spelling of a query', () => {
  const identity = allIds[2] ?? '';
  const same: readonly (readonly [string, number])[] = [
    ['match[type]=identity', 7],
    ['match%5Btype%5D=identity', 7],
    ['match%5btype%5d=identity%2Cindicator', 7],
    ['match[type]=identity,relationship', 7],
    [`match[id]=${identity}`, 1],
    [`match%5Bid%5D=${identity}%2C${allIds[3]}`, 2],
    ['match[spec_version]=2.1', 7],
    ['match[match[type]]=indicator', 7],
    ['match[version]=all', 7],
    ['limit=15000', 7],
    ['limit=9999', 7],
    ['limit=5000&next=', 7],
    ['', 7],
    ['added_after=1970-01-01', 400],
    ['limit=0', 400],
  ];
  test.each(same)('%s', async (query, expected) => {
    const answer = await send(`GET ${rw}?${query}`, [login]);
    if (expected === 400) expect(json<{ error_code: string }>(answer).error_code).toBe('malformed-parameter');
    else expect(idsOf(answer)).toHaveLength(expected);
  });

  const times = Array.from(
    { length: 10 },
    (_, digits) => `2020-01-01T00:00:00${digits > 0 ? '.' : ''}${'0'.repeat(digits)}Z`,
  );
  const zones = ['%2B00:00', '+00:00', ' 00:00'.replace(' ', '%20'), '%2b08%3a00', '-05:00'];
  test.each([
    ...times,
    ...times.map((time) => time.replaceAll(':', '%3A')),
    ...zones.map((zone) => `2020-01-01T00:00:00.123${zone}`),
    '2020-01-01t00:00:00z',
  ])('added_after=%s', async (time) => {
    expect(idsOf(await send(`GET ${rw}?added_after=${time}`, [login]))).toEqual(allIds);
  });

  test.each([
    `//main//collections/${ids.rw}//objects`,
    `/main/collections/${ids.rw}/objects`,
    `/main/collections/${ids.rw}/objects/?`,
    '/main/collections/rw/objects/',
    `http://taxii.example.org/main/collections/${ids.rw}/objects/`,
  ])('%s is the same resource, without a redirect', async (path) => {
    expect(idsOf(await send(`GET ${path}`, [login]))).toEqual(allIds);
  });
});

describe('every way to publish', () => {
  const publish = `POST /main/collections/${ids.wo}/objects/`;
  const bundle = (...objects: object[]) =>
    JSON.stringify({ type: 'bundle', id: `bundle--${randomUUID()}`, spec_version: '2.1', objects });
  const envelope = (...objects: object[]) => JSON.stringify({ objects });
  const types: Readonly<Record<string, readonly [lines: readonly string[], body: string]>> = {
    'an envelope, as taxii2-client': [[`Content-Type: ${taxii}`], envelope(newIdentity())],
    'a bundle under the TAXII type, as stix2': [[`Content-Type: ${taxii}`], bundle(newIdentity())],
    'one object in a bundle, as OpenCTI': [[`Content-Type: application/stix+json; version=2.1`], bundle(newIdentity())],
    'two Content-Types, as the Rust client': [
      [`Content-Type: ${taxii}`, `Content-Type: ${stix}`],
      bundle(newIdentity()),
    ],
    'no version': [['Content-Type: application/taxii+json'], envelope(newIdentity())],
    'STIX without version': [['Content-Type: application/stix+json'], bundle(newIdentity())],
    charset: [[`Content-Type: ${taxii}; charset=UTF-8`], envelope(newIdentity())],
  };
  test.each(Object.entries(types))('%s', async (_kind, [lines, body]) => {
    const answer = await send(publish, [`Accept: ${taxii}`, login, ...lines], body);
    expect([answer.status, json<{ success_count: number }>(answer).success_count]).toEqual([202, 1]);
  });

  test('Expect: 100-continue, as curl: the body is asked for, then taken', async () => {
    const body = envelope(newIdentity({ description: 'd'.repeat(100_000) }));
    const connection = openConnection(server.url);
    const lines = [login, `Content-Type: ${taxii}`, `Content-Length: ${body.length}`, 'Expect: 100-continue'];
    connection.send(text(publish, lines));
    expect((await connection.next({ noBody: true }))?.status).toBe(100);
    connection.send(body);
    expect((await connection.next())?.status).toBe(202);
    connection.close();
  });

  test('DELETE with a Content-Type and no body, as cytaxii2', async () => {
    const [object] = [newIdentity()];
    await server.publish([object]);
    const answer = await send(`DELETE ${rw}${object?.id}/`, [login, `Accept: ${taxii}`, `Content-Type: ${taxii}`]);
    expect(answer.status).toBe(200);
    expect((await send(`GET ${rw}${object?.id}/`, [login])).status).toBe(404);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/vnd.oasis.stix+json; version=2.0'])(
    '%s is a 415 that says what was sent and what would work',
    async (type) => {
      const answer = await send(publish, [login, `Content-Type: ${type}`], envelope(newIdentity()));
      expect(answer.status).toBe(415);
      const { description } = json<{ description: string }>(answer);
      for (const part of [type, taxii, stix]) expect(description).toContain(part);
    },
  );
});

describe('every way to connect', () => {
  test('one connection for each request', async () => {
    for (const connection of ['close', 'Close']) {
      const answer = await receiveAll(text(`GET ${rw}`, [login, `Connection: ${connection}`]));
      expect(JSON.parse(unpacked(answer)).objects).toHaveLength(7);
    }
  });

  test('HTTP/1.0, with and without Host, and kept alive on request', async () => {
    const plain = await receiveAll(`GET ${rw} HTTP/1.0\r\n${login}\r\n\r\n`);
    expect(JSON.parse(unpacked(plain)).objects).toHaveLength(7);
    const connection = openConnection(server.url);
    for (let round = 0; round < 2; round += 1) {
      connection.send(text(`GET ${rw}`, [login, 'Connection: keep-alive'], '', '1.0'));
      const answer = await connection.next();
      expect([answer?.status, answer?.headers.get('connection')]).toEqual([200, 'keep-alive']);
    }
    connection.close();
  });

  test('HEAD has the header of GET, packed or not', async () => {
    for (const encoding of ['identity', 'gzip']) {
      const lines = [login, `Accept-Encoding: ${encoding}`, 'Connection: close'];
      const head = (await receiveAll(text(`HEAD ${rw}`, lines))).toString();
      const get = await receiveAll(text(`GET ${rw}`, lines));
      const withoutDate = (header: string) => header.replace(/\r\nDate: [^\r]+/, '');
      expect(withoutDate(head)).toBe(`${withoutDate(get.toString('latin1', 0, get.indexOf('\r\n\r\n')))}\r\n\r\n`);
    }
  });

  test('OPTIONS says which methods there are', async () => {
    const answer = await send(`OPTIONS ${rw}`, [login]);
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, HEAD, POST, OPTIONS']);
  });
});

describe('packed answers', () => {
  const headOf = async (path: string, encoding: string | undefined): Promise<string> => {
    const lines = encoding === undefined ? [login] : [login, `Accept-Encoding: ${encoding}`];
    const answer = await receiveAll(text(`GET ${path}`, [...lines, 'Connection: close']));
    expect(JSON.parse(unpacked(answer))).toEqual(expect.any(Object));
    return answer.toString('latin1', 0, answer.indexOf('\r\n\r\n'));
  };
  const asked = [
    ['gzip', 'gzip'],
    ['gzip, deflate', 'gzip'],
    ['x-gzip', 'gzip'],
    ['GZIP;q=0.5', 'gzip'],
    ['gzip, br;q=0.9', 'gzip'],
    ['gzip, compress, deflate, br', 'br'],
    ['br;q=1.0, gzip;q=0.8', 'br'],
    ['deflate, br', 'br'],
    ['identity;q=0, *', 'br'],
    ['*;q=0, gzip', 'gzip'],
  ];
  test.each(asked)('%s is answered with %s', async (encoding, coding) => {
    const head = await headOf(rw, encoding);
    expect(head).toContain(`Content-Encoding: ${coding}`);
    expect(head).toMatch(/Vary: .*Accept-Encoding/);
  });

  const unasked = [
    ...[undefined, '', 'identity', 'deflate', 'gzip;q=0', 'gzip;q=0.1, identity;q=0.9', '*', 'gzipped', 'br;q=0'],
    ...['*;q=0', 'identity;q=0'],
  ];
  test.each(unasked)('%j is answered as it is', async (encoding) => {
    const head = await headOf(rw, encoding);
    expect(head).not.toContain('Content-Encoding');
    expect(head).toMatch(/Vary: .*Accept-Encoding/);
  });

  test('a short answer is not packed', async () => {
    expect(await headOf('/main/', 'gzip')).not.toContain('Content-Encoding');
  });
});
