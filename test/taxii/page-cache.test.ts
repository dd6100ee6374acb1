import { randomUUID } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { NewVersion, Store } from '../../src/store/store.ts';
import { getManifest, getObject, getObjects, getVersions, type Reading } from '../../src/taxii/objects.ts';
import { createPageCache, type Page, type PageCache } from '../../src/taxii/page-cache.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { all, newId, objects, time, version } from '../store/versions.ts';

const pathOf = useTempFolder();
const opened: Store[] = [];
/** A store, and a second one on the same file as another process has it. */
let both: readonly [Store, Store];
beforeAll(async () => {
  both = [await open(pathOf('shared.db')), await open(pathOf('shared.db'))];
});
afterAll(() => Promise.all(opened.map((store) => store.close())));

async function open(path: string): Promise<Store> {
  const store = await openSqliteStore({ path });
  opened.push(store);
  return store;
}

const limits = { size: 1000, max: 1000, bytes: 16_000_000 };
const mebibyte = 1024 ** 2;
const by = { user: 'ann', onlySubmitter: false };

function textOf({ body }: Pick<Page, 'body'>): string {
  return Buffer.concat(body).toString();
}

/** A collection of its own, and how often pages were read of the first store. */
async function makeLab() {
  const [own, other] = both;
  const reads = { count: 0 };
  const store: Store = {
    ...own,
    findObjects: (...given) => {
      reads.count += 1;
      return own.findObjects(...given);
    },
    findRecords: (...given) => {
      reads.count += 1;
      return own.findRecords(...given);
    },
  };
  const collection = randomUUID();
  const versions = objects(3);
  await own.addObjects(collection, 'ann', versions);
  const reading: Reading = { store, pages: createPageCache(store, 64 * mebibyte), limits };
  const uncached: Reading = { store: other, pages: createPageCache(other, 0), limits };
  return {
    own,
    other,
    reads,
    collection,
    versions,
    reading,
    uncached,
    source: { collection, emptyObjects: false },
  };
}

type Lab = Awaited<ReturnType<typeof makeLab>>;

const firstOf = ({ versions }: Lab): NewVersion => versions[0] as NewVersion;

/** Each resource that has pages, asked for with the same filters. */
const resources: Readonly<Record<string, (reading: Reading, lab: Lab) => Promise<Page>>> = {
  objects: (reading, { source }) => getObjects(reading, source, { limit: 2 }),
  manifest: (reading, { source }) => getManifest(reading, source, { versions: all }),
  object: (reading, lab) => getObject(reading, lab.source, firstOf(lab).id, {}),
  versions: (reading, lab) => getVersions(reading, lab.source, firstOf(lab).id, {}),
};

/** What changes what a collection shows. */
const changes: Readonly<Record<string, (store: Store, lab: Lab) => Promise<unknown>>> = {
  'a new version': (store, lab) => store.addObjects(lab.collection, 'ann', [version(firstOf(lab).id, time(1_000_000))]),
  'a deletion of one version of two': async (store, lab) => {
    const { id } = firstOf(lab);
    await store.addObjects(lab.collection, 'ann', [version(id, time(1_000_000))]);
    await resources.objects?.(lab.reading, lab);
    return store.deleteObject(lab.collection, id, { all: false, first: true, last: false, exact: [] }, by);
  },
  'an expiry': async (store, lab) => {
    await store.addObjects(lab.collection, 'ann', [version(firstOf(lab).id, time(1_000_000))]);
    await resources.manifest?.(lab.reading, lab);
    return store.expireObjects(lab.collection, Number.MAX_SAFE_INTEGER, 1);
  },
};

describe('a page that is kept', () => {
  test.each(Object.keys(resources))('%s: is not read again while nothing changes', async (name) => {
    const lab = await makeLab();
    const ask = resources[name] as (reading: Reading, lab: Lab) => Promise<Page>;
    const pages = [await ask(lab.reading, lab), await ask(lab.reading, lab)];
    const { count } = lab.reads;
    pages.push(await ask(lab.reading, lab), await ask(lab.reading, lab));
    expect(lab.reads.count).toBe(count);
    expect(new Set(pages.map(textOf)).size).toBe(1);
    expect(pages[3]).toMatchObject({ tag: pages[0]?.tag, dateAddedLast: pages[0]?.dateAddedLast });
  });

  for (const [what, change] of Object.entries(changes)) {
    test.each(['own', 'other'] as const)(
      `does not survive ${what}, made by this process or another (%s)`,
      async (who) => {
        for (const ask of Object.values(resources)) {
          const lab = await makeLab();
          for (let round = 0; round < 3; round += 1) await ask(lab.reading, lab);
          await change(lab[who], lab);
          const fresh = await ask(lab.uncached, lab);
          for (let round = 0; round < 3; round += 1) {
            const page = await ask(lab.reading, lab);
            expect([textOf(page), page.tag]).toEqual([textOf(fresh), fresh.tag]);
          }
        }
      },
    );
  }

  test('an object that was deleted is unknown at once, and known again when it is back', async () => {
    const lab = await makeLab();
    const { id } = firstOf(lab);
    const ask = () => getObject(lab.reading, lab.source, id, {});
    for (let round = 0; round < 3; round += 1) await ask();
    await lab.other.deleteObject(lab.collection, id, all, by);
    for (let round = 0; round < 3; round += 1) await expect(ask()).rejects.toMatchObject({ code: 'not-found' });
    await lab.other.addObjects(lab.collection, 'ann', [firstOf(lab)]);
    expect(textOf(await ask())).toContain(id);
  });

  test('belongs to its filters, its position and its limit, and to the way empty pages look', async () => {
    const lab = await makeLab();
    const { reading, uncached, source } = lab;
    const first = await getObjects(reading, source, { limit: 1 });
    const { next } = JSON.parse(textOf(first)) as { next: string };
    const asked = [
      {},
      { limit: 1 },
      { limit: 2 },
      { next },
      { next, limit: 2 },
      { types: ['tool'] },
      { types: ['indicator'] },
      { ids: [firstOf(lab).id] },
      { versions: all },
      { specVersions: ['2.0'] },
      { addedAfter: 1 },
    ];
    for (let round = 0; round < 3; round += 1) {
      for (const filters of asked) {
        for (const emptyObjects of [false, true]) {
          const page = await getObjects(reading, { ...source, emptyObjects }, filters);
          expect(textOf(page)).toBe(textOf(await getObjects(uncached, { ...source, emptyObjects }, filters)));
        }
      }
    }
  });
});

test('a poll for what is newer than the newest reads no page, until something is', async () => {
  const { own, reads, reading, source, collection } = await makeLab();
  const { highWater } = await own.getCollectionState(collection);
  for (const ask of [getObjects, getManifest]) {
    for (const addedAfter of [highWater, highWater + 1]) {
      expect(textOf(await ask(reading, source, { addedAfter }))).toBe('{"more":false}');
    }
    expect(textOf(await ask(reading, { ...source, emptyObjects: true }, { addedAfter: highWater }))).toBe(
      '{"more":false,"objects":[]}',
    );
  }
  expect(reads.count).toBe(0);
  expect((await getObjects(reading, source, { addedAfter: highWater - 1 })).count).toBe(1);
  await own.addObjects(collection, 'ann', objects(1));
  expect((await getObjects(reading, source, { addedAfter: highWater })).count).toBe(1);
});

test('a poll for what is newer of an object tells whether there is such an object', async () => {
  const lab = await makeLab();
  const filters = { addedAfter: Number.MAX_SAFE_INTEGER };
  for (const ask of [getObject, getVersions]) {
    for (let round = 0; round < 3; round += 1) {
      expect(textOf(await ask(lab.reading, lab.source, firstOf(lab).id, filters))).toBe('{"more":false}');
      await expect(ask(lab.reading, lab.source, newId(), filters)).rejects.toMatchObject({ code: 'not-found' });
    }
  }
});

test('tags differ where a copy of the store went another way, however alike all that is counted is', async () => {
  const path = pathOf('original.db');
  const own = await open(path);
  const collection = randomUUID();
  const twins = [0, 1].map(() => version(newId(), time(5)));
  await own.addObjects(collection, 'ann', [...twins, ...objects(1)]);
  await own.close();
  copyFileSync(path, `${path}.copy`);
  const pages: Page[] = [];
  for (const [n, file] of [path, `${path}.copy`].entries()) {
    const store = await open(file);
    await store.deleteObject(collection, twins[n]?.id ?? '', all, by);
    pages.push(
      await getObjects(
        { store, limits, pages: createPageCache(store, mebibyte) },
        { collection, emptyObjects: false },
        {},
      ),
    );
  }
  const [a, b] = pages.map(textOf);
  expect(a?.length).toBe(b?.length);
  expect(a).not.toBe(b);
  expect(pages[0]?.tag).not.toBe(pages[1]?.tag);
});

/** A cache over collections, of which `c` changes when it is told to, and pages of any size. */
function makeCache(maxBytes: number) {
  const state = { generation: 1, reads: [] as string[] };
  const counts = { highWater: 9, versions: 1, bytes: 1 };
  const pages = createPageCache(
    {
      getCollectionState: async (collection) => ({
        collection,
        generation: collection === 'c' ? state.generation : 1,
        ...counts,
      }),
    },
    maxBytes,
  );
  const find = (key: string, length = 10, during: () => unknown = () => undefined, collection = 'c') =>
    pages.find({
      collection,
      key: () => key,
      read: async () => {
        state.reads.push(key);
        await during();
        return { body: [Buffer.alloc(length)], tag: key, count: 1 };
      },
    });
  const isKept = async (key: string, collection = 'c'): Promise<boolean> => {
    const before = state.reads.length;
    await find(key, 10, undefined, collection);
    return state.reads.length === before;
  };
  return { state, pages, find, isKept };
}

describe('the cache', () => {
  test('keeps what is asked for again: a walk puts nothing out', async () => {
    const { find, isKept } = makeCache(mebibyte);
    for (let round = 0; round < 2; round += 1) await find('wanted', 40_000);
    for (let n = 0; n < 1000; n += 1) await find(`walk ${n}`, 40_000);
    expect(await isKept('wanted')).toBe(true);
  });

  test('remembers the last questions, and not those of long ago', async () => {
    const { find, isKept } = makeCache(mebibyte);
    await find('early');
    for (let n = 0; n < 100_000; n += 1) await find(`other ${n}`);
    await find('late');
    for (let n = 0; n < 200; n += 1) await find(`another ${n}`);
    await find('late');
    await find('early');
    expect([await isKept('late'), await isKept('early')]).toEqual([true, false]);
  });

  test('keeps pages that are asked for in turn, as many as there is room for', async () => {
    const { find, isKept } = makeCache(mebibyte);
    const names = Array.from({ length: 16 }, (_, n) => `page ${n}`);
    for (let round = 0; round < 2; round += 1) for (const name of names) await find(name, 50_000);
    const kept: boolean[] = [];
    for (const name of names) kept.push(await isKept(name));
    expect(kept).toEqual(names.map(() => true));
  });

  test('keeps a new page when all others were asked for since they came', async () => {
    const { find, isKept } = makeCache(mebibyte);
    const names = Array.from({ length: 17 }, (_, n) => `page ${n}`);
    for (let round = 0; round < 3; round += 1) for (const name of names) await find(name, 50_000);
    for (let round = 0; round < 2; round += 1) await find('new', 50_000);
    expect(await isKept('new')).toBe(true);
  });

  test('keeps no page during whose reading something changed', async () => {
    const { state, find, isKept } = makeCache(mebibyte);
    await find('page');
    await find('page', 10, () => {
      state.generation += 1;
    });
    // As seen by a reader that is behind: for it the page would be one of the future.
    state.generation -= 1;
    expect(await isKept('page')).toBe(false);
    expect(await isKept('page')).toBe(true);
  });

  test('stays within its bytes under any number of questions, and forgets the oldest first', async () => {
    const { find, isKept } = makeCache(mebibyte);
    const length = 40_000;
    for (let n = 0; n < 300; n += 1) {
      await find(`page ${n}`, length);
      await find(`page ${n}`, length);
      await find('page 0', length);
    }
    expect(await isKept('page 0')).toBe(true);
    // Backwards: one that is not kept is read again, and puts others out.
    let kept = 0;
    while (await isKept(`page ${299 - kept}`)) kept += 1;
    expect(kept * length).toBeLessThan(mebibyte);
    expect(kept * length).toBeGreaterThan(mebibyte / 2);
  });

  test('lets go of the pages of a collection that has changed: they leave room for those of others', async () => {
    const { state, find, isKept } = makeCache(mebibyte);
    const keep = async (name: string, count: number, collection: string): Promise<void> => {
      for (let n = 0; n < count; n += 1)
        for (let round = 0; round < 2; round += 1) await find(`${name} ${n}`, 40_000, undefined, collection);
    };
    await keep('steady', 5, 'd');
    await keep('old', 15, 'c');
    state.generation += 1;
    await find('old 0', 40_000);
    await keep('other', 14, 'e');
    expect(await isKept('steady 0', 'd')).toBe(true);
  });

  test('counts short pages for what they take, and of long questions keeps no more than tells them apart', async () => {
    const { find, isKept } = makeCache(mebibyte);
    const keys = Array.from({ length: 300 }, (_, n) => `${'x'.repeat(20_000)} ${n}`);
    for (const key of keys) for (let round = 0; round < 2; round += 1) await find(key);
    let kept = 0;
    for (const key of keys.toReversed()) if (await isKept(key)) kept += 1;
    expect(kept * 9 * 1024).toBeLessThan(mebibyte);
    expect(kept).toBeGreaterThan(50);
    expect(await isKept(`${'x'.repeat(20_000)} none`)).toBe(false);
  });

  test('keeps no page that takes more than its share', async () => {
    const { find, isKept } = makeCache(mebibyte);
    for (let round = 0; round < 2; round += 1) await find('huge', mebibyte / 16);
    expect(await isKept('huge')).toBe(false);
  });

  test('reads a page once for all who ask for it at the same time, and again for who asks after a change', async () => {
    const { state, find } = makeCache(mebibyte);
    const gate = Promise.withResolvers<void>();
    const early = [find('page', 10, () => gate.promise), find('page'), find('page')];
    await nextTurn();
    state.generation += 1;
    const late = find('page');
    await late;
    expect(state.reads).toHaveLength(2);
    gate.resolve();
    expect(new Set(await Promise.all(early)).size).toBe(1);
    expect(state.reads).toHaveLength(2);
  });

  test('tells all who wait when reading fails, and reads anew for the next', async () => {
    const { state, find } = makeCache(mebibyte);
    const fails = async () => {
      await nextTurn();
      throw new Error('no disk');
    };
    const asked = [find('page', 10, fails), find('page')];
    for (const one of asked) await expect(one).rejects.toThrow('no disk');
    expect(textOf(await find('page'))).toHaveLength(10);
    expect(state.reads).toHaveLength(2);
  });
});

describe('those who leave', () => {
  /** Two who wait for one page, each of whom can leave, and what its reading asks in between. */
  async function startTwo(pages: PageCache) {
    const gate = Promise.withResolvers<Page>();
    const asserts: (() => void)[] = [];
    const left = [false, false];
    const read = (assertWanted: () => void) => {
      asserts.push(assertWanted);
      return gate.promise;
    };
    const question = { collection: 'c', key: () => 'page', read };
    const asked = left.map((_, place) => pages.find(question, () => left[place] === true));
    for (const one of asked) one.catch(() => undefined);
    await nextTurn();
    return { gate, asserts, left, asked, question };
  }
  const page: Page = { body: [Buffer.from('a page')], tag: 'a', count: 1 };

  test('leave a page to the others', async () => {
    const { gate, asserts, left, asked } = await startTwo(makeCache(mebibyte).pages);
    left[0] = true;
    expect(asserts).toHaveLength(1);
    expect(asserts[0]).not.toThrow();
    gate.resolve(page);
    expect(textOf((await asked[1]) as Page)).toBe('a page');
  });

  test('take nobody with them who comes while the reading is given up at its start', async () => {
    const { pages } = makeCache(mebibyte);
    const read = async (assertWanted: () => void): Promise<Page> => {
      assertWanted();
      return page;
    };
    const question = { collection: 'c', key: () => 'page', read };
    const [gone, present] = await Promise.allSettled([pages.find(question, () => true), pages.find(question)]);
    expect(gone).toMatchObject({ status: 'rejected', reason: { code: 'request-timeout' } });
    expect(present).toMatchObject({ status: 'fulfilled', value: { tag: 'a' } });
  });

  test('end the reading when nobody is left, and the next one begins anew', async () => {
    const { pages } = makeCache(mebibyte);
    const { gate, asserts, left, asked, question } = await startTwo(pages);
    left.fill(true);
    expect(asserts[0]).toThrow('The client left before its page was found.');
    // Before the reading has come to its end.
    const read = async () => page;
    expect(textOf(await pages.find({ ...question, read }))).toBe('a page');
    gate.reject(new Error('ended'));
    for (const one of asked) await expect(one).rejects.toThrow('ended');
  });

  test('are followed by who comes before the reading has noticed', async () => {
    const { pages } = makeCache(mebibyte);
    const { gate, asserts, left, question } = await startTwo(pages);
    left.fill(true);
    const late = pages.find(question, () => false);
    await nextTurn();
    expect(asserts).toHaveLength(1);
    expect(asserts[0]).not.toThrow();
    gate.resolve(page);
    expect(textOf(await late)).toBe('a page');
  });
});

describe('a packed page', () => {
  test('is packed once, for all who ask for it, while the page is kept', async () => {
    const { find } = makeCache(mebibyte);
    let packed = 0;
    const pack = async (body: readonly Buffer[]) => {
      packed += 1;
      await nextTurn();
      return Buffer.from(`packed ${Buffer.concat(body).length}`);
    };
    await find('page');
    for (let round = 0; round < 3; round += 1) {
      const page = await find('page');
      const both = await Promise.all([page.packed('gzip', pack), page.packed('gzip', pack)]);
      expect(both.map(String)).toEqual(['packed 10', 'packed 10']);
    }
    expect(packed).toBe(1);
    await (await find('page')).packed('br', pack);
    expect(packed).toBe(2);
  });

  test('counts towards the bytes of the cache', async () => {
    const { find, isKept } = makeCache(mebibyte);
    for (let n = 0; n < 20; n += 1) {
      await find(`page ${n}`);
      await (await find(`page ${n}`)).packed('gzip', async () => Buffer.alloc(200_000));
    }
    const kept: boolean[] = [];
    for (let n = 19; n >= 0; n -= 1) kept.push(await isKept(`page ${n}`));
    expect(kept.filter(Boolean).length * 200_000).toBeLessThan(mebibyte);
    expect(kept[0]).toBe(true);
  });

  test('is packed again after it could not be', async () => {
    const { find } = makeCache(mebibyte);
    await find('page');
    const page = await find('page');
    expect(page.packed('gzip', () => undefined)).toBeUndefined();
    await expect(page.packed('gzip', () => Promise.reject(new Error('no memory')))).rejects.toThrow('no memory');
    await nextTurn();
    expect(String(await page.packed('gzip', async () => Buffer.from('well')))).toBe('well');
  });
});
