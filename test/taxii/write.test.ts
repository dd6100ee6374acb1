import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TlpLevel, tlp1Markings, tlp2Markings } from '../../src/stix/markings.ts';
import { microsNow } from '../../src/stix/timestamp.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Collection } from '../../src/taxii/api-roots.ts';
import { type Checker, startChecker } from '../../src/taxii/checker.ts';
import { receive, type Slice } from '../../src/taxii/receive.ts';
import { type Verdict, type WriteDeps, type WriteTarget, writeObjects } from '../../src/taxii/write.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { newVersioned, type StixObject } from '../support/stix-objects.ts';

const path = useTempFolder();
let store: Store;
let checker: Checker;

beforeAll(async () => {
  store = await openSqliteStore({ path: path('huiju.db') });
  checker = startChecker(1);
});

afterAll(async () => {
  await checker.close();
  await store.close();
});

const markingOf = (level: TlpLevel): string =>
  [...tlp1Markings, ...tlp2Markings].find((marking) => marking.level === level)?.id as string;

function newCampaign(level?: TlpLevel): StixObject {
  const marking = level === undefined ? {} : { object_marking_refs: [markingOf(level)] };
  return newVersioned('campaign', { name: 'Green group', ...marking });
}

function newCollection(tlpCeiling?: TlpLevel): Collection {
  const ceiling = tlpCeiling === undefined ? {} : { tlpCeiling };
  return { id: randomUUID(), title: 'A', read: [], write: [], validation: 'spec', ...ceiling };
}

const lastVersions = { all: false, first: false, last: true, exact: [] };
const maxObjectLength = 2 * 1024 * 1024;

async function slicesOf(objects: readonly StixObject[]): Promise<Slice[]> {
  const body = async function* () {
    yield Buffer.from(JSON.stringify({ objects }));
  };
  const received = await receive(body(), { maxObjectLength, maxObjects: 10_000 });
  const slices: Slice[] = [];
  for await (const slice of received.slices()) slices.push(slice);
  await received.close();
  return slices;
}

type Target = Omit<WriteTarget, 'submitter' | 'language'>;

/** Writes slices as if they came from somewhere; resolves to the verdicts of each report. */
async function writeSlices(slices: Iterable<Slice>, target: Target, replaced: Partial<WriteDeps>, told: Verdict[][]) {
  const registeredExtensions = async () => ({ revision: 0, extensions: [] });
  const deps = { store, checker, registeredExtensions, now: microsNow, ...replaced };
  const incoming = { slices, tooLong: new Map<number, string>(), maxObjectLength };
  await writeObjects(deps, { submitter: 'alice', language: 'en', ...target }, incoming, (verdicts) => {
    told.push([...verdicts]);
  });
}

async function write(objects: readonly StixObject[], target: Target): Promise<Verdict[]> {
  const told: Verdict[][] = [];
  await writeSlices(await slicesOf(objects), target, {}, told);
  return told.flat();
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function isTaken(level: TlpLevel | undefined, target: Target) {
  const [verdict] = await write([newCampaign(level)], target);
  expect(verdict?.errors.map(({ code }) => code)).toEqual(verdict?.outcome === 'added' ? [] : ['tlp-ceiling']);
  return verdict?.outcome === 'added';
}

describe('what enters', () => {
  test('has the origin that its target names', async () => {
    const collection = newCollection();
    const [fed, posted] = [newCampaign(), newCampaign()];
    await write([fed], { collection, delivery: { origin: 'feed:partner' } });
    await write([posted], { collection });
    const names = [fed, posted].map(({ id, modified }) => ({ id, versionKey: String(modified).replace('Z', '') }));
    const found = await store.findProvenance(collection.id, names);
    expect(found.map((one) => one?.origin)).toEqual(['feed:partner', null]);
  });

  test('is held to the lower of the two ceilings, of the collection and of the target', async () => {
    const collection = newCollection('amber');
    expect(await isTaken('amber', { collection })).toBe(true);
    expect(await isTaken('amber', { collection, ceiling: 'green' })).toBe(false);
    expect(await isTaken('green', { collection, ceiling: 'green' })).toBe(true);
    expect(await isTaken('red', { collection, ceiling: 'red' })).toBe(false);
    expect(await isTaken('red', { collection: newCollection(), ceiling: 'amber' })).toBe(false);
    expect(await isTaken('red', { collection: newCollection() })).toBe(true);
  });

  test('counts without a marking as what the target says, against either ceiling', async () => {
    const collection = newCollection('green');
    expect(await isTaken(undefined, { collection })).toBe(true);
    expect(await isTaken(undefined, { collection, unmarkedAs: 'green' })).toBe(true);
    expect(await isTaken(undefined, { collection, unmarkedAs: 'amber' })).toBe(false);
    expect(await isTaken(undefined, { collection: newCollection(), ceiling: 'clear', unmarkedAs: 'green' })).toBe(
      false,
    );
    expect(await isTaken('clear', { collection, unmarkedAs: 'red' })).toBe(true);
  });

  test('is told why an unmarked object is too strict', async () => {
    const [verdict] = await write([newCampaign()], { collection: newCollection('green'), unmarkedAs: 'red' });
    expect(verdict?.errors[0]?.message).toBe(
      'The object is not marked, which counts as TLP:RED here, and TLP:GREEN at most is taken; publish it into a collection for its audience.',
    );
  });
});

describe('what is many slices long', () => {
  const many = (): StixObject[] => Array.from({ length: 1000 }, () => newCampaign());

  test('is stored and told of in order, however the checks overtake each other', async () => {
    const collection = newCollection();
    const objects = many();
    const slices = await slicesOf(objects);
    expect(slices).toHaveLength(5);
    const second = new AbortController();
    let checked = 0;
    const check: Checker['check'] = async (slice, terms) => {
      checked += 1;
      const isFirst = checked === 1;
      const verdicts = await checker.check(slice, terms);
      if (!isFirst) second.abort();
      else if (!second.signal.aborted) await once(second.signal, 'abort');
      return verdicts;
    };
    const told: Verdict[][] = [];
    await writeSlices(slices, { collection }, { checker: { ...checker, check } }, told);
    expect(told.flat().map(({ index, outcome }) => [index, outcome])).toEqual(objects.map((_, at) => [at, 'added']));
    const { records } = await store.findRecords(collection.id, { versions: [lastVersions] }, { limit: 2000 });
    expect(records.map(({ id }) => id)).toEqual(objects.map(({ id }) => id));
  });

  /** How many slices have been taken while the first is being stored. */
  async function takenMeanwhile(slices: readonly Slice[]): Promise<number> {
    let taken = 0;
    const counted = function* () {
      for (const slice of slices) {
        taken += 1;
        yield slice;
      }
    };
    const begun = new AbortController();
    const goOn = new AbortController();
    const addObjects: Store['addObjects'] = async (...args) => {
      begun.abort();
      if (!goOn.signal.aborted) await once(goOn.signal, 'abort');
      return store.addObjects(...args);
    };
    const told: Verdict[][] = [];
    const target = { collection: newCollection() };
    const writing = writeSlices(counted(), target, { store: { ...store, addObjects } }, told);
    await once(begun.signal, 'abort');
    // Whoever wanted to take more would have done it by then.
    for (let turns = 0; turns < 20; turns += 1) await turn();
    const result = taken;
    goOn.abort();
    await writing;
    expect(told).toHaveLength(slices.length);
    return result;
  }

  test('is taken no faster than it is stored: each thread that checks has a slice, and one waits', async () => {
    expect(await takenMeanwhile(await slicesOf(many()))).toBe(checker.ahead + 1);
  });

  test('is taken slowly where its objects are long', async () => {
    const description = 'a'.repeat(1_500_000);
    const long = Array.from({ length: 5 }, () => ({ ...newCampaign(), description }));
    expect(await takenMeanwhile(await slicesOf(long))).toBe(2);
  });

  test('ends where it cannot be stored, and nothing behind that place is stored', async () => {
    const collection = newCollection();
    const objects = many();
    let calls = 0;
    const addObjects: Store['addObjects'] = async (...args) => {
      calls += 1;
      if (calls === 2) throw new Error('the disk is full');
      return store.addObjects(...args);
    };
    const told: Verdict[][] = [];
    const slices = await slicesOf(objects);
    const writing = writeSlices(slices, { collection }, { store: { ...store, addObjects } }, told);
    await expect(writing).rejects.toThrow('the disk is full');
    expect(told.flat().map(({ id }) => id)).toEqual(objects.slice(0, 200).map(({ id }) => id));
    expect(await store.getCollectionState(collection.id)).toMatchObject({ versions: 200 });
  });

  test('is at rest when its writing is said to have failed: what was under way by then is stored and told of', async () => {
    const begun = new AbortController();
    const goOn = new AbortController();
    const addObjects: Store['addObjects'] = async (...args) => {
      begun.abort();
      if (!goOn.signal.aborted) await once(goOn.signal, 'abort');
      return store.addObjects(...args);
    };
    let checks = 0;
    const check: Checker['check'] = async (slice, terms) => {
      checks += 1;
      if (checks === 1) return checker.check(slice, terms);
      if (!begun.signal.aborted) await once(begun.signal, 'abort');
      throw new Error('the thread died');
    };
    const told: Verdict[][] = [];
    const slices = (await slicesOf(many())).slice(0, 2);
    const replaced = { store: { ...store, addObjects }, checker: { ...checker, check } };
    let isOver = false;
    const writing = writeSlices(slices, { collection: newCollection() }, replaced, told).finally(() => {
      isOver = true;
    });
    const refused = expect(writing).rejects.toThrow('the thread died');
    await once(begun.signal, 'abort');
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(isOver).toBe(false);
    goOn.abort();
    await refused;
    expect(told.flat()).toHaveLength(200);
  });

  test('has a verdict for each object, whatever becomes of its neighbours', async () => {
    const collection = newCollection();
    const [known, other] = [newCampaign(), newCampaign()];
    await write([known], { collection });
    const wrong = { ...newCampaign(), created: 'yesterday' };
    const objects = [other, wrong, known, wrong, { ...known, name: 'Blue group' }, newCampaign()];
    const verdicts = await write(objects, { collection });
    expect(verdicts.map(({ index, id, outcome }) => [index, id, outcome])).toEqual([
      [0, other.id, 'added'],
      [1, wrong.id, 'failed'],
      [2, known.id, 'duplicate'],
      [3, wrong.id, 'failed'],
      [4, known.id, 'failed'],
      [5, objects[5]?.id, 'added'],
    ]);
    expect(verdicts[4]?.errors.map(({ code }) => code)).toEqual(['version-conflict']);
  });
});
