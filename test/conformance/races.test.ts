/** TAXII 2.1 §3.3 to §3.5 while others publish, change and delete: a poller misses nothing and sees nothing twice. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newIdentity } from '../support/taxii-server.ts';
import { idsOf, type Lab, type Page, query, startLab, versionsOf } from './lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.close());

const endpoints = ['objects/', 'manifest/'] as const;

function identities(count: number) {
  return Array.from({ length: count }, () => newIdentity());
}

async function remove(path: string): Promise<void> {
  const answer = await lab.get(path, { method: 'DELETE', as: 'curator' });
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
}

/** Publishes small envelopes one after the other until told to end; resolves to the ids, in their order. */
function startWriter(collection: string, isOver: () => boolean): Promise<string[]> {
  const write = async (): Promise<string[]> => {
    const written: string[] = [];
    while (!isOver()) {
      const objects = identities(1 + (written.length % 3));
      await lab.add(collection, ...objects);
      written.push(...objects.map(({ id }) => id));
    }
    return written;
  };
  return write();
}

/** One poll by added_after, as a client makes it: the objects, and the time to poll after. */
async function poll(path: string, after: string): Promise<{ readonly ids: string[]; readonly last: string }> {
  const answer = await lab.get(`${path}?limit=7&added_after=${after}`);
  if (answer.status !== 200) throw new Error(answer.text);
  return {
    ids: idsOf(answer.json<Page>()),
    last: String(answer.headers['x-taxii-date-added-last'] ?? after),
  };
}

describe('TAXII 2.1 §3.5 walks while others write', () => {
  test.each(endpoints)(
    'T-137: a walk over %s gives what was there before it once, and new objects last',
    async (endpoint) => {
      const collection = lab.newCollection();
      const before = identities(60);
      await lab.add(collection, ...before);
      let over = false;
      const writing = startWriter(collection, () => over);
      try {
        const ids = before.map(({ id }) => id);
        for (let round = 0; round < 3; round += 1) {
          const seen = idsOf(...(await lab.walk(`${collection}${endpoint}`, { limit: '5' })));
          expect(seen.slice(0, ids.length)).toEqual(ids);
          expect(new Set(seen).size).toBe(seen.length);
        }
      } finally {
        over = true;
      }
      const written = await writing;
      expect(written.length).toBeGreaterThan(0);
      expect(idsOf(...(await lab.walk(`${collection}${endpoint}`))).slice(60)).toEqual(written);
    },
  );

  test('T-135, T-145: deletions during a walk take nothing else away from it', async () => {
    for (const endpoint of endpoints) {
      const collection = lab.newCollection();
      const objects = identities(20);
      await lab.add(collection, ...objects);
      const ids = objects.map(({ id }) => id);
      const { next = '' } = await lab.page(`${collection}${endpoint}?limit=8`);
      // Some that were seen, the one at the border among them, and some that are to come.
      const gone = [0, 3, 7, 8, 12].map((index) => ids[index] ?? '');
      for (const id of gone) await remove(`${collection}objects/${id}/`);
      const rest = idsOf(...(await lab.walk(`${collection}${endpoint}`, { limit: '4', next })));
      expect(rest).toEqual(ids.slice(8).filter((id) => !gone.includes(id)));
      for (const id of rest) await remove(`${collection}objects/${id}/`);
      expect(await lab.page(`${collection}${endpoint}?next=${next}`)).toEqual({ more: false });
    }
  });

  test('T-146: an object that gets new versions during a walk is still seen, in its newest version last', async () => {
    for (const endpoint of endpoints) {
      const collection = lab.newCollection();
      const objects = identities(9);
      await lab.add(collection, ...objects);
      const path = `${collection}${endpoint}`;
      const first = await lab.page(`${path}?limit=3`);
      // Changed: one that was seen, one that comes next, one at the end.
      const changed = [1, 3, 8].map((index) => ({
        ...newIdentity(),
        ...objects[index],
        modified: '2025-01-01T00:00:00.000Z',
      }));
      await lab.add(collection, ...changed);
      const rest = await lab.walk(path, { limit: '2', next: first.next ?? '' });
      const unchanged = [4, 5, 6, 7].map((index) => objects[index] ?? newIdentity());
      expect(versionsOf(...rest)).toEqual(versionsOf({ objects: [...unchanged, ...changed] }));
      expect(new Set(idsOf(first, ...rest)).size).toBe(objects.length);
    }
  });
});

describe('TAXII 2.1 §3.4 polls while others write', () => {
  test.each(endpoints)(
    'T-138: a poller of %s by added_after loses and repeats nothing, with four writers',
    async (endpoint) => {
      const collection = lab.newCollection();
      const writers = Array.from({ length: 4 }, () =>
        Array.from({ length: 12 }, (_, index) => identities(1 + (index % 4))),
      );
      let writing = true;
      const written = Promise.all(
        writers.map(async (envelopes) => {
          for (const objects of envelopes) await lab.add(collection, ...objects);
        }),
      ).finally(() => {
        writing = false;
      });
      const seen: string[] = [];
      let after = '1970-01-01T00:00:00Z';
      for (let isLast = false; !isLast; ) {
        const over = !writing;
        const { ids, last } = await poll(`${collection}${endpoint}`, after);
        seen.push(...ids);
        after = last;
        isLast = over && ids.length === 0;
      }
      await written;
      const all = writers.flat(2).map(({ id }) => id);
      expect(seen).toHaveLength(all.length);
      expect([...seen].sort()).toEqual([...all].sort());
      expect(idsOf(...(await lab.walk(`${collection}${endpoint}`)))).toEqual(seen);
    },
  );

  test('T-147: twenty envelopes at once get twenty times date_added, rising in the order of the collection', async () => {
    const collection = lab.newCollection();
    const objects = identities(20);
    await Promise.all(objects.map((object) => lab.add(collection, object)));
    const { objects: records = [] } = await lab.page(`${collection}manifest/`);
    const added = records.map(({ date_added: dateAdded = '' }) => dateAdded);
    expect(records.map(({ id }) => id).sort()).toEqual(objects.map(({ id }) => id).sort());
    expect(added).toEqual([...new Set(added)].sort());
    expect(new Set(added).size).toBe(20);
  });

  test('T-145, T-390: what is published again after a deletion comes again, with a later date_added', async () => {
    const collection = lab.newCollection();
    const [kept, object] = [newIdentity(), newIdentity()];
    await lab.add(collection, object, kept);
    const path = `${collection}manifest/`;
    const before = (await lab.page(path)).objects ?? [];
    await remove(`${collection}objects/${object.id}/`);
    await lab.add(collection, object);
    const after = await lab.page(`${path}${query({ added_after: before.at(-1)?.date_added ?? '' })}`);
    expect(idsOf(after)).toEqual([object.id]);
    expect(idsOf(await lab.page(path))).toEqual([kept.id, object.id]);
  });
});
