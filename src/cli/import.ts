/** `huiju import`: publishes files through the same door as HTTP. */

import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { OperatorError, TaxiiError } from '../errors.ts';
import { findUser } from '../hub/users.ts';
import type { Issue } from '../stix/issue.ts';
import { createScanner, ScanError, type ScanResult } from '../stix/scan.ts';
import { openStore } from '../store/open-store.ts';
import { loadApiRoots } from '../taxii/api-roots.ts';
import { startChecker } from '../taxii/checker.ts';
import { receive, type Slice, Slicer, streamSlices } from '../taxii/receive.ts';
import { type Incoming, type Verdict, type WriteDeps, writeObjects } from '../taxii/write.ts';
import { type FoundCollection, findCollection } from './find-collection.ts';
import { type Input, kindOf, openInput, readLines, reasonOf, scanText } from './input.ts';
import { startProgress } from './progress.ts';

interface ImportOptions {
  readonly collection: string;
  readonly as?: string;
  readonly report?: string;
}

interface Failure {
  readonly file: string;
  readonly index?: number;
  readonly line?: number;
  readonly id?: string;
  readonly version?: string;
  readonly errors: readonly Issue[];
}

/** No user can have this name, so what is imported without `--as` belongs to nobody but curators and admins. */
const importer = '(import)';
/** Failures shown on the terminal; `--report` has all. */
const shownFailures = 10;

/** Counts verdicts and keeps what the summary and the report need. */
class Tally {
  added = 0;
  duplicate = 0;
  failed = 0;
  readonly shown: Failure[] = [];
  readonly #report: WriteStream | undefined;

  constructor(report: WriteStream | undefined) {
    this.#report = report;
  }

  get total(): number {
    return this.added + this.duplicate + this.failed;
  }

  count(file: string, verdicts: readonly Verdict[]): void {
    for (const { outcome, index, id, version, errors } of verdicts) {
      if (outcome === 'failed') this.fail({ file, index, id, version, errors });
      else this[outcome] += 1;
    }
  }

  fail(failure: Failure): void {
    this.failed += 1;
    if (this.shown.length < shownFailures) this.shown.push(failure);
    this.#report?.write(`${JSON.stringify(failure)}\n`);
  }
}

interface Job {
  readonly deps: WriteDeps;
  readonly target: FoundCollection;
  readonly submitter: string;
  readonly maxObjectLength: number;
  readonly maxLineLength: number;
  readonly tally: Tally;
}

async function scanWhole(input: Input, maxObjectLength: number, onBytes: (count: number) => void): Promise<ScanResult> {
  const scanner = createScanner({ maxObjectLength, onObject: () => undefined });
  for await (const chunk of input.read(onBytes)) scanner.push(chunk);
  return scanner.end();
}

function singleObject(scan: ScanResult): Iterable<Slice> {
  if (scan.objects === 'list') {
    throw new ScanError('shape', 'it has a list `objects` and a `type` that is not `bundle`; put it into an envelope');
  }
  const slicer = new Slicer(new Map());
  slicer.add({ text: Buffer.from(scan.root), tooLong: false });
  slicer.flush();
  return slicer.takeFull();
}

/**
 * The objects of a document. Its text is read to the end before the first object is handed out, so that a broken file
 * changes nothing: a file twice, what can be read only once by way of the spool.
 */
async function openDocument(
  input: Input,
  { maxObjectLength }: Job,
  onBytes: (count: number) => void,
): Promise<Incoming & { close(): Promise<void> }> {
  const tooLong = new Map<number, string>();
  if (input.isRepeatable) {
    const scan = await scanWhole(input, maxObjectLength, onBytes);
    const slices =
      kindOf(scan) === 'object' ? singleObject(scan) : streamSlices(input.read(onBytes), maxObjectLength, tooLong);
    return { slices, tooLong, maxObjectLength, close: async () => undefined };
  }
  const received = await receive(input.read(onBytes), { maxObjectLength, maxObjects: Number.POSITIVE_INFINITY });
  const slices = kindOf(received.scan) === 'object' ? singleObject(received.scan) : received.slices();
  return { slices, tooLong: received.tooLong, maxObjectLength, close: () => received.close() };
}

/** The objects of NDJSON; a line that is broken fails alone. */
async function* slicesOfLines(input: Input, job: Job, onBytes: (count: number) => void): AsyncGenerator<Slice> {
  const slicer = new Slicer(new Map());
  for await (const { line, bytes } of readLines(input.read(onBytes), job.maxLineLength)) {
    try {
      const { scan, kind, elements } = scanText(bytes, job.maxObjectLength);
      if (kind === 'object') yield* singleObject(scan);
      else for (const text of elements) slicer.add({ text, tooLong: false });
    } catch (error) {
      if (!(error instanceof ScanError)) throw error;
      const code = error.kind === 'syntax' ? 'malformed-json' : 'invalid-envelope';
      job.tally.fail({ file: input.name, line, errors: [{ code, path: '', message: error.message }] });
    }
    yield* slicer.takeFull();
  }
  slicer.flush();
  yield* slicer.takeFull();
}

async function importInput(input: Input, job: Job): Promise<void> {
  const { tally, target, submitter } = job;
  // A document is read twice.
  const passes = input.form === 'document' && input.isRepeatable ? 2 : 1;
  const progress = startProgress(input.name, input.size === undefined ? undefined : input.size * passes);
  let bytes = 0;
  const onBytes = (count: number): void => {
    bytes += count;
    progress.update(bytes, `${tally.total} objects`);
  };
  const report = (verdicts: readonly Verdict[]): void => {
    tally.count(input.name, verdicts);
    progress.update(bytes, `${tally.total} objects`);
  };
  try {
    const incoming =
      input.form === 'lines'
        ? {
            slices: slicesOfLines(input, job, onBytes),
            tooLong: new Map<number, string>(),
            maxObjectLength: job.maxObjectLength,
            close: async () => undefined,
          }
        : await openDocument(input, job, onBytes);
    try {
      await writeObjects(job.deps, { collection: target.collection, submitter }, incoming, report);
    } finally {
      await incoming.close();
    }
  } finally {
    progress.stop();
  }
}

function describeFailure({ file, index, line, id, errors }: Failure): string {
  const where = line === undefined ? `object ${index}` : `line ${line}`;
  const reasons = errors.map(({ code, path, message }) => `${code}${path === '' ? '' : ` at ${path}`}: ${message}`);
  return `  ${file}, ${where}${id === undefined ? '' : `, ${id}`}\n${reasons.map((reason) => `    ${reason}`).join('\n')}`;
}

function summarise({ target, tally }: Job, seconds: number): string {
  const { added, duplicate, failed, total, shown } = tally;
  const name = `${target.root.name}/${target.collection.alias ?? target.collection.id}`;
  const head = `${name}: ${total} objects in ${seconds.toFixed(1)} s: ${added} added, ${duplicate} duplicate, ${failed} failed`;
  const rest = failed > shown.length ? [`  and ${failed - shown.length} more; --report FILE lists all`] : [];
  return [head, ...shown.map(describeFailure), ...rest].join('\n');
}

/** Imports one input; says so when its text as a whole cannot be used, and goes on with the next. */
async function importPath(path: string, job: Job): Promise<boolean> {
  try {
    await importInput(await openInput(path), job);
    return true;
  } catch (error) {
    const isTheFile = error instanceof ScanError || error instanceof TaxiiError || error instanceof OperatorError;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!isTheFile && !code.startsWith('Z_') && !code.startsWith('E')) throw error;
    const reason = isTheFile ? (error as Error).message : reasonOf(error);
    process.stderr.write(`huiju: ${path}: ${reason}\n`);
    return false;
  }
}

async function openReport(path: string | undefined): Promise<WriteStream | undefined> {
  if (path === undefined) return undefined;
  const stream = createWriteStream(path);
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', (error) => reject(new OperatorError(`cannot write ${path}: ${reasonOf(error)}`)));
  });
  return stream;
}

async function importFiles(paths: readonly string[], options: ImportOptions): Promise<void> {
  const config = loadConfig();
  const target = findCollection(loadApiRoots(config.collections), options.collection);
  const store = await openStore(config.store);
  const checker = startChecker(config.workers);
  const started = performance.now();
  const report = await openReport(options.report);
  try {
    if (options.as !== undefined && (await findUser(store, options.as)) === undefined) {
      throw new OperatorError(`there is no user ${options.as}; huiju user list shows who there is`);
    }
    const job: Job = {
      deps: { store, checker, now: () => Date.now() * 1000 },
      target,
      submitter: options.as ?? importer,
      maxObjectLength: config.maxObjectLength,
      maxLineLength: config.maxContentLength,
      tally: new Tally(report),
    };
    let whole = true;
    for (const path of paths) whole = (await importPath(path, job)) && whole;
    process.stdout.write(`${summarise(job, (performance.now() - started) / 1000)}\n`);
    if (!whole || job.tally.failed > 0) process.exitCode = 1;
  } finally {
    if (report !== undefined) {
      report.end();
      await finished(report);
    }
    await checker.close();
    await store.close();
  }
}

export function registerImport(program: Command): void {
  program
    .command('import')
    .description('publish files into a collection; importing again is safe')
    .argument('<file...>', 'bundle, envelope, single object or NDJSON, gzip too; - for standard input')
    .requiredOption('--collection <[root/]id-or-alias>', 'where to publish')
    .option('--as <user>', 'publish in the name of this user')
    .option('--report <file>', 'write every failure to this file, one JSON object a line')
    .action(importFiles);
}
