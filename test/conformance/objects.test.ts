import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking, newVersioned } from '../support/stix-objects.ts';
import { newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, type Envelope, expectError, idsOf, statusOf } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const times = ['2024-06-01T00:00:00.000Z', '2024-06-02T00:00:00.000Z', '2024-06-03T00:00:00.000Z'] as const;

/** Publishes an object in three versions and gives its id. */
async function publishThree(): Promise<string> {
  const object = newIdentity();
  const versions = times.map((modified) => ({ ...object, modified }));
  expect(statusOf(await server.publish(versions)).success_count).toBe(3);
  return object.id;
}

/** The `modified` of the versions that a path answers with. */
async function versionsAt(path: string): Promise<unknown[]> {
  const answer = await server.get(path);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
  return (answer.json<Envelope>().objects ?? []).map(({ modified }) => modified);
}

describe('TAXII 2.1 §5.4 objects', () => {
  test('T-301: without the right to read it is 403, where the collection is hidden 404', async () => {
    await server.publish([newIdentity()], `${at.wo}/objects/`);
    expectError(await server.get(`${at.wo}/objects/`), 403, 'not-permitted');
    expectError(await server.get(`${at.hidden}/objects/`), 404, 'not-found');
  });

  test('T-302: who may only read gets an envelope with the latest version of everything', async () => {
    const path = `${at.ro}/objects/`;
    const object = newIdentity();
    const others = [newAddress(), newMarking(), newVersioned('tool', { name: 'VNC' })];
    const posted = [...times.map((modified) => ({ ...object, modified })), ...others];
    expect(statusOf(await server.publish(posted, path, { as: 'feeder' })).failure_count).toBe(0);
    const answer = await server.get(path);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
    expect(answer.json()).toEqual({ more: false, objects: [{ ...object, modified: times[2] }, ...others] });
    expect(idsOf(await server.get(`${path}?match[type]=tool,ipv4-addr`))).toEqual([others[0]?.id, others[2]?.id]);
    expect(idsOf(await server.get(`${path}?match[version]=all&match[type]=identity`))).toHaveLength(3);
    expect(idsOf(await server.get(`${path}?limit=2`))).toEqual([object.id, others[0]?.id]);
  });

  test('T-304: no hit is an empty envelope', async () => {
    for (const query of ['match[type]=x-none', `match[id]=tool--${randomUUID()}`, 'added_after=2999-01-01T00:00:00Z']) {
      const answer = await server.get(`${at.rw}/objects/?${query}`);
      expect([query, answer.status, answer.text]).toEqual([query, 200, '{"more":false}']);
    }
  });
});

describe('TAXII 2.1 §5.6 an object', () => {
  test('T-360: an object by its id is an envelope with its latest version alone', async () => {
    const id = await publishThree();
    const answer = await server.get(`${at.rw}/objects/${id}/`);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
    expect(answer.json()).toEqual({ more: false, objects: [expect.objectContaining({ id, modified: times[2] })] });
    for (const object of [newAddress(), newMarking()]) {
      await server.publish([object]);
      expect((await server.get(`${at.rw}/objects/${object.id}/`)).json()).toEqual({ more: false, objects: [object] });
    }
  });

  test('T-361: an unknown or malformed object id is 404, also where other collections have it', async () => {
    const elsewhere = newIdentity();
    await server.publish([elsewhere], `${at.ro}/objects/`, { as: 'feeder' });
    const unknown = [`identity--${randomUUID()}`, elsewhere.id, 'nonsense', '%00', "'%20OR%201=1--", '__proto__'];
    for (const id of unknown) {
      expectError(await server.get(`${at.rw}/objects/${id}/`), 404, 'not-found');
    }
  });

  test('T-362: match[version] selects among the versions', async () => {
    const id = await publishThree();
    const expected: Record<string, readonly string[]> = {
      first: [times[0]],
      last: [times[2]],
      all: times,
      [times[1]]: [times[1]],
      '2024-06-02T00:00:00Z': [times[1]],
      'first,last': [times[0], times[2]],
      [`last,${times[1]}`]: [times[1], times[2]],
      [`first,${times[1]},last`]: times,
    };
    for (const [selector, found] of Object.entries(expected)) {
      const versions = await versionsAt(`${at.rw}/objects/${id}/?match[version]=${selector}`);
      expect([selector, versions]).toEqual([selector, found]);
    }
  });

  test('T-363: match[spec_version] selects by the version of STIX', async () => {
    const id = await publishThree();
    expect(await versionsAt(`${at.rw}/objects/${id}/?match[spec_version]=2.1`)).toEqual([times[2]]);
    expect(await versionsAt(`${at.rw}/objects/${id}/?match[spec_version]=2.0,2.1`)).toEqual([times[2]]);
    expect(await versionsAt(`${at.rw}/objects/${id}/?match[spec_version]=2.0`)).toEqual([]);
  });

  test('T-364: match[id] and match[type], which are not for this endpoint, are ignored', async () => {
    const id = await publishThree();
    expect(await versionsAt(`${at.rw}/objects/${id}/?match[type]=tool`)).toEqual([times[2]]);
    expect(await versionsAt(`${at.rw}/objects/${id}/?match[id]=tool--${randomUUID()}`)).toEqual([times[2]]);
  });

  test('T-365: limit, next and added_after walk over the versions', async () => {
    const id = await publishThree();
    const path = `${at.rw}/objects/${id}/?match[version]=all&limit=1`;
    const seen: unknown[] = [];
    const added: (string | undefined)[] = [];
    let next = '';
    for (let page = 0; page < times.length; page += 1) {
      const answer = await server.get(path + next);
      const { more, next: cursor, objects = [] } = answer.json<Envelope>();
      expect([objects.length, more, cursor !== undefined]).toEqual([1, page < 2, page < 2]);
      expect(answer.headers['x-taxii-date-added-first']).toBe(answer.headers['x-taxii-date-added-last']);
      seen.push(objects[0]?.modified);
      added.push(answer.headers['x-taxii-date-added-last'] as string);
      next = `&next=${cursor}`;
    }
    expect(seen).toEqual(times);
    const after = `${at.rw}/objects/${id}/?match[version]=all&added_after=`;
    expect(await versionsAt(after + added[0])).toEqual([times[1], times[2]]);
    expect(await versionsAt(after + added[2])).toEqual([]);
  });

  test('T-366: filters that exclude every version of a known object give an empty envelope', async () => {
    const id = await publishThree();
    for (const query of ['match[version]=2001-01-01T00:00:00.000Z', 'added_after=2999-01-01T00:00:00Z']) {
      const answer = await server.get(`${at.rw}/objects/${id}/?${query}`);
      expect([query, answer.status, answer.text]).toEqual([query, 200, '{"more":false}']);
      expect(answer.headers).not.toHaveProperty('x-taxii-date-added-first');
    }
  });

  test('T-367: without the right to read it is 403 for what is there and what is not, where hidden 404', async () => {
    const object = newIdentity();
    await server.publish([object], `${at.wo}/objects/`);
    await server.publish([object], `${at.hidden}/objects/`, { as: 'feeder' });
    for (const id of [object.id, `identity--${randomUUID()}`]) {
      expectError(await server.get(`${at.wo}/objects/${id}/`), 403, 'not-permitted');
      expectError(await server.get(`${at.hidden}/objects/${id}/`), 404, 'not-found');
    }
  });

  test('T-369: a percent-encoded object id is the same object', async () => {
    const id = await publishThree();
    for (const encoded of [id.replaceAll('-', '%2D'), id.replaceAll('-', '%2d'), id.replace('i', '%69')]) {
      expect(await versionsAt(`${at.rw}/objects/${encoded}/`)).toEqual([times[2]]);
    }
  });

  test('T-410: a malformed limit, added_after, next or match[version] is 400', async () => {
    const id = await publishThree();
    const queries = ['limit=0', 'limit=abc', 'limit=', 'added_after=', 'added_after=2024-13-01T00:00:00Z', 'next=x'];
    for (const query of [...queries, 'match[version]=', 'match[version]=newest', 'match[version]=last,all']) {
      expectError(await server.get(`${at.rw}/objects/${id}/?${query}`), 400, 'malformed-parameter');
    }
  });
});
