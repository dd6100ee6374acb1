import { describe, expect, test } from '@jest/globals';
import { parsePattern } from '../../src/stix/pattern.ts';
import { summarisePattern } from '../../src/stix/pattern-summary.ts';

function summaryOf(text: string) {
  const result = parsePattern(text);
  if ('fault' in result) throw new Error(`${text}: ${result.fault.text.en}`);
  return summarisePattern(result.pattern);
}

describe('what a pattern looks for', () => {
  test('paths, operators and values, sorted', () => {
    expect(
      summaryOf("[url:value LIKE '%x' AND EXISTS url:x_a] FOLLOWEDBY [file:hashes.'SHA-256' NOT IN ('b', 'a')]"),
    ).toEqual([
      {
        path: "file:hashes.'SHA-256'",
        negated: true,
        operator: 'IN',
        values: [
          { type: 'string', value: 'a' },
          { type: 'string', value: 'b' },
        ],
      },
      { path: 'url:value', negated: false, operator: 'LIKE', values: [{ type: 'string', value: '%x' }] },
      { path: 'url:x_a', negated: false, operator: 'EXISTS', values: [] },
    ]);
  });

  test.each([
    ["[file:name = 'a' OR file:size > 1]", "[ file:size>1 OR file:'name' == 'a' ]", 'order and spelling'],
    ["[file:name = 'a'] AND [file:name = 'a']", "[file:name = 'a'] REPEATS 2 TIMES", 'repetition'],
    ['[file:size = 1]', '[file:size = 1.0]', 'both kinds of number'],
    ['[file:size = 0]', '[file:size = -0.00]', 'both zeros'],
    ['[file:size = .5]', '[file:size = 00.50]', 'zeros around a fraction'],
    ["[artifact:payload_bin = h'00FF']", "[artifact:payload_bin = b'AP8=']", 'both ways to write bytes'],
    ["[file:ctime > t'2024-01-01T00:00:00Z']", "[file:ctime > t'2024-01-01T00:00:00.000Z']", 'zeros of a time'],
    ['[file:size IN (1, 2, 2.0)]', '[file:size IN (2, 1)]', 'the order of a set'],
    ['[file:size IN (1)]', '[file:size = 1]', 'a set of one'],
    ['[file:size NOT = 1]', '[file:size <> 1]', 'NOT with ='],
    ['[file:size NOT != 1]', '[file:size = 1]', 'NOT with !='],
    ['[file:size NOT IN (1)]', '[file:size != 1]', 'NOT with a set of one'],
    ["[file:'a\\'b'[*].c[0] = 1]", "[file:'a\\'b' [ * ] . 'c' [0] = 1]", 'the spelling of a path'],
  ])('%s and %s look for the same: %s', (one, other) => {
    expect(summaryOf(one)).toEqual(summaryOf(other));
  });

  test.each([
    ["[file:name = '1']", '[file:name = 1]'],
    ['[file:size = 9007199254740991.1]', '[file:size = 9007199254740991.2]'],
    ['[file:size = 1]', '[file:size = -1]'],
    ['[file:size = 10]', '[file:size = 1]'],
    ['[file:size NOT < 1]', '[file:size < 1]'],
    ["[file:name = 'A']", "[file:name = 'a']"],
    ["[file:'a.b' = 1]", '[file:a.b = 1]'],
  ])('%s and %s look for something else', (one, other) => {
    expect(summaryOf(one)).not.toEqual(summaryOf(other));
  });
});
