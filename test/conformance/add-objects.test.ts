import { randomUUID } from 'node:crypto';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openConnection, rawRequest } from '../support/raw-http.ts';
import { newAddress, newMarking, oneOfEachType } from '../support/stix-objects.ts';
import { basic, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, expectError, idsOf, statusOf, uuid4, type Versions } from './answers.ts';
import { createPublisher, path, small, smallLimit } from './publisher.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const { post, publish, recordsOf } = createPublisher(() => server);

const gzipped = { headers: { 'Content-Encoding': 'gzip' } };

describe('TAXII 2.1 §5.5 add objects: what is taken', () => {
  test('T-320: a POST is answered 202 with a status resource', async () => {
    const object = newIdentity();
    const answer = await server.publish([object]);
    expect([answer.status, answer.headers['content-type']]).toEqual([202, taxii]);
    expect(answer.json()).toEqual({
      id: expect.stringMatching(uuid4),
      status: 'complete',
      request_timestamp: expect.any(String),
      total_count: 1,
      success_count: 1,
      successes: [{ id: object.id, version: object.modified }],
      failure_count: 0,
      pending_count: 0,
    });
  });

  test('T-331: an object of every type of STIX 2.1 is taken and served', async () => {
    const objects = oneOfEachType();
    const { failures, success_count } = await publish(objects);
    expect([failures, success_count]).toEqual([undefined, 42]);
    for (const object of objects) {
      expect((await server.get(`${path}${object.id}/`)).json()).toEqual({ more: false, objects: [object] });
    }
  });

  test('T-334: what succeeded is readable at once, by id, in objects and in the manifest', async () => {
    const objects = [newIdentity(), newAddress(), newMarking()];
    const { successes = [] } = await publish(objects);
    for (const { id, version } of successes) {
      expect(idsOf(await server.get(`${path}${id}/?match[version]=${version}`))).toEqual([id]);
      expect(idsOf(await server.get(`${path}?match[id]=${id}`))).toEqual([id]);
      expect(await recordsOf(id)).toEqual([expect.objectContaining({ id, version })]);
    }
    expect(successes.map(({ id }) => id)).toEqual(objects.map(({ id }) => id));
  });

  test('T-335: another modified is another version, also within one envelope', async () => {
    const object = newIdentity();
    const newer = { ...object, modified: '2024-06-01T00:00:00.000Z' };
    expect((await publish([object, newer])).success_count).toBe(2);
    const versions = await server.get(`${path}${object.id}/versions/`);
    expect(versions.json<Versions>().versions).toEqual([object.modified, newer.modified]);
  });

  test('T-338: a bundle is taken like an envelope', async () => {
    const objects = [newIdentity(), newAddress()];
    const bundle = { type: 'bundle', id: `bundle--${randomUUID()}`, objects };
    for (const type of [taxii, 'application/stix+json;version=2.1', 'application/stix+json']) {
      expect(statusOf(await post(bundle, { type })).success_count).toBe(2);
    }
    for (const { id } of objects) expect(await recordsOf(id)).toHaveLength(1);
    expect(idsOf(await server.get(`${path}?match[type]=bundle`))).toEqual([]);
  });

  test('T-341: a chunked body is taken, however it is cut', async () => {
    const object = newIdentity({ name: '汇聚 🌊' });
    const connection = openConnection(server.url);
    connection.send(
      rawRequest(`POST ${path}`, {
        Authorization: basic('member'),
        Accept: taxii,
        'Content-Type': taxii,
        'Transfer-Encoding': 'chunked',
      }),
    );
    for (const byte of Buffer.from(JSON.stringify({ objects: [object] }))) {
      connection.send(Buffer.concat([Buffer.from('1;note=x\r\n'), Buffer.from([byte]), Buffer.from('\r\n')]));
    }
    connection.send('0\r\nX-Trailer: y\r\n\r\n');
    const answer = await connection.next();
    connection.close();
    expect(answer?.status).toBe(202);
    expect((await server.get(`${path}${object.id}/`)).json().objects).toEqual([object]);
  });

  test('T-342: a client that waits for 100 Continue gets it, and one that would be refused gets the refusal', async () => {
    const object = newIdentity();
    const body = JSON.stringify({ objects: [object] });
    const fields = { Authorization: basic('member'), 'Content-Type': taxii, Expect: '100-continue' };
    const connection = openConnection(server.url);
    connection.send(rawRequest(`POST ${path}`, { ...fields, 'Content-Length': String(body.length) }));
    expect((await connection.next({ noBody: true }))?.status).toBe(100);
    connection.send(body);
    expect((await connection.next())?.status).toBe(202);
    connection.close();

    const refused: [string, Record<string, string>, number][] = [
      [small, { ...fields, 'Content-Length': String(smallLimit + 1) }, 413],
      [`${at.ro}/objects/`, { ...fields, 'Content-Length': '100' }, 403],
      [path, { ...fields, 'Content-Length': '100', 'Content-Type': 'text/plain' }, 415],
    ];
    for (const [to, headers, status] of refused) {
      const other = openConnection(server.url);
      other.send(rawRequest(`POST ${to}`, headers));
      expect((await other.next())?.status).toBe(status);
      other.close();
    }
  });

  test('T-342: another expectation than 100-continue is passed over', async () => {
    const object = newIdentity();
    const answer = await post({ objects: [object] }, { headers: { Expect: 'wonders' } });
    expect(statusOf(answer).success_count).toBe(1);
    expect(await recordsOf(object.id)).toHaveLength(1);
  });

  test('T-343: a gzip body is taken, a broken or truncated one is 400, another encoding 415', async () => {
    const object = newIdentity();
    const bytes = gzipSync(JSON.stringify({ objects: [object] }));
    expect(statusOf(await post(bytes, gzipped)).success_count).toBe(1);
    const other = newIdentity();
    const text = JSON.stringify({ objects: [other] });
    const whole = gzipSync(text);
    const corrupted = Buffer.from(whole);
    corrupted.writeUInt32LE(0, whole.length - 8);
    for (const broken of [text, whole.subarray(0, -9), whole.subarray(0, 4), corrupted, '']) {
      expectError(await post(broken, gzipped), 400, 'malformed-request');
    }
    for (const [encoding, encoded] of [
      ['deflate', deflateSync(text)],
      ['br', text],
      ['gzip, gzip', gzipSync(whole)],
    ] as const) {
      const answer = await post(encoded, { headers: { 'Content-Encoding': encoding } });
      expectError(answer, 415, 'unsupported-media-type');
      expect(answer.headers['accept-encoding']).toBe('gzip, identity');
    }
    expect(await recordsOf(other.id)).toEqual([]);
  });

  test('T-344: a byte order mark before the envelope is passed over', async () => {
    const object = newIdentity();
    expect(statusOf(await post(`\uFEFF${JSON.stringify({ objects: [object] })}`)).success_count).toBe(1);
    expect((await server.get(`${path}${object.id}/`)).json().objects).toEqual([object]);
  });
});

describe('TAXII 2.1 §5.5 add objects: duplicates and conflicts', () => {
  test('T-324, T-325: an exact duplicate is a success, is stored once and keeps its date_added', async () => {
    for (const object of [newIdentity(), newMarking(), newAddress()]) {
      const [first] = (await publish([object])).successes ?? [];
      const before = await recordsOf(object.id);
      const reordered = Object.fromEntries(Object.entries(object).reverse());
      for (const copy of [object, reordered]) {
        const again = await publish([copy]);
        expect(again).toMatchObject({ success_count: 1, failure_count: 0 });
        expect(again.successes?.[0]).toMatchObject({ id: object.id, version: first?.version });
      }
      expect(await recordsOf(object.id)).toEqual(before);
      expect(before).toHaveLength(1);
    }
  });

  test('T-325: the same object in eight posts at once is stored once', async () => {
    const objects = [newIdentity(), newAddress()];
    const answers = await Promise.all(Array.from({ length: 8 }, () => server.publish(objects)));
    for (const answer of answers) expect(statusOf(answer)).toMatchObject({ success_count: 2, failure_count: 0 });
    for (const { id } of objects) expect(await recordsOf(id)).toHaveLength(1);
  });

  test('T-336: the same object twice in an envelope is two successes and one version', async () => {
    for (const object of [newIdentity(), newAddress()]) {
      expect(await publish([object, object])).toMatchObject({ total_count: 2, success_count: 2, failure_count: 0 });
      expect(await recordsOf(object.id)).toHaveLength(1);
    }
  });

  test('T-337: other content under the same id and version is a failure, and the first copy stays', async () => {
    for (const object of [newIdentity({ name: 'first' }), newMarking()]) {
      await publish([object]);
      const other = { ...object, x_changed: true };
      const { failures, success_count } = await publish([other]);
      expect([success_count, failures]).toEqual([
        0,
        [
          {
            id: object.id,
            version: object.modified ?? object.created,
            message: expect.stringContaining('version-conflict'),
          },
        ],
      ]);
      expect((await server.get(`${path}${object.id}/?match[version]=all`)).json().objects).toEqual([object]);
    }
  });

  test('T-337: the same instant spelled otherwise is the same version', async () => {
    const object = newIdentity({ modified: '2024-05-06T07:08:09.500Z' });
    await publish([object]);
    const { failures } = await publish([{ ...object, modified: '2024-05-06T07:08:09.500000Z', name: 'Other' }]);
    expect(failures?.[0]?.message).toContain('version-conflict');
    expect(await recordsOf(object.id)).toHaveLength(1);
  });

  test('T-335: an observable with other content is a new version', async () => {
    const address = newAddress();
    await publish([address]);
    expect((await publish([{ ...address, value: '198.51.100.8' }])).success_count).toBe(1);
    expect(await recordsOf(address.id)).toHaveLength(2);
    const latest = await server.get(`${path}${address.id}/`);
    expect(latest.json().objects).toEqual([{ ...address, value: '198.51.100.8' }]);
  });
});
