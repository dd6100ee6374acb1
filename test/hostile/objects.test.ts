/**
 * Many hostile objects through the checks: none throws, none takes long for its size, and nothing grows.
 * `HUIJU_TEST_OBJECTS` is their number, `HUIJU_TEST_SEED` the seed.
 */

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { type CheckedObject, checkDocument, checkObject } from '../../src/stix/check-object.ts';
import { languages } from '../../src/stix/issue.ts';
import { createRandom } from './generator.ts';
import { createHostileObjects } from './object-generator.ts';

const count = Number(process.env.HUIJU_TEST_OBJECTS ?? '5000');
const seed = Number(process.env.HUIJU_TEST_SEED ?? '20210610');

/** Milliseconds that the check of 64 KiB may take; of more, as much more. */
const maxTime = 50;
const ofLength = 65_536;
const maxGrowth = 32 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usedHeap(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Milliseconds of processor time; what else runs on the machine does not count. */
function timeOf(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const fixtures = ['valid', 'invalid'].flatMap((name) => {
  const lines = readFileSync(new URL(`../fixtures/stix/${name}.ndjson`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.stringify((JSON.parse(line) as { object: unknown }).object));
});

const ways = (['spec', 'strict'] as const).flatMap((policy) =>
  languages.flatMap((language) => [
    (text: string) => checkObject(text, policy, { language }),
    (text: string) => checkDocument(text, policy, { language }),
  ]),
);

/** What holds of every verdict. */
function isSound({ errors, warnings }: CheckedObject): boolean {
  const isBounded = errors.length <= 21 && warnings.length <= 21;
  return (
    isBounded && [...errors, ...warnings].every(({ path, message }) => path.length <= 2048 && message.length <= 2048)
  );
}

test(
  `${count} hostile objects are judged, in time that their size explains`,
  () => {
    const random = createRandom(seed);
    const next = createHostileObjects(random, fixtures);
    const verdicts = { valid: 0, invalid: 0 };
    const slow: string[] = [];
    let heap = 0;
    for (let index = 0; index < count; index += 1) {
      const text = next();
      const check = ways[index % ways.length] ?? checkObject;
      const bound = maxTime * Math.max(1, text.length / ofLength);
      let verdict: CheckedObject | undefined;
      const run = () => {
        verdict = check(text, 'spec');
      };
      // A collection of garbage, or a first compilation, is not the object's doing: it counts when it happens every time.
      let time = timeOf(run);
      for (let again = 0; again < 3 && time > bound; again += 1) time = Math.min(time, timeOf(run));
      if (time > bound) slow.push(`${Math.round(time)} ms, ${text.length} characters: ${text.slice(0, 300)}`);
      if (verdict === undefined || !isSound(verdict)) throw new Error(`no sound verdict on ${text.slice(0, 1000)}`);
      verdicts[verdict.errors.length === 0 ? 'valid' : 'invalid'] += 1;
      // By then all code is warm, and what is kept on purpose is there.
      if (index === Math.floor(count / 4)) heap = usedHeap();
    }
    expect(slow).toEqual([]);
    // Else nothing but the first checks would have been tried.
    expect(verdicts.valid).toBeGreaterThan(count / 50);
    expect(verdicts.invalid).toBeGreaterThan(count / 2);
    expect(usedHeap() - heap).toBeLessThan(maxGrowth);
  },
  60_000 + count * 10,
);
