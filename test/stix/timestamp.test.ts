import { describe, expect, test } from '@jest/globals';
import { findMicros, findVersionKey, formatMicros, versionKeyOfMicros } from '../../src/stix/timestamp.ts';

describe('STIX 2.1 §2.16 timestamps', () => {
  test.each([
    ['2016-04-06T20:03:48Z', '2016-04-06T20:03:48'],
    ['2016-04-06T20:03:48.000Z', '2016-04-06T20:03:48'],
    ['2016-04-06T20:03:48.000123000Z', '2016-04-06T20:03:48.000123'],
    ['2024-02-29T00:00:00.5Z', '2024-02-29T00:00:00.5'],
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:60'],
  ])('%s is the instant %s', (text, key) => {
    expect(findVersionKey(text)).toBe(key);
  });

  test.each([
    '2023-02-29T00:00:00Z',
    '2016-13-12T08:17:27.000Z',
    '2016-03-00T08:17:27.000Z',
    '2016-04-06T24:00:00Z',
    '2016-04-06T20:60:00Z',
    '2016-04-06T20:03:48.Z',
    '2016-04-06T20:03:48+00:00',
    '2016-04-06t20:03:48z',
    '2016-04-06 20:03:48Z',
    '2016-04-06T20:03:48.1Z\n',
    '2016-04-06',
    `2016-04-06T20:03:48.${'0'.repeat(65)}Z`,
    '',
  ])('%j is no timestamp', (text) => {
    expect(findVersionKey(text)).toBeUndefined();
  });

  test('keys are ordered as the instants are', () => {
    const keys = [
      '2020-01-01T00:00:00Z',
      '2020-01-01T00:00:00.0001Z',
      '2020-01-01T00:00:00.5Z',
      '2020-01-01T00:00:01Z',
    ].map(findVersionKey);
    expect([...keys].sort()).toEqual(keys);
  });
});

describe('RFC 3339 times of clients', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T00:00:01.000001Z', 1_000_001],
    ['1970-01-01T00:00:01.0000019Z', 1_000_001],
    ['1970-01-01T02:00:00+02:00', 0],
    ['1969-12-31T23:30:00.5-00:30', 500_000],
    ['2024-02-29T12:00:00.123456789Z', Date.UTC(2024, 1, 29, 12) * 1000 + 123_456],
  ])('%s is %d microseconds', (text, micros) => {
    expect(findMicros(text)).toBe(micros);
  });

  test.each([
    '2024-01-01',
    '2024-01-01T00:00:00',
    '2024-01-01T00:00:00.0123456789Z',
    '2024-02-30T00:00:00Z',
    'yesterday',
  ])('%j is none', (text) => {
    expect(findMicros(text)).toBeUndefined();
  });
});

describe('TAXII 2.1 §2 timestamps', () => {
  test.each([0, 1, 999_999, 1_700_000_000_123_456, -1])('%d survives writing and reading', (micros) => {
    const text = formatMicros(micros);
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(findMicros(text)).toBe(micros);
  });

  test('a date_added is a version key without trailing zeros', () => {
    expect(versionKeyOfMicros(1_000_000)).toBe('1970-01-01T00:00:01');
  });
});
