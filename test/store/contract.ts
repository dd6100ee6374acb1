/** The store contract as tests. Each implementation runs them in a file of a few lines. */

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatMicros, versionKeyOfMicros } from '../../src/stix/timestamp.ts';
import type {
  AccessEntry,
  AddOutcome,
  Change,
  Micros,
  NewVersion,
  SnapshotPart,
  Store,
} from '../../src/store/store.ts';
import {
  all,
  exact,
  first,
  key,
  last,
  names,
  newId,
  objects,
  observable,
  texts,
  time,
  version,
  walk,
} from './versions.ts';

/** Opens one more instance on the database of the suite. */
export type OpenStore = (options?: { readonly clockOffset?: Micros }) => Promise<Store>;

const everything = { versions: [all] };
const user = 'user-a';
const hour = 3_600_000_000;

const dates = (outcomes: readonly AddOutcome[]) => outcomes.map(({ dateAdded }) => dateAdded);
const kinds = (outcomes: readonly AddOutcome[]) => outcomes.map(({ outcome }) => outcome);
const isRising = (values: readonly number[]) => values.every((value, n) => n === 0 || value > (values[n - 1] ?? value));

/** What a database does otherwise, where the contract leaves it open or a stand-in for tests falls short. */
export interface Peculiarities {
  /** It compares texts by their UTF-16 units: beyond the basic plane that is not the order of code points. */
  readonly ordersByUtf16?: boolean;
  /** Its snapshots have records as they are when they are read, behind the objects. */
  readonly readsRecordsLate?: boolean;
}

export function describeStore(name: string, openStore: OpenStore, peculiarities: Peculiarities = {}): void {
  describe(`the store contract: ${name}`, () => {
    let a: Store;
    let b: Store;

    beforeAll(async () => {
      [a, b] = await Promise.all([openStore(), openStore()]);
    });
    afterAll(() => Promise.all([a.close(), b.close()]));

    /** A collection of its own for each test. */
    const newCollection = () => randomUUID();
    const add = (collection: string, versions: readonly NewVersion[]) => a.addObjects(collection, user, versions);
    const both = { user, onlySubmitter: false };

    describe('date_added', () => {
      test('is a whole number of microseconds near the clock, and rises within a call', async () => {
        const outcomes = await add(newCollection(), objects(50));
        expect(kinds(outcomes)).toEqual(Array(50).fill('added'));
        expect(isRising(dates(outcomes))).toBe(true);
        expect(Number.isSafeInteger(outcomes[0]?.dateAdded)).toBe(true);
        expect(Math.abs((outcomes[0]?.dateAdded ?? 0) - Date.now() * 1_000)).toBeLessThan(hour);
      });

      test('is unique and is served in the order of commits when two instances write at once', async () => {
        const collection = newCollection();
        let seen = 0;
        const polled: string[] = [];
        const pollOnce = async () => {
          const page = await b.findRecords(collection, { ...everything, addedAfter: seen }, { limit: 1_000 });
          polled.push(...page.records.map(({ id }) => id));
          seen = page.last ?? seen;
        };
        // One poller: its polls follow each other.
        let polling = Promise.resolve();
        const poll = () => {
          polling = polling.then(pollOnce);
          return polling;
        };
        const write = async (store: Store) => {
          const outcomes: AddOutcome[] = [];
          for (let n = 0; n < 20; n += 1) {
            outcomes.push(...(await store.addObjects(collection, user, objects(5))));
            await poll();
          }
          return dates(outcomes);
        };
        const [left, right] = await Promise.all([write(a), write(b)]);
        await poll();
        expect(isRising(left) && isRising(right)).toBe(true);
        expect(new Set([...left, ...right]).size).toBe(200);
        expect(new Set(polled).size).toBe(200);
        expect(polled).toHaveLength(200);
      });

      test('rises after a clock was set back, after a deletion of the newest, and after reopening', async () => {
        const collection = newCollection();
        const [ahead] = objects(1) as [NewVersion];
        const fast = await openStore({ clockOffset: hour });
        const [high = 0] = dates(await fast.addObjects(collection, user, [ahead]));
        await fast.deleteObject(collection, ahead.id, all, both);
        await fast.close();
        const slow = await openStore({ clockOffset: -hour });
        const outcomes = await slow.addObjects(collection, user, objects(3));
        await slow.close();
        expect(high).toBeGreaterThan(Date.now() * 1_000);
        expect(isRising([high, ...dates(outcomes)])).toBe(true);
        expect((dates(outcomes)[2] ?? 0) - high).toBeLessThan(hour);
      });
    });

    describe('adding', () => {
      test('the same content again is a duplicate with the first date_added, spelled differently too', async () => {
        const collection = newCollection();
        const id = newId();
        const [stored] = await add(collection, [version(id, time(1), { name: 'x', labels: ['y'] })]);
        const swapped = version(id, time(1), { labels: ['y'], name: 'x' });
        const again = await b.addObjects(collection, 'user-b', [
          version(id, time(1), { name: 'x', labels: ['y'] }),
          swapped,
        ]);
        expect(again).toEqual(Array(2).fill({ outcome: 'duplicate', dateAdded: stored?.dateAdded }));
        expect(await texts(a, collection, everything)).toEqual([
          version(id, time(1), { name: 'x', labels: ['y'] }).text,
        ]);
      });

      test('other content under the same id and version is a conflict and is not stored', async () => {
        const collection = newCollection();
        const id = newId();
        const [stored] = await add(collection, [version(id, time(1), { name: 'x' })]);
        const outcomes = await add(collection, [version(id, time(1), { name: 'y' }), ...objects(1)]);
        expect(kinds(outcomes)).toEqual(['version-conflict', 'added']);
        expect(outcomes[0]?.dateAdded).toBe(stored?.dateAdded);
        expect((await a.getCollectionState(collection)).versions).toBe(2);
      });

      test('repetitions within one call count too', async () => {
        const collection = newCollection();
        const id = newId();
        const one = version(id, time(1));
        const outcomes = await add(collection, [one, one, version(id, time(1), { x: 1 }), version(id, time(2))]);
        expect(kinds(outcomes)).toEqual(['added', 'duplicate', 'version-conflict', 'added']);
      });

      test('the same version in two calls at once is stored once', async () => {
        const collection = newCollection();
        const one = objects(1);
        const outcomes = await Promise.all([a, b, a, b].map((store) => store.addObjects(collection, user, one)));
        expect(outcomes.flatMap(kinds).sort()).toEqual(['added', 'duplicate', 'duplicate', 'duplicate']);
      });

      test('the same object in two collections is two', async () => {
        const [left, right] = [newCollection(), newCollection()];
        const one = objects(1);
        expect(kinds([...(await add(left, one)), ...(await add(right, one))])).toEqual(['added', 'added']);
      });

      test('an object without version is a duplicate by its digest, and else a new version named by its date_added', async () => {
        const collection = newCollection();
        const id = newId('ipv4-addr');
        const outcomes = await add(collection, [
          observable(id, { value: '10.0.0.1' }),
          observable(id, { value: '10.0.0.1' }),
          observable(id, { value: '10.0.0.1', x: 1 }),
        ]);
        expect(kinds(outcomes)).toEqual(['added', 'duplicate', 'added']);
        const spelled = [outcomes[0], outcomes[2]].map((outcome) => formatMicros(outcome?.dateAdded ?? 0));
        expect(await walk(b, collection, everything)).toEqual(spelled.map((each) => `${id} ${each}`));
        expect(await walk(b, collection, { versions: [last] })).toEqual([`${id} ${spelled[1]}`]);
        const selector = exact(versionKeyOfMicros(outcomes[0]?.dateAdded ?? 0));
        expect(await walk(b, collection, { ids: [id], versions: [selector] })).toEqual([`${id} ${spelled[0]}`]);
      });

      test('nothing to add changes nothing', async () => {
        const collection = newCollection();
        expect(await add(collection, [])).toEqual([]);
        const one = objects(1);
        await add(collection, one);
        const before = await a.getCollectionState(collection);
        await add(collection, one);
        expect(await a.getCollectionState(collection)).toEqual(before);
      });

      test('texts come back byte for byte', async () => {
        const odd = [
          '{"id":"x-a--1","z":1,"a":2,"10":3,"9":4}',
          '{"id":"x-a--2","big":123456789012345678901234567890,"f":1.0,"e":1E+2,"neg":-0}',
          '{"id":"x-a--3","s":"\\u4e2d\\/\\u0022 汇聚 😀 \\ud83d\\ude00"}',
          '{"id":"x-a--4","__proto__":{"a":1},"constructor":{"$set":{"a.b":null}},"":[]}',
          `{"id":"x-a--5","long":"${'é'.repeat(100_000)}"}`,
        ];
        const collection = newCollection();
        const outcomes = await add(
          collection,
          odd.map((text, n) => ({ ...version(`x-a--${n + 1}`, time(n)), text })),
        );
        expect(kinds(outcomes)).toEqual(Array(5).fill('added'));
        const page = await b.findObjects(collection, everything, { limit: 10, maxBytes: 10_000_000 });
        expect(page.texts.equals(Buffer.from(odd.join(',')))).toBe(true);
        expect((await b.getCollectionState(collection)).bytes).toBe(Buffer.byteLength(odd.join('')));
      });
    });

    describe('new versions of an object (STIX 2.1 §3.6)', () => {
      const [ann, bob] = [newId('identity'), newId('identity')];
      const by = (creator: string, rest: Readonly<Record<string, unknown>> = {}) => ({
        created_by_ref: creator,
        ...rest,
      });
      const revoked = { revoked: true };
      const count = async (collection: string) => (await b.getCollectionState(collection)).versions;

      test('are made by the creator of the object, whatever the order of arrival', async () => {
        for (const at of [1, 9]) {
          const collection = newCollection();
          const id = newId();
          const [stored] = await add(collection, [version(id, time(5), by(ann))]);
          const outcomes = await b.addObjects(collection, 'user-b', [
            version(id, time(at), by(bob)),
            version(id, time(at)),
            version(id, time(at), by(ann)),
          ]);
          const refused = { outcome: 'other-creator', dateAdded: stored?.dateAdded };
          expect(outcomes.slice(0, 2)).toEqual([
            { ...refused, given: bob },
            { ...refused, given: null },
          ]);
          expect(kinds(outcomes)[2]).toBe('added');
          expect(await count(collection)).toBe(2);
        }
      });

      test('an object that names no creator is not taken over, and goes on without', async () => {
        const collection = newCollection();
        const id = newId();
        const outcomes = await add(collection, [
          version(id, time(1)),
          version(id, time(2), by(ann)),
          version(id, time(3)),
        ]);
        expect(kinds(outcomes)).toEqual(['added', 'other-creator', 'added']);
      });

      test('creators are the same in capitals and small letters', async () => {
        const collection = newCollection();
        const id = newId();
        const [type, uuid] = ann.split('--') as [string, string];
        await add(collection, [version(id, time(1), by(ann))]);
        const outcomes = await add(collection, [version(id, time(2), by(`${type}--${uuid.toUpperCase()}`))]);
        expect(kinds(outcomes)).toEqual(['added']);
      });

      test('keep created, which may be spelled otherwise', async () => {
        for (const at of [1, 9]) {
          const collection = newCollection();
          const id = newId();
          const [stored] = await add(collection, [version(id, time(5))]);
          const spelled = time(0).replace('Z', '000Z');
          const outcomes = await add(collection, [
            version(id, time(at), { created: time(1) }),
            version(id, time(at), { created: spelled }),
          ]);
          expect(outcomes[0]).toEqual({ outcome: 'created-changed', dateAdded: stored?.dateAdded, given: time(1) });
          expect(kinds(outcomes)[1]).toBe('added');
        }
      });

      test('end with a revoked one, in one call and in several', async () => {
        const id = newId();
        const versions = [
          version(id, time(1)),
          version(id, time(3), revoked),
          version(id, time(4)),
          version(id, time(5), revoked),
          version(id, time(2)),
        ];
        const expected = ['added', 'added', 'revoked', 'revoked', 'added'];
        const [atOnce, oneByOne] = [newCollection(), newCollection()];
        expect(kinds(await add(atOnce, versions))).toEqual(expected);
        const outcomes: AddOutcome[] = [];
        for (const one of versions) outcomes.push(...(await add(oneByOne, [one])));
        expect(kinds(outcomes)).toEqual(expected);
        expect(outcomes[2]).toEqual({ outcome: 'revoked', dateAdded: outcomes[1]?.dateAdded, given: time(4) });
        expect(await walk(b, atOnce, { versions: [last] })).toEqual(names([versions[1] as NewVersion]));
      });

      test('an object that is revoked from the first ends there; what a part of it says does not revoke it', async () => {
        const collection = newCollection();
        const [one, two] = [newId(), newId()];
        const outcomes = await add(collection, [
          version(one, time(1), revoked),
          version(one, time(2)),
          version(two, time(1), { revoked: false, x_state: { revoked: true }, x_text: '"revoked":true' }),
          version(two, time(2)),
        ]);
        expect(kinds(outcomes)).toEqual(['added', 'revoked', 'added', 'added']);
      });

      test('a revocation that arrives late is taken, and what would follow it is refused from then on', async () => {
        const collection = newCollection();
        const id = newId();
        const [early, late] = [version(id, time(3)), version(id, time(2), revoked)];
        const outcomes = await add(collection, [early, late, version(id, time(1)), version(id, time(4))]);
        expect(kinds(outcomes)).toEqual(['added', 'added', 'added', 'revoked']);
        expect(kinds(await add(collection, [early, late]))).toEqual(['duplicate', 'duplicate']);
      });

      test('a legal history is taken whole in every order of arrival', async () => {
        const id = newId();
        const history = [1, 2, 3].map((n) => version(id, time(n), by(ann, n === 3 ? revoked : {})));
        for (const order of ['012', '021', '102', '120', '201', '210']) {
          const versions = [...order].map((n) => history[Number(n)] as NewVersion);
          expect(kinds(await add(newCollection(), versions))).toEqual(['added', 'added', 'added']);
        }
      });

      test('what was deleted forbids nothing any more', async () => {
        const collection = newCollection();
        const id = newId();
        await add(collection, [version(id, time(1), by(ann)), version(id, time(2), by(ann, revoked))]);
        await a.deleteObject(collection, id, last, both);
        expect(kinds(await add(collection, [version(id, time(3), by(bob)), version(id, time(3), by(ann))]))).toEqual([
          'other-creator',
          'added',
        ]);
        await a.deleteObject(collection, id, all, both);
        const anew = version(id, time(1), by(bob, { created: time(1) }));
        expect(kinds(await add(collection, [anew, version(id, time(2), by(ann))]))).toEqual(['added', 'other-creator']);
      });

      test('each collection decides by what it holds itself', async () => {
        const id = newId();
        await add(newCollection(), [version(id, time(1), by(ann, revoked))]);
        expect(kinds(await add(newCollection(), [version(id, time(2), by(bob))]))).toEqual(['added']);
      });

      test('observables have no creator and no created', async () => {
        const id = newId('ipv4-addr');
        const versions = [{}, by(ann), by(bob, revoked), { x: 1 }].map((rest) => observable(id, rest));
        expect(kinds(await add(newCollection(), versions))).toEqual(['added', 'added', 'added', 'added']);
        const custom = [by(ann), by(bob, { ...revoked, created: time(1) }), by(ann)];
        const outcomes = await add(
          newCollection(),
          custom.map((rest, n) => version(id, time(n), rest)),
        );
        expect(kinds(outcomes)).toEqual(['added', 'added', 'added']);
      });
    });

    describe('first and last', () => {
      test('go by the version, whatever the order of arrival', async () => {
        const collection = newCollection();
        const id = newId();
        const [v1, v2, v3] = [1, 2, 3].map((n) => version(id, time(n))) as [NewVersion, NewVersion, NewVersion];
        for (const one of [v2, v3, v1]) await add(collection, [one]);
        const other = objects(1);
        await add(collection, other);
        expect(await walk(b, collection, { versions: [last] })).toEqual(names([v3, ...other]));
        expect(await walk(b, collection, { versions: [first] })).toEqual(names([v1, ...other]));
        expect(await walk(b, collection, everything)).toEqual(names([v2, v3, v1, ...other]));
        expect(await walk(b, collection, { versions: [{ ...first, last: true }] })).toEqual(names([v3, v1, ...other]));
      });

      test('versions of unequal precision are ordered as instants', async () => {
        const collection = newCollection();
        const id = newId();
        const spellings = ['2024-01-01T00:00:00.10001Z', '2024-01-01T00:00:00.1Z', '2024-01-01T00:00:00Z'];
        const versions = spellings.map((spelled) => version(id, spelled));
        await add(collection, versions);
        expect(await walk(a, collection, { versions: [last] })).toEqual([`${id} ${spellings[0]}`]);
        expect(await walk(a, collection, { versions: [first] })).toEqual([`${id} ${spellings[2]}`]);
      });
    });

    describe('finding', () => {
      const types = ['indicator', 'malware', 'x-rare'];
      let collection: string;
      let stored: { version: NewVersion; dateAdded: Micros; isFirst: boolean; isLast: boolean }[];
      let ids: string[];

      // Thirty objects with one to four versions, in an order that mixes objects, types and versions.
      beforeAll(async () => {
        collection = newCollection();
        ids = Array.from({ length: 30 }, (_, n) => newId(types[n % 10 === 9 ? 2 : n % 2]));
        const versions = [3, 1, 4, 2].flatMap((n) =>
          ids.filter((_, at) => at % 4 >= n - 1).map((id) => version(id, time(n))),
        );
        const outcomes = await add(collection, versions);
        stored = versions.map((each, n) => {
          const same = versions
            .filter(({ id }) => id === each.id)
            .map(({ versionKey }) => versionKey ?? '')
            .sort();
          return {
            version: each,
            dateAdded: outcomes[n]?.dateAdded ?? 0,
            isFirst: same[0] === each.versionKey,
            isLast: same.at(-1) === each.versionKey,
          };
        });
      });

      const selectors = {
        all,
        last,
        first,
        both: { ...first, last: true },
        exact: exact(key(2), key(4)),
        mixed: { all: false, first: true, last: false, exact: [key(3)] },
        none: exact(key(77)),
      };
      const conjunctions = [
        ...Object.values(selectors).map((one) => [one]),
        [first, last],
        [selectors.mixed, last],
        [selectors.exact, selectors.both],
        [all, selectors.exact, exact(key(2))],
      ];

      function expected(query: Parameters<Store['findRecords']>[1]): string[] {
        const matching = stored.filter(
          (each) =>
            each.dateAdded > (query.addedAfter ?? 0) &&
            (query.ids?.includes(each.version.id) ?? true) &&
            (query.types?.includes(each.version.type) ?? true) &&
            query.versions.every(
              (one) =>
                one.all ||
                (one.first && each.isFirst) ||
                (one.last && each.isLast) ||
                one.exact.includes(each.version.versionKey ?? ''),
            ),
        );
        return names(matching.map((each) => each.version));
      }

      const narrowings = () => [
        {},
        { types: ['indicator'] },
        { types: ['x-rare', 'malware', 'malware'] },
        { types: ['x-absent'] },
        { types: [...Array.from({ length: 150 }, (_, n) => `x-t${n}`), 'malware'] },
        { ids: [ids[3] ?? ''] },
        { ids: [...ids.slice(5, 25), newId(), ids[5] ?? ''] },
        { ids: ids.slice(0, 20), types: ['malware', 'x-rare'] },
        { ids: [ids[0] ?? ''], types: ['x-absent'] },
      ];

      test.each([1, 2, 3, 7, 1_000])(
        'every combination of filters, walked in pages of %i, gives each match once in order',
        async (limit) => {
          for (const narrowing of narrowings())
            for (const versions of conjunctions) {
              const query = { ...narrowing, versions };
              expect(await walk(b, collection, query, limit)).toEqual(expected(query));
            }
        },
      );

      test('added_after is exclusive for every shape', async () => {
        for (const narrowing of narrowings())
          for (const versions of conjunctions)
            for (const at of [10, stored.length - 1]) {
              const query = { ...narrowing, versions, addedAfter: stored[at]?.dateAdded ?? 0 };
              expect(await walk(b, collection, query)).toEqual(expected(query));
            }
      });

      test('objects and records of a page agree, and so do their bounds', async () => {
        const query = { versions: [last], types: ['indicator'] };
        const records = await a.findRecords(collection, query, { limit: 3 });
        const page = await a.findObjects(collection, query, { limit: 3, maxBytes: 1_000_000 });
        const served = JSON.parse(`[${page.texts}]`) as { id: string; modified: string }[];
        expect(served.map(({ id, modified }) => `${id} ${modified}`)).toEqual(
          records.records.map((record) => `${record.id} ${record.version}`),
        );
        expect(page).toMatchObject({
          count: 3,
          more: true,
          first: records.records[0]?.dateAdded,
          last: records.records[2]?.dateAdded,
          dates: records.records.map(({ dateAdded }) => dateAdded),
        });
        expect(records).toMatchObject({ count: 3, more: true, first: page.first, last: page.last });
        expect(records.records.every(({ specVersion }) => specVersion === '2.1')).toBe(true);
      });

      test('an exact multiple of the limit ends without more', async () => {
        const page = await a.findRecords(collection, everything, { limit: stored.length });
        expect(page).toMatchObject({ count: stored.length, more: false });
      });

      test('an empty page is empty', async () => {
        const page = await a.findObjects(newCollection(), everything, { limit: 10, maxBytes: 10 });
        expect(page).toEqual({
          count: 0,
          first: undefined,
          last: undefined,
          more: false,
          dates: [],
          texts: Buffer.alloc(0),
        });
        expect(await a.findRecords(collection, { ids: [newId()], versions: [last] }, { limit: 10 })).toEqual({
          count: 0,
          first: undefined,
          last: undefined,
          more: false,
          records: [],
        });
      });

      test('a page ends before the object that would exceed maxBytes, commas counted, and holds at least one', async () => {
        const three = newCollection();
        const versions = objects(3);
        await add(three, versions);
        const [one = 0, two = 0] = versions.map(({ text }) => Buffer.byteLength(text));
        const read = (maxBytes: number) => a.findObjects(three, everything, { limit: 10, maxBytes });
        expect(await read(one + 1 + two)).toMatchObject({ count: 2, more: true });
        expect((await read(one + 1 + two)).texts).toHaveLength(one + 1 + two);
        expect(await read(one + two)).toMatchObject({ count: 1, more: true });
        expect(await read(1)).toMatchObject({ count: 1, more: true });
        expect(await read(1_000_000)).toMatchObject({ count: 3, more: false });
      });

      test('hasObject tells whether any version is here', async () => {
        expect(await b.hasObject(collection, ids[0] ?? '')).toBe(true);
        expect(await b.hasObject(collection, newId())).toBe(false);
        expect(await b.hasObject(newCollection(), ids[0] ?? '')).toBe(false);
      });

      test('a search that nobody waits for any more ends, and the others go on', async () => {
        const many = newCollection();
        for (let n = 0; n < 2; n += 1) await add(many, objects(2_000));
        const absent = { versions: [exact('1999-01-01T00:00:00')] };
        const reason = new Error('the client left');
        let hasLeft = false;
        const assertWanted = (): void => {
          if (hasLeft) throw reason;
        };
        const [ended, finished] = [
          a.findRecords(many, absent, { limit: 10, assertWanted }),
          a.findRecords(many, absent, { limit: 10 }),
        ];
        hasLeft = true;
        await expect(ended).rejects.toBe(reason);
        expect(await finished).toMatchObject({ count: 0, more: false });
        await expect(a.findRecords(many, absent, { limit: 10, assertWanted })).rejects.toBe(reason);
      });

      test('a rare match far behind is found, not reported as an empty page with more', async () => {
        const big = newCollection();
        for (let n = 0; n < 3; n += 1) await add(big, objects(2_000));
        const rare = version(newId(), time(99_999_999));
        await add(big, [rare, ...objects(10)]);
        const page = await a.findRecords(big, { versions: [exact(rare.versionKey ?? '')] }, { limit: 10 });
        expect(page.records.map(({ id }) => id)).toEqual([rare.id]);
      });
    });

    describe('walks', () => {
      test.each([1, 3, 10])(
        'in pages of %i, nothing present throughout is missed or repeated while others are added and deleted',
        async (limit) => {
          const collection = newCollection();
          const [kept, doomed] = [objects(40), objects(20)];
          await add(
            collection,
            kept.flatMap((one, n) => (n % 2 === 0 ? [one, doomed[n / 2] ?? one] : [one])),
          );
          let added: NewVersion[] = [];
          const disturb = async () => {
            const next = objects(1);
            await b.addObjects(collection, user, next);
            added = [...added, ...next];
            const victim = doomed.pop();
            if (victim !== undefined) await b.deleteObject(collection, victim.id, all, both);
          };
          const seen: string[] = [];
          let addedAfter = 0;
          for (let more = true; more; ) {
            const page = await a.findRecords(collection, { versions: [last], addedAfter }, { limit });
            seen.push(...page.records.map((record) => record.id));
            addedAfter = page.last ?? addedAfter;
            more = page.more;
            if (more && added.length < 20) await disturb();
          }
          expect(new Set(seen).size).toBe(seen.length);
          const present = new Set([...kept, ...added].map(({ id }) => id));
          expect(seen.filter((id) => present.has(id))).toEqual([...kept, ...added].map(({ id }) => id));
        },
      );
    });

    describe('deleting', () => {
      test('takes every selected version at once, and first and last of the rest follow', async () => {
        const collection = newCollection();
        const id = newId();
        const [v1, v2, v3] = [1, 2, 3].map((n) => version(id, time(n))) as [NewVersion, NewVersion, NewVersion];
        await add(collection, [v1, v2, v3]);
        expect(await b.deleteObject(collection, id, { ...last, exact: [key(9)] }, both)).toEqual({
          outcome: 'deleted',
          versions: 1,
        });
        expect(await walk(a, collection, { versions: [last] })).toEqual(names([v2]));
        expect(await b.deleteObject(collection, id, first, both)).toEqual({ outcome: 'deleted', versions: 1 });
        expect(await walk(a, collection, { versions: [first] })).toEqual(names([v2]));
        expect(await b.deleteObject(collection, id, exact(key(1)), both)).toEqual({ outcome: 'deleted', versions: 0 });
        expect(await b.deleteObject(collection, id, all, both)).toEqual({ outcome: 'deleted', versions: 1 });
        expect(await b.deleteObject(collection, id, all, both)).toEqual({ outcome: 'unknown-object' });
        expect(await b.deleteObject(newCollection(), id, all, both)).toEqual({ outcome: 'unknown-object' });
        expect(await a.hasObject(collection, id)).toBe(false);
      });

      test('with onlySubmitter, deletes all or nothing', async () => {
        const collection = newCollection();
        const id = newId();
        await a.addObjects(collection, 'user-a', [version(id, time(1))]);
        await a.addObjects(collection, 'user-b', [version(id, time(2))]);
        const mine = { user: 'user-a', onlySubmitter: true };
        expect(await a.deleteObject(collection, id, all, mine)).toEqual({ outcome: 'not-submitter' });
        expect((await a.getCollectionState(collection)).versions).toBe(2);
        expect(await a.deleteObject(collection, id, first, mine)).toEqual({ outcome: 'deleted', versions: 1 });
      });

      test('what is published again gets a new date_added', async () => {
        const collection = newCollection();
        const [one] = objects(1) as [NewVersion];
        const [before = 0] = dates(await add(collection, [one]));
        await a.deleteObject(collection, one.id, all, both);
        const [again] = await add(collection, [one]);
        expect(again?.outcome).toBe('added');
        expect(again?.dateAdded).toBeGreaterThan(before);
      });
    });

    describe('withholding what was deleted', () => {
      const withholdDeleted = { exceptBy: 'feed' };
      const bring = (collection: string, versions: NewVersion[], by = a) =>
        by.addObjects(collection, 'feed', versions, { withholdDeleted });

      test('is told of each version, and of none that is here, or that the one who brings it has deleted', async () => {
        const collection = newCollection();
        const [gone, back, kept, dropped] = objects(4) as [NewVersion, NewVersion, NewVersion, NewVersion];
        const seen = dates(await add(collection, [gone, back, kept, dropped]));
        for (const { id } of [gone, back]) await a.deleteObject(collection, id, all, both);
        await a.deleteObject(collection, dropped.id, all, { user: 'feed', onlySubmitter: false });
        const [again] = dates(await add(collection, [back]));
        const [other] = objects(1) as [NewVersion];
        expect(await bring(collection, [other, gone, back, kept, dropped], b)).toEqual([
          { outcome: 'added', dateAdded: expect.any(Number) },
          { outcome: 'withheld', dateAdded: seen[0] },
          { outcome: 'duplicate', dateAdded: again },
          { outcome: 'duplicate', dateAdded: seen[2] },
          { outcome: 'added', dateAdded: expect.any(Number) },
        ]);
        expect(await a.hasObject(collection, gone.id)).toBe(false);
        expect(await add(collection, [gone])).toMatchObject([{ outcome: 'added' }]);
      });

      test('goes by the newest deletion, and is not told of another spelling or version', async () => {
        const collection = newCollection();
        const id = newId();
        const address = newId('ipv4-addr');
        const [one, two] = ['2024-01-01T00:00:10.500Z', '2024-01-01T00:00:10.000Z'].map((at) => version(id, at)) as [
          NewVersion,
          NewVersion,
        ];
        const deleteBoth = async (by: string) => {
          const added = dates(await add(collection, [one, observable(address, { value: by })]));
          for (const each of [id, address]) await a.deleteObject(collection, each, all, { ...both, user: by });
          return added;
        };
        await deleteBoth('feed');
        await deleteBoth(user);
        const seen = await deleteBoth(user);
        const outcomes = await bring(collection, [one, two, observable(address)], b);
        expect(kinds(outcomes)).toEqual(['withheld', 'added', 'withheld']);
        expect([outcomes[0]?.dateAdded, outcomes[2]?.dateAdded]).toEqual(seen);
        await a.deleteObject(collection, id, all, both);
        await deleteBoth('feed');
        expect(kinds(await bring(collection, [one, two, observable(address)]))).toEqual(['added', 'withheld', 'added']);
        expect(kinds(await bring(newCollection(), [one]))).toEqual(['added']);
      });

      test('holds against one that is back with other content, and not against the same', async () => {
        const collection = newCollection();
        const [id, other] = [newId(), newId()];
        const [wrong, right] = [version(id, time(1)), version(id, time(1), { name: 'corrected' })];
        const [dateAdded = 0] = dates(await add(collection, [wrong]));
        await a.deleteObject(collection, id, all, both);
        const [corrected = 0, ofOther = 0] = dates(await add(collection, [right, version(other, time(1))]));
        const changed = version(other, time(1), { name: 'changed' });
        expect(await bring(collection, [wrong, right, changed], b)).toEqual([
          { outcome: 'withheld', dateAdded },
          { outcome: 'duplicate', dateAdded: corrected },
          { outcome: 'version-conflict', dateAdded: ofOther },
        ]);
        expect(kinds(await add(collection, [wrong]))).toEqual(['version-conflict']);
      });

      test('goes by the version, by the id where there is none, and before what refuses a version', async () => {
        const collection = newCollection();
        const [id, address] = [newId(), newId('ipv4-addr')];
        const [one, two] = [version(id, time(1)), version(id, time(2))];
        const [, dateAdded = 0, ofAddress = 0] = dates(await add(collection, [one, two, observable(address)]));
        await a.deleteObject(collection, id, exact(two.versionKey ?? ''), both);
        await a.deleteObject(collection, address, all, both);
        const [forged, third] = [version(id, time(2), { created_by_ref: newId('identity') }), version(id, time(3))];
        expect(await bring(collection, [forged, third, observable(address, { value: '10.0.0.9' })])).toEqual([
          { outcome: 'withheld', dateAdded },
          { outcome: 'added', dateAdded: expect.any(Number) },
          { outcome: 'withheld', dateAdded: ofAddress },
        ]);
      });

      test('holds for what is deleted while it is brought again', async () => {
        const collection = newCollection();
        for (let round = 0; round < 20; round += 1) {
          const versions = objects(5);
          await add(collection, versions);
          const deletions = versions.map(({ id }) => b.deleteObject(collection, id, all, both));
          const brought = await Promise.all([a, b, a, b].map((by) => bring(collection, versions, by)));
          await Promise.all(deletions);
          const outcomes = new Set(
            [...brought, await bring(collection, versions)].flat().map(({ outcome }) => outcome),
          );
          expect(outcomes).not.toContain('added');
          for (const { id } of versions) expect(await a.hasObject(collection, id)).toBe(false);
        }
      });
    });

    describe('provenance', () => {
      const name = ({ id, versionKey }: NewVersion) => ({ id, versionKey });

      test('tells who brought each version, and whence: of a copy that came again, as of the first one', async () => {
        const collection = newCollection();
        const id = newId();
        const [one, two, three] = [version(id, time(1)), version(id, time(2)), version(id, time(3))];
        const origin = JSON.stringify({ feed: '汇聚', upstream: 'https://example.com/' });
        const [atOne] = dates(await a.addObjects(collection, 'feed', [one], { origin }));
        const [, atTwo] = dates(await a.addObjects(collection, 'other-feed', [one, two], { origin: 'another' }));
        const [, , atThree] = dates(await add(collection, [one, two, three]));
        expect(await b.findProvenance(collection, [three, one, ...objects(1), two].map(name))).toEqual([
          { dateAdded: atThree, submitter: user, origin: null },
          { dateAdded: atOne, submitter: 'feed', origin },
          undefined,
          { dateAdded: atTwo, submitter: 'other-feed', origin: 'another' },
        ]);
        expect(await b.findProvenance(newCollection(), [name(one)])).toEqual([undefined]);
        expect(await b.findProvenance(collection, [])).toEqual([]);
      });

      test('of an object without versions of its own is that of the last one', async () => {
        const collection = newCollection();
        const address = newId('ipv4-addr');
        await a.addObjects(collection, user, [observable(address, { value: '10.0.0.1' })], { origin: 'first' });
        const newer = [observable(address, { value: '10.0.0.2' })];
        const [dateAdded = 0] = dates(await a.addObjects(collection, user, newer, { origin: 'second' }));
        const names = [null, versionKeyOfMicros(dateAdded)].map((versionKey) => ({ id: address, versionKey }));
        const expected = { dateAdded, submitter: user, origin: 'second' };
        expect(await b.findProvenance(collection, names)).toEqual([expected, expected]);
      });

      test('goes with its version, and comes anew when the version does', async () => {
        const collection = newCollection();
        const origin = `origin of ${collection} ${'x'.repeat(1_900)}`;
        const [gone, kept] = objects(2) as [NewVersion, NewVersion];
        await a.addObjects(collection, user, [gone, kept], { origin });
        await a.deleteObject(collection, gone.id, all, both);
        const origins = async () =>
          (await b.findProvenance(collection, [gone, kept].map(name))).map((found) => found?.origin);
        expect(await origins()).toEqual([undefined, origin]);
        await add(collection, [gone]);
        expect(await origins()).toEqual([null, origin]);
        await a.deleteObject(collection, kept.id, all, both);
        await a.addObjects(collection, user, [kept], { origin });
        expect(await origins()).toEqual([null, origin]);
      });

      test('differs between calls that come at once', async () => {
        const collection = newCollection();
        const calls = Array.from({ length: 10 }, (_, n) => ({ versions: objects(3), origin: `origin ${n}` }));
        await Promise.all(
          calls.map(({ versions, origin }, n) => (n % 2 ? a : b).addObjects(collection, user, versions, { origin })),
        );
        const names = calls.flatMap(({ versions }) => versions.map(name));
        const found = await b.findProvenance(collection, names);
        expect(found.map((one) => one?.origin)).toEqual(calls.flatMap(({ origin }) => Array(3).fill(origin)));
      });
    });

    describe('what is old', () => {
      const long = ['v'.repeat(3_000_000), 'w'.repeat(3_000_000)];

      test('expires step by step, the oldest first, also the last version of an object', async () => {
        const collection = newCollection();
        const id = newId();
        const address = newId('ipv4-addr');
        const [v1, v2, v3] = [1, 2, 3].map((n) => version(id, time(n))) as [NewVersion, NewVersion, NewVersion];
        const [lone, young] = objects(2) as [NewVersion, NewVersion];
        // The newest version came first, the oldest last.
        const outcomes = await add(collection, [v3, lone, observable(address), v2, v1, young]);
        const limit = dates(outcomes)[4] ?? 0;
        const before = await a.getCollectionState(collection);
        expect(await a.expireObjects(collection, limit, 2)).toBe(2);
        expect(await walk(b, collection, { ids: [id], versions: [last] })).toEqual(names([v2]));
        expect(await walk(b, collection, { ids: [id], versions: [first] })).toEqual(names([v1]));
        expect(await a.hasObject(collection, lone.id)).toBe(false);
        expect(await b.expireObjects(collection, limit, 100)).toBe(2);
        expect(await walk(a, collection, everything)).toEqual(names([v1, young]));
        expect(await walk(a, collection, { versions: [last] })).toEqual(names([v1, young]));
        expect(await a.expireObjects(collection, limit, 100)).toBe(0);
        const state = await b.getCollectionState(collection);
        const bytes = Buffer.byteLength(v1.text) + Buffer.byteLength(young.text);
        expect(state).toMatchObject({ highWater: before.highWater, versions: 2, bytes });
        expect(state.generation).toBe(before.generation + 2);
      });

      test('that has expired has tombstones and is told as deleted', async () => {
        const collection = newCollection();
        const [one] = objects(1) as [NewVersion];
        const [dateAdded = 0] = dates(await add(collection, [one]));
        expect(await a.expireObjects(collection, dateAdded + 1, 10)).toBe(1);
        const deletion = { dateAdded, deletedBy: '(retention)', deletedAt: expect.any(Number) };
        expect(await b.findChanges(collection, 0, 10)).toEqual([
          { op: 'delete', seq: expect.any(Number), collection, id: one.id, version: one.version, ...deletion },
        ]);
        const [again] = await add(collection, [one]);
        expect(again).toMatchObject({ outcome: 'added' });
        expect(again?.dateAdded).toBeGreaterThan(dateAdded);
      });

      test('stays in other collections, and where there is nothing nothing goes', async () => {
        const [collection, other] = [newCollection(), newCollection()];
        const some = objects(2);
        await add(other, some);
        await add(collection, some);
        const future = Date.now() * 1_000 + hour;
        expect(await a.expireObjects(newCollection(), future, 10)).toBe(0);
        expect(await a.expireObjects(collection, 1, 10)).toBe(0);
        expect(await a.expireObjects(collection, future, 10)).toBe(2);
        expect(await walk(a, other, everything)).toEqual(names(some));
      });

      test('expires once, when two instances take it away at once, while others publish', async () => {
        const collection = newCollection();
        const old = objects(60);
        const young = objects(10);
        const limit = (dates(await add(collection, old)).at(-1) ?? 0) + 1;
        const sweep = async (store: Store) => {
          while ((await store.expireObjects(collection, limit, 7)) > 0);
        };
        const publish = async () => {
          for (const one of young) await add(collection, [one]);
        };
        const polled: string[] = [];
        const poll = async () => {
          for (let after = 0; !polled.includes(young.at(-1)?.id ?? ''); ) {
            const query = { versions: [last], addedAfter: after };
            const { records } = await b.findRecords(collection, query, { limit: 3 });
            polled.push(...records.map(({ id }) => id));
            after = records.at(-1)?.dateAdded ?? after;
            await new Promise(setImmediate);
          }
        };
        await Promise.all([sweep(a), sweep(b), publish(), poll()]);
        expect(new Set(polled).size).toBe(polled.length);
        expect(polled.slice(-10)).toEqual(young.map(({ id }) => id));
        expect(await walk(b, collection, everything)).toEqual(names(young));
        const bytes = young.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
        expect(await a.getCollectionState(collection)).toMatchObject({ versions: 10, bytes });
        const deleted = (await a.findChanges(collection, 0, 1_000)).filter(({ op }) => op === 'delete');
        expect(deleted.map(({ id }) => id).sort()).toEqual(old.map(({ id }) => id).sort());
      });

      test('with long texts expires too', async () => {
        const collection = newCollection();
        const versions = long.map((name, n) => version(newId(), time(n), { name }));
        const limit = (dates(await add(collection, versions)).at(-1) ?? 0) + 1;
        while ((await a.expireObjects(collection, limit, 10)) > 0);
        expect(await a.getCollectionState(collection)).toMatchObject({ versions: 0, bytes: 0 });
      });

      test('of tombstones is dropped, of a collection the oldest first, and the versions may be anything then', async () => {
        const collection = newCollection();
        const some = objects(3);
        await add(collection, some);
        const future = Date.now() * 1_000 + hour;
        // Those of other tests.
        while ((await b.dropTombstones(future, 100)) > 0);
        for (const { id } of some.slice(0, 2)) await a.deleteObject(collection, id, all, both);
        const findDeleted = async () =>
          (await b.findChanges(collection, 0, 10)).filter(({ op }) => op === 'delete').map(({ id }) => id);
        expect(await b.dropTombstones(1, 10)).toBe(0);
        expect(await b.dropTombstones(future, 1)).toBe(1);
        expect(await findDeleted()).toEqual([some[1]?.id]);
        while ((await b.dropTombstones(future, 100)) > 0);
        expect(await findDeleted()).toEqual([]);
        expect(names(some.slice(2))).toEqual(await walk(a, collection, everything));
        expect((await a.findChanges(collection, 0, 10)).map(({ op }) => op)).toEqual(['add']);
        const withholdDeleted = { exceptBy: 'feed' };
        const outcomes = await a.addObjects(collection, 'feed', some, { withholdDeleted });
        expect(kinds(outcomes)).toEqual(['added', 'added', 'duplicate']);
      });

      test('of statuses is dropped, in steps', async () => {
        const status = { apiRoot: 'hub', submitter: user, text: '{}' };
        const [old, older, young] = [5, 4, 6].map((completedAt) => ({ ...status, id: randomUUID(), completedAt }));
        for (const each of [old, older, young]) if (each !== undefined) await a.putStatus(each, 0);
        expect(await b.dropStatuses(6, 1)).toBe(1);
        expect(await a.findStatus('hub', older?.id ?? '')).toBeUndefined();
        expect(await a.findStatus('hub', old?.id ?? '')).toEqual(old);
        expect(await b.dropStatuses(6, 10)).toBe(1);
        expect(await b.dropStatuses(6, 10)).toBe(0);
        expect(await a.findStatus('hub', young?.id ?? '')).toEqual(young);
      });
    });

    test('the state of a collection counts versions and bytes, and its generation rises with each change', async () => {
      const collection = newCollection();
      const zeros = { collection, highWater: 0, generation: 0, versions: 0, bytes: 0 };
      expect(await a.getCollectionState(collection)).toEqual(zeros);
      const versions = objects(3);
      const [, , high = 0] = dates(await add(collection, versions));
      const bytes = versions.map(({ text }) => Buffer.byteLength(text));
      expect(await b.getCollectionState(collection)).toEqual({
        collection,
        highWater: high,
        generation: 1,
        versions: 3,
        bytes: bytes.reduce((sum, each) => sum + each, 0),
      });
      await a.deleteObject(collection, versions[2]?.id ?? '', all, both);
      expect(await b.getCollectionState(collection)).toEqual({
        collection,
        highWater: high,
        generation: 2,
        versions: 2,
        bytes: (bytes[0] ?? 0) + (bytes[1] ?? 0),
      });
      const states = await b.listCollectionStates();
      expect(states.filter((state) => state.collection === collection)).toHaveLength(1);
      expect(states.map((state) => state.collection)).toEqual(states.map((state) => state.collection).sort());
    });

    test('the generation of a collection rises with whatever changes what is found, whoever does it', async () => {
      const collection = newCollection();
      const [id, other] = [newId(), newId()];
      const changes: (() => Promise<unknown>)[] = [
        () => add(collection, [version(id, time(5))]),
        () => b.addObjects(collection, user, [version(id, time(3)), version(id, time(9)), version(other, time(1))]),
        () => a.deleteObject(collection, id, last, both),
        () => b.deleteObject(collection, id, exact(key(3)), both),
        () => a.expireObjects(collection, Number.MAX_SAFE_INTEGER, 1),
        () => b.expireObjects(collection, Number.MAX_SAFE_INTEGER, 10),
      ];
      const seen = [0];
      for (const change of changes) {
        await change();
        const states = await Promise.all([a, b].map((store) => store.getCollectionState(collection)));
        expect(states[0]).toEqual(states[1]);
        seen.push(states[0]?.generation ?? 0);
      }
      expect(isRising(seen)).toBe(true);
      expect((await a.getCollectionState(collection)).versions).toBe(0);
    });

    test('changes of a collection tell adds and deletes in commit order, page by page, and leave out adds that were undone', async () => {
      const collection = newCollection();
      const tail = async (from: number): Promise<Change[]> => {
        const changes: Change[] = [];
        for (let after = from; ; ) {
          const page = await b.findChanges(collection, after, 2);
          changes.push(...page);
          const end = page.at(-1);
          if (end === undefined) return changes;
          after = end.seq;
        }
      };
      await add(newCollection(), objects(1));
      await add(collection, objects(1));
      expect(await tail(0)).toHaveLength(1);
      const start = (await tail(0)).at(-1)?.seq ?? 0;
      const [one, two, three] = objects(3) as [NewVersion, NewVersion, NewVersion];
      const [first1 = 0, first2 = 0] = dates(await add(collection, [one, two]));
      await a.deleteObject(collection, one.id, all, both);
      await add(collection, [three, one]);
      const changes = await tail(start);
      expect(changes.map(({ op, id }) => [op, id])).toEqual([
        ['add', two.id],
        ['delete', one.id],
        ['add', three.id],
        ['add', one.id],
      ]);
      expect(changes[0]).toMatchObject({ collection, version: two.version, dateAdded: first2 });
      expect(changes[1]).toMatchObject({ collection, version: one.version, dateAdded: first1, deletedBy: user });
      expect(isRising(changes.map(({ seq }) => seq))).toBe(true);
    });

    test('a status is kept per API root, may be put again, and goes when it is old', async () => {
      const status = { id: randomUUID(), apiRoot: 'hub', submitter: user, text: '{"id":"汇"}', completedAt: 1_000 };
      await a.putStatus(status, 0);
      expect(await b.findStatus('hub', status.id)).toEqual(status);
      expect(await b.findStatus('other', status.id)).toBeUndefined();
      await a.putStatus({ ...status, text: '{}' }, 0);
      expect((await b.findStatus('hub', status.id))?.text).toBe('{}');
      const young = { ...status, id: randomUUID(), completedAt: 3_000 };
      await a.putStatus(young, 2_000);
      expect(await b.findStatus('hub', status.id)).toBeUndefined();
      expect(await b.findStatus('hub', young.id)).toEqual(young);
    });

    describe('records', () => {
      test('change only from the expected revision, and one of two changes at once wins', async () => {
        const kind = `kind-${randomUUID()}`;
        expect(await a.findRecord(kind, 'x')).toBeUndefined();
        expect(await a.putRecord(kind, 'x', 1, {}, {})).toBe(false);
        expect(await a.putRecord(kind, 'x', 0, { n: 1 }, {})).toBe(true);
        expect(await a.putRecord(kind, 'x', 0, { n: 2 }, {})).toBe(false);
        const race = [a, b, a, b].map((store, n) => store.putRecord(kind, 'x', 1, { race: n }, {}));
        expect((await Promise.all(race)).filter(Boolean)).toHaveLength(1);
        expect(await b.findRecord(kind, 'x')).toMatchObject({ id: 'x', revision: 2 });
        expect(await b.deleteRecord(kind, 'x', 1)).toBe(false);
        expect(await b.deleteRecord(kind, 'x', 2)).toBe(true);
        expect(await a.findRecord(kind, 'x')).toBeUndefined();
        expect(await a.putRecord(kind, 'x', 0, { back: true }, {})).toBe(true);
      });

      test('documents come back as they are', async () => {
        const kind = `kind-${randomUUID()}`;
        const document: unknown = JSON.parse(
          '{"__proto__":{"a":1},"$set":{"a.b":[null,true,1.5]},"":"汇聚 😀","10":1,"9":2}',
        );
        await a.putRecord(kind, 'x', 0, document, {});
        expect(JSON.stringify((await b.findRecord(kind, 'x'))?.document)).toBe(JSON.stringify(document));
      });

      test('are listed by id in code point order, page by page, and by key', async () => {
        const kind = `kind-${randomUUID()}`;
        const ids = ['A', 'a', 'a-b', 'b', '汇', '\uffee', ...(peculiarities.ordersByUtf16 === true ? [] : ['😀'])];
        for (const id of [...ids].reverse())
          await a.putRecord(kind, id, 0, { id }, { team: id < 'b' ? 'red' : 'blue', all: 'yes' });
        const listed: string[] = [];
        for (let after: string | undefined = ''; after !== undefined; ) {
          const page: { id: string }[] = await b.queryRecords(kind, { limit: 2, after });
          listed.push(...page.map(({ id }) => id));
          after = page.at(-1)?.id;
        }
        expect(listed).toEqual(ids);
        const red = await b.queryRecords(kind, { key: { name: 'team', value: 'red' }, limit: 10 });
        expect(red.map(({ id }) => id)).toEqual(['A', 'a', 'a-b']);
        const rest = await b.queryRecords(kind, { key: { name: 'all', value: 'yes' }, after: 'a', limit: 2 });
        expect(rest.map(({ id }) => id)).toEqual(['a-b', 'b']);
        expect(await b.queryRecords('other', { key: { name: 'team', value: 'red' }, limit: 10 })).toEqual([]);
      });

      test('keys follow the document, and go with it', async () => {
        const kind = `kind-${randomUUID()}`;
        const find = (value: string) => b.queryRecords(kind, { key: { name: 'owner', value }, limit: 10 });
        await a.putRecord(kind, 'x', 0, 1, { owner: 'ann', other: 'z' });
        await a.putRecord(kind, 'x', 1, 2, { owner: 'bob' });
        expect(await find('ann')).toEqual([]);
        expect(await find('bob')).toEqual([{ id: 'x', revision: 2, document: 2 }]);
        await a.putRecord(kind, 'x', 1, 3, { owner: 'cid' });
        expect(await find('cid')).toEqual([]);
        await a.deleteRecord(kind, 'x', 2);
        expect(await find('bob')).toEqual([]);
      });
    });

    describe('the access log', () => {
      const keepAll = { since: 0, ofUsers: 1_000_000, ofNobody: 1_000_000 };
      const entry = (collection: string, at: Micros, rest: Partial<AccessEntry> = {}): AccessEntry => ({
        ...{ at, collection, user, client: '192.0.2.1', agent: 'poller/1 汇', method: 'GET', endpoint: 'objects' },
        ...{ status: 200, objects: 3, bytes: 1_234, ms: 5, errorCode: null },
        ...rest,
      });

      test('gives entries back as they were, the newest first, page by page', async () => {
        const collection = newCollection();
        const entries = [
          entry(collection, 1_000),
          entry(collection, 3_000, { user: null, status: null, errorCode: 'login-required', endpoint: 'manifest' }),
          entry(collection, 3_000, { method: 'DELETE' }),
          entry(collection, 2_000),
        ];
        await a.recordAccess(entries, keepAll);
        await a.recordAccess([entry(newCollection(), 2_500)], keepAll);
        const read = async (since: Micros, limit: number) => {
          const seen: AccessEntry[] = [];
          for (let next: string | undefined = ''; next !== undefined; ) {
            const page = await b.findAccess({ collection, since, ...(next !== '' && { next }) }, limit);
            expect(page.entries.length).toBeGreaterThan(0);
            seen.push(...page.entries);
            next = page.next;
          }
          return seen;
        };
        const expected = [entries[2], entries[1], entries[3], entries[0]];
        for (const limit of [1, 2, 3, 4, 10]) expect(await read(0, limit)).toEqual(expected);
        expect(await read(2_000, 2)).toEqual(expected.slice(0, 3));
        expect(await b.findAccess({ collection, since: 3_001 }, 10)).toEqual({ entries: [], next: undefined });
      });

      test('finds the entries of a user, and counts all that a user asked for', async () => {
        const collection = newCollection();
        const [ann, bob] = [`ann-${randomUUID()}`, `bob-${randomUUID()}`];
        const later = entry(collection, 9_000, { user: ann });
        await a.recordAccess([later, entry(collection, 7_000, { user: ann }), entry(collection, 8_000)], keepAll);
        await a.recordAccess(
          [entry(newCollection(), 1_000, { user: ann }), entry(collection, 1, { user: bob })],
          keepAll,
        );
        const page = await b.findAccess({ collection, since: 0, user: ann }, 1);
        expect(page.entries).toEqual([later]);
        const rest = await b.findAccess({ collection, since: 0, user: ann, next: page.next ?? '' }, 1);
        expect(rest).toEqual({ entries: [entry(collection, 7_000, { user: ann })], next: undefined });
        const totals = await b.listAccessTotals();
        expect(totals.filter((one) => [ann, bob].includes(one.user))).toEqual([
          { user: ann, requests: 3, lastAt: 9_000 },
          { user: bob, requests: 1, lastAt: 1 },
        ]);
      });

      test('holds requests without login apart: however many, they push nothing of users out, nor the other way', async () => {
        const store = await openStore();
        const collection = newCollection();
        const of = async (name: string | null) => {
          const { entries } = await store.findAccess({ collection, since: 0 }, 100);
          return entries.filter((one) => one.user === name).map(({ at }) => at);
        };
        const some = (from: Micros, count: number, name: string | null) =>
          Array.from({ length: count }, (_, n) => entry(collection, from + n, { user: name }));
        await store.recordAccess(some(50, 3, null), keepAll);
        await store.recordAccess(some(100, 5, user), keepAll);
        for (let n = 0; n < 40; n += 1) {
          await store.recordAccess(some(200 + n, 1, null), { since: 0, ofUsers: 5, ofNobody: 3 });
        }
        expect(await of(user)).toEqual([104, 103, 102, 101, 100]);
        expect(await of(null)).toEqual([239, 238, 237]);
        await store.recordAccess(some(300, 2, user), { since: 0, ofUsers: 2, ofNobody: 3 });
        expect(await of(user)).toEqual([301, 300]);
        expect(await of(null)).toEqual([239, 238, 237]);
        await store.recordAccess([], { ...keepAll, since: 239 });
        expect(await of(null)).toEqual([239]);
        await store.close();
      });

      test('loses what is too old and what is too much, and the totals stay', async () => {
        const store = await openStore();
        const collection = newCollection();
        const name = `cid-${randomUUID()}`;
        const kept = async () => (await store.findAccess({ collection, since: 0 }, 100)).entries.map(({ at }) => at);
        for (let n = 0; n < 40; n += 1) await store.recordAccess([entry(collection, 100 + n, { user: name })], keepAll);
        await store.recordAccess([], { ...keepAll, since: 110 });
        expect(await kept()).toEqual(Array.from({ length: 30 }, (_, n) => 139 - n));
        await store.recordAccess([entry(collection, 50, { user: name })], { ...keepAll, ofUsers: 4 });
        expect(await kept()).toEqual([139, 138, 137, 50]);
        expect((await store.listAccessTotals()).find((one) => one.user === name)?.requests).toBe(41);
        await store.close();
      });
    });

    test('gives the access log in order where requests of many calls overlap', async () => {
      const collection = newCollection();
      const at = (time: Micros, name: string | null = user): AccessEntry => ({
        ...{ at: time, collection, user: name, client: '::1', agent: '', method: 'POST', endpoint: 'objects' },
        ...{ status: 202, objects: 1, bytes: 2, ms: 3, errorCode: null },
      });
      const keep = { since: 0, ofUsers: 1_000_000, ofNobody: 1_000_000 };
      // The last of the first call took long: it had begun before all others.
      await a.recordAccess([at(50), at(52, null), at(1)], keep);
      await b.recordAccess([at(51), at(49), at(53)], keep);
      await a.recordAccess([at(2), at(52)], keep);
      for (const limit of [1, 2, 3, 8]) {
        const seen: number[] = [];
        for (let next: string | undefined = ''; next !== undefined; ) {
          const page = await b.findAccess({ collection, since: 0, ...(next !== '' && { next }) }, limit);
          seen.push(...page.entries.map((one) => one.at));
          next = page.next;
        }
        expect(seen).toEqual([53, 52, 52, 51, 50, 49, 2, 1]);
      }
    });

    test('of the access log stays what was kept in one call with the oldest of those that stay', async () => {
      const store = await openStore();
      const collection = newCollection();
      const one: AccessEntry = {
        ...{ at: 1, collection, user, client: '::1', agent: '', method: 'GET', endpoint: 'objects' },
        ...{ status: 200, objects: 0, bytes: 14, ms: 0, errorCode: null },
      };
      const keep = { since: 0, ofUsers: 5, ofNobody: 5 };
      for (let n = 0; n < 10; n += 1) await store.recordAccess([one, one, one], keep);
      const { entries } = await store.findAccess({ collection, since: 0 }, 100);
      expect([5, 6]).toContain(entries.length);
      await store.close();
    });

    describe('a snapshot', () => {
      const read = async (store: Store) => {
        const parts: SnapshotPart[] = [];
        for await (const part of store.readSnapshot()) parts.push(part);
        return parts;
      };

      test('has every kind of thing as it is', async () => {
        const collection = newCollection();
        const kind = `kind-${randomUUID()}`;
        const [one, two] = objects(2) as [NewVersion, NewVersion];
        const newer = version(two.id, time(9), { name: '汇' });
        await add(collection, [one, two]);
        const [third] = dates(await a.addObjects(collection, user, [newer], { origin: 'a feed' }));
        await a.deleteObject(collection, one.id, all, both);
        await a.putRecord(kind, 'x', 0, { '2': [1], a: null }, { owner: 'ann' });
        const status = { id: randomUUID(), apiRoot: 'hub', submitter: user, text: '{}', completedAt: 9_000 };
        await a.putStatus(status, 0);
        const parts = await read(b);
        const mine = parts.filter((part) => JSON.stringify(part).match(`${collection}|${kind}|${status.id}`));
        expect(mine.map(({ part }) => part)).toEqual([
          'collection',
          'object',
          'object',
          'tombstone',
          'status',
          'record',
        ]);
        expect(mine[0]).toEqual({ part: 'collection', ...(await b.getCollectionState(collection)) });
        const { version: spelled, versionKey, text, id, type, specVersion, digest } = newer;
        expect(mine[2]).toMatchObject({
          ...{ version: spelled, versionKey, text, id, type, specVersion, digest },
          ...{ submitter: user, dateAdded: third, isFirst: false, isLast: true, origin: 'a feed' },
        });
        expect(mine[1]).toMatchObject({ id: two.id, isFirst: true, isLast: false, origin: null });
        expect(mine[3]).toMatchObject({ id: one.id, version: one.version, deletedBy: user });
        expect(mine[4]).toEqual({ part: 'status', ...status });
        expect(mine[5]).toEqual({
          ...{ part: 'record', kind, id: 'x', revision: 1 },
          ...{ document: { '2': [1], a: null }, keys: { owner: 'ann' } },
        });
        expect(parts[0]?.part).toBe('sequence');
        const seqs = parts.flatMap((part) => (part.part === 'object' || part.part === 'tombstone' ? [part.seq] : []));
        expect(parts[0]).toEqual({ part: 'sequence', last: expect.any(Number) });
        expect(new Set(seqs).size).toBe(seqs.length);
        // The newest that was given may have been a tombstone's that was dropped.
        const given = parts[0]?.part === 'sequence' ? parts[0].last : 0;
        expect(given).toBeGreaterThanOrEqual(Math.max(...seqs));
      });

      test('is of one moment: what is written while it is read is not in it, and waits for nothing', async () => {
        const collection = newCollection();
        await add(collection, objects(20));
        const snapshot = a.readSnapshot()[Symbol.asyncIterator]();
        await snapshot.next();
        const state = await a.getCollectionState(collection);
        await b.addObjects(collection, user, objects(20));
        await a.putRecord(`late-${collection}`, 'x', 0, {}, {});
        const parts: SnapshotPart[] = [];
        for (let next = await snapshot.next(); next.done !== true; next = await snapshot.next()) parts.push(next.value);
        const mine = parts.filter((part) => 'collection' in part && part.collection === collection);
        expect(mine[0]).toEqual({ part: 'collection', ...state });
        expect(mine).toHaveLength(21);
        const late = parts.filter((part) => part.part === 'record' && part.kind === `late-${collection}`);
        expect(late).toHaveLength(peculiarities.readsRecordsLate === true ? 1 : 0);
      });

      test('has what expires while it is read, which then goes when it is over', async () => {
        const collection = newCollection();
        await add(collection, objects(30));
        const future = Date.now() * 1_000 + hour;
        const found: string[] = [];
        for await (const part of a.readSnapshot()) {
          if (part.part === 'sequence') await b.expireObjects(collection, future, 100);
          if (part.part === 'object' && part.collection === collection) found.push(part.id);
        }
        expect(found).toHaveLength(30);
        await b.expireObjects(collection, future, 100);
        expect((await a.getCollectionState(collection)).versions).toBe(0);
      });

      test('may be given up, and ends when the store is closed', async () => {
        const store = await openStore();
        await store.addObjects(newCollection(), user, objects(5));
        for await (const part of store.readSnapshot()) {
          expect(part.part).toBe('sequence');
          break;
        }
        const left = store.readSnapshot()[Symbol.asyncIterator]();
        await left.next();
        await store.close();
        await expect(left.next()).rejects.toMatchObject({ code: 'unavailable' });
      });
    });

    test('closing waits for what was begun, may be repeated, and refuses what comes after', async () => {
      const collection = newCollection();
      const store = await openStore();
      const adding = Array.from({ length: 10 }, () => store.addObjects(collection, user, objects(20)));
      const reading = store.findRecords(collection, everything, { limit: 10 });
      await Promise.all([store.close(), store.close()]);
      await store.close();
      expect((await Promise.all(adding)).flatMap(kinds)).toEqual(Array(200).fill('added'));
      await reading;
      await expect(store.addObjects(collection, user, objects(1))).rejects.toMatchObject({ code: 'unavailable' });
      await expect(store.findRecords(collection, everything, { limit: 10 })).rejects.toMatchObject({
        code: 'unavailable',
      });
      expect((await a.getCollectionState(collection)).versions).toBe(200);
    });
  });
}
