import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useTempFolder } from './temp-folder.ts';
import { newId, time, version } from './versions.ts';

const pathOf = useTempFolder();

test('versions with long texts expire in shorter steps, one at least', async () => {
  const store = await openSqliteStore({ path: pathOf('long.db') });
  const collection = randomUUID();
  const lengths = [1_500_000, 1_500_000, 1_500_000, 5_000_000, 5_000_000, 10];
  await store.addObjects(
    collection,
    'ann',
    lengths.map((length, n) => version(newId(), time(n), { name: 'n'.repeat(length) })),
  );
  const { highWater } = await store.getCollectionState(collection);
  const steps: number[] = [];
  for (let count = -1; count !== 0; steps.push(count))
    count = await store.expireObjects(collection, highWater + 1, 100);
  expect(steps).toEqual([2, 1, 1, 1, 1, 0]);
  await store.close();
});
