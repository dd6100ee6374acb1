/**
 * Every regular expression of the schemas and of src/stix is linear: measured on texts made of its own characters,
 * which end so that it has to give up. What backtracks takes a thousand times as long on the longest of them.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { schemaFiles, visitSchema } from './schema-files.ts';

interface Expression {
  readonly place: string;
  readonly regExp: RegExp;
}

/** Short ones first: the time of some expressions doubles with each character. */
const lengths = [12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 200, 400, 2000, 8000, 32_768];
const maxTime = 40;

function ofSchemas(): Expression[] {
  const found = new Map<string, Expression>();
  const add = (source: string, place: string) => found.set(source, { place, regExp: new RegExp(source, 'u') });
  for (const [path, schema] of schemaFiles) {
    visitSchema(schema, ({ pattern, patternProperties }) => {
      if (typeof pattern === 'string') add(pattern, path);
      for (const source of Object.keys(patternProperties ?? {})) add(source, path);
    });
  }
  return [...found.values()];
}

const sources = new URL('../../src/stix/', import.meta.url);
const literal =
  /(?<=(?:[(,=:&|?![]|return|=>)\s*)\/((?:[^/\\[\n*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])*)\/([dgimsuvy]*)/g;

function ofSources(): Expression[] {
  const files = readdirSync(sources).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  return files.flatMap((name) => {
    const code = readFileSync(new URL(name, sources), 'utf8').replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '');
    return [...code.matchAll(literal)].map(([, source = '', flags = '']) => ({
      place: `src/stix/${name}`,
      regExp: new RegExp(source, flags),
    }));
  });
}

/** Characters that the expression speaks of, and a few that it may not. */
function alphabetOf(source: string): string[] {
  const escapes = source.replaceAll(/\\[dDwWsSpPuxbB](?:\{[^}]*\}|[0-9a-f]{2,4})?/g, (sequence) =>
    sequence.startsWith('\\s') || sequence.startsWith('\\p') ? ' ' : '0',
  );
  const spoken = escapes.replaceAll(/\{[0-9,]*\}|\(\?(?:[:=!]|<[=!])|[\\^$|()[\]*+?]/g, ' ');
  const literals = [...escapes.matchAll(/\\([^a-zA-Z])/g)].map(([, character = '']) => character);
  return [...new Set(['a', '0', ' ', ...literals, ...spoken])].slice(0, 18);
}

/** What an expression that is anchored wants to see first. */
function headOf(source: string): string {
  return /^\^?((?:[^\\()[\]{}.*+?^$|]|\\[^a-zA-Z])*)(?![*+?{|])/.exec(source)?.[1]?.replaceAll('\\', '') ?? '';
}

function* attacksOn(source: string): Generator<(length: number) => string> {
  const alphabet = alphabetOf(source);
  const units = [...alphabet, ...alphabet.flatMap((first) => alphabet.map((second) => first + second))];
  for (const head of new Set(['', headOf(source)])) {
    for (const unit of units) {
      for (const end of ['\n!', '']) yield (length) => head + unit.repeat(length / unit.length) + end;
    }
  }
}

function timeOf({ global, source, flags }: RegExp, text: string): number {
  const regExp = new RegExp(source, flags);
  const before = performance.now();
  if (global) text.replaceAll(regExp, '');
  else regExp.test(text);
  return performance.now() - before;
}

/** The shortest of a few times, since others run too. */
function isQuick(regExp: RegExp, text: string): boolean {
  for (let tries = 0; tries < 4; tries += 1) if (timeOf(regExp, text) < maxTime) return true;
  return false;
}

/** A text that takes too long; undefined when none does. */
function findSlow(regExp: RegExp): string | undefined {
  for (const attack of attacksOn(regExp.source)) {
    for (const length of lengths) {
      const text = attack(length);
      if (!isQuick(regExp, text)) return `${text.length} characters: ${JSON.stringify(text.slice(0, 40))}`;
    }
  }
  return undefined;
}

test.each([/(a+)+$/, /^(?:a|a)*$/, /^(?:a|b|ab)*c$/, /\s+$/, /^x:(?:[a-z]*-?)*$/])(
  'what is not linear is found: %s',
  (regExp) => {
    expect(findSlow(regExp)).toEqual(expect.any(String));
  },
);

test('the expressions are found', () => {
  expect(ofSchemas().length).toBeGreaterThan(30);
  expect(ofSources().length).toBeGreaterThan(60);
});

test.each([...ofSchemas(), ...ofSources()])('$regExp of $place is linear', ({ regExp }) => {
  expect(findSlow(regExp)).toBeUndefined();
});
