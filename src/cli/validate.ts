/** `huiju validate`: the verdicts that publishing would give, without a server or store. */

import { type Command, Option } from 'commander';
import { loadConfig } from '../config.ts';
import type { CheckedObject } from '../stix/check-object.ts';
import { formatIssue, tooLongIssue } from '../stix/issue.ts';
import { createScanner, ScanError } from '../stix/scan.ts';
import { formatCount } from '../text.ts';
import { findListFault, type Input, kindOf, listInputs, openInput, readLines, scanText } from './input.ts';
import { startProgress } from './progress.ts';
import { cannot, isGzipFault, reasonOf } from './reason.ts';

interface ValidateOptions {
  readonly policy: 'spec' | 'strict';
  readonly format: 'text' | 'json';
}

/** What is said of one object; of the bundle around the objects under index -1. */
type Judged = Pick<CheckedObject, 'id' | 'type' | 'errors' | 'warnings'>;
type Say = (index: number, judged: Judged) => void;

function broken(error: unknown): Judged {
  const isShape = error instanceof ScanError && error.kind !== 'syntax';
  const message = error instanceof ScanError ? error.message : reasonOf(error);
  return {
    id: null,
    type: null,
    errors: [{ code: isShape ? 'invalid-envelope' : 'malformed-json', path: '', message }],
    warnings: [],
  };
}

/** Whether the text is at fault, and so gets a verdict. */
function isFault(error: unknown): boolean {
  return error instanceof ScanError || isGzipFault(error);
}

function tooLong(limit: number): Judged {
  return { id: null, type: null, errors: [tooLongIssue(limit)], warnings: [] };
}

interface Run {
  readonly check: typeof import('../stix/check-object.ts');
  readonly policy: ValidateOptions['policy'];
  readonly maxObjectLength: number;
  readonly maxLineLength: number;
  readonly say: Say;
  readonly onBytes: (count: number) => void;
}

/** A bundle, envelope or single object: one verdict for each object, as it is read. */
async function validateDocument(input: Input, { check, policy, maxObjectLength, say, onBytes }: Run): Promise<void> {
  let index = 0;
  const scanner = createScanner({
    maxObjectLength,
    onObject: (object) => {
      say(index, object.tooLong ? tooLong(maxObjectLength) : check.checkObject(object.text.toString(), policy));
      index += 1;
    },
  });
  try {
    for await (const chunk of input.read(onBytes)) scanner.push(chunk);
    const scan = scanner.end();
    const kind = kindOf(scan);
    if (kind === 'object') say(index, check.checkObject(scan.root, policy));
    const head = kind === 'bundle' ? check.checkBundleHead(scan.root, policy) : undefined;
    const fault = findListFault(scan);
    // STIX 2.1 §8: a bundle may be without the member, but not have an empty one.
    const isFaulty = fault !== undefined && (kind === 'envelope' || scan.objects !== 'absent');
    const list = isFaulty ? broken(new ScanError('shape', fault)) : undefined;
    const errors = [...(head?.errors ?? []), ...(list?.errors ?? [])];
    if (errors.length > 0) say(-1, { id: head?.id ?? null, type: head?.type ?? null, errors, warnings: [] });
  } catch (error) {
    if (!isFault(error)) throw error;
    say(-1, broken(error));
  }
}

function validateLine(bytes: Buffer, { check, policy, maxObjectLength }: Run): Judged {
  try {
    scanText(bytes, maxObjectLength);
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
    if (error.kind === 'syntax') return broken(error);
    if (error.kind === 'length') return tooLong(maxObjectLength);
  }
  return check.checkDocument(bytes.toString(), policy);
}

async function validateLines(input: Input, run: Run): Promise<void> {
  let index = 0;
  for await (const { bytes } of readLines(input.read(run.onBytes), run.maxLineLength)) {
    run.say(index, validateLine(bytes, run));
    index += 1;
  }
}

function formatText(file: string, index: number, { id, type, errors, warnings }: Judged): string {
  if (errors.length === 0 && warnings.length === 0) return '';
  const what = index < 0 ? 'the text as a whole' : `object ${index}, ${id ?? type ?? 'without id'}`;
  const lines = [
    ...errors.map((issue) => `  error ${formatIssue(issue)}\n`),
    ...warnings.map((issue) => `  warning ${formatIssue(issue)}\n`),
  ];
  return `${file}: ${what}\n${lines.join('')}`;
}

function formatJson(index: number, { id, type, errors, warnings }: Judged): string {
  return `${JSON.stringify({ index, id, type, valid: errors.length === 0, errors, warnings })}\n`;
}

async function validateInput(input: Input, run: Omit<Run, 'onBytes'>, note: () => string): Promise<void> {
  const progress = startProgress(input.name, input.size);
  let bytes = 0;
  const onBytes = (count: number): void => {
    bytes += count;
    progress.update(bytes, note());
  };
  try {
    await (input.form === 'lines' ? validateLines : validateDocument)(input, { ...run, onBytes });
  } finally {
    progress.stop();
  }
}

async function validateFiles(paths: readonly string[], { policy, format }: ValidateOptions): Promise<void> {
  const { maxObjectLength, maxContentLength: maxLineLength } = loadConfig();
  // Loaded here, so that other commands do not wait for the schemas.
  const check = await import('../stix/check-object.ts');
  let objects = 0;
  let invalid = 0;
  for (const path of (await Promise.all(paths.map(listInputs))).flat()) {
    try {
      const input = await openInput(path);
      const say: Say = (index, judged) => {
        if (index >= 0) objects += 1;
        if (judged.errors.length > 0) invalid += 1;
        process.stdout.write(format === 'json' ? formatJson(index, judged) : formatText(input.name, index, judged));
      };
      const run = { check, policy, maxObjectLength, maxLineLength, say };
      await validateInput(input, run, () => formatCount(objects, 'object'));
    } catch (error) {
      throw cannot('read', path, error);
    }
  }
  if (format === 'text') process.stdout.write(`${objects} objects checked, ${invalid} invalid\n`);
  if (invalid > 0) process.exitCode = 1;
}

export function registerValidate(program: Command): void {
  program
    .command('validate')
    .description('check objects against STIX 2.1')
    .argument(
      '<file...>',
      'bundle, envelope, single object or NDJSON, gzip too; a folder for all files in and below it; - for standard input',
    )
    .addOption(
      new Option('--policy <policy>', 'spec: all that the standard allows; strict: nothing custom')
        .choices(['spec', 'strict'])
        .default('spec'),
    )
    .addOption(
      new Option('--format <format>', 'json: one line for each object').choices(['text', 'json']).default('text'),
    )
    .action(validateFiles);
}
