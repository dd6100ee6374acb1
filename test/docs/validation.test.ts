/** Holds docs/validation.md to the rules. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { rules } from '../../src/stix/rules.ts';
import { mutations } from '../stix/mutations.ts';
import { codesOfTable, document, makeTable, tableIn } from './rules-table.ts';

describe('docs/validation.md', () => {
  const table = tableIn(readFileSync(document, 'utf8'));

  test('has the table that the rules make now (else: node test/docs/rules-table.ts)', () => {
    expect(table.split('\n')).toEqual(makeTable().split('\n'));
  });

  test('has every code that a verdict can have', () => {
    const codes = new Set(codesOfTable(table));
    const needed = [...rules.map(({ code }) => code), ...mutations.map(({ code }) => code)];
    // What concerns a text or a bundle as a whole stands in the README.
    const missing = needed.filter((code) => !codes.has(code) && !/^(?:JSON-|STIX-8-|STIX-2-object)/.test(code));
    expect(missing).toEqual([]);
  });
});
