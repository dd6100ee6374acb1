/** The rules about vocabularies, relationships, ids, languages, names and single values, by their examples. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { checkObject } from '../../src/stix/check-object.ts';
import { defaultExtensions } from '../../src/stix/extensions.ts';
import { customPropertiesOf, findObjectType, type StixObject } from '../../src/stix/object-types.ts';
import type { Rule, RuleContext, Text } from '../../src/stix/rule.ts';
import { customRules } from '../../src/stix/rules-custom.ts';
import { extensionRules } from '../../src/stix/rules-extension.ts';
import { languageRules } from '../../src/stix/rules-language.ts';
import { nameRules } from '../../src/stix/rules-names.ts';
import { recommendedRules } from '../../src/stix/rules-recommended.ts';
import { relationshipRules } from '../../src/stix/rules-relationship.ts';
import { scoIdRules } from '../../src/stix/rules-sco-id.ts';
import { vocabularyRules } from '../../src/stix/rules-vocabulary.ts';

const rules = [
  ...vocabularyRules,
  ...relationshipRules,
  ...scoIdRules,
  ...languageRules,
  ...recommendedRules,
  ...nameRules,
  ...customRules,
  ...extensionRules,
].filter(({ code }) => !/^STIX-(?:11\.[123]-custom|7\.3-(?:unreg|extension-))/.test(code));

interface Found {
  readonly code: string;
  readonly path: string;
  readonly text: Text;
}

const context = { extensions: defaultExtensions, now: 0, holdsNull: true, holdsEmptyList: true };

function run(object: StixObject, those: readonly Rule[] = rules): Found[] {
  const found: Found[] = [];
  const type = String(object.type);
  const isStandard = findObjectType(type) !== undefined;
  const ofObject: RuleContext = { ...context, customProperties: customPropertiesOf(object, type) };
  for (const { code, types, isForStandard, check } of those) {
    const isAsked = types?.includes(type) ?? (isForStandard ?? isStandard) === isStandard;
    if (!isAsked) continue;
    check(object, (path, text) => found.push({ code, path: `/${path.join('/')}`, text }), ofObject);
  }
  return found;
}

interface Examples {
  readonly valid: readonly StixObject[];
  readonly invalid: readonly StixObject[];
}

function readExamples({ code }: Rule): Examples {
  return JSON.parse(readFileSync(new URL(`../fixtures/stix/rules/${code}.json`, import.meta.url), 'utf8')) as Examples;
}

const byCode = (code: string): Rule[] => rules.filter((rule) => rule.code === code);
const campaign = {
  type: 'campaign',
  spec_version: '2.1',
  id: 'campaign--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f',
  created: '2024-03-01T08:00:00.000Z',
  modified: '2024-03-01T08:00:00.000Z',
  name: 'Green winter',
};

describe('each rule, by its examples', () => {
  test('no two rules share a code', () => {
    expect(new Set(rules.map(({ code }) => code)).size).toBe(rules.length);
  });

  test.each(rules)('$code says nothing of what is right', (rule) => {
    const { valid } = readExamples(rule);
    expect(valid.length).toBeGreaterThan(0);
    expect(valid.flatMap((object) => run(object))).toEqual([]);
    expect(valid.flatMap((object) => checkObject(JSON.stringify(object), 'spec').errors)).toEqual([]);
  });

  test.each(rules)('$code alone catches what breaks it', (rule) => {
    const { invalid } = readExamples(rule);
    expect(invalid.length).toBeGreaterThan(0);
    for (const object of invalid) expect([object, run(object).map(({ code }) => code)]).toEqual([object, [rule.code]]);
  });

  test.each(rules.filter(({ level }) => level === 'warning'))('$code never refuses an object', (rule) => {
    const errors = readExamples(rule).invalid.flatMap((object) => checkObject(JSON.stringify(object), 'spec').errors);
    expect(errors).toEqual([]);
  });

  test.each(rules)('$code says what to do in one sentence, in English and in Chinese', (rule) => {
    const texts = readExamples(rule).invalid.flatMap((object) => run(object).map(({ text }) => text));
    for (const { en, zh } of texts) {
      expect(en).toMatch(/^[^\n]{20,400}[.?]$/);
      expect(zh).toMatch(/^(?=.*\p{Script=Han})[^\n]{10,400}[。？]$/u);
    }
  });
});

describe('what is said', () => {
  test('the nearest value of a vocabulary is offered', () => {
    const [found] = run({ ...campaign, type: 'malware', malware_types: ['worm', 'Remote Access Trojan'] });
    expect(found).toMatchObject({ path: '/malware_types/1' });
    expect(found?.text.en).toContain('did you mean "remote-access-trojan"?');
    expect(found?.text.zh).toContain('"remote-access-trojan"');
  });

  test('where no value is near, the first ones are listed', () => {
    const [found] = run({ ...campaign, type: 'tool', tool_types: ['xyzzy'] });
    expect(found?.text.en).toContain('(denial-of-service, exploitation, ');
  });

  test('a thousand values that are not listed are not all looked up', () => {
    const values = Array.from({ length: 1000 }, (_, index) => `loader-${index}`);
    expect(run({ ...campaign, type: 'malware', malware_types: values })).toHaveLength(21);
    const hashes = Object.fromEntries(values.map((value) => [value, 'ab']));
    expect(run({ type: 'file', id: 'file--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f', hashes })).toHaveLength(21);
  });

  test('a relationship the wrong way round is told to turn', () => {
    const [found] = run({
      ...campaign,
      type: 'relationship',
      relationship_type: 'indicates',
      source_ref: 'malware--1',
      target_ref: 'indicator--2',
    });
    expect(found?.text.en).toContain('exchange "source_ref" and "target_ref"');
  });

  test('the targets that a relationship has are named', () => {
    const [found] = run({
      ...campaign,
      type: 'relationship',
      relationship_type: 'uses',
      source_ref: 'attack-pattern--1',
      target_ref: 'identity--2',
    });
    expect(found).toMatchObject({ code: 'STIX-5.1-defined-relationship', path: '/target_ref' });
    expect(found?.text.en).toContain('"malware" or "tool"');
    expect(found?.text.zh).toContain('"malware"、"tool"');
  });

  test('the right deterministic id is given', () => {
    const url = {
      type: 'url',
      id: 'url--00000000-0000-5000-8000-000000000000',
      value: 'https://example.com/research/index.html',
    };
    expect(run(url)[0]?.text.en).toContain('"url--47c3cf9a-5027-5bf0-997a-017c7edc7c55"');
  });

  test('a code of three letters is given its shorter one', () => {
    const [found] = run({ ...campaign, lang: 'eng-GB' }, byCode('STIX-3.2-shortest-language'));
    expect(found?.text.en).toContain('"en"');
  });
});

describe('objects that failed their schema', () => {
  const oddities = [null, 7, true, '', 'x', [], {}, [null], [[]], { a: null }, { '': [] }];

  test.each(rules)('$code takes any value anywhere', (rule) => {
    const examples = [...readExamples(rule).valid, ...readExamples(rule).invalid];
    for (const object of examples) {
      for (const name of Object.keys(object)) {
        for (const oddity of oddities) expect(() => run({ ...object, [name]: oddity }, [rule])).not.toThrow();
      }
    }
  });
});
