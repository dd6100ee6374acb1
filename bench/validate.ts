/**
 * `npm run bench -- validate [FOLDER]`: the check of every object before it is stored, against `JSON.parse` of the same
 * texts, and beside it the validator of OASIS (PyPI: stix2-validator) on the same bundle. FOLDER holds bundles; by
 * default those of the shared material beside the project.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkObject } from '../src/stix/check-object.ts';
import { root, runProgram } from '../test/support/huiju.ts';
import { findPython, type Python } from '../test/support/python.ts';
import { interleave, showProgress, summarise } from './measure.ts';

const rounds = 25;
/** Seconds that the other validator is given for each bundle; it checks as many objects as it can. */
const secondsOfOther = 10;
const bundles = /attack-stix|capec/i;

interface Row {
  readonly bundle: string;
  readonly objects: number;
  readonly parse: number;
  readonly check: number;
  readonly ratio: { readonly median: number; readonly quartiles: readonly [number, number] };
  /** Objects per second of stix2-validator, or why there is no such number. */
  readonly other: string;
}

function textsOf(file: string): string[] {
  const { objects } = JSON.parse(readFileSync(file, 'utf8')) as { objects: unknown[] };
  return objects.map((object) => JSON.stringify(object));
}

async function timeOther(python: Python, file: string): Promise<string> {
  if ('missing' in python) return python.missing;
  const script = join(root, 'bench', 'stix2-validator', 'measure.py');
  const { code, stdout, stderr } = await runProgram(python.python, [script, file, String(secondsOfOther)]);
  return code === 0 ? stdout.trim() : `failed: ${stderr.trim().split('\n').at(-1)}`;
}

async function measure(file: string, python: Python): Promise<Row> {
  const texts = textsOf(file);
  const passes = {
    parse: () => {
      for (const text of texts) JSON.parse(text);
    },
    check: () => {
      for (const text of texts) checkObject(text, 'spec');
    },
  };
  const bundle = basename(file);
  const times = interleave(passes, rounds, (done) => showProgress(`${bundle}: round ${done}`));
  showProgress(`${bundle}: stix2-validator, ${secondsOfOther} s`);
  const ratio = summarise(times.check.map((time, round) => time / (times.parse[round] as number)));
  const [parse, check] = [summarise(times.parse).median, summarise(times.check).median];
  return { bundle, objects: texts.length, parse, check, ratio, other: await timeOther(python, file) };
}

function perSecond(objects: number, milliseconds: number): string {
  return Math.round((objects / milliseconds) * 1000).toLocaleString('en');
}

function print({ bundle, objects, parse, check, ratio, other }: Row): void {
  const [low, high] = ratio.quartiles;
  const lines = [
    `${bundle}: ${objects.toLocaleString('en')} objects`,
    `  JSON.parse       ${perSecond(objects, parse)} objects/s`,
    `  checkObject      ${perSecond(objects, check)} objects/s, ${ratio.median.toFixed(2)} times JSON.parse (${low.toFixed(2)} to ${high.toFixed(2)}); at most 5, goal 3`,
    `  stix2-validator  ${other}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

export async function benchValidate([
  folder = join(root, '..', 'shared', 'data', 'real'),
]: readonly string[]): Promise<void> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  const chosen = names.filter((name) => bundles.test(name));
  const files = (chosen.length > 0 ? chosen : names).map((name) => join(folder, name));
  if (files.length === 0) {
    process.stderr.write(`bench: ${folder} holds no bundle (*.json); name a folder that does\n`);
    process.exitCode = 2;
    return;
  }
  const python = await findPython(join(root, 'bench', 'stix2-validator'));
  for (const file of files) {
    const row = await measure(file, python);
    showProgress('');
    print(row);
  }
}
