/** TAXII 2.1 §3.3 and §3.4, but for the match fields: those are in match.test.ts. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newVersioned, type StixObject } from '../support/stix-objects.ts';
import { ask, newIdentity } from '../support/taxii-server.ts';
import { expectError } from './answers.ts';
import { idsOf, type Lab, query, shift, startLab, versionsOf } from './lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.close());

interface Filled {
  readonly collection: string;
  readonly ids: readonly string[];
  /** date_added of each, in the same order. */
  readonly added: readonly string[];
}

/** A collection with so many identities, in the order in which they were published. */
async function fill(count: number): Promise<Filled> {
  const collection = lab.newCollection();
  const objects = Array.from({ length: count }, () => newIdentity());
  await lab.add(collection, ...objects);
  const { objects: records = [] } = await lab.page(`${collection}manifest/`);
  return {
    collection,
    ids: objects.map(({ id }) => id),
    added: records.map(({ date_added: dateAdded = '' }) => dateAdded),
  };
}

/** The four endpoints that page. */
function pagedPaths(collection: string, id: string): string[] {
  const object = `${collection}objects/${id}/`;
  return [`${collection}objects/`, `${collection}manifest/`, object, `${object}versions/`];
}

describe('TAXII 2.1 §3.3 sorting', () => {
  test('T-070, T-071: objects and manifest ascend by date_added, in one page and in a walk', async () => {
    const collection = lab.newCollection();
    // STIX dates fall while they are added, so that no order of theirs passes for the right one.
    const objects = Array.from({ length: 9 }, (_, index) =>
      newIdentity({ created: `20${20 - index}-01-01T00:00:00.000Z`, modified: `20${20 - index}-01-01T00:00:00.000Z` }),
    );
    for (const object of objects.slice(0, 4)) await lab.add(collection, object);
    await lab.add(collection, ...objects.slice(4));
    const ids = objects.map(({ id }) => id);
    for (const endpoint of ['objects/', 'manifest/']) {
      expect(idsOf(await lab.page(`${collection}${endpoint}`))).toEqual(ids);
      expect(idsOf(...(await lab.walk(`${collection}${endpoint}`, { limit: '2' })))).toEqual(ids);
    }
    const { objects: records = [] } = await lab.page(`${collection}manifest/`);
    const added = records.map(({ date_added: dateAdded = '' }) => dateAdded);
    expect(added).toEqual([...new Set(added)].sort());
  });

  test('T-072: collections come in the same order every time', async () => {
    const first = await lab.get('/lab/collections/');
    const titles = first.json<{ collections: { title: string }[] }>().collections.map(({ title }) => title);
    expect(titles).toEqual(titles.map((_, index) => `Laboratory ${index}`));
    for (let round = 0; round < 5; round += 1) {
      expect((await lab.get('/lab/collections/')).text).toBe(first.text);
    }
  });

  test('T-073: versions ascend by date_added', async () => {
    const collection = lab.newCollection();
    const object = newIdentity();
    const published = ['2025-03-03T00:00:00.000Z', '2025-01-01T00:00:00.000Z', '2025-02-02T00:00:00.000Z'];
    for (const modified of published) await lab.add(collection, { ...object, modified });
    expect(await lab.page(`${collection}objects/${object.id}/versions/`)).toEqual({ more: false, versions: published });
  });
});

describe('TAXII 2.1 §3.4 added_after', () => {
  test('T-080, T-089: without parameters everything is given, oldest first', async () => {
    const { collection, ids } = await fill(5);
    expect(idsOf(await lab.page(`${collection}objects/`))).toEqual(ids);
    expect(idsOf(await lab.page(`${collection}objects/?limit=2`))).toEqual(ids.slice(0, 2));
    expect(idsOf(await lab.page(`${collection}manifest/?limit=2`))).toEqual(ids.slice(0, 2));
  });

  const faulty = [
    'yesterday',
    '',
    '2024-01-01',
    '2024-01-01T00:00:00',
    '2024-02-30T00:00:00Z',
    '2024-01-01T25:00:00Z',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00.0000000000Z',
    '2024-01-01T00:00:00+0000',
    '1704067200',
    '2024-01-01T00:00:00Z,2024-01-02T00:00:00Z',
  ];
  test('T-081, T-410: an added_after that is no time is a 400 on every endpoint that pages', async () => {
    const { collection, ids } = await fill(1);
    for (const path of pagedPaths(collection, ids[0] ?? '')) {
      for (const value of faulty) {
        const answer = await lab.get(`${path}${query({ added_after: value })}`);
        expectError(answer, 400, 'malformed-parameter');
        expect(answer.json().description).toContain('added_after');
      }
    }
  });

  test('T-086: added_after is exclusive, to the microsecond, on objects, manifest, object and versions', async () => {
    const { collection, ids, added } = await fill(3);
    for (const [index, path] of pagedPaths(collection, ids[1] ?? '').entries()) {
      const isCollection = index < 2;
      const count = async (time: string): Promise<number> => {
        const { objects = [], versions = [] } = await lab.page(`${path}?added_after=${time}`);
        return objects.length + versions.length;
      };
      const [first = '', second = '', third = ''] = added;
      expect(await count(second)).toBe(isCollection ? 1 : 0);
      expect(await count(shift(second, -1))).toBe(isCollection ? 2 : 1);
      expect(await count(shift(first, -1))).toBe(isCollection ? 3 : 1);
      expect(await count(third)).toBe(0);
      expect(await count('2999-12-31T23:59:59.999999Z')).toBe(0);
      expect(await count('1970-01-01T00:00:00.000000Z')).toBe(isCollection ? 3 : 1);
    }
  });

  test('T-087, T-098: a filter that is given twice is a 400, but of repeated `next` the last counts', async () => {
    const { collection } = await fill(3);
    const time = '2024-01-01T00:00:00Z';
    const repeated = [
      `added_after=${time}&added_after=${time}`,
      'limit=1&limit=1',
      'match[id]=identity--1&match[id]=identity--2',
      'match[type]=identity&match[type]=identity',
      'match[version]=last&match%5Bversion%5D=last',
      'match[spec_version]=2.1&match[spec_version]=2.1',
    ];
    for (const endpoint of ['objects/', 'manifest/']) {
      for (const parameters of repeated) {
        expectError(await lab.get(`${collection}${endpoint}?${parameters}`), 400, 'malformed-parameter');
      }
      const path = `${collection}${endpoint}?limit=1`;
      const second = (await lab.page(path)).next ?? '';
      const third = (await lab.page(`${path}&next=${second}`)).next ?? '';
      expect(await lab.page(`${path}&next=${second}&next=${third}`)).toEqual(await lab.page(`${path}&next=${third}`));
    }
  });

  test('T-090: added_after looks at date_added, never at the times inside the objects', async () => {
    const collection = lab.newCollection();
    const before = (await fill(1)).added[0] ?? '';
    const old = newIdentity({ created: '1999-01-01T00:00:00.000Z', modified: '1999-01-01T00:00:00.000Z' });
    const young = newIdentity({ modified: '2024-06-01T00:00:00.000Z' });
    await lab.add(collection, young, old);
    expect(idsOf(await lab.page(`${collection}objects/?added_after=${before}`))).toEqual([young.id, old.id]);
    expect(idsOf(await lab.page(`${collection}objects/?added_after=2999-01-01T00:00:00Z`))).toEqual([]);
  });

  test('T-091: added_after takes 0 to 9 fraction digits, any offset, and a + that arrived as a space', async () => {
    const { collection, ids, added } = await fill(2);
    const time = added[0] ?? '';
    const seconds = time.slice(0, 19);
    const inOffset = (hours: number): string =>
      new Date(Date.parse(`${seconds}Z`) + hours * 3_600_000).toISOString().slice(0, 19) + time.slice(19, 26);
    const local = time.slice(0, -1);
    const exact = [time, `${local}000Z`, `${local}999Z`, `${local}%2B00:00`, `${local}+00:00`, `${local}%2000:00`];
    const elsewhere = [`${inOffset(8)}%2B08:00`, `${inOffset(8)}+08:00`, `${inOffset(-5)}-05:00`];
    for (const endpoint of ['objects/', 'manifest/']) {
      for (const value of [...exact, ...elsewhere]) {
        const page = await lab.page(`${collection}${endpoint}?added_after=${value}`);
        expect({ value, ids: idsOf(page) }).toEqual({ value, ids: ids.slice(1) });
      }
      const earlier = shift(time, -2_000_000);
      for (const digits of [0, 1, 2, 3, 4, 5, 6]) {
        const value = `${earlier.slice(0, digits === 0 ? 19 : 20 + digits)}Z`;
        expect(idsOf(await lab.page(`${collection}${endpoint}?added_after=${value}`))).toEqual(ids);
      }
    }
  });
});

describe('TAXII 2.1 §3.4 limit', () => {
  test('T-083, T-410: a limit that is no whole number above 0 is a 400', async () => {
    const { collection, ids } = await fill(1);
    for (const path of pagedPaths(collection, ids[0] ?? '')) {
      for (const limit of ['abc', '0', '00', '-1', '1.5', '', '1e3', '0x10', '+1', ' 1', '1,2', 'Infinity', '١']) {
        const answer = await lab.get(`${path}?limit=${encodeURIComponent(limit)}`);
        expectError(answer, 400, 'malformed-parameter');
        expect(answer.json().description).toContain('limit');
      }
    }
  });

  test('T-092, T-093, T-095: never more than limit; `more` and `next` if and only if something was left out', async () => {
    const { collection, ids } = await fill(5);
    for (const endpoint of ['objects/', 'manifest/']) {
      for (const limit of [1, 2, 4, 5, 6]) {
        const page = await lab.page(`${collection}${endpoint}?limit=${limit}`);
        const hasMore = limit < ids.length;
        expect(idsOf(page)).toEqual(ids.slice(0, limit));
        expect(page.more).toBe(hasMore);
        expect('next' in page).toBe(hasMore);
      }
    }
    const object = newIdentity();
    for (const day of [1, 2, 3]) await lab.add(collection, { ...object, modified: `2025-01-0${day}T00:00:00.000Z` });
    for (const path of pagedPaths(collection, object.id).slice(2)) {
      for (const limit of [1, 2, 3, 4]) {
        const page = await lab.page(`${path}?limit=${limit}${path.endsWith('versions/') ? '' : '&match[version]=all'}`);
        expect((page.objects ?? page.versions ?? []).length).toBe(Math.min(3, limit));
        expect(page.more).toBe(limit < 3);
        expect('next' in page).toBe(limit < 3);
      }
    }
  });

  test('T-094: a limit beyond what the server gives is no error', async () => {
    const { collection, ids } = await fill(3);
    for (const limit of ['1000000', '2147483648', '9007199254740991', '99999999999999999999999', '007']) {
      for (const path of [`${collection}objects/`, `${collection}manifest/`]) {
        expect(idsOf(await lab.page(`${path}?limit=${limit}`))).toEqual(ids);
      }
    }
  });
});

describe('TAXII 2.1 §3.4 other parameters', () => {
  test('T-085: a `next` that is no cursor of this server is a 400, an empty one is none', async () => {
    const { collection, ids } = await fill(3);
    const cursor = (await lab.page(`${collection}objects/?limit=1`)).next ?? '';
    const foreign = ['1', 'abcdef', '%00', `${cursor}A`, cursor.slice(1), cursor.toUpperCase(), `${cursor}%20`];
    for (const path of pagedPaths(collection, ids[0] ?? '')) {
      for (const next of foreign) {
        const answer = await lab.get(`${path}?next=${next}`);
        expectError(answer, 400, 'malformed-parameter');
        expect(answer.json().description).toContain('next');
      }
    }
    for (const endpoint of ['objects/', 'manifest/']) {
      expect(idsOf(await lab.page(`${collection}${endpoint}?next=`))).toEqual(ids);
    }
  });

  test('T-099, T-100: unknown match fields and parameters are ignored, given twice too', async () => {
    const { collection, ids } = await fill(2);
    const unknown = [
      'match[foo]=x',
      'match[name]=ACME',
      'foo=bar',
      'foo=1&foo=2',
      'match=x',
      'LIMIT=1',
      'match[]=1',
      '&&',
    ];
    for (const endpoint of ['objects/', 'manifest/']) {
      for (const parameters of unknown) {
        expect(idsOf(await lab.page(`${collection}${endpoint}?${parameters}`))).toEqual(ids);
      }
    }
  });

  test('T-122: percent-encoded brackets, commas and values mean the same', async () => {
    const { collection, ids } = await fill(3);
    const address: StixObject = newAddress();
    await lab.add(collection, address, newVersioned('campaign', { name: 'Other' }));
    const [a = '', b = ''] = ids;
    const spellings = [
      `match[id]=${a},${b}&match[type]=identity`,
      `match%5Bid%5D=${a}%2C${b}&match%5Btype%5D=identity`,
      `match%5bid%5d=${a}%2c${b}&match%5btype%5d=%69dentity`,
      `m%61tch[id%5D=${a.replaceAll('-', '%2D')},${b}&match[type]=ident%69ty`,
    ];
    for (const endpoint of ['objects/', 'manifest/']) {
      for (const parameters of spellings) {
        expect(idsOf(await lab.page(`${collection}${endpoint}?${parameters}`))).toEqual([a, b]);
      }
    }
    const exact = '2024-05-06T07:08:09.000Z';
    for (const value of [exact, encodeURIComponent(exact)]) {
      expect(versionsOf(await lab.page(`${collection}objects/?match[version]=${value}&match[id]=${a}`))).toEqual([
        `${a} ${exact}`,
      ]);
    }
    // The reserved characters reach the server as they are.
    expect((await ask(lab.url, `${collection}objects/?match[id]=${a},${b}`)).status).toBe(200);
  });
});
