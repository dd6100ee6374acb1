/** TAXII 2.1 §3.4.1: the match fields, on Get Objects and, since the rules are the same, on Get Object Manifests. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking, newVersioned, oneOfEachType, type StixObject } from '../support/stix-objects.ts';
import { newIdentity } from '../support/taxii-server.ts';
import { expectError } from './answers.ts';
import { idsOf, type Lab, query, startLab, versionsOf } from './lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.close());

const times = ['2025-01-01T00:00:00.000Z', '2025-02-01T00:00:00.000001Z', '2025-03-01T00:00:00.500Z'] as const;
const [t1, t2, t3] = times;

/** A new object in three versions, published in this order of `times`. */
async function addVersions(collection: string, order: readonly number[] = [0, 1, 2]): Promise<string> {
  const object = newIdentity({ created: '2024-01-01T00:00:00.000Z' });
  for (const index of order) await lab.add(collection, { ...object, modified: times[index], name: `v${index}` });
  return object.id;
}

/** Asserts the same answer of objects and manifest; the set, since order is tested elsewhere. */
async function expectIds(collection: string, parameters: string, ids: readonly string[]): Promise<void> {
  for (const endpoint of ['objects/', 'manifest/']) {
    const page = await lab.page(`${collection}${endpoint}?${parameters}`);
    expect({ parameters, endpoint, ids: idsOf(page).sort() }).toEqual({ parameters, endpoint, ids: [...ids].sort() });
    expect('objects' in page).toBe(ids.length > 0);
  }
}

async function expectVersions(collection: string, id: string, selector: string, wanted: readonly string[]) {
  for (const path of ['objects/', 'manifest/', `objects/${id}/`]) {
    const page = await lab.page(`${collection}${path}${selector === '' ? '' : query({ 'match[version]': selector })}`);
    const versions = versionsOf(page).filter((version) => version.startsWith(id));
    const expected = wanted.map((version) => `${id} ${version}`).sort();
    expect({ selector, path, versions: versions.sort() }).toEqual({ selector, path, versions: expected });
  }
}

describe('TAXII 2.1 §3.4.1 match[id] and match[type]', () => {
  test('T-101, T-102, T-103, T-097: ids are ORed, unknown ones are ignored, no hit is an empty 200', async () => {
    const collection = lab.newCollection();
    const objects = [newIdentity(), newAddress(), newMarking(), newVersioned('campaign', { name: 'Spring' })];
    await lab.add(collection, ...objects);
    const ids = objects.map(({ id }) => id);
    for (const id of ids) await expectIds(collection, `match[id]=${id}`, [id]);
    await expectIds(collection, `match[id]=${ids.slice(1).join()}`, ids.slice(1));
    await expectIds(collection, `match[id]=${ids[2]},${newIdentity().id},${ids[0]},${ids[2]}`, [
      ids[0] ?? '',
      ids[2] ?? '',
    ]);
    for (const unknown of [newIdentity().id, 'nonsense', `${ids[0]}x`, (ids[0] ?? '').toUpperCase(), '*']) {
      await expectIds(collection, `match[id]=${unknown}`, []);
    }
    for (const faulty of ['', ',', `${ids[0]},`, `,${ids[0]}`]) {
      expectError(await lab.get(`${collection}objects/?match[id]=${faulty}`), 400, 'malformed-parameter');
    }
  });

  test('T-106, T-097: types are ORed, by themselves and together with ids', async () => {
    const collection = lab.newCollection();
    const [identity, address, marking] = [newIdentity(), newAddress(), newMarking()];
    await lab.add(collection, identity, address, marking);
    const all = [identity.id, address.id, marking.id];
    await expectIds(collection, 'match[type]=identity', [identity.id]);
    await expectIds(collection, 'match[type]=marking-definition,ipv4-addr', [address.id, marking.id]);
    await expectIds(collection, 'match[type]=tool', []);
    await expectIds(collection, 'match[type]=Identity', []);
    await expectIds(collection, `match[type]=identity,tool&match[id]=${all.join()}`, [identity.id]);
    expectError(await lab.get(`${collection}objects/?match[type]=`), 400, 'malformed-parameter');
  });

  test('T-107: every type that STIX 2.1 defines can be asked for', async () => {
    const collection = lab.newCollection();
    const objects = oneOfEachType();
    expect(new Set(objects.map(({ type }) => type)).size).toBe(42);
    await lab.add(collection, ...objects);
    for (const { type, id } of objects) await expectIds(collection, `match[type]=${type}`, [id]);
    const types = objects.map(({ type }) => type);
    await expectIds(
      collection,
      `match[type]=${types.join()}`,
      objects.map(({ id }) => id),
    );
  });

  test('T-108: other types are no error: custom ones are found, unknown ones are empty', async () => {
    const collection = lab.newCollection();
    const custom = newVersioned('x-acme-widget', { name: 'Widget' });
    await lab.add(collection, custom, newIdentity());
    await expectIds(collection, 'match[type]=x-acme-widget', [custom.id]);
    await expectIds(collection, 'match[type]=x-acme-nothing', []);
  });

  test('T-096: different fields are ANDed, all of them at once too', async () => {
    const collection = lab.newCollection();
    const id = await addVersions(collection);
    const other = newAddress();
    await lab.add(collection, other);
    await expectIds(collection, `match[id]=${id}&match[type]=ipv4-addr`, []);
    await expectIds(collection, `match[id]=${id},${other.id}&match[type]=identity&match[version]=first`, [id]);
    const added = (await lab.page(`${collection}manifest/?match[version]=all`)).objects?.[0]?.date_added ?? '';
    const filters = `match[id]=${id},${other.id}&match[type]=identity&match[version]=first,last&match[spec_version]=2.1`;
    for (const endpoint of ['objects/', 'manifest/']) {
      const page = await lab.page(`${collection}${endpoint}?${filters}&added_after=${added}&limit=5`);
      expect(versionsOf(page)).toEqual([`${id} ${t3}`]);
    }
  });
});

describe('TAXII 2.1 §3.4.1 match[spec_version]', () => {
  test('T-104, T-105: everything here is of STIX 2.1, observables that do not say so included', async () => {
    const collection = lab.newCollection();
    const address: StixObject = newAddress();
    const { spec_version: _, ...silent } = newAddress();
    await lab.add(collection, newIdentity(), address, silent);
    const ids = idsOf(await lab.page(`${collection}objects/`));
    expect(ids).toHaveLength(3);
    await expectIds(collection, 'match[spec_version]=2.1', ids);
    await expectIds(collection, 'match[spec_version]=2.0,2.1', ids);
    await expectIds(collection, 'match[spec_version]=2.0', []);
    for (const faulty of ['', '2', 'two', '2.1,', '2.1.0']) {
      const answer = await lab.get(`${collection}objects/?match[spec_version]=${faulty}`);
      expectError(answer, 400, 'malformed-parameter');
    }
  });

  test('T-105: objects of STIX 2.0 are refused at the door, so the latest version is always 2.1', async () => {
    const collection = lab.newCollection();
    const { spec_version: _, ...old } = newIdentity();
    const said = { ...newIdentity(), spec_version: '2.0' };
    const good = newIdentity();
    const answer = await lab.publish([old, said, good], `${collection}objects/`);
    expect(answer.status).toBe(202);
    expect(answer.json()).toMatchObject({ success_count: 1, failure_count: 2 });
    await expectIds(collection, '', [good.id]);
    await expectIds(collection, 'match[spec_version]=2.0', []);
  });
});

describe('TAXII 2.1 §3.4.1 match[version]', () => {
  test.each([
    ['oldest first', [0, 1, 2]],
    ['newest first', [2, 1, 0]],
    ['newest in the middle', [0, 2, 1]],
  ])('T-109, T-110, T-111, T-112: last, first and all go by modified, published %s', async (_order, order) => {
    const collection = lab.newCollection();
    const id = await addVersions(collection, order);
    await addVersions(collection);
    await expectVersions(collection, id, '', [t3]);
    await expectVersions(collection, id, 'last', [t3]);
    await expectVersions(collection, id, 'first', [t1]);
    await expectVersions(collection, id, 'all', times);
    const usual = idsOf(await lab.page(`${collection}objects/`));
    expect(idsOf(await lab.page(`${collection}objects/?match[version]=last`))).toEqual(usual);
  });

  test('T-113: a timestamp selects the version with exactly that modified', async () => {
    const collection = lab.newCollection();
    const id = await addVersions(collection);
    for (const time of times) await expectVersions(collection, id, time, [time]);
    const near = ['2025-02-01T00:00:00.000002Z', '2025-02-01T00:00:00.000Z', '2025-02-01T00:00:00.0000010000001Z'];
    for (const time of [...near, '2024-01-01T00:00:00.000Z']) await expectVersions(collection, id, time, []);
    // The same instant in another spelling is the same version.
    await expectVersions(collection, id, '2025-03-01T00:00:00.500000Z', [t3]);
  });

  test('T-114, T-115, T-097: timestamps and keywords combine into a union without duplicates', async () => {
    const collection = lab.newCollection();
    const id = await addVersions(collection);
    await expectVersions(collection, id, `${t1},${t2}`, [t1, t2]);
    await expectVersions(collection, id, 'first,last', [t1, t3]);
    await expectVersions(collection, id, `last,${t2}`, [t2, t3]);
    await expectVersions(collection, id, `first,${t2},last`, times);
    await expectVersions(collection, id, `first,${t1}`, [t1]);
    await expectVersions(collection, id, `${t2},1999-01-01T00:00:00.000Z`, [t2]);
  });

  test('T-116: an object without modified has created as its version', async () => {
    const collection = lab.newCollection();
    const marking = newMarking();
    await lab.add(collection, marking);
    const version = String(marking.created);
    const path = `${collection}objects/?match[id]=${marking.id}&match[version]=`;
    for (const selector of [version, 'first', 'last', 'all']) {
      expect(idsOf(await lab.page(`${path}${selector}`))).toEqual([marking.id]);
    }
    expect(idsOf(await lab.page(`${path}2024-05-06T07:08:09.124Z`))).toEqual([]);
    expect(versionsOf(await lab.page(`${collection}manifest/?match[version]=${version}`))).toEqual([
      `${marking.id} ${version}`,
    ]);
  });

  test('T-117: an object without modified and created has its date_added as its version, everywhere', async () => {
    const collection = lab.newCollection();
    const address = newAddress();
    await lab.add(collection, address);
    const [record] = (await lab.page(`${collection}manifest/`)).objects ?? [];
    const version = record?.version ?? '';
    expect(version).toBe(record?.date_added);
    expect(await lab.page(`${collection}objects/${address.id}/versions/`)).toMatchObject({ versions: [version] });
    const changed = { ...address, value: '203.0.113.9' };
    await lab.add(collection, changed);
    const values = async (selector: string): Promise<unknown> => {
      const answer = await lab.get(`${collection}objects/${address.id}/?match[version]=${selector}`);
      return answer.json<{ objects?: { value: string }[] }>().objects?.map(({ value }) => value);
    };
    expect(await values(version)).toEqual([address.value]);
    expect(await values('first')).toEqual([address.value]);
    expect(await values('last')).toEqual([changed.value]);
    expect(await values('all')).toEqual([address.value, changed.value]);
  });

  const malformed = [
    'garbage',
    'LAST',
    '',
    ',',
    'first,',
    ',last',
    '2025-02-30T00:00:00.000Z',
    '2025-01-01',
    '2025-01-01T00:00:00+00:00',
    '2025-01-01T24:00:00Z',
    '1',
  ];
  const contradictory = ['last,last', 'first,last,first', `${t1},${t1}`, `${t3},2025-03-01T00:00:00.5Z`];
  const notAlone = ['all,last', `all,${t1}`, 'all,all', 'first,all'];
  test('T-118, T-119, T-120: a malformed, repeated or contradictory value is a 400 on every endpoint', async () => {
    const collection = lab.newCollection();
    const id = await addVersions(collection);
    for (const path of ['objects/', 'manifest/', `objects/${id}/`]) {
      for (const value of [...malformed, ...contradictory, ...notAlone]) {
        const answer = await lab.get(`${collection}${path}${query({ 'match[version]': value })}`);
        expectError(answer, 400, 'malformed-parameter');
        expect(answer.json().description).toContain('match[version]');
      }
    }
  });

  test('T-124: the manifest has one record for each version selected', async () => {
    const collection = lab.newCollection();
    const id = await addVersions(collection, [1, 0, 2]);
    const records = async (selector: string) =>
      versionsOf(await lab.page(`${collection}manifest/?match[version]=${selector}`));
    expect(await records('all')).toEqual([t2, t1, t3].map((time) => `${id} ${time}`));
    expect(await records('first')).toEqual([`${id} ${t1}`]);
    expect(await records('last')).toEqual([`${id} ${t3}`]);
    expect(await records(t2)).toEqual([`${id} ${t2}`]);
  });

  test('T-125: last and first belong to the object, not to what added_after leaves of it', async () => {
    const collection = lab.newCollection();
    const id = await addVersions(collection, [2]);
    const added = (await lab.page(`${collection}manifest/`)).objects?.[0]?.date_added ?? '';
    await lab.add(collection, { ...newIdentity(), id, created: '2024-01-01T00:00:00.000Z', modified: t1 });
    for (const endpoint of ['objects/', 'manifest/']) {
      const late = (selector: string) =>
        lab.page(`${collection}${endpoint}?added_after=${added}${selector && `&match[version]=${selector}`}`);
      expect(versionsOf(await late(''))).toEqual([]);
      expect(versionsOf(await late('last'))).toEqual([]);
      expect(versionsOf(await late('first'))).toEqual([`${id} ${t1}`]);
      expect(versionsOf(await late('all'))).toEqual([`${id} ${t1}`]);
    }
  });
});
