import { describe, expect, test } from '@jest/globals';
import { formatCursor, parseCursor } from '../../src/taxii/cursor.ts';
import { everyVersion, lastVersion, planPage } from '../../src/taxii/page.ts';
import { type Parameter, parseFilters } from '../../src/taxii/query.ts';

const parameters: readonly Parameter[] = [
  'added_after',
  'limit',
  'next',
  'match[id]',
  'match[type]',
  'match[version]',
  'match[spec_version]',
];
const limits = { size: 100, max: 1000, bytes: 1_000_000 };

function parse(query: string) {
  return parseFilters(new URLSearchParams(query), parameters);
}

describe('TAXII 2.1 §3.4: parameters', () => {
  test.each([
    'added_after=',
    'added_after=yesterday',
    'added_after=2026-01-01',
    'added_after=2026-02-30T00:00:00Z',
    'added_after=2026-01-01T00:00:00Z,2026-01-02T00:00:00Z',
    'added_after=2026-01-01T00:00:00Z&added_after=2026-01-01T00:00:00Z',
    'limit=abc',
    'limit=0',
    'limit=000',
    'limit=-1',
    'limit=+5',
    'limit=1.5',
    'limit=',
    'limit=1e3',
    'limit=0x10',
    'limit=1&limit=2',
    'match[id]=',
    'match[id]=a,,b',
    'match[id]=a&match[id]=b',
    'match[type]=,',
    'match[version]=',
    'match[version]=newest',
    'match[version]=2016-02-30T00:00:00Z',
    'match[version]=2016-01-01T00:00:00',
    'match[version]=first,',
    'match[version]=all,last',
    'match[version]=last,last',
    'match[version]=2016-01-01T00:00:00Z,2016-01-01T00:00:00.000Z',
    'match[spec_version]=',
    'match[spec_version]=two',
  ])('%s is malformed and named', (query) => {
    const name = query.slice(0, query.indexOf('='));
    expect(() => parse(query)).toThrow(
      expect.objectContaining({ status: 400, message: expect.stringContaining(name) }),
    );
  });

  test('times have 0 to 9 digits, any offset, and a plus that became a space', () => {
    const noon = Date.UTC(2026, 0, 1, 12) * 1000;
    for (const time of ['12:00:00Z', '12:00:00.000000000Z', '14:00:00%2B02:00', '14:00:00+02:00', '07:00:00-05:00']) {
      expect(parse(`added_after=2026-01-01T${time}`).addedAfter).toBe(noon);
    }
  });

  test('lists are separated by commas, encoded or not', () => {
    expect(parse('match%5Btype%5D=a%2Cb,c').types).toEqual(['a', 'b', 'c']);
  });

  test('an empty next is none, and of several the last counts', () => {
    expect(parse('next=')).toEqual({});
    expect(parse('next=a&next=b').next).toBe('b');
  });

  test('unknown parameters, and those of other endpoints, are ignored', () => {
    expect(parse('match[colour]=red&foo=1')).toEqual({});
    expect(parseFilters(new URLSearchParams('match[id]=a&limit=0'), ['match[version]'])).toEqual({});
  });

  test.each(['0001-01-01T00:00:00Z', '1601-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])(
    'added_after=%s is far from every date_added, and its cursor can be read again',
    (time) => {
      const filters = parse(`added_after=${time}`);
      const page = { count: 1, first: 5, last: 7, more: true };
      const next = planPage(filters, 'c', limits).nextAfter(page) as string;
      expect(planPage({ next }, 'c', limits).query?.addedAfter).toBe(7);
    },
  );

  test('a huge limit is no error', () => {
    expect(planPage(parse(`limit=${'9'.repeat(400)}`), 'c', limits).limit).toBe(1000);
  });
});

describe('TAXII 2.1 §3.5: cursors', () => {
  const page = { count: 1, first: 5, last: 7, more: true };

  function nextOf(query: string, scope = 'c'): string {
    return planPage(parse(query), scope, limits).nextAfter(page) as string;
  }

  test('carry position, filters and limit, in letters that survive any client', () => {
    const next = nextOf('limit=20&match[type]=tool&match[version]=first,2016-01-01T00:00:00Z');
    expect(next).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(planPage({ next }, 'c', limits)).toMatchObject({
      limit: 20,
      query: {
        addedAfter: 7,
        types: ['tool'],
        versions: [{ all: false, first: true, last: false, exact: ['2016-01-01T00:00:00'] }],
      },
    });
  });

  test('are given if and only if there is more', () => {
    expect(planPage({}, 'c', limits).nextAfter({ ...page, more: false })).toBeUndefined();
  });

  test('are narrowed by filters that stand beside them', () => {
    const next = nextOf('match[type]=a,b&match[id]=x');
    expect(planPage({ next, types: ['b', 'c'] }, 'c', limits).query).toMatchObject({ types: ['b'], ids: ['x'] });
    expect(planPage({ next, types: ['c'] }, 'c', limits).query).toBeUndefined();
    expect(planPage({ next, versions: everyVersion }, 'c', limits).query?.versions).toEqual([lastVersion]);
    const first = { ...lastVersion, first: true, last: false };
    expect(planPage({ next, versions: first }, 'c', limits).query?.versions).toEqual([lastVersion, first]);
    expect(planPage({ next, versions: lastVersion }, 'c', limits).query?.versions).toEqual([lastVersion]);
  });

  test('take a new limit, and keep their position whatever added_after says', () => {
    const next = nextOf('limit=20&added_after=1970-01-01T00:00:00Z');
    expect(planPage({ next, limit: 3, addedAfter: 99 }, 'c', limits)).toMatchObject({
      limit: 3,
      query: { addedAfter: 7 },
    });
  });

  test('of another collection start this one where the walk began', () => {
    const next = nextOf('added_after=1970-01-01T00:00:00.000003Z', 'other');
    expect(planPage({ next }, 'c', limits).query?.addedAfter).toBe(3);
    expect(planPage({ next: nextOf('', 'other') }, 'c', limits).query).not.toHaveProperty('addedAfter');
  });

  test('that were changed, cut or made up are malformed', () => {
    const next = nextOf('match[type]=tool');
    const changed = [...next].map(
      (letter, index) => next.slice(0, index) + (letter === 'A' ? 'B' : 'A') + next.slice(index + 1),
    );
    for (const text of [...changed, next.slice(0, -1), `${next}A`, 'x', '../..', '{}', '%00', 'A'.repeat(70_000)]) {
      expect(() => parseCursor(text)).toThrow(expect.objectContaining({ status: 400 }));
    }
  });

  test('that nobody was given are bounded too', () => {
    const versions = Array.from({ length: 9 }, () => lastVersion);
    expect(() => parseCursor(formatCursor({ scope: 'c', position: 1, versions }))).toThrow('no cursor of this server');
    const ids = Array.from({ length: 60_000 }, (_, index) => `x--${index}`);
    const next = formatCursor({ scope: 'c', position: 1, ids, versions: [lastVersion] });
    expect(() => parseCursor(next)).toThrow('no cursor of this server');
  });

  test('survive writing and reading', () => {
    const cursor = {
      scope: 'c',
      position: 1,
      addedAfter: 0,
      limit: 9,
      ids: ['x'],
      types: ['t'],
      versions: [lastVersion],
    };
    expect(parseCursor(formatCursor(cursor))).toEqual(cursor);
  });
});
