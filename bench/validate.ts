/**
 * The check of every object before it is stored, against `JSON.parse` of the same texts, and beside it the validator of
 * OASIS (PyPI: stix2-validator) on the same bundle.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkObject } from '../src/stix/check-object.ts';
import { root, runProgram } from '../test/support/huiju.ts';
import { findPython, type Python } from '../test/support/python.ts';
import { interleave, ownTime, ratioOf, showProgress, summarise } from './measure.ts';
import { createRandom, makeCatalogueObject } from './objects.ts';
import { type Report, round } from './report.ts';
import type { Settings } from './settings.ts';

/** Seconds that the other validator is given for each bundle; it checks as many objects as it can. */
const secondsOfOther = 10;
/** Until then the compiler is still at work. */
const warmUpRounds = 8;
const bundles = /attack-stix|capec/i;

/** The real bundles of a folder, by default that of the shared material beside the project; none where there is none. */
export function findBundles(folder: string = join(root, '..', 'shared', 'data', 'real')): string[] {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  const chosen = names.filter((name) => bundles.test(name));
  return (chosen.length > 0 ? chosen : names).map((name) => join(folder, name));
}

export function textsOf(file: string): string[] {
  const { objects } = JSON.parse(readFileSync(file, 'utf8')) as { objects: unknown[] };
  return objects.map((object) => JSON.stringify(object));
}

async function timeOther(python: Python, file: string): Promise<string> {
  if ('missing' in python) return python.missing;
  const script = join(root, 'bench', 'stix2-validator', 'measure.py');
  const { code, stdout, stderr } = await runProgram(python.python, [script, file, String(secondsOfOther)]);
  return code === 0 ? stdout.trim() : `failed: ${stderr.trim().split('\n').at(-1)}`;
}

async function measure(report: Report, bundle: string, texts: readonly string[], rounds: number): Promise<void> {
  const parse = () => ownTime(() => texts.forEach((text) => void JSON.parse(text)));
  const check = () => ownTime(() => texts.forEach((text) => void checkObject(text, 'spec')));
  await interleave({ parse, check }, warmUpRounds);
  const times = await interleave({ parse, check }, rounds, (done) => showProgress(`${bundle}: round ${done}`));
  showProgress('');
  const perSecond = (values: readonly number[]) =>
    `${round((texts.length / summarise(values).median) * 1000)} objects/s`;
  report.row({
    what: `${bundle}: ${texts.length.toLocaleString('en')} objects`,
    ours: perSecond(times.check),
    other: `JSON.parse ${perSecond(times.parse)}`,
    ratio: ratioOf(times.check, times.parse),
    bound: { kind: 'at most', must: 5, goal: 3 },
  });
}

export async function benchValidate(report: Report, { quick, data }: Settings): Promise<void> {
  report.section('Checking objects');
  const rounds = quick ? 5 : 25;
  const random = createRandom(1);
  const made = Array.from({ length: 2000 }, (_, number) => JSON.stringify(makeCatalogueObject(number, random)));
  await measure(report, 'generated', made, rounds);
  const python = quick ? { missing: 'left out by --quick' } : await findPython(join(root, 'bench', 'stix2-validator'));
  for (const file of findBundles(data)) {
    await measure(report, basename(file), textsOf(file), rounds);
    report.row({ what: `${basename(file)}: stix2-validator`, ours: '', other: await timeOther(python, file) });
  }
}
