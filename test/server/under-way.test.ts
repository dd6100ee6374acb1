import { expect, test } from '@jest/globals';
import { createTracker, createUnderWay } from '../../src/under-way.ts';

test('what is under way is there until it is removed, once for each time it was added', () => {
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  const underWay = createUnderWay<object>();
  for (const item of [a, b, c, b]) underWay.add(item);
  underWay.remove(a);
  underWay.remove(b);
  underWay.remove({ name: 'c' });
  expect(new Set(underWay.items)).toEqual(new Set([b, c]));
  expect(underWay.items).toHaveLength(2);
  for (const item of [c, b, b]) underWay.remove(item);
  expect(underWay.items).toEqual([]);
});

test('a tracker yields what work does, and settles when all that it knows of has ended', async () => {
  const tracker = createTracker();
  const order: string[] = [];
  const work = Promise.withResolvers<string>();
  const slow = tracker.track(work.promise);
  const failing = tracker.track(Promise.reject(new Error('no')));
  const settled = tracker.settled().then(() => order.push('settled'));
  await expect(failing).rejects.toThrow('no');
  order.push('ends');
  work.resolve('done');
  await expect(slow).resolves.toBe('done');
  await settled;
  expect(order).toEqual(['ends', 'settled']);
  await expect(tracker.settled()).resolves.toEqual([]);
});
