import { describe, expect, test } from '@jest/globals';
import {
  countQuarantine,
  dropEntries,
  dropQuarantine,
  getEntry,
  maxEntries,
  quarantine,
  type Refused,
  walkQuarantine,
} from '../../src/sync/quarantine.ts';
import { useStore } from '../hub/use-store.ts';
import { collect } from './collect.ts';

const { store } = useStore();
const seen = { at: '2026-01-01T00:00:00.000Z', origin: null };

function refused(text: string): Refused {
  return { text, id: null, version: null, errors: [{ code: 'c', path: '', message: 'm' }] };
}

async function texts(feed: string): Promise<string[]> {
  return (await collect(walkQuarantine(store(), feed))).map(({ text }) => text);
}

describe('the quarantine', () => {
  test('has what is refused again once, with the number of times, as the newest', async () => {
    await quarantine(store(), 'again', [refused('a'), refused('b')], seen);
    await quarantine(store(), 'again', [refused('a')], { ...seen, at: '2026-01-02T00:00:00.000Z' });
    const entries = await collect(walkQuarantine(store(), 'again'));
    expect(entries.map(({ text, times, firstAt, lastAt }) => [text, times, firstAt, lastAt])).toEqual([
      ['b', 1, seen.at, seen.at],
      ['a', 2, seen.at, '2026-01-02T00:00:00.000Z'],
    ]);
  });

  test('is bounded in number: the oldest go, with their texts', async () => {
    await quarantine(store(), 'many', [refused('oldest'), refused('older')], seen);
    await quarantine(
      store(),
      'many',
      Array.from({ length: maxEntries - 1 }, (_, index) => refused(`new ${index}`)),
      seen,
    );
    expect(await countQuarantine(store(), 'many')).toBe(maxEntries);
    expect((await texts('many'))[0]).toBe('older');
    const records = await store().queryRecords('feed-quarantine', {
      key: { name: 'feed', value: 'many' },
      limit: 2000,
    });
    expect(records).toHaveLength(maxEntries);
  });

  test('is bounded in number however many come at once', async () => {
    await quarantine(
      store(),
      'flood',
      Array.from({ length: maxEntries + 50 }, (_, index) => refused(`${index}`)),
      seen,
    );
    const records = await store().queryRecords('feed-quarantine', {
      key: { name: 'feed', value: 'flood' },
      limit: 2000,
    });
    expect(records).toHaveLength(maxEntries);
  });

  test('is bounded in bytes, and keeps only the beginning of long texts', async () => {
    const long = (index: number): Refused => refused(`${index}`.padEnd(300_000, 'x'));
    await quarantine(
      store(),
      'long',
      Array.from({ length: 150 }, (_, index) => long(index)),
      seen,
    );
    expect(await countQuarantine(store(), 'long')).toBe(128);
    const [first] = await collect(walkQuarantine(store(), 'long'));
    expect(first).toMatchObject({ isCut: true, text: expect.stringMatching(/^22x/) });
    expect(first?.text).toHaveLength(256 * 1024);
  });

  test('gives an entry by the beginning of its key, and drops some or all', async () => {
    await quarantine(store(), 'drop', ['a', 'b', 'c'].map(refused), seen);
    const [a] = await collect(walkQuarantine(store(), 'drop'));
    expect(await getEntry(store(), 'drop', a?.key.slice(0, 8) ?? '')).toEqual(a);
    await expect(getEntry(store(), 'drop', 'zzz')).rejects.toThrow('has no entry zzz');
    await expect(getEntry(store(), 'drop', '')).rejects.toThrow('several entries');
    expect(await dropEntries(store(), 'drop', [a?.key ?? ''])).toBe(1);
    expect(await texts('drop')).toEqual(['b', 'c']);
    await dropQuarantine(store(), 'drop');
    expect(await texts('drop')).toEqual([]);
    expect(await store().findRecord('feed-quarantine-index', 'drop')).toBeUndefined();
  });

  test('of one feed is not that of another', async () => {
    await quarantine(store(), 'mine', [refused('same')], seen);
    await quarantine(store(), 'yours', [refused('same')], seen);
    await dropQuarantine(store(), 'mine');
    expect(await texts('yours')).toEqual(['same']);
  });
});
