import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openConnection, rawRequest } from '../support/raw-http.ts';
import { newAddress, newMarking } from '../support/stix-objects.ts';
import { basic, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, expectError, statusOf } from './answers.ts';
import { createPublisher, small, smallLimit } from './publisher.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const { post, publish, recordsOf } = createPublisher(() => server);

/** An envelope of exactly so many octets: white space after it fills it up. */
function paddedEnvelope(object: object, length: number): string {
  return JSON.stringify({ objects: [object] }).padEnd(length);
}

const chunked = { headers: { 'Transfer-Encoding': 'chunked' } };
const gzipped = { headers: { 'Content-Encoding': 'gzip' } };

describe('TAXII 2.1 §5.5 add objects: what is refused', () => {
  test('T-322: without the right to write it is 403, where the collection is hidden 404, and nothing is stored', async () => {
    const object = newIdentity();
    expectError(await server.publish([object], `${at.ro}/objects/`), 403, 'not-permitted');
    expectError(await server.publish([object], `${at.rw}/objects/`, { as: 'reader' }), 403, 'not-permitted');
    expectError(await server.publish([object], `${at.hidden}/objects/`), 404, 'not-found');
    expectError(await server.publish([object], '/open/collections/open/objects/', { as: null }), 401, 'login-required');
    for (const collection of [at.rw, at.ro, at.hidden, '/open/collections/open']) {
      expectError(await server.get(`${collection}/objects/${object.id}/`, { as: 'boss' }), 404, 'not-found');
    }
  });

  test('T-327: a content type that is not defined here is 415 and nothing is stored', async () => {
    const object = newIdentity();
    const refused = ['text/plain', 'application/json', taxii.replace('2.1', '9.9'), taxii.replace('2.1', '2.0'), ''];
    for (const type of [...refused, 'application/vnd.oasis.taxii+json; version=2.0', `${taxii};charset=utf-16`, null]) {
      const answer = await post({ objects: [object] }, { type });
      expectError(answer, 415, 'unsupported-media-type');
    }
    expect(await recordsOf(object.id)).toEqual([]);
  });

  test('T-329: an Accept that excludes TAXII 2.1 is 406 and nothing is stored', async () => {
    const object = newIdentity();
    for (const accept of [taxii.replace('2.1', '2.0'), 'application/taxii+json;version=9.9', `${taxii};q=0`]) {
      expectError(await post({ objects: [object] }, { accept }), 406, 'not-acceptable');
    }
    expect(await recordsOf(object.id)).toEqual([]);
  });

  const good = newIdentity();
  const text = JSON.stringify(good);
  const notJson: Record<string, string | Buffer> = {
    'an empty body': '',
    'white space': ' \n',
    words: 'objects',
    'an open brace': '{',
    'an envelope that stops in its list': `{"objects":[${text}`,
    'an envelope that stops after its list': `{"objects":[${text}]`,
    'a comma after the last object': `{"objects":[${text},]}`,
    'no comma between objects': `{"objects":[${text} ${text}]}`,
    'a second value after the envelope': `{"objects":[${text}]}{}`,
    'text after the envelope': `{"objects":[${text}]}x`,
    'single quotes': `{'objects':[${text}]}`,
    'a comment': `{"objects":[${text}]/* */}`,
    NaN: `{"objects":[${text}],"x":NaN}`,
    Infinity: `{"objects":[${text},{"x":-Infinity}]}`,
    'a leading zero': `{"objects":[${text},{"x":01}]}`,
    'a bare point': `{"objects":[${text},{"x":1.}]}`,
    'a raw line feed in a string': `{"objects":[${text},{"x":"a\nb"}]}`,
    'a raw tab in a name': `{"objects":[${text},{"x\t":1}]}`,
    'an unknown escape': `{"objects":[${text},{"x":"\\x41"}]}`,
    'half an escape': `{"objects":[${text},{"x":"\\u12"}]}`,
    'invalid UTF-8': Buffer.concat([
      Buffer.from(`{"objects":[${text},{"x":"`),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}]}'),
    ]),
    'an overlong form': Buffer.concat([
      Buffer.from(`{"objects":[${text}],"x":"`),
      Buffer.from([0xc0, 0xaf]),
      Buffer.from('"}'),
    ]),
    'an encoded surrogate': Buffer.concat([
      Buffer.from(`{"objects":[${text}],"x":"`),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('"}'),
    ]),
    'UTF-16': Buffer.from(`{"objects":[${text}]}`, 'utf16le'),
  };
  test.each(Object.keys(notJson))('T-328: %s is 400 and nothing is stored', async (name) => {
    expectError(await post(notJson[name] ?? ''), 400, 'malformed-json');
    expect(await recordsOf(good.id)).toEqual([]);
  });

  const noEnvelope: Record<string, string> = {
    'a list': `[${text}]`,
    'a string': '"objects"',
    'a number': '1',
    null: 'null',
    true: 'true',
    'a bare object': text,
    'objects in capitals': `{"Objects":[${text}]}`,
    'objects that are null': '{"objects":null}',
    'objects that are an object': `{"objects":{"0":${text}}}`,
    'objects that are a string': '{"objects":"x"}',
    'objects named twice': `{"objects":[${text}],"objects":[${text}]}`,
    'a manifest or other type': `{"type":"report","objects":[${text}]}`,
  };
  test.each(Object.keys(noEnvelope))('T-328: %s instead of an envelope is 422 and nothing is stored', async (name) => {
    expectError(await post(noEnvelope[name] ?? ''), 422, 'invalid-envelope');
    expect(await recordsOf(good.id)).toEqual([]);
  });

  test('T-238, T-340: an empty envelope is 422, so that no status has a total_count of 0', async () => {
    for (const body of ['{}', '{"objects":[]}', '{"more":false}', '{"type":"bundle","objects":[]}']) {
      expectError(await post(body), 422, 'invalid-envelope');
    }
  });

  test('T-332: an object that is wrong fails alone, wherever it stands and whatever it is', async () => {
    const elements: unknown[] = ['text', 1, true, null, [], {}, { type: 'identity' }, { type: 1, id: 2 }, { id: 'x' }];
    const objects: unknown[] = [
      newIdentity({ name: undefined }),
      newIdentity({ id: 'identity--1' }),
      newIdentity({ id: `tool--${randomUUID()}` }),
      newIdentity({ modified: 'yesterday' }),
      newIdentity({ modified: '2001-01-01T00:00:00.000Z' }),
      newIdentity({ spec_version: undefined }),
      newIdentity({ spec_version: '2.0' }),
      newIdentity({ spec_version: 2.1 }),
      newAddress({ value: undefined }),
      newMarking({ created: undefined }),
    ];
    for (const wrong of [...elements, ...objects]) {
      const [before, after] = [newIdentity(), newIdentity()];
      const status = await publish([before, wrong, after]);
      const shown = JSON.stringify(wrong);
      expect([shown, status.success_count, status.failure_count]).toEqual([shown, 2, 1]);
      expect(status.failures?.[0]?.message).toEqual(expect.stringMatching(/./));
      expect(await recordsOf(`${before.id},${after.id}`)).toHaveLength(2);
    }
  });

  test('T-333: an unknown collection is 404 and 401 without a login', async () => {
    const to = `/main/collections/${randomUUID()}/objects/`;
    expectError(await post({ objects: [newIdentity()] }, {}, to), 404, 'not-found');
    expectError(await post({ objects: [newIdentity()] }, { as: null }, to), 401, 'login-required');
  });
});

describe('TAXII 2.1 §4.2.1 max_content_length', () => {
  test('T-207: a body of one octet less than the limit, and of just the limit, is taken', async () => {
    for (const length of [smallLimit - 1, smallLimit]) {
      const object = newIdentity();
      expect(statusOf(await post(paddedEnvelope(object, length), {}, small)).success_count).toBe(1);
      expect(statusOf(await post(paddedEnvelope(object, length), chunked, small)).success_count).toBe(1);
      const compressed = gzipSync(paddedEnvelope(object, length));
      expect(statusOf(await post(compressed, gzipped, small)).success_count).toBe(1);
    }
  });

  test('T-326: a body of one octet more is 413 and nothing is stored: with a length, chunked, and gzip (decoded)', async () => {
    const object = newIdentity();
    const body = paddedEnvelope(object, smallLimit + 1);
    expectError(await post(body, {}, small), 413, 'content-too-large');
    expectError(await post(body, chunked, small), 413, 'content-too-large');
    expectError(await post(gzipSync(body), gzipped, small), 413, 'content-too-large');
    const answer = await server.get(`${small}${object.id}/`);
    expectError(answer, 404, 'not-found');
  });

  test('T-326: 413 is answered before the body has come, and the connection closes', async () => {
    const connection = openConnection(server.url);
    const fields = { Authorization: basic('member'), 'Content-Type': taxii };
    connection.send(rawRequest(`POST ${small}`, { ...fields, 'Content-Length': '1000000000' }, '{"objects":['));
    const answer = await connection.next();
    expect([answer?.status, answer?.headers.get('connection')]).toEqual([413, 'close']);
    connection.close();
  });

  test('T-326: a small body that unpacks to far more is 413', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
    expectError(await post(bomb.subarray(0, smallLimit), gzipped, small), 413, 'content-too-large');
  });
});
