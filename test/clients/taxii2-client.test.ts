import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { root } from '../support/huiju.ts';
import { findClientPython } from '../support/python.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { runDriver, type Seen } from './driver.ts';

const driver = join(root, 'test', 'clients', 'taxii2_client.py');
const found = await findClientPython();
const missing = 'missing' in found ? found.missing : undefined;
const mediaType = 'application/stix+json;version=2.1';

// What the driver publishes: 23 indicators, one of them in three versions, two malware objects and an address.
const objects = 26;
const objectVersions = 28;
const versions = ['2024-01-01T00:00:00.000Z', '2024-01-02T00:00:00.500Z', '2024-01-03T00:00:00.123Z'];

let server: RunningServer;
let seen: Seen;

function pageSizes(total: number, size: number): number[] {
  const full = Array<number>(Math.floor(total / size)).fill(size);
  return total % size === 0 ? full : [...full, total % size];
}

describeWith('clients', missing, 'taxii2-client and stix2, the reference clients', () => {
  beforeAll(async () => {
    if (!('python' in found)) return;
    server = await runServer();
    seen = await runDriver(server, [found.python, '-B', driver]);
  });

  afterAll(() => server?.stop());

  test('discover the server and its API roots', () => {
    expect(seen('discovery')).toEqual({
      title: 'Threat information sharing hub',
      default: 'Threat information sharing hub',
      roots: ['hub', 'inbox', 'public'].map((name) => `${server.url}/${name}/`),
    });
    expect(seen('roots')).toHaveLength(3);
    for (const one of seen('roots') as unknown[]) {
      expect(one).toMatchObject({ versions: ['application/taxii+json;version=2.1'], limited: true });
    }
  });

  test('list the collections with the rights of the user', () => {
    const collections = seen('collections');
    expect(collections).toContainEqual(['Indicators', true, true, [mediaType]]);
    expect(collections).toContainEqual(['Submissions', false, true, [mediaType]]);
  });

  test('add an envelope and read its status again', () => {
    const { published, first, ...rest } = seen('add_envelope') as { published: string[]; first: object };
    expect(rest).toEqual({ refreshed: true, by_id: true, complete: true });
    expect(first).toEqual({
      status: 'complete',
      total: objectVersions,
      success: objectVersions,
      failure: 0,
      pending: 0,
      successes: published,
      failures: [],
    });
  });

  test('add without waiting and poll the status', () => {
    expect(seen('add_without_waiting')).toBe(1);
  });

  test('add a bundle and see which object failed', () => {
    const { status, good, bad, said } = seen('add_bundle') as Record<string, string>;
    expect(status).toMatchObject({ total: 2, success: 1, failure: 1, successes: [good], failures: [bad] });
    expect(said).toBe(true);
  });

  test('walk the objects in pages of any size, each object once', () => {
    const pages = Object.entries(seen('pages') as Record<string, [number[], string[]]>);
    expect(pages).toHaveLength(6);
    for (const [size, [sizes, ids]] of pages) {
      expect(sizes).toEqual(pageSizes(objects, Number(size)));
      expect(new Set(ids).size).toBe(objects);
      expect(ids).toEqual(pages[0]?.[1][1]);
    }
  });

  test('walk the manifest in pages of any size, each version once', () => {
    const pages = seen('manifest_pages') as Record<string, { sizes: number[] }>;
    const whole = pages[100];
    for (const [size, page] of Object.entries(pages)) {
      expect(page).toEqual({ ...whole, sizes: pageSizes(objectVersions, Number(size)) });
    }
    expect(whole).toMatchObject({ rising: true, media_types: [mediaType] });
  });

  test('get one object, its versions and its numbers as they were', () => {
    expect(seen('one_object')).toEqual({
      latest: [versions[2]],
      all: versions,
      exact: [versions[1]],
      two: versions.slice(0, 2),
      versions,
      serial: '12345678901234567890',
      missing: 404,
    });
  });

  test('filter in every way that TAXII has', () => {
    expect(seen('filters')).toEqual({
      added_after: true,
      added_after_newest: { more: false },
      type: true,
      types: true,
      id: true,
      ids: true,
      first: [versions[0]],
      last: [versions[2]],
      exact: true,
      spec_version: objects,
      other_spec_version: { more: false },
      combined: true,
      manifest: true,
      unknown_type: { more: false },
    });
  });

  test('delete a version, then the object', () => {
    expect(seen('delete')).toEqual({ left: [versions[0], versions[2]], gone: 404, again: 404, refused: 403 });
  });

  test('get the status code of each refusal', () => {
    expect(seen('refusals')).toEqual({
      wrong_password: 401,
      no_password: 401,
      hidden: 404,
      write: 403,
      parameter: 400,
    });
  });

  test('read the public API root without login', () => {
    const { title, rights } = seen('public_without_login') as { title: string; rights: boolean[][] };
    expect(title).toBe('Public threat information');
    expect(new Set(rights.map(String))).toEqual(new Set(['true,false']));
  });

  test('log in with a token', () => {
    expect(seen('bearer_token')).toBe('Threat information sharing hub');
  });

  test('find objects through TAXIICollectionSource', () => {
    expect(seen('stix2_source')).toEqual({
      get: 'later',
      get_missing: null,
      all_versions: 3,
      query: objects,
      by_type: true,
      by_address: '203.0.113.7',
      remote_and_local: [true],
      added_after: [],
    });
  });

  test('publish through TAXIICollectionSink what the source then returns', () => {
    expect(seen('stix2_sink')).toEqual(Array(6).fill(true));
  });
});
