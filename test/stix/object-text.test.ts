import { describe, expect, test } from '@jest/globals';
import { readObject } from '../../src/stix/object-text.ts';

const issuesOf = (text: string) => readObject(text).faults.map(({ code, path }) => [code, path]);

describe('text that parsers disagree on', () => {
  test.each([
    ['{"a":1,"a":1}', 'JSON-duplicate-name', ''],
    ['{"a":1,"\\u0061":2}', 'JSON-duplicate-name', ''],
    ['{"x":[0,{"b":{"c":1,"c" : 2}}]}', 'JSON-duplicate-name', '/x/1/b'],
    ['{"__proto__":1,"__proto__":2}', 'JSON-duplicate-name', ''],
    ['{"a":"\\ud800"}', 'JSON-characters', '/a'],
    ['{"a":["x","\\udc00\\ud800"]}', 'JSON-characters', '/a/1'],
    ['{"\\ud800":1}', 'JSON-characters', ''],
    ['{"a":"b\\u0000"}', 'JSON-characters', '/a'],
    ['{"a":', 'JSON-syntax', ''],
    ['', 'JSON-syntax', ''],
  ])('%s', (text, code, path) => {
    expect(issuesOf(text)).toEqual([[code, path]]);
  });

  test.each([
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
    '{"a":"\\ud83d\\ude00","b":"汇聚","c":"\\\\u0000"}',
    '{"a":"x\\":\\"y","b":"{\\"a\\":1,\\"a\\":2}"}',
    '{"a":"\\\\","b":":"}',
    '{"$x.y":-0.0,"":null}',
  ])('%s is fine', (text) => {
    expect(issuesOf(text)).toEqual([]);
    expect(readObject(text).value).toEqual(JSON.parse(text));
  });

  test('an object that is too deep is still named', () => {
    const text = `{"id":"tool--1","type":"tool","modified":"2024-01-01T00:00:00Z","x":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    expect(readObject(text).value).toEqual({ id: 'tool--1', type: 'tool', modified: '2024-01-01T00:00:00Z' });
  });

  test('a hundred levels are fine, one more is not', () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    expect(issuesOf(nested(100))).toEqual([]);
    expect(issuesOf(nested(101))).toEqual([['JSON-depth', '']]);
    expect(issuesOf(nested(500_000))).toEqual([['JSON-depth', '']]);
    expect(issuesOf('{"a":'.repeat(200_000))).toEqual([['JSON-depth', '']]);
  });

  test('a hostile number of duplicates is reported in part', () => {
    expect(issuesOf(`{${Array(50_000).fill('"a":1').join()}}`)).toHaveLength(20);
  });

  test('a long run of backslashes ends its string where JSON says', () => {
    const text = `{"a":"${'\\\\'.repeat(100_000)}","b":1}`;
    expect(issuesOf(text)).toEqual([]);
  });
});

describe('numbers that a double would round', () => {
  test.each([
    ['1.0', true],
    ['1e2', true],
    ['1.50e1', true],
    ['100e-2', true],
    ['0e-5', true],
    ['12345678901234567890', true],
    ['1.0000000000000000001', false],
    ['1e-1', false],
    ['4503599627370497.5', false],
    ['9007199254740993.5', false],
    ['0.00000000000000000000000000001', false],
  ])('%s is whole: %s', (number, isWhole) => {
    const value = readObject(`{"n":${number}}`).value as { n: number };
    expect(Number.isInteger(value.n)).toBe(isWhole);
  });
});
