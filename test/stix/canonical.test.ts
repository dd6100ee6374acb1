import { describe, expect, test } from '@jest/globals';
import { contentDigest, sameContent } from '../../src/stix/canonical.ts';

describe('the same content', () => {
  test.each([
    ['{"a":1,"b":2}', '{"b":2,"a":1}'],
    ['{"a":{"x":1,"y":[1,2]}}', '{ "a" : { "y" : [ 1 , 2 ], "x" : 1 } }'],
    ['{"a":1}', '{"a":1.0}'],
    ['{"a":100}', '{"a":1e2}'],
    ['{"a":0.1}', '{"a":1E-1}'],
    ['{"a":0}', '{"a":-0.00e5}'],
    ['{"a":1e99999999999999999999}', '{"a":1e+099999999999999999999}'],
    ['{"a":"A\\/"}', '{"\\u0061":"\\u0041/"}'],
    ['{"created":"2024-01-01T00:00:00Z"}', '{"created":"2024-01-01T00:00:00.000Z"}'],
    ['{"modified":"2024-01-01T00:00:00.1Z"}', '{"modified":"2024-01-01T00:00:00.100Z"}'],
    ['[]', '[ ]'],
  ])('%s and %s', (a, b) => {
    expect(sameContent(a, b)).toBe(true);
    expect(contentDigest(a)).toBe(contentDigest(b));
  });

  test.each([
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":1}', '{"a":-1}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":10}', '{"a":1}'],
    ['{"a":9007199254740992}', '{"a":9007199254740993}'],
    ['{"a":1e99999999999999999999}', '{"a":1e99999999999999999998}'],
    ['{"a":null}', '{}'],
    ['{"a":true}', '{"a":false}'],
    ['{"created":"2024-01-01T00:00:00.001Z"}', '{"created":"2024-01-01T00:00:00Z"}'],
    ['{"x":{"created":"2024-01-01T00:00:00.0Z"}}', '{"x":{"created":"2024-01-01T00:00:00Z"}}'],
    ['{"first_seen":"2024-01-01T00:00:00.0Z"}', '{"first_seen":"2024-01-01T00:00:00Z"}'],
    ['{"a":"b,\\"c\\":1"}', '{"a":"b","c":1}'],
  ])('not %s and %s', (a, b) => {
    expect(sameContent(a, b)).toBe(false);
    expect(contentDigest(a)).not.toBe(contentDigest(b));
  });

  test('a digest has 22 characters of base64url', () => {
    expect(contentDigest('{}')).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test('numbers of a million digits are compared', () => {
    const digits = '7'.repeat(1_000_000);
    expect(sameContent(`[${digits}]`, `[${digits}.0]`)).toBe(true);
    expect(sameContent(`[${digits}]`, `[${digits}1]`)).toBe(false);
  });
});
