import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking } from '../support/stix-objects.ts';
import {
  type Answer,
  type Ask,
  newIdentity,
  startTaxiiServer,
  type TestServer,
  taxii,
} from '../support/taxii-server.ts';
import { at, type Envelope, expectError, idsOf, type Manifest, statusOf, type Versions } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const times = ['2024-06-01T00:00:00.000Z', '2024-06-02T00:00:00.000Z', '2024-06-03T00:00:00.000Z'] as const;

async function publish(...objects: readonly unknown[]): Promise<void> {
  expect(statusOf(await server.publish(objects)).failure_count).toBe(0);
}

async function publishThree(): Promise<string> {
  const object = newIdentity();
  await publish(...times.map((modified) => ({ ...object, modified })));
  return object.id;
}

function remove(id: string, query = '', options: Ask = {}, collection: string = at.rw): Promise<Answer> {
  return server.get(`${collection}/objects/${id}/${query}`, { method: 'DELETE', ...options });
}

/** The versions that are left, none when the object is unknown. */
async function versionsOf(id: string): Promise<readonly string[]> {
  const answer = await server.get(`${at.rw}/objects/${id}/versions/`);
  return answer.status === 404 ? [] : (answer.json<Versions>().versions ?? []);
}

async function dateAddedOf(id: string): Promise<string | undefined> {
  const answer = await server.get(`${at.rw}/manifest/?match[id]=${id}`);
  return answer.json<Manifest>().objects?.[0]?.date_added;
}

describe('TAXII 2.1 §5.7 delete an object', () => {
  test('T-380, T-381: a deletion is answered 200 with the media type and an empty body', async () => {
    const object = newIdentity();
    await publish(object);
    const answer = await remove(object.id);
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([200, taxii, '']);
    expect(answer.headers['content-length']).toBe('0');
  });

  test('T-382, T-389: without match[version] every version is gone, on every endpoint, and nothing else', async () => {
    const [id, neighbour] = [await publishThree(), await publishThree()];
    await remove(id);
    expectError(await server.get(`${at.rw}/objects/${id}/`), 404, 'not-found');
    expectError(await server.get(`${at.rw}/objects/${id}/?match[version]=all`), 404, 'not-found');
    expectError(await server.get(`${at.rw}/objects/${id}/versions/`), 404, 'not-found');
    const both = `match[id]=${id},${neighbour}&match[version]=all`;
    expect(idsOf(await server.get(`${at.rw}/objects/?${both}`))).toEqual(Array(3).fill(neighbour));
    expect(idsOf(await server.get(`${at.rw}/manifest/?${both}`))).toEqual(Array(3).fill(neighbour));
    expect((await server.get(`${at.rw}/objects/?match[id]=${id}`)).text).toBe('{"more":false}');
  });

  test('T-382, T-391: the same object in another collection stays', async () => {
    const object = newIdentity();
    await publish(object);
    await server.publish([object], `${at.ro}/objects/`, { as: 'feeder' });
    await remove(object.id);
    expect((await server.get(`${at.ro}/objects/${object.id}/`)).json().objects).toEqual([object]);
  });

  test('T-383: observables and markings can be deleted too', async () => {
    for (const object of [newAddress(), newMarking()]) {
      await publish(object);
      expect((await remove(object.id)).status).toBe(200);
      expectError(await server.get(`${at.rw}/objects/${object.id}/`), 404, 'not-found');
    }
  });

  test('T-384: match[version] says which versions go', async () => {
    const left: Record<string, readonly string[]> = {
      first: [times[1], times[2]],
      last: [times[0], times[1]],
      all: [],
      [times[1]]: [times[0], times[2]],
      '2024-06-02T00:00:00Z': [times[0], times[2]],
      'first,last': [times[1]],
      [`first,${times[1]}`]: [times[2]],
    };
    for (const [selector, remaining] of Object.entries(left)) {
      const id = await publishThree();
      expect((await remove(id, `?match[version]=${selector}`)).status).toBe(200);
      expect([selector, await versionsOf(id)]).toEqual([selector, remaining]);
      const latest = (await server.get(`${at.rw}/objects/?match[id]=${id}`)).json<Envelope>().objects ?? [];
      expect(latest.map(({ modified }) => modified)).toEqual(remaining.slice(-1));
    }
  });

  test('T-384: the version of an observable selects it', async () => {
    const address = newAddress();
    await publish(address, { ...address, value: '198.51.100.9' });
    const [first, second] = await versionsOf(address.id);
    expect((await remove(address.id, `?match[version]=${first}`)).status).toBe(200);
    expect(await versionsOf(address.id)).toEqual([second]);
  });

  test('T-384: a version that is not there is 404 and nothing is deleted', async () => {
    const id = await publishThree();
    expectError(await remove(id, '?match[version]=2001-01-01T00:00:00.000Z'), 404, 'not-found');
    expectError(await remove(id, '?match[version]=2024-06-01T00:00:00.000001Z'), 404, 'not-found');
    expect(await versionsOf(id)).toEqual(times);
  });

  test('T-385: without both rights it is 404, with one of them 403, and nothing is deleted', async () => {
    const object = newIdentity();
    for (const collection of [at.hidden, at.ro]) {
      await server.publish([object], `${collection}/objects/`, { as: 'feeder' });
    }
    await server.publish([object], `${at.wo}/objects/`);
    expectError(await remove(object.id, '', {}, at.hidden), 404, 'not-found');
    expectError(await remove(object.id, '', {}, at.ro), 403, 'not-permitted');
    expectError(await remove(object.id, '', {}, at.wo), 403, 'not-permitted');
    for (const collection of [at.hidden, at.ro, at.wo]) {
      const kept = await server.get(`${collection}/objects/${object.id}/`, { as: 'boss' });
      expect(kept.json().objects).toEqual([object]);
    }
  });

  test('T-385: without a login it is 401, for a public collection too', async () => {
    const object = newIdentity();
    await publish(object);
    expectError(await remove(object.id, '', { as: null }), 401, 'login-required');
    const open = '/open/collections/open';
    await server.publish([object], `${open}/objects/`, { as: 'feeder' });
    expectError(await remove(object.id, '', { as: null }, open), 401, 'login-required');
    expect(await versionsOf(object.id)).toHaveLength(1);
  });

  test('T-385: who submitted it, curators and admins may delete; another publisher may not', async () => {
    for (const [as, status] of [
      ['other', 403],
      ['curator', 200],
      ['boss', 200],
      ['member', 200],
    ] as const) {
      const id = await publishThree();
      const answer = await remove(id, '', { as });
      expect([as, answer.status]).toEqual([as, status]);
      expect(await versionsOf(id)).toHaveLength(status === 200 ? 0 : 3);
    }
  });

  test('T-385: who submitted one of the versions may delete that one, not the others', async () => {
    const object = newIdentity();
    await publish({ ...object, modified: times[0] });
    const theirs = { ...object, modified: times[1] };
    expect(statusOf(await server.publish([theirs], undefined, { as: 'other' })).success_count).toBe(1);
    expectError(await remove(object.id, '', { as: 'other' }), 403, 'not-permitted');
    expect((await remove(object.id, '?match[version]=last', { as: 'other' })).status).toBe(200);
    expect(await versionsOf(object.id)).toEqual([times[0]]);
  });

  test('T-388: match[spec_version] says of which version of STIX', async () => {
    const id = await publishThree();
    expectError(await remove(id, '?match[spec_version]=2.0'), 404, 'not-found');
    expect(await versionsOf(id)).toEqual(times);
    expect((await remove(id, '?match[spec_version]=2.0,2.1')).status).toBe(200);
    expect(await versionsOf(id)).toEqual([]);
  });

  test('T-390: what is published again after its deletion has a later date_added', async () => {
    for (const object of [newIdentity(), newAddress(), newMarking()]) {
      await publish(object);
      const before = await dateAddedOf(object.id);
      await remove(object.id);
      expect(await dateAddedOf(object.id)).toBeUndefined();
      await publish(newIdentity(), object);
      const after = await dateAddedOf(object.id);
      expect(String(after) > String(before)).toBe(true);
      const polled = await server.get(`${at.rw}/objects/?added_after=${before}&match[id]=${object.id}`);
      expect(idsOf(polled)).toEqual([object.id]);
    }
  });

  test('T-392: an Accept that excludes TAXII 2.1 is 406 and nothing is deleted', async () => {
    const id = await publishThree();
    expectError(await remove(id, '', { accept: taxii.replace('2.1', '9.9') }), 406, 'not-acceptable');
    expect(await versionsOf(id)).toEqual(times);
  });

  test('T-394: an unknown object is 404, and a deleted one the second time', async () => {
    expectError(await remove(`identity--${randomUUID()}`), 404, 'not-found');
    expectError(await remove('nonsense'), 404, 'not-found');
    const id = await publishThree();
    await remove(id);
    expectError(await remove(id), 404, 'not-found');
    expectError(await remove(id, '?match[version]=all'), 404, 'not-found');
  });

  test('T-394: of ten deletions at once one is done, the others are 404', async () => {
    const id = await publishThree();
    const answers = await Promise.all(Array.from({ length: 10 }, () => remove(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(404)]);
  });

  test('T-395: a malformed match[version] or match[spec_version] is 400 and nothing is deleted', async () => {
    const id = await publishThree();
    const queries = [
      'match[version]=',
      'match[version]=newest',
      'match[version]=all,last',
      'match[version]=first,first',
    ];
    const more = ['match[version]=2024-02-30T00:00:00Z', 'match[version]=last&match[version]=first'];
    for (const query of [...queries, ...more, 'match[spec_version]=x']) {
      expectError(await remove(id, `?${query}`), 400, 'malformed-parameter');
    }
    expect(await versionsOf(id)).toEqual(times);
  });
});
