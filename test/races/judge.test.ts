import { describe, expect, test } from '@jest/globals';
import type { Reference, Sightings } from './clients.ts';
import { judgeChurned, judgeCollection, judgeEnds, judgeSightings, judgeStatuses } from './judge.ts';

const time = (second: number) => `2026-01-01T00:00:0${second}.000000Z`;
const modified = (day: number) => `2025-01-0${day}T00:00:00.000Z`;
const version = (id: string, day: number) => ({
  id,
  version: modified(day),
  text: JSON.stringify({ id, modified: modified(day) }),
});
type Version = ReturnType<typeof version>;

const collectionOf = (...versions: readonly Version[]): Reference => ({
  texts: versions.map(({ text }) => text),
  records: versions.map((one, place) => `${one.id} ${one.version} ${time(place + 1)}`),
});

// In the order of their adding; a's second version is its first.
const [a2, b1, a1, c1] = [version('a', 2), version('b', 1), version('a', 1), version('c', 1)];
const versions = [a2, b1, a1, c1];
const all = collectionOf(...versions);
const [first = '', second = '', third = '', fourth = ''] = all.records;

describe('what is at the end', () => {
  test('is right when everything acknowledged is there, and more that was sent', () => {
    expect(judgeCollection(all, versions)).toEqual([]);
    expect(judgeCollection(all, [a1])).toEqual([]);
  });

  test.each<[string, Reference, string]>([
    ['a version that is missing', collectionOf(a2, b1, c1), 'acknowledged versions are lost'],
    ['a text that changed', { ...all, texts: [`${a2.text} `, ...all.texts.slice(1)] }, 'have another text'],
    ['a version that is there twice', collectionOf(...versions, b1), 'there twice'],
    [
      'times that do not rise',
      { ...all, records: [first, second, third, fourth.replace(time(4), time(3))] },
      'do not rise',
    ],
    ['a record of another object', { ...all, texts: [a2.text, a1.text, b1.text, c1.text] }, 'do not fit'],
    ['a record without an object', { ...all, texts: all.texts.slice(0, 3) }, 'texts or records alone'],
  ])('%s is found', (_what, reference, fault) => {
    expect(judgeCollection(reference, versions).join()).toContain(fault);
  });

  test('a wrong first or last, one too many and one too few are found', () => {
    expect(judgeEnds(all, 'first', collectionOf(b1, a1, c1))).toEqual([]);
    expect(judgeEnds(all, 'last', collectionOf(a2, b1, c1))).toEqual([]);
    for (const wrong of [collectionOf(a2, b1, c1), collectionOf(b1, a1), collectionOf(b1, a1, c1, a2)])
      expect(judgeEnds(all, 'first', wrong)).not.toEqual([]);
  });

  test('a status that is not complete, miscounts or speaks of what is not there is found', () => {
    const { id } = a1;
    const successes = [{ id, version: a1.version }];
    const good = { status: 'complete', total_count: 2, success_count: 1, failure_count: 1, successes, failures: [{}] };
    const judge = (status: object) => judgeStatuses([JSON.stringify(status)], all);
    expect(judge(good)).toEqual([]);
    expect(judge({ ...good, status: 'pending' })).not.toEqual([]);
    expect(judge({ ...good, total_count: 3 })).not.toEqual([]);
    expect(judge({ ...good, failures: [] })).not.toEqual([]);
    expect(judge({ ...good, successes: [{ id, version: modified(9) }] })).not.toEqual([]);
  });
});

describe('what a poller saw', () => {
  const sightings = (entries: readonly string[], checkpoints: Sightings['checkpoints'] = []): Sightings[] => [
    { name: 'manifest', entries: [...entries], checkpoints },
  ];
  const judge = (entries: readonly string[], checkpoints?: Sightings['checkpoints']) =>
    judgeSightings(sightings(entries, checkpoints), all, versions, true).join();

  test('is right when it is everything, in order, and in time', () => {
    expect(judge(all.records, [{ acknowledged: 2, seen: 2 }])).toBe('');
  });

  test.each<[string, readonly string[], string]>([
    ['one that was skipped', [first, second, fourth], 'too early'],
    ['one that was seen twice', [first, second, second, third, fourth], 'again'],
    ['two that changed places', [first, third, second, fourth], 'too early'],
    ['one that never was', [first, 'x', second, third, fourth], 'which is not there'],
    ['an end that is missing', [first, second, third], 'saw 3 of 4'],
  ])('%s is found', (_what, entries, fault) => {
    expect(judge(entries)).toContain(fault);
  });

  test('a poll that did not reach what was acknowledged before is found', () => {
    expect(judge(all.records, [{ acknowledged: 3, seen: 2 }])).toContain('2 of 3');
  });

  test('of a collection with deletions it is right without what was deleted, and only that', () => {
    const rest: Reference = { texts: [], records: [first, third, fourth] };
    const judgeRest = (entries: readonly string[]) =>
      judgeChurned(sightings(entries)[0] as Sightings, rest, new Set(['b']));
    expect(judgeRest([first, second, third, fourth])).toEqual([]);
    expect(judgeRest([first, third, fourth])).toEqual([]);
    for (const wrong of [
      [first, second, fourth],
      [first, third, third, fourth],
      [third, first, fourth],
      [first, third, fourth, 'd x y'],
    ])
      expect(judgeRest(wrong)).not.toEqual([]);
  });
});
