/** Holds the tests of this folder against the rules of the standard, so that none goes untested unnoticed. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { root } from '../support/huiju.ts';
import { describeWith } from '../support/skip.ts';
import { rules } from './rules.ts';

const folder = join(root, 'test', 'conformance');

/** Rule numbers at the beginnings of test titles; a number elsewhere in a file does not count. */
function testedNumbers(): Set<string> {
  const sources = readdirSync(folder).filter((name) => name.endsWith('.test.ts'));
  const titles = sources.flatMap(
    (name) => readFileSync(join(folder, name), 'utf8').match(/['"`](?:T-\d{3}(?:, |: ))+/g) ?? [],
  );
  return new Set(titles.flatMap((title) => title.match(/T-\d{3}/g) ?? []));
}

const tested = testedNumbers();

describe('the rules of TAXII 2.1', () => {
  test('are listed once each, in order, with level, section and requirement', () => {
    const numbers = rules.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort());
    for (const { number, level, section, requirement } of rules) {
      expect(number).toMatch(/^T-\d{3}$/);
      expect([level, section, requirement].every((text) => text !== '')).toBe(true);
    }
  });

  test('each have a test, or a reason why there is none', () => {
    expect(rules.filter(({ number, untested }) => untested === undefined && !tested.has(number))).toEqual([]);
  });

  test('with a reason for having no test have none', () => {
    expect(rules.filter(({ number, untested }) => untested !== undefined && tested.has(number))).toEqual([]);
  });

  test('are all that titles of tests name', () => {
    const known = new Set(rules.map(({ number }) => number));
    expect([...tested].filter((number) => !known.has(number))).toEqual([]);
  });
});

// The working sheet that the rules came from is not part of the repository.
const sheet = join(root, '..', 'shared', 'spec', 'taxii-2.1-requirements.md');
const missing = existsSync(sheet) ? undefined : 'the sheet is not beside this checkout';

describeWith('sheet', missing, 'the sheet of requirements', () => {
  test('has the same rules at the same levels', () => {
    const rows = readFileSync(sheet, 'utf8').match(/^\| T-\d{3} \| [^|]+ \|/gm) ?? [];
    const fromSheet = rows.map((row) => row.slice(2, -2));
    expect(rules.map(({ number, level }) => `${number} | ${level}`)).toEqual(fromSheet);
  });
});
