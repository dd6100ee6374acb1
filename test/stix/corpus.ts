/**
 * Compares verdicts with the labels of a corpus: `npm run corpus -- FOLDER`. A corpus is a folder with files named
 * [mutations-](valid|invalid)….jsonl, an object under `object` on each line, and patterns-(valid|invalid)….txt, a
 * pattern as a JSON string on each line. What else is in the folder is not read.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDocument, checkObject } from '../../src/stix/check-object.ts';
import { formatIssue, type Issue } from '../../src/stix/issue.ts';
import { isObject } from '../../src/stix/json-value.ts';
import { parsePattern } from '../../src/stix/pattern.ts';

/** A line of a corpus and what is found in it. */
export interface CheckedLine {
  readonly file: string;
  readonly line: number;
  readonly label: 'valid' | 'invalid';
  /** The pattern, or the object as JSON. */
  readonly text: string;
  /** What the corpus says of it; empty for patterns. */
  readonly rule: string;
  readonly errors: readonly Issue[];
}

/** A label that is held to be wrong, with the sentence of the standard that says so. */
interface WrongLabel {
  readonly file: string;
  readonly text: string;
  readonly because: string;
}

const fileName = /^(?:patterns-(valid|invalid)[^.]*\.txt|(?:mutations-)?(valid|invalid)[^.]*\.jsonl)$/;
const wrongLabels = JSON.parse(
  readFileSync(new URL('../fixtures/stix/wrong-labels.json', import.meta.url), 'utf8'),
) as readonly WrongLabel[];

function errorsOfPattern(pattern: string): readonly Issue[] {
  const result = parsePattern(pattern);
  if (!('fault' in result)) return [];
  return [
    { code: 'STIX-9-pattern', path: '', message: `${result.fault.text.en} (character ${result.fault.offset + 1})` },
  ];
}

function errorsOfObject(object: unknown, text: string): readonly Issue[] {
  const check = isObject(object) && object.type === 'bundle' ? checkDocument : checkObject;
  return check(text, 'spec').errors;
}

function checkLine(text: string): Pick<CheckedLine, 'text' | 'rule' | 'errors'> {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'string') return { text: value, rule: '', errors: errorsOfPattern(value) };
  if (!isObject(value)) throw new Error('expected an object with the member "object", or a pattern');
  const object = JSON.stringify(value.object);
  return { text: object, rule: String(value.rule ?? ''), errors: errorsOfObject(value.object, object) };
}

/** Checks every line of the corpus in a folder. Throws when a line is not what a corpus has. */
export function checkCorpus(folder: string): CheckedLine[] {
  const checked: CheckedLine[] = [];
  for (const file of readdirSync(folder).sort()) {
    const match = fileName.exec(file);
    if (match === null) continue;
    const label = (match[1] ?? match[2]) === 'valid' ? 'valid' : 'invalid';
    for (const [index, text] of readFileSync(join(folder, file), 'utf8').split('\n').entries()) {
      if (text.trim() === '') continue;
      try {
        checked.push({ file, line: index + 1, label, ...checkLine(text) });
      } catch (error) {
        throw new Error(`${file}:${index + 1}: ${String(error)}`);
      }
    }
  }
  return checked;
}

/** Whether the label and the verdict are two things. */
export function isDisputed({ label, errors }: CheckedLine): boolean {
  return (label === 'valid') !== (errors.length === 0);
}

/** Whether the label is among those held to be wrong. */
export function isExcused({ file, text }: CheckedLine): boolean {
  return wrongLabels.some((wrong) => wrong.file === file && wrong.text === text);
}

function describe({ file, line, label, text, rule, errors }: CheckedLine): string {
  const found = errors.length === 0 ? 'no fault found' : errors.slice(0, 3).map(formatIssue).join('\n    ');
  return `${file}:${line}: labelled ${label}${rule === '' ? '' : ` (${rule})`}\n    ${found}\n    ${text.slice(0, 300)}`;
}

function report(folder: string): void {
  const checked = checkCorpus(folder);
  if (checked.length === 0) throw new Error(`${folder} has no file of a corpus, such as valid.jsonl`);
  const disputed = checked.filter(isDisputed);
  const mislabelled = disputed.filter((line) => !isExcused(line));
  for (const line of mislabelled) console.log(describe(line));
  for (const file of new Set(checked.map((line) => line.file))) {
    const count = (lines: readonly CheckedLine[]): number => lines.filter((line) => line.file === file).length;
    console.log(
      `${file}: ${count(checked)} lines, ${count(disputed)} disagree, ${count(mislabelled)} of these unexplained`,
    );
  }
  if (mislabelled.length > 0) process.exitCode = 1;
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) {
    console.error('usage: npm run corpus -- FOLDER');
    process.exitCode = 2;
  } else report(folder);
}
