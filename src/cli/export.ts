/** `huiju export`: a collection as a bundle or as NDJSON, read page by page. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { loadConfig } from '../config.ts';
import { codeOf, OperatorError, TaxiiError } from '../errors.ts';
import { createScanner } from '../stix/scan.ts';
import { openStore } from '../store/open-store.ts';
import type { PageBounds, Store } from '../store/store.ts';
import { loadApiRoots } from '../taxii/api-roots.ts';
import { type PageLimits, planPage } from '../taxii/page.ts';
import { type Filters, parseFilters } from '../taxii/query.ts';
import { formatCount } from '../text.ts';
import { findCollection } from './find-collection.ts';
import { printLine } from './output.ts';
import { startProgress } from './progress.ts';
import { assertWritable, cannot } from './reason.ts';
import { untilSignal } from './signals.ts';

interface ExportOptions {
  readonly collection: string;
  readonly addedAfter?: string;
  readonly match: readonly string[];
  readonly format?: 'bundle' | 'ndjson';
  readonly out?: string;
}

const matchKeys = ['id', 'type', 'version', 'spec_version'];

function parseOptions({ addedAfter, match }: ExportOptions): Filters {
  const params = new URLSearchParams();
  if (addedAfter !== undefined) params.append('added_after', addedAfter);
  for (const pair of match) {
    const [, key = '', value = ''] = /^([a-z_]+)=(.*)$/s.exec(pair) ?? [];
    if (!matchKeys.includes(key)) {
      throw new OperatorError(`--match ${pair}: expected KEY=VALUE with one of the keys ${matchKeys.join(', ')}`);
    }
    params.append(`match[${key}]`, value);
  }
  try {
    return parseFilters(params, ['added_after', 'match[id]', 'match[type]', 'match[version]', 'match[spec_version]']);
  } catch (error) {
    throw error instanceof TaxiiError ? new OperatorError(error.message) : error;
  }
}

/** The pages of the collection, each the texts of its objects joined by commas. */
async function* readPages(
  store: Store,
  collection: string,
  filters: Filters,
  limits: PageLimits,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly texts: Buffer; readonly count: number }> {
  const assertWanted = () => signal?.throwIfAborted();
  const bounds: PageBounds = { limit: limits.size, maxBytes: limits.bytes, assertWanted };
  let { query } = planPage(filters, collection, limits);
  while (query !== undefined) {
    const page = await store.findObjects(collection, query, bounds);
    if (page.count > 0) yield page;
    query = page.more && page.last !== undefined ? { ...query, addedAfter: page.last } : undefined;
  }
}

/** Waits until the reader has taken it, so that memory stays bounded. Throws when the reader is gone. */
function write(out: Writable, part: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(part, (error) => (error == null ? resolve() : reject(error)));
  });
}

function linesOf(texts: Buffer): Buffer {
  const lines: Buffer[] = [];
  const scanner = createScanner({
    maxObjectLength: texts.length + 1,
    onObject: ({ text }) => lines.push(Buffer.from(text), Buffer.from('\n')),
  });
  scanner.push(Buffer.from('{"objects":['));
  scanner.push(texts);
  scanner.push(Buffer.from(']}'));
  scanner.end();
  return Buffer.concat(lines);
}

async function writeObjects(
  out: Writable,
  format: 'bundle' | 'ndjson',
  pages: AsyncIterable<{ readonly texts: Buffer; readonly count: number }>,
  onWritten: (bytes: number, count: number) => void,
): Promise<number> {
  let total = 0;
  let bytes = 0;
  if (format === 'bundle') await write(out, `{"type":"bundle","id":"bundle--${randomUUID()}"`);
  for await (const { texts, count } of pages) {
    if (format === 'ndjson') await write(out, linesOf(texts));
    else {
      // An empty list would be illegal, so the member comes with its first object.
      await write(out, total === 0 ? ',"objects":[\n' : ',\n');
      await write(out, texts);
    }
    total += count;
    bytes += texts.length;
    onWritten(bytes, total);
  }
  if (format === 'bundle') await write(out, total === 0 ? '}\n' : '\n]}\n');
  return total;
}

// `huiju export … | head`: a reader that has seen enough is no error.
function unlessReaderLeft(error: unknown): void {
  if (codeOf(error) !== 'EPIPE') throw error;
}

/** A file that gets its name only when it is complete, and is removed when it does not come to that. */
async function writeFileWhole(path: string, use: (out: Writable) => Promise<number>): Promise<number> {
  const partial = `${path}.partial`;
  const out = createWriteStream(partial);
  try {
    await once(out, 'open');
    const total = await use(out);
    out.end();
    await finished(out);
    await rename(partial, path);
    return total;
  } catch (error) {
    out.destroy();
    await rm(partial, { force: true });
    throw cannot('write', path, error);
  }
}

async function exportCollection(options: ExportOptions): Promise<void> {
  const config = loadConfig();
  const filters = parseOptions(options);
  const { collection } = findCollection(loadApiRoots(config.collections), options.collection);
  const path = options.out === '-' ? undefined : options.out;
  const isLines = /\.(?:ndjson|jsonl)$/i.test(path ?? '');
  const format = options.format ?? (isLines ? 'ndjson' : 'bundle');
  if (path !== undefined) assertWritable(path);
  const store = await openStore(config.store);
  const progress = startProgress('export', undefined);
  const writeTo = (out: Writable, signal?: AbortSignal): Promise<number> => {
    const pages = readPages(store, collection.id, filters, config.page, signal);
    return writeObjects(out, format, pages, (bytes, count) => progress.update(bytes, formatCount(count, 'object')));
  };
  try {
    if (path === undefined) {
      // A signal ends it as usual: what a pipe has taken cannot be taken back.
      await writeTo(process.stdout).catch(unlessReaderLeft);
      return;
    }
    const total = await untilSignal((signal) => writeFileWhole(path, (out) => writeTo(out, signal)));
    progress.stop();
    printLine(`${path}: ${formatCount(total, 'object')}`);
  } finally {
    progress.stop();
    await store.close();
  }
}

export function registerExport(program: Command): void {
  program
    .command('export')
    .description('write a collection as a bundle or as NDJSON')
    .requiredOption('--collection <[root/]id-or-alias>', 'what to export')
    .option('--added-after <time>', 'only what was added later, an RFC 3339 time')
    .option(
      '--match <key=value>',
      'only what matches: id, type, version, spec_version as in TAXII; version=all for every version',
      (value: string, all: readonly string[]) => [...all, value],
      [] as readonly string[],
    )
    .addOption(new Option('--format <format>', 'default: by the ending of FILE').choices(['bundle', 'ndjson']))
    .option('--out <file>', 'default: standard output')
    .action(exportCollection);
}
