/** The labelled corpus that lies beside the project on some machines; the fixtures are what every machine has. */

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { checkDocument, checkObject } from '../../src/stix/check-object.ts';
import { parsePattern } from '../../src/stix/pattern.ts';

interface Labelled {
  readonly rule: string;
  readonly object: Record<string, unknown>;
}

const corpus = new URL('../../../shared/data/stix/', import.meta.url);

// STIX 2.1 §9.5.1: an observation expression MUST NOT have more than one qualifier of a particular type. One in
// parentheses is an observation expression too (§9.5), so these two labels are wrong.
const qualifiedTwice = [
  "([win-registry-key:key = 'hkey_local_machine\\\\foo\\\\bar']) WITHIN 5 SECONDS WITHIN 6 SECONDS",
  '([a:b=1]) REPEATS 2 TIMES REPEATS 2 TIMES',
];

function read(name: string): Labelled[] {
  if (!existsSync(corpus)) return [];
  const lines = readFileSync(new URL(name, corpus), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Labelled);
}

function readPatterns(name: string): string[] {
  if (!existsSync(corpus)) return [];
  const lines = readFileSync(new URL(name, corpus), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as string);
}

function codesOf(object: Labelled['object']): string[] {
  const check = object.type === 'bundle' ? checkDocument : checkObject;
  return check(JSON.stringify(object), 'spec').errors.map(({ code }) => code);
}

function isValid({ object }: Labelled): boolean {
  return codesOf(object).length === 0;
}

describe('the labelled corpus', () => {
  test('every file of it has lines, when it is there', () => {
    const files = ['valid.jsonl', 'mutations-valid.jsonl', 'invalid.jsonl', 'mutations-invalid.jsonl'];
    expect(files.every((file) => read(file).length > 0)).toBe(existsSync(corpus));
  });

  test.each(['valid.jsonl', 'mutations-valid.jsonl'])('every object of %s is valid', (file) => {
    expect(
      read(file)
        .filter((line) => !isValid(line))
        .map(({ rule }) => rule),
    ).toEqual([]);
  });

  test('every invalid object is refused', () => {
    const lines = [...read('invalid.jsonl'), ...read('mutations-invalid.jsonl')];
    expect(lines.filter(isValid).map(({ rule }) => rule)).toEqual([]);
  });

  test('what is labelled to have a wrong pattern is refused for its pattern', () => {
    const lines = [...read('invalid.jsonl'), ...read('mutations-invalid.jsonl')];
    const labelled = lines.filter(({ rule }) => /^pattern (?:failed to validate|does not parse)/i.test(rule));
    expect(labelled.length > 0).toBe(existsSync(corpus));
    for (const { object } of labelled) expect(codesOf(object)).toContain('STIX-9-pattern');
  });

  test('every valid pattern parses, but for two wrong labels', () => {
    const faulty = readPatterns('patterns-valid.txt').filter((pattern) => 'fault' in parsePattern(pattern));
    expect(faulty).toEqual(existsSync(corpus) ? qualifiedTwice : []);
  });

  test('no invalid pattern parses', () => {
    expect(readPatterns('patterns-invalid.txt').filter((pattern) => 'pattern' in parsePattern(pattern))).toEqual([]);
  });
});
