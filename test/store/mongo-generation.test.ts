import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TaxiiError } from '../../src/errors.ts';
import { type Connection, connect } from '../../src/store/mongo/connection.ts';
import type { ObjectDatabase } from '../../src/store/mongo/documents.ts';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { createObjectDatabase } from '../../src/store/mongo/object-database.ts';
import { createTiming } from '../../src/store/mongo/timing.ts';
import { createTurns } from '../../src/store/mongo/turns.ts';
import { createObjectWriter } from '../../src/store/mongo/write-objects.ts';
import type { Store } from '../../src/store/store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { all, last, newId, objects, time, version } from './versions.ts';

const found = findEngine();
const by = { user: 'ann', onlySubmitter: false };

describeWith(
  'mongodb',
  'missing' in found ? found.missing : undefined,
  'the generation of a collection in MongoDB',
  () => {
    let engine: Engine;
    let url: string;
    let a: Store;
    let b: Store;
    let connection: Connection;

    beforeAll(async () => {
      if ('missing' in found) throw new Error(found.missing);
      engine = await startEngine(found);
      url = engine.newUrl();
      [a, b] = await Promise.all([openMongoStore({ url }), openMongoStore({ url })]);
      connection = await connect(url);
    });
    afterAll(async () => {
      await connection?.close();
      await Promise.all([a?.close(), b?.close()]);
      await engine?.stop();
    });
    const generationOf = async (store: Store, collection: string) =>
      (await store.getCollectionState(collection)).generation;
    const slotsOf = async (store: Store, collection: string, versions = [all]) =>
      (await store.findRecords(collection, { versions }, { limit: 1_000 })).records.map(({ dateAdded }) => dateAdded);

    test('is the same for all, and rises for all when something was added or deleted', async () => {
      const collection = randomUUID();
      const [one, two] = [objects(1), objects(2)];
      const seen: number[] = [];
      const look = async () => {
        const both = [await generationOf(a, collection), await generationOf(b, collection)];
        expect(both[0]).toBe(both[1]);
        seen.push(both[0] ?? 0);
      };
      await look();
      await a.addObjects(collection, 'ann', one);
      await look();
      await b.addObjects(collection, 'ann', two);
      await look();
      await a.deleteObject(collection, two[0]?.id ?? '', all, by);
      await look();
      await b.expireObjects(collection, Number.MAX_SAFE_INTEGER, 1);
      await look();
      expect(seen.every((value, n) => n === 0 || value > (seen[n - 1] ?? value))).toBe(true);
      await a.addObjects(collection, 'ann', two.slice(1));
      await a.deleteObject(collection, newId(), all, by);
      await look();
      expect(seen.at(-1)).toBe(seen.at(-2));
    });

    test.each<keyof ObjectDatabase>(['insertTombstones', 'removeVersions', 'close'])(
      'stands for no page while a deletion is carried out, as far as %s',
      async (step) => {
        const collection = randomUUID();
        const id = newId();
        await a.addObjects(
          collection,
          'ann',
          [1, 2].map((n) => version(id, time(n))),
        );
        const before = await generationOf(b, collection);
        const pages = [await slotsOf(b, collection), await slotsOf(b, collection, [last])];
        const database = createObjectDatabase(connection);
        let isPaused = true;
        const broken: ObjectDatabase = {
          ...database,
          async [step](...given: never[]) {
            if (isPaused) throw new TaxiiError('unavailable', 'the process is paused');
            return (database[step] as (...given: never[]) => Promise<unknown>)(...given);
          },
        };
        const timing = createTiming();
        const turns = createTurns(broken, timing);
        const writer = createObjectWriter(broken, turns, timing);
        await expect(writer.deleteObject(collection, id, last, by)).rejects.toThrow('paused');
        const during = [];
        for (const store of [a, b, a, b]) during.push(await generationOf(store, collection));
        expect(Math.min(...during)).toBeGreaterThan(before);
        // Each reader sees another one each time.
        expect(during[0]).not.toBe(during[2]);
        expect(during[1]).not.toBe(during[3]);
        const changed = [await slotsOf(b, collection), await slotsOf(b, collection, [last])];
        expect(changed).not.toEqual(pages);
        isPaused = false;
        await turns.finishAbandoned();
        const after = await generationOf(b, collection);
        expect(after).toBeGreaterThan(Math.max(...during));
        expect(await generationOf(a, collection)).toBe(after);
      },
      20_000,
    );

    test('is never the same for two pages that two processes read while others write', async () => {
      const collection = randomUUID();
      const ids = Array.from({ length: 10 }, () => newId());
      let isOver = false;
      const kept = new Map<number, string>();
      const read = async (store: Store) => {
        while (!isOver) {
          const before = await generationOf(store, collection);
          const page = JSON.stringify([await slotsOf(store, collection), await slotsOf(store, collection, [last])]);
          if ((await generationOf(store, collection)) !== before) continue;
          expect(kept.get(before) ?? page).toBe(page);
          kept.set(before, page);
        }
      };
      const reading = [read(a), read(b)];
      try {
        for (const n of [1, 2, 3]) {
          for (const id of ids.slice(0, 5)) await a.addObjects(collection, 'ann', [version(id, time(n))]);
          await b.addObjects(
            collection,
            'ann',
            ids.map((id) => version(id, time(n))),
          );
          for (const id of ids.slice(n)) await b.deleteObject(collection, id, last, by);
        }
      } finally {
        isOver = true;
        await Promise.all(reading);
      }
      expect(kept.size).toBeGreaterThan(3);
    }, 60_000);
  },
);
