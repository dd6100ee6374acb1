import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking } from '../support/stix-objects.ts';
import { newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, expectError, type Manifest, statusOf, type Versions } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

// In the order in which they are published: not that of the versions themselves.
const times = ['2024-06-02T00:00:00.000Z', '2024-06-03T00:00:00.000Z', '2024-06-01T00:00:00.000Z'] as const;

async function publishThree(): Promise<string> {
  const object = newIdentity();
  const versions = times.map((modified) => ({ ...object, modified }));
  expect(statusOf(await server.publish(versions)).success_count).toBe(3);
  return `${at.rw}/objects/${object.id}/versions/`;
}

async function versionsAt(path: string): Promise<readonly string[]> {
  const answer = await server.get(path);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
  return answer.json<Versions>().versions ?? [];
}

describe('TAXII 2.1 §5.8 versions', () => {
  test('T-400: all versions, each once, in the order in which they were added, whatever match[version] says', async () => {
    const path = await publishThree();
    expect((await server.get(path)).json()).toEqual({ more: false, versions: times });
    expect(await versionsAt(`${path}?match[version]=last`)).toEqual(times);
    expect(await versionsAt(`${path}?match[version]=nonsense`)).toEqual(times);
  });

  test('T-402: an object without modified has its created, one without either its date_added', async () => {
    const [marking, address] = [newMarking(), newAddress()];
    await server.publish([marking, address]);
    expect(await versionsAt(`${at.rw}/objects/${marking.id}/versions/`)).toEqual([marking.created]);
    const manifest = await server.get(`${at.rw}/manifest/?match[id]=${address.id}`);
    const added = manifest.json<Manifest>().objects?.[0]?.date_added;
    expect(await versionsAt(`${at.rw}/objects/${address.id}/versions/`)).toEqual([added]);
  });

  test('T-403: an unknown object is 404', async () => {
    expectError(await server.get(`${at.rw}/objects/identity--${randomUUID()}/versions/`), 404, 'not-found');
    expectError(await server.get(`${at.rw}/objects/nonsense/versions/`), 404, 'not-found');
  });

  test('T-404: without the right to read it is 403, where the collection is hidden 404', async () => {
    const object = newIdentity();
    await server.publish([object], `${at.wo}/objects/`);
    await server.publish([object], `${at.hidden}/objects/`, { as: 'feeder' });
    for (const id of [object.id, `identity--${randomUUID()}`]) {
      expectError(await server.get(`${at.wo}/objects/${id}/versions/`), 403, 'not-permitted');
      expectError(await server.get(`${at.hidden}/objects/${id}/versions/`), 404, 'not-found');
    }
  });

  test('T-405: limit, next and more walk over the versions, and added_after cuts', async () => {
    const path = await publishThree();
    const first = await server.get(`${path}?limit=2`);
    const { next, ...page } = first.json<Versions>();
    expect(page).toEqual({ more: true, versions: times.slice(0, 2) });
    expect(next).toMatch(/^[A-Za-z0-9_-]+$/);
    expect((await server.get(`${path}?limit=2&next=${next}`)).json()).toEqual({ more: false, versions: [times[2]] });
    expect((await server.get(`${path}?limit=3`)).json()).toEqual({ more: false, versions: times });
    const reached = first.headers['x-taxii-date-added-last'];
    expect(await versionsAt(`${path}?added_after=${reached}`)).toEqual([times[2]]);
  });

  test('T-407: match[spec_version] selects by the version of STIX', async () => {
    const path = await publishThree();
    expect(await versionsAt(`${path}?match[spec_version]=2.1`)).toEqual(times);
    expect(await versionsAt(`${path}?match[spec_version]=2.0`)).toEqual([]);
  });

  test('T-408: with no version left there is no list', async () => {
    const path = await publishThree();
    for (const query of ['match[spec_version]=2.0', 'added_after=2999-01-01T00:00:00Z']) {
      const answer = await server.get(`${path}?${query}`);
      expect([answer.status, answer.text]).toEqual([200, '{"more":false}']);
    }
  });

  test('T-410: a malformed limit, added_after, next or match[spec_version] is 400', async () => {
    const path = await publishThree();
    const queries = ['limit=0', 'limit=-1', 'limit=1.5', 'added_after=yesterday', 'added_after=2024-02-30T00:00:00Z'];
    for (const query of [...queries, 'next=%00', 'match[spec_version]=', 'match[spec_version]=x']) {
      expectError(await server.get(`${path}?${query}`), 400, 'malformed-parameter');
    }
  });
});
