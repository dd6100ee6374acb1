/** Bodies that mean harm: a clear refusal, nothing stored, and the others are served meanwhile. */

import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectError, idsOf, statusOf } from '../conformance/answers.ts';
import { openConnection } from '../support/raw-http.ts';
import {
  type Ask,
  basic,
  ids,
  newIdentity,
  startTaxiiServer,
  type TestServer,
  taxii,
} from '../support/taxii-server.ts';

let server: TestServer;
const stored = Array.from({ length: 3 }, () => newIdentity());
const storedIds = stored.map(({ id }) => id);
const objects = `/main/collections/${ids.rw}/objects/`;
const small = '/small/collections/small/objects/';

beforeAll(async () => {
  server = await startTaxiiServer();
  expect(statusOf(await server.publish(stored)).success_count).toBe(3);
});
afterAll(() => server.close());

async function expectUnharmed(): Promise<void> {
  expect(idsOf(await server.get(objects))).toEqual(storedIds);
}

/** Runs something large while another client polls; every poll must be answered. */
async function whilePolling<T>(run: Promise<T>): Promise<T> {
  let running = true;
  const polls = (async () => {
    while (running) expect((await server.get(`${objects}?limit=1`)).status).toBe(200);
  })();
  try {
    return await run;
  } finally {
    running = false;
    await polls;
  }
}

const good = () => JSON.stringify(newIdentity());
const kibibyte = 1024;
const mebibyte = kibibyte ** 2;

describe('a body that is no text of an envelope is a 4xx and changes nothing', () => {
  const bodies: Readonly<Record<string, readonly [body: string | Buffer, status: 400 | 422]>> = {
    'nothing at all': ['', 400],
    'not JSON': ['hello', 400],
    HTML: ['<html><body>{"objects":[]}</body></html>', 400],
    XML: ['<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', 400],
    'truncated after an object': [`{"objects":[${good()},`, 400],
    'truncated in a string': [`{"objects":[${good().slice(0, -9)}`, 400],
    'truncated in an escape': ['{"objects":[{"id":"\\u00', 400],
    'invalid UTF-8': [
      Buffer.concat([Buffer.from(`{"objects":[${good()},{"a":"`), Buffer.from([0xff, 0xfe]), Buffer.from('"}]}')]),
      400,
    ],
    'overlong UTF-8': [
      Buffer.concat([Buffer.from(`{"objects":[${good()},{"a":"`), Buffer.from([0xc0, 0xaf]), Buffer.from('"}]}')]),
      400,
    ],
    'UTF-16': [Buffer.from(`\ufeff{"objects":[${good()}]}`, 'utf16le'), 400],
    'a raw control character': [`{"objects":[${good()},{"a":"\u0001"}]}`, 400],
    'NaN and Infinity': [`{"objects":[${good()},{"a":NaN,"b":-Infinity}]}`, 400],
    'single quotes': [`{'objects':[${good()}]}`, 400],
    'a comma too many': [`{"objects":[${good()},]}`, 400],
    'bytes after the end': [`{"objects":[${good()}]}{"objects":[]}`, 400],
    'a zero byte after the end': [`{"objects":[${good()}]}\0`, 400],
    NDJSON: [`${good()}\n${good()}`, 400],
    'a list': [`[${good()}]`, 422],
    null: ['null', 422],
    'a number of 400 digits': ['9'.repeat(400), 422],
    'one object': [good(), 422],
    'objects is null': ['{"objects":null}', 422],
    'objects is an object': [`{"objects":{"0":${good()},"length":1}}`, 422],
    'objects is text': ['{"objects":"[]"}', 422],
    'objects is empty': ['{"objects":[]}', 422],
    'objects is only inherited': [`{"__proto__":{"objects":[${good()}]}}`, 422],
    'a type that is no bundle': [`{"type":"report","objects":[${good()}]}`, 422],
    'objects twice': [`{"objects":[${good()}],"objects":[${good()}]}`, 422],
  };
  test.each(Object.entries(bodies))('%s', async (_what, [body, status]) => {
    const answer = await server.get(objects, { method: 'POST', body });
    expectError(answer, status, status === 400 ? 'malformed-json' : 'invalid-envelope');
    await expectUnharmed();
  });

  test('100 MB of [, at the top and as an object', async () => {
    for (const [head, status] of [
      ['', 422],
      ['{"objects":[', 400],
    ] as const) {
      const body = Buffer.concat([Buffer.from(head), Buffer.alloc(100_000_000, '[')]);
      const answer = await whilePolling(server.get(objects, { method: 'POST', body }));
      expectError(answer, status, status === 400 ? 'malformed-json' : 'invalid-envelope');
    }
    await expectUnharmed();
  });
});

describe('one bad object fails alone', () => {
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  const withMember = (member: string) => `${good().slice(0, -1)},${member}}`;
  const bad: Readonly<Record<string, string>> = {
    null: 'null',
    'a number': '1e999',
    'a list': '[[]]',
    text: '"identity"',
    'an empty object': '{}',
    'a lone surrogate': withMember('"x_a":"\\ud800"'),
    'a lone surrogate in a name': withMember('"x_\\udc00":1'),
    'the character U+0000': withMember('"x_a":"\\u0000"'),
    'a duplicate name': withMember('"name":"again"'),
    'a duplicate name, escaped': withMember('"\\u006eame":"again"'),
    'a duplicate name at depth': withMember('"x_a":{"b":[{"c":1,"c":2}]}'),
    'depth over 100': withMember(`"x_a":${deep(101)}`),
    'depth of 10,000': withMember(`"x_a":${deep(10_000)}`),
    'no type': '{"id":"identity--1"}',
    'a type of __proto__': '{"type":"__proto__","id":"__proto__--1","spec_version":"2.1"}',
    'a type of constructor': '{"type":"constructor","id":"constructor--1","spec_version":"2.1"}',
  };
  test.each(Object.entries(bad))('%s', async (_what, text) => {
    const neighbours = [newIdentity(), newIdentity()];
    const [before, after] = neighbours.map((object) => JSON.stringify(object));
    const answer = await server.get('/main/collections/wo/objects/', {
      method: 'POST',
      body: `{"objects":[${before},${text},${after}]}`,
    });
    const { success_count, failure_count, successes, failures } = statusOf(answer);
    expect([answer.status, success_count, failure_count]).toEqual([202, 2, 1]);
    expect(successes?.map(({ id }) => id)).toEqual(neighbours.map(({ id }) => id));
    expect(failures?.[0]?.message).toMatch(/^[\w.-]+( at \/\S*)?( \([^)]*\))?: \S/);
  });
});

test('names that are special elsewhere, and numbers beyond 2^53 and of 400 digits, are served as they came', async () => {
  const special = [
    '"constructor":{"prototype":{"polluted":true}}',
    '"x_names":{"__proto__":{"polluted":true},"hasOwnProperty":1,"$where":"sleep(1)","a.b":{"$ne":"x"}}',
    '"x_big":123456789012345678901234567890',
    `"x_digits":${'9'.repeat(400)}`,
    `"x_fraction":0.${'1'.repeat(400)}`,
    '"x_power":1e400',
    '"x_minus_zero":-0',
  ];
  const object = newIdentity();
  const text = `${JSON.stringify(object).slice(0, -1)},${special.join()}}`;
  const answer = await server.get(small, { method: 'POST', body: `{"objects":[${text}]}` });
  expect(statusOf(answer).failures).toBeUndefined();
  expect((await server.get(`${small}${object.id}/`)).text).toContain(text);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect({}).not.toHaveProperty('polluted');
});

describe('a body that is too long, or packed to be', () => {
  const packed = (bytes: Buffer | string): Ask => ({
    method: 'POST',
    body: gzipSync(bytes, { level: 9 }),
    headers: { 'Content-Encoding': 'gzip' },
  });

  test('a declared length over the limit is refused before any of the body came', async () => {
    for (const length of ['4097', '10000000000', '9007199254740993']) {
      const connection = openConnection(server.url);
      const head = [`POST ${small} HTTP/1.1`, 'Host: a', `Authorization: ${basic('member')}`, `Content-Type: ${taxii}`];
      connection.send([...head, `Content-Length: ${length}`, '', ''].join('\r\n'));
      const answer = await connection.next();
      expect([answer?.status, JSON.parse(answer?.text ?? '{}').error_code]).toEqual([413, 'content-too-large']);
      connection.close();
    }
  });

  test('a body in chunks is refused as soon as it is over the limit', async () => {
    const body = `{"objects":[${' '.repeat(2 * mebibyte)}`;
    const answer = await server.get(small, { method: 'POST', body, headers: { 'Transfer-Encoding': 'chunked' } });
    expectError(answer, 413, 'content-too-large');
  });

  test('a bomb is refused at the limit of what comes out', async () => {
    for (const filling of ['{"objects":[', `{"objects":[${good()}],"x":"`]) {
      const bomb = Buffer.concat([Buffer.from(filling), Buffer.alloc(64 * mebibyte, ' ')]);
      expectError(await server.get(small, packed(bomb)), 413, 'content-too-large');
    }
    const bomb = gzipSync(Buffer.concat([Buffer.from('{"objects":['), Buffer.alloc(110 * mebibyte, ' ')]));
    expect(bomb.length).toBeLessThan(mebibyte);
    const answer = server.get(objects, { method: 'POST', body: bomb, headers: { 'Content-Encoding': 'gzip' } });
    expectError(await whilePolling(answer), 413, 'content-too-large');
    await expectUnharmed();
  });

  test('a bomb in a bomb is no JSON', async () => {
    expectError(await server.get(objects, packed(gzipSync(Buffer.alloc(mebibyte)))), 400, 'malformed-json');
  });

  const whole = gzipSync(`{"objects":[${JSON.stringify(newIdentity())}]}`);
  const broken: Readonly<Record<string, Buffer>> = {
    'no gzip': Buffer.from('{"objects":[]}'),
    'cut off': whole.subarray(0, -12),
    'without its checksum': whole.subarray(0, -8),
    'with a wrong checksum': Buffer.concat([whole.subarray(0, -8), Buffer.alloc(8)]),
    'with a flipped bit': Buffer.from(whole.map((byte, place) => (place === 30 ? byte ^ 4 : byte))),
  };
  test.each(Object.entries(broken))('gzip %s is a 400', async (_what, body) => {
    const answer = await server.get(objects, { method: 'POST', body, headers: { 'Content-Encoding': 'gzip' } });
    expect([answer.status, answer.headers['content-type']]).toEqual([400, taxii]);
    await expectUnharmed();
  });

  test.each(['deflate', 'br', 'gzip, gzip', 'compress', 'identity, gzip', 'x'.repeat(5000)])(
    'Content-Encoding: %s is a 415 that says what would do',
    async (encoding) => {
      const answer = await server.get(objects, {
        method: 'POST',
        body: whole,
        headers: { 'Content-Encoding': encoding },
      });
      expectError(answer, 415, 'unsupported-media-type');
      expect(answer.headers['accept-encoding']).toBe('gzip, identity');
      await expectUnharmed();
    },
  );
});

test('200,000 bad objects in one body: each has its verdict, and the others are served meanwhile', async () => {
  const body = `{"objects":[${Array.from({ length: 200_000 }, () => '{}').join()}]}`;
  const bodies = [1, 2].map(() => server.get(objects, { method: 'POST', body }));
  for (const answer of await whilePolling(Promise.all(bodies))) {
    expect([answer.status, statusOf(answer).failures?.length]).toEqual([202, 200_000]);
  }
  expectError(
    await server.get(objects, { method: 'POST', body: `{"objects":[{},${body.slice(12)}` }),
    422,
    'invalid-envelope',
  );
  await expectUnharmed();
});
