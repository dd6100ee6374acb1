import { describe, expect, test } from '@jest/globals';
import { createLinearPattern, PatternError } from '../../src/stix/linear-pattern.ts';

const sources = [
  '',
  'a',
  '^$',
  '$^',
  '^a*$',
  '(a|b)*c',
  '^(?:[a-z0-9]+-)*x$',
  '^.{2,4}$',
  '^a{3}$',
  '^a{2,}b?$',
  'a+?b',
  '^\\d{4}-\\d\\d(\\.\\d+)?Z$',
  '[^a-c]',
  '^[\\]a]+$',
  '\\u0061',
  '\\u{1F600}',
  '^\\p{L}+$',
  '^(?<year>a|)b$',
  'a|^b$|c$',
  '(a*)*b',
  '(^a|b$)c?',
  '\\.',
  '^(?:|a)$',
  '^\\ud83d\\ude00$',
  'x{0}a',
  '^\\x61\\/$',
  '(?:a$|b)',
];
const texts = [
  '',
  'a',
  'b',
  'c',
  'aa',
  'aab',
  'abc',
  'aaa',
  'xyz',
  'ab-x',
  'ab-cd-x',
  '2024-05.7Z',
  '2024-05Z',
  ']a',
  '😀',
  '语言',
  'a\nb',
  'ba',
  'ca',
  'cb',
  'a/',
  'aaaaab',
  '.',
  'axxx',
];

describe('a linear pattern', () => {
  test.each(sources)('%p says what JavaScript says', (source) => {
    const pattern = createLinearPattern(source);
    const expected = new RegExp(source, 'u');
    for (const text of texts) expect([text, pattern.test(text)]).toEqual([text, expected.test(text)]);
  });

  test('what takes others exponential or quadratic time takes a bounded number of steps', () => {
    for (const source of ['^(a+)+$', 'a+b', '^(?:a|a)*$', '(.*)*', '(?:a*){20}b']) {
      let spent = 0;
      const pattern = createLinearPattern(source, (units) => {
        spent += units;
      });
      pattern.test(`${'a'.repeat(100_000)}!`);
      expect(spent).toBeLessThan(20_000);
    }
  });

  test('work that nothing can spare is told before it is done', () => {
    let left = 10_000;
    const pattern = createLinearPattern('(?:a|b)*a(?:a|b){200}!', (units) => {
      left -= units;
      if (left < 0) throw new RangeError('enough');
    });
    const text = Array.from({ length: 5000 }, (_, index) => ((index * index) % 7 < 3 ? 'a' : 'b')).join('');
    expect(() => pattern.test(text)).toThrow('enough');
  });

  test('no more than so many states are remembered, and those that are forgotten are learned again', () => {
    let spent = 0;
    const pattern = createLinearPattern('^[^!]*[!]$', (units) => {
      spent += units;
    });
    const many = Array.from({ length: 50_000 }, (_, index) => String.fromCodePoint(0x10000 + index)).join('');
    expect(pattern.test(`${many}!`)).toBe(true);
    const once = spent;
    expect(pattern.test(many)).toBe(false);
    expect(spent - once).toBeGreaterThan(50_000);
    expect(pattern.test('ab!')).toBe(true);
  });

  test.each([
    ['^(?!a)', 'looks ahead'],
    ['(?<=a)b', 'looks ahead or behind'],
    ['(a)\\1', 'refers back'],
    ['(?<n>a)\\k<n>', 'refers back'],
    ['\\bword', 'edge of a word'],
    ['(?i:a)', 'flags'],
    ['(', 'Unterminated group'],
    ['a{1,9999}{1,9999}', 'Nothing to repeat'],
    ['(?:a{1,9999}){2}', 'repeats too often'],
    [`${'('.repeat(200)}${')'.repeat(200)}`, 'deeper than'],
    ['a'.repeat(5000), 'longer than'],
  ])('what it cannot do is refused: %#', (source, reason) => {
    expect(() => createLinearPattern(source)).toThrow(PatternError);
    expect(() => createLinearPattern(source)).toThrow(reason);
  });
});
