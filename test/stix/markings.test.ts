import { describe, expect, test } from '@jest/globals';
import { isStricter, strictestTlp, tlp1Markings, tlp2Markings, tlpLevels } from '../../src/stix/markings.ts';

const [white, green] = tlp1Markings;
const red = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1';

describe('the strictest TLP marking', () => {
  test.each([...tlp1Markings, ...tlp2Markings])('$name by itself', ({ id, level }) => {
    expect(strictestTlp({ object_marking_refs: [id] })).toBe(level);
  });

  test('the strictest of several wins, granular markings counted', () => {
    const refs = [green?.id, white?.id];
    expect(strictestTlp({ object_marking_refs: refs })).toBe('green');
    expect(strictestTlp({ object_marking_refs: refs, granular_markings: [{ marking_ref: red }] })).toBe('red');
  });

  test('the case of a UUID does not matter', () => {
    expect(strictestTlp({ object_marking_refs: [red.toUpperCase()] })).toBe('red');
  });

  test.each([null, 3, {}, { object_marking_refs: 'x', granular_markings: [null, { lang: 'en' }] }])(
    '%j has none',
    (value) => {
      expect(strictestTlp(value)).toBeNull();
    },
  );

  test('levels are ordered from clear to red', () => {
    expect(tlpLevels.map((level) => isStricter('amber', level))).toEqual([true, true, false, false, false]);
  });
});
