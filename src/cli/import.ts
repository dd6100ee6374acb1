/** `huiju import`: publishes files through the same door as HTTP. */

import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { OperatorError, TaxiiError } from '../errors.ts';
import { watchExtensions } from '../hub/registered-extensions.ts';
import { findUser, unknownUser } from '../hub/users.ts';
import type { Language } from '../stix/issue.ts';
import { createScanner, ScanError, type ScanResult } from '../stix/scan.ts';
import { microsNow } from '../stix/timestamp.ts';
import { openStore } from '../store/open-store.ts';
import { loadApiRoots } from '../taxii/api-roots.ts';
import { countCheckers, startChecker } from '../taxii/checker.ts';
import { receive, type Slice, Slicer, streamSlices } from '../taxii/receive.ts';
import { type Incoming, type WriteDeps, writeObjects } from '../taxii/write.ts';
import { formatCount } from '../text.ts';
import { type FoundCollection, findCollection } from './find-collection.ts';
import { openReport, Tally } from './import-report.ts';
import { findListFault, type Input, kindOf, listInputs, openInput, readLines, scanText, totalSize } from './input.ts';
import { languageOption } from './language-option.ts';
import { type Progress, startProgress } from './progress.ts';
import { realPathOf } from './real-path.ts';
import { isFileFault, reasonOf } from './reason.ts';
import { exitCodeOf, nextSignal } from './signals.ts';

interface ImportOptions {
  readonly collection: string;
  readonly as?: string;
  readonly report?: string;
  readonly lang: Language;
}

/** No user can have this name, so what is imported without `--as` belongs to nobody but curators and admins. */
const importer = '(import)';
/** Of the time that a document takes, what goes into reading it a first time. */
const scanShare = 0.05;

interface Job {
  readonly deps: WriteDeps;
  readonly target: FoundCollection;
  readonly submitter: string;
  readonly language: Language;
  readonly maxObjectLength: number;
  readonly maxLineLength: number;
  readonly tally: Tally;
  readonly progress: Progress;
  /** Ends the import: the slices under way are committed, no other is begun. */
  readonly signal: AbortSignal;
  /** Bytes of the inputs that are done; a document that is read twice counts in parts. */
  done: number;
}

type OnBytes = (count: number) => void;

function counter(job: Job, share = 1): OnBytes {
  return (count) => {
    job.done += count * share;
    job.progress.update(job.done, formatCount(job.tally.total, 'object'));
  };
}

const scanCodes = { syntax: 'malformed-json', shape: 'invalid-envelope', length: 'object-too-long' } as const;

function requireList(scan: ScanResult): void {
  const fault = findListFault(scan);
  if (fault !== undefined) throw new ScanError('shape', fault);
}

/** The text of a document that is one object. */
function textOf({ root, objects }: ScanResult): Buffer {
  if (objects !== 'list') return Buffer.from(root);
  throw new ScanError('shape', 'it has a list `objects` and a `type` that is not `bundle`; put it into an envelope');
}

function singleObject(scan: ScanResult): Slice[] {
  const slicer = new Slicer(new Map());
  slicer.add({ text: textOf(scan), tooLong: false, line: 1 });
  slicer.flush();
  return slicer.takeFull();
}

async function scanWhole(input: Input, maxObjectLength: number, onBytes: OnBytes): Promise<ScanResult> {
  const scanner = createScanner({ maxObjectLength, onObject: () => undefined });
  for await (const chunk of input.read(onBytes)) scanner.push(chunk);
  return scanner.end();
}

type ClosableIncoming = Incoming & { close(): Promise<void> };

/**
 * The objects of a document. Its text is read to the end before the first object is handed out, so that a broken file
 * changes nothing: a file twice, what can be read only once by way of the spool.
 */
async function openDocument(input: Input, job: Job): Promise<ClosableIncoming> {
  const { maxObjectLength } = job;
  if (input.isRepeatable) {
    const tooLong = new Map<number, string>();
    const scan = await scanWhole(input, maxObjectLength, counter(job, scanShare));
    requireList(scan);
    const chunks = input.read(counter(job, 1 - scanShare));
    const slices = kindOf(scan) === 'object' ? singleObject(scan) : streamSlices(chunks, maxObjectLength, tooLong);
    return { slices, tooLong, maxObjectLength, close: async () => undefined };
  }
  const limits = { maxObjectLength, maxObjects: Number.POSITIVE_INFINITY };
  const received = await receive(input.read(counter(job)), limits);
  const { scan, tooLong } = received;
  try {
    requireList(scan);
    const slices = kindOf(scan) === 'object' ? singleObject(scan) : received.slices();
    return { slices, tooLong, maxObjectLength, close: () => received.close() };
  } catch (error) {
    await received.close();
    throw error;
  }
}

/** The objects of NDJSON; a line that is broken fails alone. */
async function* slicesOfLines(input: Input, job: Job): AsyncGenerator<Slice> {
  const slicer = new Slicer(new Map());
  for await (const { line, offset, bytes } of readLines(input.read(counter(job)), job.maxLineLength)) {
    try {
      const { scan, kind, elements } = scanText(bytes, job.maxObjectLength, { line, offset });
      requireList(scan);
      for (const text of kind === 'object' ? [textOf(scan)] : elements) slicer.add({ text, tooLong: false, line });
    } catch (error) {
      if (!(error instanceof ScanError)) throw error;
      job.tally.fail([
        { file: input.name, line, errors: [{ code: scanCodes[error.kind], path: '', message: error.message }] },
      ]);
    }
    yield* slicer.takeFull();
  }
  slicer.flush();
  yield* slicer.takeFull();
}

function openLines(input: Input, job: Job): ClosableIncoming {
  const { maxObjectLength } = job;
  return { slices: slicesOfLines(input, job), tooLong: new Map(), maxObjectLength, close: async () => undefined };
}

async function* untilAborted(slices: Incoming['slices'], signal: AbortSignal): AsyncGenerator<Slice> {
  for await (const slice of slices) {
    signal.throwIfAborted();
    yield slice;
  }
}

async function importInput(input: Input, job: Job): Promise<void> {
  const { deps, submitter, language, tally, signal } = job;
  const target = { collection: job.target.collection, submitter, language };
  const incoming = input.form === 'lines' ? openLines(input, job) : await openDocument(input, job);
  try {
    const slices = untilAborted(incoming.slices, signal);
    await writeObjects(deps, target, { ...incoming, slices }, (verdicts) => {
      tally.count(input.name, verdicts);
      job.progress.update(job.done, formatCount(tally.total, 'object'));
    });
  } finally {
    await incoming.close();
  }
}

/** Why an input cannot be used, as a line of the report has it; undefined for what is no fault of the input. */
function faultOf(error: unknown): { readonly code: string; readonly message: string } | undefined {
  if (error instanceof TaxiiError) return { code: error.code, message: error.message };
  if (error instanceof ScanError) return { code: scanCodes[error.kind], message: error.message };
  return isFileFault(error) ? { code: 'unreadable', message: reasonOf(error) } : undefined;
}

/** Imports one input, to the end or to the signal. One that cannot be used is told of, and the next one's turn. */
async function importPath(path: string, job: Job): Promise<boolean> {
  try {
    await importInput(await openInput(path, job.signal), job);
    return true;
  } catch (error) {
    if (job.signal.aborted && error instanceof Error && error.name === 'AbortError') return false;
    const fault = faultOf(error);
    if (fault === undefined) throw error;
    job.progress.stop();
    process.stderr.write(`huiju: ${path}: ${fault.message}\n`);
    job.tally.refuse(path, fault.code, fault.message);
    return false;
  }
}

/** Imports one after the other, and says how many were used to their end. */
async function importAll(files: readonly string[], job: Job): Promise<number> {
  let whole = 0;
  for (const file of files) {
    if (job.signal.aborted) break;
    if (await importPath(file, job)) whole += 1;
  }
  job.progress.stop();
  return whole;
}

/** The files that the arguments name; tells how many are in each folder. */
async function findFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await listInputs(path);
    if (found[0] !== path) process.stderr.write(`huiju: ${path}: ${formatCount(found.length, 'file')}\n`);
    files.push(...found);
  }
  return files;
}

/** The report is written from its beginning on, so it must not be what is to be read. */
async function refuseInput(report: string, files: readonly string[]): Promise<void> {
  const real = await realPathOf(report);
  for (const file of files) {
    if (file !== '-' && (await realPathOf(file)) === real) {
      throw new OperatorError(`--report ${report}: this file is among those to import; name another`);
    }
  }
}

async function importFiles(paths: readonly string[], options: ImportOptions): Promise<void> {
  const config = loadConfig();
  const target = findCollection(loadApiRoots(config.collections), options.collection);
  const files = await findFiles(paths);
  if (options.report !== undefined) await refuseInput(options.report, files);
  const abort = new AbortController();
  const interrupted = nextSignal().then((signal) => {
    abort.abort();
    process.exitCode = exitCodeOf(signal);
  });
  const store = await openStore(config.store);
  const checker = startChecker(countCheckers(1));
  const started = performance.now();
  try {
    if (options.as !== undefined && (await findUser(store, options.as)) === undefined) {
      throw await unknownUser(store, options.as);
    }
    const report = openReport(options.report);
    const tally = new Tally(report);
    const job: Job = {
      deps: { store, checker, registeredExtensions: watchExtensions(store), now: microsNow },
      target,
      submitter: options.as ?? importer,
      language: options.lang,
      maxObjectLength: config.maxObjectLength,
      maxLineLength: config.maxContentLength,
      tally,
      progress: startProgress('import', await totalSize(files)),
      signal: abort.signal,
      done: 0,
    };
    const whole = await importAll(files, job);
    report.close();
    const name = `${target.root.name}/${target.collection.alias ?? target.collection.id}`;
    process.stdout.write(`${tally.summarise(name, (performance.now() - started) / 1000)}\n`);
    if (abort.signal.aborted) await interrupted.then(() => sayInterrupted(whole, files.length));
    else if (whole < files.length || tally.failed > 0) process.exitCode = 1;
  } finally {
    await checker.close();
    await store.close();
  }
}

function sayInterrupted(whole: number, files: number): void {
  const done = `${whole} of ${formatCount(files, 'file')}`;
  process.stderr.write(`huiju: interrupted after ${done}; import again to go on: what is in already is a duplicate\n`);
}

export function registerImport(program: Command): void {
  program
    .command('import')
    .description('publish files into a collection; importing again is safe')
    .argument(
      '<file...>',
      'bundle, envelope, single object or NDJSON, gzip too; a folder for all files in and below it; - for standard input',
    )
    .requiredOption('--collection <[root/]id-or-alias>', 'where to publish')
    .option('--as <user>', 'publish in the name of this user')
    .option('--report <file>', 'write every failure and warning to this file, one JSON object a line')
    .addOption(languageOption())
    .action(importFiles);
}
