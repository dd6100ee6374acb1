import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { describeStore } from './contract.ts';
import { useTempFolder } from './temp-folder.ts';
import { objects } from './versions.ts';

const pathOf = useTempFolder();

describeStore('SQLite', (options) => openSqliteStore({ path: pathOf('data/huiju.db'), ...options }));

test('provenance of many versions lets others have their turn', async () => {
  const store = await openSqliteStore({ path: pathOf('turns.db') });
  const [held, ...names] = objects(1_000);
  await store.addObjects('c', 'ann', held === undefined ? [] : [held]);
  let isOver = false;
  const finding = store.findProvenance('c', names).finally(() => {
    isOver = true;
  });
  await nextTurn();
  expect(isOver).toBe(false);
  // What is under way has its answer.
  await store.close();
  expect(await finding).toEqual(names.map(() => undefined));
});
