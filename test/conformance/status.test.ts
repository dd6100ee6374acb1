import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { newAddress, newMarking } from '../support/stix-objects.ts';
import { newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import {
  at,
  expectError,
  type Manifest,
  type Status,
  statusOf,
  taxiiTimestamp,
  uuid4,
  type Versions,
} from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());
afterEach(() => {
  jest.restoreAllMocks();
});

const hour = 3_600_000;

async function publish(objects: readonly unknown[]): Promise<Status> {
  return statusOf(await server.publish(objects));
}

describe('TAXII 2.1 §4.3 status', () => {
  test('T-220, T-223, T-224, T-237: the status of the answer is the one under its id, complete, and stays as it is', async () => {
    const posted = await server.publish([newIdentity(), { type: 'identity' }]);
    const { id, status } = statusOf(posted);
    expect(id).toMatch(uuid4);
    expect(status).toBe('complete');
    const first = await server.get(`/main/status/${id}/`);
    expect([first.status, first.headers['content-type'], first.text]).toEqual([200, taxii, posted.text]);
    await publish([newIdentity()]);
    expect((await server.get(`/main/status/${id}/`)).text).toBe(posted.text);
  });

  test('T-225: request_timestamp is when the request came', async () => {
    const before = Date.now();
    const { request_timestamp } = await publish([newIdentity()]);
    expect(request_timestamp).toMatch(taxiiTimestamp);
    const at = Date.parse(request_timestamp);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  });

  test('T-226, T-227, T-228, T-229, T-230, T-231: counts and lists agree, and an empty list is left out', async () => {
    const [good, same] = [newIdentity(), newIdentity()];
    const mixed = await publish([good, same, same, { ...newIdentity(), name: 1 }, 'text']);
    expect(mixed).toMatchObject({ total_count: 5, success_count: 3, failure_count: 2, pending_count: 0 });
    expect(mixed.successes?.map(({ id }) => id)).toEqual([good.id, same.id, same.id]);
    expect(mixed.failures).toHaveLength(2);
    expect(mixed).not.toHaveProperty('pendings');
    for (const details of [...(mixed.successes ?? []), ...(mixed.failures ?? [])]) {
      expect(details).toMatchObject({ id: expect.any(String), version: expect.any(String) });
      expect(['string', 'undefined']).toContain(typeof details.message);
    }

    const onlyGood = await publish([newIdentity()]);
    expect(onlyGood).toMatchObject({ total_count: 1, success_count: 1, failure_count: 0, pending_count: 0 });
    expect(onlyGood).not.toHaveProperty('failures');
    const onlyBad = await publish([{ ...newIdentity(), name: 1 }]);
    expect(onlyBad).toMatchObject({ total_count: 1, success_count: 0, failure_count: 1, pending_count: 0 });
    expect(onlyBad).not.toHaveProperty('successes');
  });

  test('T-233, T-234: version is modified, or created without it, spelled as in the object', async () => {
    const zeros = newIdentity({ modified: '2024-05-06T07:08:09.100000Z' });
    const precise = newIdentity({ modified: '2024-05-06T07:08:09.123456789Z' });
    const marking = newMarking({ created: '2024-05-06T07:08:09.1Z' });
    const { successes } = await publish([zeros, precise, marking]);
    expect(successes).toEqual([
      { id: zeros.id, version: '2024-05-06T07:08:09.100000Z' },
      { id: precise.id, version: '2024-05-06T07:08:09.123456789Z' },
      expect.objectContaining({ id: marking.id, version: '2024-05-06T07:08:09.1Z' }),
    ]);
  });

  test('T-233: a failure is named by the id and version that the object has, else by its place', async () => {
    const wrong = newIdentity({ name: 1 });
    const { failures } = await publish([newIdentity(), wrong, { type: 'identity' }, 'text']);
    expect(failures?.[0]).toMatchObject({ id: wrong.id, version: wrong.modified });
    expect(failures?.[0]?.message).toContain('/name');
    expect(failures?.slice(1).map(({ id }) => id)).toEqual(['/objects/2', '/objects/3']);
    for (const { version } of failures?.slice(1) ?? []) expect(version).toMatch(taxiiTimestamp);
  });

  test('T-235, T-117: an object without either has the version that the manifest and versions show', async () => {
    const address = newAddress();
    const { successes } = await publish([address]);
    const version = successes?.[0]?.version;
    expect(version).toMatch(taxiiTimestamp);
    const manifest = await server.get(`${at.rw}/manifest/?match[id]=${address.id}`);
    expect(manifest.json<Manifest>().objects).toEqual([
      { id: address.id, date_added: version, version, media_type: 'application/stix+json;version=2.1' },
    ]);
    const versions = await server.get(`${at.rw}/objects/${address.id}/versions/`);
    expect(versions.json<Versions>().versions).toEqual([version]);
    const selected = await server.get(`${at.rw}/objects/${address.id}/?match[version]=${version}`);
    expect(selected.json().objects).toEqual([address]);
    const again = await publish([address]);
    expect(again.successes?.[0]?.version).toBe(version);
  });

  test('T-222, T-239: unknown and malformed status ids are 404', async () => {
    const malformed = [
      'nonsense',
      '0',
      randomUUID().toUpperCase(),
      'a'.repeat(5000),
      '%00',
      '%22%27',
      '__proto__',
      '%2e%2e',
    ];
    for (const id of [randomUUID(), ...malformed]) {
      expectError(await server.get(`/main/status/${id}/`), 404, 'not-found');
    }
    expectError(await server.get('/main/status/'), 404, 'not-found');
    expectError(await server.get('/main/status/%zz/'), 400, 'malformed-request');
  });

  test('T-222: a status is for who submitted it and for admins; for others, and in other roots, it does not exist', async () => {
    const { id } = await publish([newIdentity()]);
    const path = `/main/status/${id}/`;
    for (const as of ['member', 'boss']) expect((await server.get(path, { as })).status).toBe(200);
    for (const as of ['other', 'reader', 'curator']) expectError(await server.get(path, { as }), 404, 'not-found');
    expectError(await server.get(path, { as: null }), 401, 'login-required');
    expectError(await server.get(`/small/status/${id}/`), 404, 'not-found');
    expectError(await server.get(`/open/status/${id}/`, { as: null }), 401, 'login-required');
  });

  test('T-221, T-222: a status is there after 24 hours, and 404 when it has expired', async () => {
    const { id } = await publish([newIdentity()]);
    const start = Date.now();
    const statusAfter = async (hours: number): Promise<number> => {
      jest.spyOn(Date, 'now').mockReturnValue(start + hours * hour);
      // Statuses go when another comes.
      await publish([newIdentity()]);
      return (await server.get(`/main/status/${id}/`)).status;
    };
    expect(await statusAfter(24.1)).toBe(200);
    expect(await statusAfter(49)).toBe(404);
  });
});
