import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking, newVersioned } from '../support/stix-objects.ts';
import { newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, expectError, idsOf, type Manifest, statusOf, taxiiTimestamp } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

async function publish(...objects: readonly unknown[]): Promise<void> {
  expect(statusOf(await server.publish(objects)).failure_count).toBe(0);
}

async function recordsOf(query: string, collection: string = at.rw): Promise<NonNullable<Manifest['objects']>> {
  const answer = await server.get(`${collection}/manifest/?${query}`);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
  return answer.json<Manifest>().objects ?? [];
}

const times = ['2024-06-01T00:00:00.000Z', '2024-06-02T00:00:00.000Z', '2024-06-03T00:00:00.000Z'] as const;

describe('TAXII 2.1 §5.3 manifest', () => {
  test('T-280, T-281, T-282, T-283, T-284, T-285: one record for each version selected', async () => {
    const object = newIdentity();
    await publish(...times.map((modified) => ({ ...object, modified })));
    const record = {
      id: object.id,
      date_added: expect.stringMatching(taxiiTimestamp),
      media_type: 'application/stix+json;version=2.1',
    };
    expect(await recordsOf(`match[id]=${object.id}`)).toEqual([{ ...record, version: times[2] }]);
    expect(await recordsOf(`match[id]=${object.id}&match[version]=all`)).toEqual(
      times.map((version) => ({ ...record, version })),
    );
    expect(await recordsOf(`match[id]=${object.id}&match[version]=first`)).toEqual([{ ...record, version: times[0] }]);
    expect(await recordsOf(`match[id]=${object.id}&match[version]=${times[1]},last`)).toEqual([
      { ...record, version: times[1] },
      { ...record, version: times[2] },
    ]);
  });

  test('T-284: version is modified, else created, else date_added, spelled as in the object', async () => {
    const objects = [newIdentity({ modified: '2024-06-01T00:00:00.120000Z' }), newMarking(), newAddress()];
    await publish(...objects);
    const records = await recordsOf(`match[id]=${objects.map(({ id }) => id).join(',')}`);
    expect(records.map(({ version }) => version)).toEqual([
      '2024-06-01T00:00:00.120000Z',
      objects[1]?.created,
      records[2]?.date_added,
    ]);
  });

  test('T-286: without a record there is no list', async () => {
    const answer = await server.get(`${at.rw}/manifest/?match[type]=x-nothing`);
    expect([answer.status, answer.text]).toEqual([200, '{"more":false}']);
    expect(answer.headers).not.toHaveProperty('x-taxii-date-added-first');
  });

  test('T-286: a root for clients that need it has an empty list in its empty pages', async () => {
    const answer = await server.get('/small/collections/small/manifest/');
    expect([answer.status, answer.json()]).toEqual([200, { more: false, objects: [] }]);
    const objects = await server.get('/small/collections/small/objects/');
    expect([objects.status, objects.json()]).toEqual([200, { more: false, objects: [] }]);
  });

  test('T-288: filters look at the objects: match[type] selects by a property that records have not', async () => {
    const [tool, malware] = [
      newVersioned('tool', { name: 'VNC' }),
      newVersioned('malware', { name: 'M', is_family: false }),
    ];
    await publish(tool, malware, newIdentity());
    expect((await recordsOf('match[type]=tool')).map(({ id }) => id)).toEqual([tool.id]);
    expect((await recordsOf('match[type]=malware,tool')).map(({ id }) => id)).toEqual([tool.id, malware.id]);
  });

  test('T-289: without the right to read it is 403, where the collection is hidden 404', async () => {
    expectError(await server.get(`${at.wo}/manifest/`), 403, 'not-permitted');
    expectError(await server.get(`${at.hidden}/manifest/`), 404, 'not-found');
    expect((await server.get(`${at.ro}/manifest/`)).status).toBe(200);
  });

  test('T-292: date_added belongs to the version and stays when others come', async () => {
    const object = newIdentity();
    await publish({ ...object, modified: times[1] });
    const [before] = await recordsOf(`match[id]=${object.id}`);
    await publish({ ...object, modified: times[0] }, { ...object, modified: times[2] });
    const all = await recordsOf(`match[id]=${object.id}&match[version]=all`);
    expect(all.map(({ version }) => version)).toEqual([times[1], times[0], times[2]]);
    expect(all[0]).toEqual(before);
    expect(new Set(all.map(({ date_added }) => date_added)).size).toBe(3);
  });

  test('T-293: every filter selects the same as on objects, in the same order', async () => {
    const object = newIdentity();
    const tool = newVersioned('tool', { name: 'VNC' });
    const address = newAddress();
    await publish(...times.map((modified) => ({ ...object, modified })), tool, address);
    const scope = `match[id]=${[object, tool, address].map(({ id }) => id).join(',')}`;
    const [second] = (await recordsOf(`${scope}&match[version]=all`)).slice(1);
    const expected: Record<string, readonly string[]> = {
      '': [object.id, tool.id, address.id],
      '&match[version]=all': [object.id, object.id, object.id, tool.id, address.id],
      '&match[version]=first': [object.id, tool.id, address.id],
      [`&match[version]=${times[1]}`]: [object.id],
      '&match[type]=tool,ipv4-addr': [tool.id, address.id],
      '&match[spec_version]=2.0': [],
      '&match[spec_version]=2.0,2.1&match[type]=tool': [tool.id],
      [`&match[version]=all&added_after=${second?.date_added}`]: [object.id, tool.id, address.id],
      '&match[version]=all&limit=2': [object.id, object.id],
      '&match[type]=tool&match[version]=last&limit=5': [tool.id],
    };
    for (const [query, found] of Object.entries(expected)) {
      const records = await recordsOf(scope + query);
      const objects = await server.get(`${at.rw}/objects/?${scope}${query}`);
      expect([query, records.map(({ id }) => id), idsOf(objects)]).toEqual([query, found, found]);
      const manifest = await server.get(`${at.rw}/manifest/?${scope}${query}`);
      for (const header of ['x-taxii-date-added-first', 'x-taxii-date-added-last']) {
        expect(manifest.headers[header]).toBe(objects.headers[header]);
      }
    }
  });
});
