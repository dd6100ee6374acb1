/** TAXII 2.1 §3.5: walks over a collection that stands still. What changes meanwhile is in races.test.ts. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress } from '../support/stix-objects.ts';
import { newIdentity } from '../support/taxii-server.ts';
import { expectError } from './answers.ts';
import { idsOf, type Lab, type Page, query, startLab, versionsOf } from './lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ HUIJU_PAGE_SIZE: '20', HUIJU_PAGE_MAX: '50' });
});
afterAll(() => lab.close());

const endpoints = ['objects/', 'manifest/'] as const;

async function fill(count: number): Promise<{ readonly collection: string; readonly ids: readonly string[] }> {
  const collection = lab.newCollection();
  const objects = Array.from({ length: count }, () => newIdentity());
  await lab.add(collection, ...objects);
  return { collection, ids: objects.map(({ id }) => id) };
}

/** So many objects, each in three versions, published round by round. */
async function fillVersions(count: number) {
  const collection = lab.newCollection();
  const objects = Array.from({ length: count }, () => newIdentity());
  const rounds = ['2025-01-01', '2025-01-02', '2025-01-03'].map((day) =>
    objects.map((object) => ({ ...object, modified: `${day}T00:00:00.000Z` })),
  );
  for (const round of rounds) await lab.add(collection, ...round);
  return { collection, rounds: rounds.map((round) => versionsOf({ objects: round })) };
}

function expectMoreWithNext(pages: readonly Page[]): void {
  for (const [index, page] of pages.entries()) {
    const isLast = index === pages.length - 1;
    expect({ index, more: page.more, hasNext: 'next' in page }).toEqual({ index, more: !isLast, hasNext: !isLast });
  }
}

describe('TAXII 2.1 §3.5 pagination', () => {
  test('T-130, T-133, T-134, T-140: a walk by next gives each object once, in order, on objects and manifest', async () => {
    const { collection, ids } = await fill(42);
    for (const endpoint of endpoints) {
      for (const limit of [1, 5, 7, 21, 42, 1000]) {
        const pages = await lab.walk(`${collection}${endpoint}`, { limit: String(limit) });
        expect(idsOf(...pages)).toEqual(ids);
        expect(pages).toHaveLength(Math.ceil(42 / limit));
        expectMoreWithNext(pages);
      }
    }
  });

  test('T-130, T-405: object and versions are walked the same way', async () => {
    const { collection, rounds } = await fillVersions(2);
    const id = rounds[0]?.[0]?.split(' ')[0] ?? '';
    const wanted = rounds.flat().filter((version) => version.startsWith(id));
    for (const limit of ['1', '2', '3', '4']) {
      const object = await lab.walk(`${collection}objects/${id}/`, { limit, 'match[version]': 'all' });
      expect(versionsOf(...object)).toEqual(wanted);
      expectMoreWithNext(object);
      const versions = await lab.walk(`${collection}objects/${id}/versions/`, { limit });
      expect(versions.flatMap((page) => page.versions?.map((version) => `${id} ${version}`) ?? [])).toEqual(wanted);
      expectMoreWithNext(versions);
    }
  });

  test('T-131: the same next gives the same page, as often as it is sent', async () => {
    const { collection } = await fill(9);
    for (const endpoint of endpoints) {
      const { next = '' } = await lab.page(`${collection}${endpoint}?limit=3`);
      expect(next).toMatch(/^[A-Za-z0-9_-]+$/);
      const second = await lab.get(`${collection}${endpoint}?limit=3&next=${next}`);
      await lab.walk(`${collection}${endpoint}`, { limit: '3' });
      for (let round = 0; round < 3; round += 1) {
        const again = await lab.get(`${collection}${endpoint}?limit=3&next=${next}`);
        expect([again.status, again.text]).toEqual([200, second.text]);
      }
    }
  });

  test('T-132, T-147: a client that pages by X-TAXII-Date-Added-Last loses nothing at a border', async () => {
    const { collection, ids } = await fill(17);
    for (const endpoint of endpoints) {
      for (const limit of [1, 3, 5]) {
        const seen: string[] = [];
        for (let last = '1970-01-01T00:00:00Z'; last !== ''; ) {
          const answer = await lab.get(`${collection}${endpoint}?limit=${limit}&added_after=${last}`);
          seen.push(...idsOf(answer.json<Page>()));
          last = String(answer.headers['x-taxii-date-added-last'] ?? '');
        }
        expect(seen).toEqual(ids);
      }
    }
  });

  test('T-139, T-165: next goes on with its own limit, with another one, and without the rest of the question', async () => {
    const { collection, ids } = await fill(12);
    for (const endpoint of endpoints) {
      const { next = '' } = await lab.page(`${collection}${endpoint}?limit=2&match[type]=identity`);
      expect(idsOf(await lab.page(`${collection}${endpoint}?next=${next}`))).toEqual(ids.slice(2, 4));
      const five = await lab.page(`${collection}${endpoint}?next=${next}&limit=5`);
      expect(idsOf(five)).toEqual(ids.slice(2, 7));
      expect(idsOf(await lab.page(`${collection}${endpoint}?next=${five.next}`))).toEqual(ids.slice(7, 12));
      expect(idsOf(await lab.page(`${collection}${endpoint}?next=${next}&limit=1000`))).toEqual(ids.slice(2));
    }
  });

  test('T-139: an added_after beside next is checked, but that of the first request counts', async () => {
    const { collection, ids } = await fill(6);
    const added = (await lab.page(`${collection}manifest/`)).objects?.map((record) => record.date_added ?? '') ?? [];
    for (const endpoint of endpoints) {
      const { next = '' } = await lab.page(`${collection}${endpoint}?limit=2&added_after=${added[0]}`);
      for (const time of [added[0], added[4], '2999-01-01T00:00:00Z', '1970-01-01T00:00:00Z']) {
        const page = await lab.page(`${collection}${endpoint}?next=${next}&added_after=${time}&limit=9`);
        expect(idsOf(page)).toEqual(ids.slice(3));
      }
      expectError(await lab.get(`${collection}${endpoint}?next=${next}&added_after=x`), 400, 'malformed-parameter');
    }
  });

  test('T-144: walks under first, last, all and timestamps give the right versions', async () => {
    const { collection, rounds } = await fillVersions(5);
    const [first = [], second = [], last = []] = rounds;
    const expected: Readonly<Record<string, readonly string[]>> = {
      first,
      last,
      all: rounds.flat(),
      'first,last': [...first, ...last],
      '2025-01-02T00:00:00.000Z': second,
      'first,2025-01-02T00:00:00.000Z': [...first, ...second],
    };
    for (const endpoint of endpoints) {
      for (const limit of ['1', '2', '5', '7']) {
        expect(versionsOf(...(await lab.walk(`${collection}${endpoint}`, { limit })))).toEqual(last);
        for (const [selector, wanted] of Object.entries(expected)) {
          const pages = await lab.walk(`${collection}${endpoint}`, { limit, 'match[version]': selector });
          expect({ selector, versions: versionsOf(...pages) }).toEqual({ selector, versions: wanted });
          expectMoreWithNext(pages);
        }
      }
    }
  });

  test('T-148: a page is bounded, with the usual size when no limit is given and a largest one', async () => {
    const { collection, ids } = await fill(60);
    for (const endpoint of endpoints) {
      expect(idsOf(await lab.page(`${collection}${endpoint}`))).toEqual(ids.slice(0, 20));
      expect(idsOf(await lab.page(`${collection}${endpoint}?limit=60`))).toEqual(ids.slice(0, 50));
      expect((await lab.walk(`${collection}${endpoint}`)).map((page) => page.objects?.length)).toEqual([20, 20, 20]);
    }
  });
});

describe('TAXII 2.1 Appendix B: next is input like any other', () => {
  test('T-136, T-470: filters beside a cursor are ANDed with those it carries', async () => {
    const collection = lab.newCollection();
    const objects = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? newIdentity() : newAddress()));
    await lab.add(collection, ...objects);
    const rest = objects.slice(4).map(({ id }) => id);
    const later = rest.filter((id) => id.startsWith('ipv4-addr'));
    for (const endpoint of endpoints) {
      const path = `${collection}${endpoint}`;
      const { next = '' } = await lab.page(`${path}?limit=4`);
      const narrowed = await lab.walk(path, { next, 'match[type]': 'ipv4-addr' });
      expect(idsOf(...narrowed)).toEqual(later);
      // The narrower question goes on by itself.
      const first = await lab.page(`${path}${query({ next, 'match[type]': 'ipv4-addr', limit: '1' })}`);
      expect(idsOf(...(await lab.walk(path, { next: first.next ?? '' })))).toEqual(later.slice(1));
      const wanted = [objects[0]?.id, rest[1], rest[2]].join();
      expect(idsOf(await lab.page(`${path}?next=${next}&match[id]=${wanted}`))).toEqual([rest[1], rest[2]]);
      expect(idsOf(await lab.page(`${path}?next=${next}&match[spec_version]=2.0`))).toEqual([]);
      expect(idsOf(await lab.page(`${path}?next=${next}&match[version]=1999-01-01T00:00:00Z`))).toEqual([]);
      const ofType = (await lab.page(`${path}?limit=1&match[type]=identity`)).next ?? '';
      expect(idsOf(await lab.page(`${path}?next=${ofType}&match[type]=ipv4-addr`))).toEqual([]);
    }
  });

  test('T-143, T-470: a cursor of another collection starts this one at its own added_after', async () => {
    // Its objects are younger, so that its positions would hide all of those here.
    const here = await fill(5);
    const other = await fill(5);
    const added = (await lab.page(`${here.collection}manifest/`)).objects?.[1]?.date_added ?? '';
    for (const endpoint of endpoints) {
      const path = `${here.collection}${endpoint}`;
      const plain = (await lab.page(`${other.collection}${endpoint}?limit=2`)).next ?? '';
      expect(idsOf(...(await lab.walk(path, { next: plain })))).toEqual(here.ids);
      const late = (await lab.page(`${other.collection}${endpoint}?limit=2&added_after=${added}`)).next ?? '';
      expect(idsOf(...(await lab.walk(path, { next: late })))).toEqual(here.ids.slice(2));
      // The cursor of a later page still knows the added_after of the first.
      const later = (await lab.page(`${other.collection}${endpoint}?next=${late}`)).next ?? '';
      expect(idsOf(...(await lab.walk(path, { next: later })))).toEqual(here.ids.slice(2));
    }
  });

  test('T-143: cursors of collection, object and versions open nothing but what the path names', async () => {
    const { collection, rounds } = await fillVersions(3);
    const [a = '', b = ''] = rounds[0]?.map((version) => version.split(' ')[0] ?? '') ?? [];
    const cursorOf = async (path: string): Promise<string> => (await lab.page(path)).next ?? '';
    const cursors = [
      await cursorOf(`${collection}objects/?limit=1&match[version]=all`),
      await cursorOf(`${collection}objects/${b}/?limit=1&match[version]=all`),
      await cursorOf(`${collection}objects/${b}/versions/?limit=1`),
    ];
    const [ofCollection = '', ...ofOther] = cursors;
    const all = rounds.flat().filter((version) => version.startsWith(a));
    expect(versionsOf(...(await lab.walk(`${collection}objects/${a}/`, { next: ofCollection })))).toEqual(all);
    for (const next of ofOther) {
      expect(next).not.toBe('');
      expect(await lab.walk(`${collection}objects/${a}/`, { next })).toEqual([{ more: false }]);
    }
  });

  test('T-143: whoever may not read a collection gets nothing of it with its cursor', async () => {
    const { collection } = await fill(4);
    const { next = '' } = await lab.page(`${collection}objects/?limit=2`);
    expectError(await lab.get(`${collection}objects/?next=${next}`, { as: null }), 401, 'login-required');
  });

  test('T-143, T-085: a cursor with one character changed is a 400', async () => {
    const { collection } = await fill(3);
    const { next = '' } = await lab.page(`${collection}objects/?limit=1`);
    for (let index = 0; index < next.length; index += 7) {
      const changed = `${next.slice(0, index)}${next[index] === 'A' ? 'B' : 'A'}${next.slice(index + 1)}`;
      const answer = await lab.get(`${collection}objects/?limit=1&next=${changed}`);
      expectError(answer, 400, 'malformed-parameter');
    }
  });
});
