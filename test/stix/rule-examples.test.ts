/** Every rule by its examples in test/fixtures/stix/rules/, as data for any implementation. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { checkObject } from '../../src/stix/check-object.ts';
import type { Issue, Language } from '../../src/stix/issue.ts';
import type { StixObject } from '../../src/stix/object-types.ts';
import type { Rule } from '../../src/stix/rule.ts';
import { rules } from '../../src/stix/rules.ts';
import { maxReadLength } from '../../src/stix/rules-pattern-languages.ts';

interface Examples {
  readonly valid: readonly StixObject[];
  readonly invalid: readonly StixObject[];
}

const folder = new URL('../fixtures/stix/rules/', import.meta.url);
const now = Date.parse('2026-01-01T00:00:00Z');

function indicatorOf(length: number): StixObject {
  const at = '2024-03-01T08:00:00.000Z';
  const id = 'indicator--3f2a0008-6b1d-4c7e-9a55-0d8e5b7c1a42';
  const pattern = 'a'.repeat(length);
  const head = { type: 'indicator', spec_version: '2.1', id, created: at, modified: at, valid_from: at };
  return { ...head, pattern_type: 'pcre', pattern };
}

// Too long to be kept in a file.
const made: Readonly<Record<string, Examples>> = {
  'STIX-4.7-pattern-length': { valid: [indicatorOf(maxReadLength)], invalid: [indicatorOf(maxReadLength + 1)] },
};

function examplesOf({ code }: Rule): Examples {
  const file = new URL(`${code}.json`, folder);
  if (!existsSync(file)) return made[code] ?? { valid: [], invalid: [] };
  return JSON.parse(readFileSync(file, 'utf8')) as Examples;
}

/** What the check says of the object under this rule's code, at its level and under its policy. */
function issuesOf(object: StixObject, { code, level, policy = 'spec' }: Rule, language: Language): Issue[] {
  const { errors, warnings } = checkObject(JSON.stringify(object), policy, { language, now });
  return (level === 'error' ? errors : warnings).filter((issue) => issue.code === code);
}

describe.each([...rules])('$code ($level)', (rule) => {
  const { valid, invalid } = examplesOf(rule);

  test('has examples, and the section it comes from', () => {
    expect([valid.length > 0, invalid.length > 0]).toEqual([true, true]);
    expect(rule.section).toMatch(/^(?:STIX 2\.1 §\d+(?:\.\d+)*|TLP 2\.0 extension of STIX 2\.1)$/);
  });

  test('says nothing of its valid examples, which have no error at all', () => {
    for (const object of valid) {
      expect(issuesOf(object, rule, 'en')).toEqual([]);
      expect(checkObject(JSON.stringify(object), rule.policy ?? 'spec', { now }).errors).toEqual([]);
    }
  });

  test('is said of its invalid examples, and a warning refuses none', () => {
    for (const object of invalid) {
      expect([object, issuesOf(object, rule, 'en').length > 0]).toEqual([object, true]);
      const { errors } = checkObject(JSON.stringify(object), rule.policy ?? 'spec', { now });
      expect(errors.filter(({ code }) => code !== rule.code)).toEqual([]);
      if (rule.level === 'warning') expect(errors).toEqual([]);
    }
  });

  test('is said for each of the properties that it needs, though the others are away', () => {
    for (const name of rule.needs ?? []) {
      const others = new Set(rule.needs?.filter((other) => other !== name));
      const alone = invalid.map((object) => Object.entries(object).filter(([each]) => !others.has(each)));
      const found = alone.flatMap((members) => issuesOf(Object.fromEntries(members), rule, 'en'));
      expect([name, found.length > 0]).toEqual([name, true]);
    }
  });

  test('is one sentence, in English and in Chinese', () => {
    for (const object of invalid) {
      for (const { message } of issuesOf(object, rule, 'en')) {
        expect(message).toMatch(/^[^\n\p{Script=Han}]{10,}[.?]$/u);
        expect(message.split(/[.?] (?=\p{Lu})/u)).toHaveLength(1);
      }
      for (const { message } of issuesOf(object, rule, 'zh')) {
        expect(message).toMatch(/^(?=.*\p{Script=Han})[^\n]+[。？]$/u);
        expect(message.slice(0, -1)).not.toMatch(/[。？]/);
      }
    }
  });
});

test('there is no file without its rule', () => {
  const codes = new Set(rules.map(({ code }) => `${code}.json`));
  expect(readdirSync(folder).filter((name) => !codes.has(name))).toEqual([]);
});
