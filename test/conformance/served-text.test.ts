import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { at, type Status, statusOf } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

/** A valid identity as text, with members of our own spelling before and after those that it needs. */
function identityText(before: string, after: string): { id: string; text: string } {
  const id = `identity--${randomUUID()}`;
  const needed = `"spec_version":"2.1","id":"${id}","type":"identity"`;
  const times = '"modified":"2024-05-06T07:08:09.120Z","created":"2024-05-06T07:08:09.120Z"';
  return { id, text: `{${before}${needed},"name":"ACME",${times}${after}}` };
}

async function post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Status> {
  return statusOf(await server.get(`${at.rw}/objects/`, { body, headers }));
}

async function expectServed(id: string, text: string): Promise<void> {
  expect((await server.get(`${at.rw}/objects/${id}/`)).text).toBe(`{"more":false,"objects":[${text}]}`);
  const listed = await server.get(`${at.rw}/objects/?match[id]=${id}`);
  expect(listed.text).toBe(`{"more":false,"objects":[${text}]}`);
}

const spellings: Record<string, [before: string, after: string]> = {
  'the order of properties, numbers that look like indexes included': ['"x_z":1,"x_a":{"2":0,"1":0,"b":0,"a":0},', ''],
  'integers beyond 2^53': ['', ',"x_big":[9007199254740993,-123456789012345678901234567890]'],
  'the spelling of numbers': ['', ',"x_numbers":[1.0,1e2,1E+2,-0,0.10,1.00000000000000000001,1e400]'],
  'escapes, also needless ones': ['', ',"x_text":"\\u0041\\/\\u00e9\\n\\ud83c\\udf0a\\u2028\\"\\\\"'],
  'characters beyond ASCII': ['"x_text":"汇聚 🌊 é \u2028\u00a0",', ''],
  'unknown properties, deep ones too': ['', ',"x_own":{"list":[[1,"1"],{"b":{}},[{"a":[true,false,""]}]]}'],
  'names that JavaScript treats specially': [
    '"constructor":1,"x_a":{"__proto__":{"y":1},"toString":1},',
    ',"x_b":{"hasOwnProperty":"1","__proto__":"2"}',
  ],
  'names with dots and dollars': ['', ',"x_names":{"$set":1,"a.b":2,"$where":"1","":3}'],
  'the spelling of timestamps': ['', ',"x_time":"2024-05-06T07:08:09.120000Z"'],
};

describe('TAXII 2.1 §3.7 served as it was published', () => {
  test.each(Object.keys(spellings))('T-166, T-164: %s', async (name) => {
    const [before, after] = spellings[name] ?? ['', ''];
    const { id, text } = identityText(before, after);
    const status = await post(`{"objects":[${text}]}`);
    expect([status.failures, status.success_count]).toEqual([undefined, 1]);
    await expectServed(id, text);
  });

  test('T-166: white space between tokens goes, white space in strings stays', async () => {
    const { id, text } = identityText('', ',"x_text":" a  b\\t"');
    const spaced = text.replaceAll('","', '"\r\n ,\t"').replaceAll('":"', '" :\n "');
    expect((await post(` {\n"objects" : [ ${spaced}\n ] } \n`)).success_count).toBe(1);
    await expectServed(id, text);
  });

  test('T-166, T-338: from a bundle, chunked and gzip, the text is the same', async () => {
    const { id, text } = identityText('"x_a":1.0,', '');
    const bundle = `{"id":"bundle--${randomUUID()}","objects":[${text}],"type":"bundle"}`;
    expect(
      (await post(gzipSync(bundle), { 'Content-Encoding': 'gzip', 'Transfer-Encoding': 'chunked' })).success_count,
    ).toBe(1);
    await expectServed(id, text);
  });

  test('T-324: an observable with the same content in another spelling is a duplicate, and the first copy stays', async () => {
    const id = `ipv4-addr--${randomUUID()}`;
    const first = `{"type":"ipv4-addr","spec_version":"2.1","id":"${id}","value":"198.51.100.1","x_n":1.0}`;
    const other = `{"x_n":1,"value":"198.51.100.\\u0031","id":"${id}","spec_version":"2.1","type":"ipv4-addr"}`;
    await post(`{"objects":[${first}]}`);
    expect(await post(`{"objects":[${other}]}`)).toMatchObject({ success_count: 1, failure_count: 0 });
    await expectServed(id, first);
  });

  const ambiguous: Record<string, string> = {
    'a property twice': ',"name":"Other"',
    'a property twice, once escaped': ',"n\\u0061me":"Other"',
    'a property twice in a deep object': ',"x_a":[{"b":{"c":1,"c":2}}]',
    'half of a surrogate pair': ',"x_a":"\\ud83c"',
    'a surrogate pair in the wrong order': ',"x_a":"\\udf0a\\ud83c"',
    'the character NUL': ',"x_a":"\\u0000"',
    'NUL in a name': ',"x_\\u0000":1',
    'a hundred and one levels': `,"x_a":${'['.repeat(100)}${']'.repeat(100)}`,
  };
  test.each(Object.keys(ambiguous))(
    'T-001, T-332: an object with %s is refused, its neighbours are not',
    async (name) => {
      const [good, bad, alsoGood] = [
        identityText('', ''),
        identityText('', ambiguous[name] ?? ''),
        identityText('', ''),
      ];
      const status = await post(`{"objects":[${good.text},${bad.text},${alsoGood.text}]}`);
      expect(status.successes?.map(({ id }) => id)).toEqual([good.id, alsoGood.id]);
      expect(status.failures).toHaveLength(1);
      expect(status.failures?.[0]?.message).toContain('JSON-');
      expect((await server.get(`${at.rw}/objects/${bad.id}/`)).status).toBe(404);
    },
  );

  test('T-166: a hundred levels are taken and served', async () => {
    const { id, text } = identityText('', `,"x_a":${'['.repeat(99)}${']'.repeat(99)}`);
    expect((await post(`{"objects":[${text}]}`)).success_count).toBe(1);
    await expectServed(id, text);
  });
});
