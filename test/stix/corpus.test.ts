/** The labelled corpus that lies beside the project on some machines; the fixtures are what every machine has. */

import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { useTempFolder } from '../store/temp-folder.ts';
import { checkCorpus, isDisputed, isExcused } from './corpus.ts';

const corpus = fileURLToPath(new URL('../../../shared/data/stix/', import.meta.url));
const lines = existsSync(corpus) ? checkCorpus(corpus) : [];
const pathOf = useTempFolder();

const files = ['valid', 'mutations-valid', 'invalid', 'mutations-invalid'].map((name) => `${name}.jsonl`);

describe('the labelled corpus, when it is there', () => {
  test.each([...files, 'patterns-valid.txt', 'patterns-invalid.txt'])('%s is judged as it is labelled', (file) => {
    const ofFile = lines.filter((line) => line.file === file);
    expect(ofFile.length > 0).toBe(existsSync(corpus));
    expect(ofFile.filter((line) => isDisputed(line) && !isExcused(line))).toEqual([]);
  });

  test('labels held to be wrong are those that disagree', () => {
    expect(lines.filter(isExcused).filter((line) => !isDisputed(line))).toEqual([]);
  });

  test('what is labelled to have a wrong pattern is refused for its pattern', () => {
    const labelled = lines.filter(({ rule }) => /^pattern (?:failed to validate|does not parse)/i.test(rule));
    expect(labelled.length > 0).toBe(existsSync(corpus));
    for (const { errors } of labelled) expect(errors.map(({ code }) => code)).toContain('STIX-9-pattern');
  });
});

describe('npm run corpus', () => {
  const run = (...args: readonly string[]) => {
    const program = fileURLToPath(new URL('./corpus.ts', import.meta.url));
    return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  };

  test('prints the lines whose label is another than the verdict, and fails', () => {
    writeFileSync(pathOf('valid.jsonl'), '{"rule":"a list","object":[]}\n');
    writeFileSync(pathOf('invalid.jsonl'), '\n{"rule":"a list","object":[]}\n');
    writeFileSync(pathOf('patterns-valid-2.txt'), '"[a:b = 1]"\n');
    writeFileSync(pathOf('patterns-invalid.txt'), '"[a:b = ]"\n"[a:b = 1]"\n');
    writeFileSync(pathOf('ambiguous.jsonl'), 'not read');
    const { status, stdout } = run(pathOf('.'));
    expect(status).toBe(1);
    expect(stdout).toContain('valid.jsonl:1: labelled valid (a list)\n    STIX-2-object: ');
    expect(stdout).toContain('patterns-invalid.txt:2: labelled invalid\n    no fault found\n    [a:b = 1]\n');
    expect(stdout).toContain('\ninvalid.jsonl: 1 lines, 0 disagree, 0 of these unexplained\n');
    expect(stdout).toContain('patterns-valid-2.txt: 1 lines, 0 disagree');
    expect(stdout).not.toContain('ambiguous');
  });

  test('without a folder says how it is called', () => {
    const { status, stderr } = run();
    expect([status, stderr]).toEqual([2, 'usage: npm run corpus -- FOLDER\n']);
  });
});
