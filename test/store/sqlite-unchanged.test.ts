import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import type { Arrivals } from '../../src/arrivals.ts';
import { openFile, openForReading } from '../../src/store/sqlite/connection.ts';
import { createUnchanged } from '../../src/store/sqlite/unchanged.ts';
import { useTempFolder } from './temp-folder.ts';

describe('what is remembered until something changes', () => {
  const pathOf = useTempFolder();

  /** A reader of one number, and another connection that changes it. */
  function open(name: string, arrivals?: Pick<Arrivals, 'find'>) {
    const path = pathOf(name);
    const writer = openFile(path);
    writer.pragma('journal_mode = WAL');
    writer.exec('CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)');
    const reader = openForReading(path);
    const number = reader.prepare<[], number>('SELECT number FROM numbers').pluck();
    const unchanged = createUnchanged(reader, arrivals);
    let reads = 0;
    const find = (name = 'number', isSmall = (_found: number | undefined) => true) =>
      unchanged.find(
        'a kind',
        name,
        () => {
          reads += 1;
          return number.get();
        },
        isSmall,
      );
    const close = (): void => {
      reader.close();
      writer.close();
    };
    return { writer, find, close, reads: () => reads, lookAgain: unchanged.lookAgain };
  }

  test('it is read once, over many turns, as long as nobody commits', async () => {
    const { find, close, reads } = open('once.db');
    for (let turn = 0; turn < 5; turn += 1) {
      expect([find(), find()]).toEqual([1, 1]);
      await nextTurn();
    }
    expect(reads()).toBe(1);
    close();
  });

  test.each([
    ['in a callback', (find: () => unknown) => Promise.resolve(find())],
    ['behind other promises', (find: () => unknown) => Promise.resolve().then(() => Promise.resolve().then(find))],
    ['in a tick', (find: () => unknown) => new Promise((resolve) => process.nextTick(() => resolve(find())))],
  ])('a commit is seen in the next turn, when the first look was %s', async (name, look) => {
    const { writer, find, close } = open(`next-${name}.db`);
    await nextTurn();
    expect(await look(find)).toBe(1);
    writer.exec('UPDATE numbers SET number = 2');
    await nextTurn();
    expect(find()).toBe(2);
    writer.exec('UPDATE numbers SET number = 3');
    await nextTurn();
    expect(await look(find)).toBe(3);
    close();
  });

  test('what happens without waiting is as of one look', async () => {
    const { writer, find, close } = open('turn.db');
    await nextTurn();
    expect(find()).toBe(1);
    writer.exec('UPDATE numbers SET number = 2');
    expect(await Promise.resolve().then(() => find())).toBe(1);
    await nextTurn();
    expect(find()).toBe(2);
    close();
  });

  test('requests that have arrived together are answered as of one look, and what this process is told of is seen', async () => {
    let look: ReturnType<Arrivals['find']>;
    const { writer, find, close, lookAgain } = open('together.db', { find: () => look });
    const change = (number: number) => writer.exec(`UPDATE numbers SET number = ${number}`);
    // Its time stands still, but for once.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(1_000);
    look = { loopCount: 1, events: 10 };
    expect(find()).toBe(1);
    change(2);
    await nextTurn();
    expect(find()).toBe(1);
    lookAgain();
    expect(find()).toBe(2);
    change(3);
    await nextTurn();
    expect(find()).toBe(2);
    clock.mockReturnValue(1_003);
    expect(find()).toBe(3);
    clock.mockRestore();
    change(4);
    await nextTurn();
    look = undefined;
    expect(find()).toBe(4);
    for (const later of [
      { loopCount: 1, events: 20 },
      { loopCount: 2, events: 20 },
    ]) {
      change(later.loopCount * 100 + later.events);
      await nextTurn();
      look = later;
      expect(find()).toBe(later.loopCount * 100 + later.events);
    }
    // What else is done meanwhile sees what there is, and requests that come by another look.
    change(5);
    await nextTurn();
    look = undefined;
    expect(find()).toBe(5);
    change(6);
    await nextTurn();
    look = { loopCount: 2, events: 20 };
    expect(find()).toBe(6);
    close();
  });

  test('what is too large is not kept, and too much is forgotten', async () => {
    const { find, close, reads } = open('small.db');
    for (let n = 0; n < 3; n += 1) find('large', () => false);
    const long = 'x'.repeat(301);
    expect([find(long), find(long)]).toEqual([1, 1]);
    expect(reads()).toBe(5);
    find('first');
    for (let n = 0; n < 1_000; n += 1) find(`other ${n}`);
    const before = reads();
    find('first');
    expect(reads()).toBe(before + 1);
    close();
  });
});
