/** `huiju validate`: the verdicts that publishing would give, without a server or store. */

import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { loadConfig } from '../config.ts';
import type { CheckedObject } from '../stix/check-object.ts';
import type { Extensions } from '../stix/extensions.ts';
import { formatIssue, type Issue, type Language, tooLongIssue } from '../stix/issue.ts';
import { locateValue, type Position } from '../stix/locate.ts';
import { createScanner, ScanError, type ScannedPlace, type ScanResult } from '../stix/scan.ts';
import { formatCount } from '../text.ts';
import { loadExtensions } from './extension-files.ts';
import { findListFault, type Input, kindOf, listInputs, openInput, readLines, scanText, totalSize } from './input.ts';
import { languageOption } from './language-option.ts';
import { type Progress, startProgress } from './progress.ts';
import { cannot, isGzipFault, reasonOf } from './reason.ts';
import { RecentBytes } from './recent-bytes.ts';

interface ValidateOptions {
  readonly policy: 'spec' | 'strict';
  readonly format: 'text' | 'json';
  readonly lang: Language;
  readonly extension?: readonly string[];
}

/** What is said of one object; of the bundle around the objects under index -1. */
type Judged = Pick<CheckedObject, 'id' | 'type' | 'errors' | 'warnings'>;
/** Where in the file a JSON Pointer into the object leads; undefined when that is not known. */
type Locate = (pointer: string) => Position | undefined;
type Say = (index: number, judged: Judged, locate: Locate) => void;

interface Run {
  readonly check: typeof import('../stix/check-object.ts');
  readonly policy: ValidateOptions['policy'];
  readonly language: Language;
  readonly extensions: Extensions;
  readonly maxObjectLength: number;
  readonly maxLineLength: number;
  readonly say: Say;
  /** Waits until what was said is written. */
  readonly flush: () => Promise<void>;
}

function wrong(code: string, message: string): Judged {
  return { id: null, type: null, errors: [{ code, path: '', message }], warnings: [] };
}

function tooLong({ maxObjectLength, language }: Run): Judged {
  return { id: null, type: null, errors: [tooLongIssue(maxObjectLength, language)], warnings: [] };
}

/** Says what is wrong with a text that cannot be read on. Throws what is no fault of the text. */
function sayBroken(error: unknown, index: number, bytesRead: number, say: Say): void {
  if (error instanceof ScanError) {
    const code = error.kind === 'syntax' ? 'malformed-json' : 'invalid-envelope';
    say(index, wrong(code, error.message), () => error.place);
  } else if (isGzipFault(error)) {
    say(index, wrong('malformed-json', `${reasonOf(error)} (after byte ${bytesRead} of the file)`), () => undefined);
  } else throw error;
}

/** The place in the file of what a pointer leads to, in a text that begins at `begin`. */
function locateBehind(begin: Position, text: string | undefined, pointer: string): Position {
  if (text === undefined) return begin;
  const { line, column } = locateValue(text, pointer);
  return line === 1 ? { line: begin.line, column: begin.column + column - 1 } : { line: begin.line + line - 1, column };
}

/** What is said of the text around the objects, or of a text that is one object. */
function judgeRoot(scan: ScanResult, recent: RecentBytes, { check, policy, language, extensions, say }: Run): void {
  const kind = kindOf(scan);
  const text = scan.count === 0 ? recent.find(0) : undefined;
  const locate: Locate = (pointer) => locateValue(text ?? Buffer.from(recent.beginning).toString(), pointer);
  if (kind === 'object') say(0, check.checkObject(scan.root, policy, { language, extensions }), locate);
  const head = kind === 'bundle' ? check.checkBundleHead(scan.root, policy, { language, extensions }) : undefined;
  const fault = findListFault(scan);
  // STIX 2.1 §8: a bundle may be without the member, but not have an empty one.
  const isFaulty = fault !== undefined && (kind === 'envelope' || scan.objects !== 'absent');
  const list = isFaulty ? wrong('invalid-envelope', fault).errors : [];
  const errors = [...(head?.errors ?? []), ...list];
  if (errors.length > 0) say(-1, { id: head?.id ?? null, type: head?.type ?? null, errors, warnings: [] }, locate);
}

/** A bundle, envelope or single object: one verdict for each object, as it is read. */
async function validateDocument(chunks: AsyncIterable<Uint8Array>, run: Run): Promise<void> {
  const { check, policy, language, extensions, maxObjectLength, say, flush } = run;
  const recent = new RecentBytes();
  let index = 0;
  let lastEnd = 0;
  const judge = (text: Buffer, begin: Position, { offset, end }: ScannedPlace): void => {
    let source: string | undefined;
    say(index, check.checkObject(text.toString(), policy, { language, extensions }), (pointer) => {
      source ??= recent.find(offset, end);
      return locateBehind(begin, source, pointer);
    });
  };
  const scanner = createScanner({
    maxObjectLength,
    onObject: (object, place) => {
      const begin = { line: object.line, column: place.column };
      if (object.tooLong) say(index, tooLong(run), () => begin);
      else judge(object.text, begin, place);
      index += 1;
      lastEnd = place.end;
    },
  });
  for await (const chunk of chunks) {
    recent.push(chunk);
    scanner.push(chunk);
    recent.forget(lastEnd);
    await flush();
  }
  judgeRoot(scanner.end(), recent, run);
}

function findLineFault(bytes: Buffer, begin: { line: number; offset: number }, limit: number): ScanError | undefined {
  try {
    scanText(bytes, limit, begin);
    return undefined;
  } catch (error) {
    if (error instanceof ScanError) return error;
    throw error;
  }
}

async function validateLines(chunks: AsyncIterable<Uint8Array>, run: Run): Promise<void> {
  const { check, policy, language, extensions, maxObjectLength, maxLineLength, say, flush } = run;
  let index = 0;
  for await (const { line, offset, bytes } of readLines(chunks, maxLineLength)) {
    const fault = findLineFault(bytes, { line, offset }, maxObjectLength);
    const text = bytes.toString();
    const begin = { line, column: 1 };
    if (fault?.kind === 'syntax') sayBroken(fault, index, 0, say);
    else if (fault?.kind === 'length') say(index, tooLong(run), () => begin);
    else {
      const judged = check.checkDocument(text, policy, { language, extensions });
      say(index, judged, (pointer) => locateBehind(begin, text, pointer));
    }
    index += 1;
    await flush();
  }
}

type Format = (file: string, index: number, judged: Judged, locate: Locate) => string;

function formatText(file: string, index: number, { id, type, errors, warnings }: Judged, locate: Locate): string {
  if (errors.length === 0 && warnings.length === 0) return '';
  const what = index < 0 ? 'the text as a whole' : `object ${index}, ${id ?? type ?? 'without id'}`;
  const lineOf = (level: string, issue: Issue): string => {
    const place = locate(issue.path);
    return `  ${file}${place === undefined ? '' : `:${place.line}:${place.column}`}: ${level} ${formatIssue(issue)}\n`;
  };
  const lines = [
    ...errors.map((issue) => lineOf('error', issue)),
    ...warnings.map((issue) => lineOf('warning', issue)),
  ];
  return `${file}: ${what}\n${lines.join('')}`;
}

function formatJson(_file: string, index: number, { id, type, errors, warnings }: Judged, locate: Locate): string {
  const withPlace = (issue: Issue): object => {
    const { line, column } = locate(issue.path) ?? {};
    return { ...issue, line, column };
  };
  const [valid, found, doubts] = [errors.length === 0, errors.map(withPlace), warnings.map(withPlace)];
  return `${JSON.stringify({ index, id, type, valid, errors: found, warnings: doubts })}\n`;
}

const silent: Progress = { update: () => undefined, stop: () => undefined };

/** Counts what is said of all files, and writes it in pieces that wait for a slow reader. */
class Reporter {
  objects = 0;
  invalid = 0;
  warnings = 0;
  /** Bytes read of all files, and of this one. */
  bytes = 0;
  bytesOfFile = 0;
  readonly #format: Format;
  readonly #progress: Progress;
  #pending = '';

  constructor(format: Format, progress: Progress) {
    this.#format = format;
    this.#progress = progress;
  }

  say(file: string, index: number, judged: Judged, locate: Locate): void {
    if (index >= 0) this.objects += 1;
    if (judged.errors.length > 0) this.invalid += 1;
    this.warnings += judged.warnings.length;
    this.#pending += this.#format(file, index, judged, locate);
  }

  read(count: number): void {
    this.bytes += count;
    this.bytesOfFile += count;
    this.#progress.update(this.bytes, formatCount(this.objects, 'object'));
  }

  async flush(): Promise<void> {
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    this.#progress.stop();
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }

  summarise(): string {
    const { objects, invalid, warnings } = this;
    return `${formatCount(objects, 'object')}, ${invalid.toLocaleString('en-US')} invalid, ${formatCount(warnings, 'warning')}\n`;
  }
}

async function validateInput(input: Input, settings: Omit<Run, 'say' | 'flush'>, reporter: Reporter): Promise<void> {
  const say: Say = (index, judged, locate) => reporter.say(input.name, index, judged, locate);
  const run = { ...settings, say, flush: () => reporter.flush() };
  reporter.bytesOfFile = 0;
  const chunks = input.read((count) => reporter.read(count));
  try {
    await (input.form === 'lines' ? validateLines : validateDocument)(chunks, run);
  } catch (error) {
    sayBroken(error, -1, reporter.bytesOfFile, say);
  }
  await reporter.flush();
}

async function validateFiles(paths: readonly string[], options: ValidateOptions): Promise<void> {
  const { policy, format, lang } = options;
  const { store, maxObjectLength, maxContentLength: maxLineLength } = loadConfig();
  // Loaded here, so that other commands do not wait for the schemas.
  const check = await import('../stix/check-object.ts');
  const extensions = await loadExtensions(store, options.extension ?? []);
  const settings = { check, policy, language: lang, extensions, maxObjectLength, maxLineLength };
  const files = (await Promise.all(paths.map(listInputs))).flat();
  const progress = process.stderr.isTTY ? startProgress('validate', await totalSize(files)) : silent;
  const reporter = new Reporter(format === 'json' ? formatJson : formatText, progress);
  for (const path of files) {
    try {
      await validateInput(await openInput(path), settings, reporter);
    } catch (error) {
      throw cannot('read', path, error);
    } finally {
      progress.stop();
    }
  }
  if (format === 'text') process.stdout.write(reporter.summarise());
  if (reporter.invalid > 0) process.exitCode = 1;
}

function collect(path: string, paths: readonly string[] = []): string[] {
  return [...paths, path];
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
    .option('--extension <file>', 'register this extension for this run; may be repeated', collect)
    .addOption(
      new Option('--format <format>', 'json: one line for each object').choices(['text', 'json']).default('text'),
    )
    .addOption(languageOption())
    .action(validateFiles);
}
