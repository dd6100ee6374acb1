/** Publishing: a large bundle while others read, small posts of many clients, and a file that is imported. */

import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkObject } from '../src/stix/check-object.ts';
import { formatMicros } from '../src/stix/timestamp.ts';
import { formatBytes } from '../src/text.ts';
import { root, runProgram } from '../test/support/huiju.ts';
import { collection, createPlace, login, objectsPath, type Place } from './data-set.ts';
import { check, formatRequest, openConnection, run } from './load.ts';
import { quantile, ratioOf, showProgress, summarise } from './measure.ts';
import { createRandom, makeCatalogueObject, makeObject } from './objects.ts';
import {
  forgetPeak,
  holdingsOf,
  peakOf,
  processorTime,
  product,
  type Running,
  runToEnd,
  serve,
  treeOf,
} from './processes.ts';
import { type Report, round } from './report.ts';
import type { Settings } from './settings.ts';
import { findBundles, textsOf } from './validate.ts';

const posting = { ...login, 'Content-Type': 'application/taxii+json;version=2.1' };
const anyLength = { least: 2, most: Number.POSITIVE_INFINITY };

/** The same object under another id, with references that follow: the first digits of each UUID are changed. */
function renumber(text: string, copy: number): string {
  return text.replace(/--([0-9a-f]{8})-/g, (_all, digits: string) => {
    const changed = (Number.parseInt(digits, 16) ^ (copy * 0x9e3779b1)) >>> 0;
    return `--${changed.toString(16).padStart(8, '0')}-`;
  });
}

/** The valid objects of the real ATT&CK bundles, each once: some are in several. */
function readCatalogues(folder: string | undefined): string[] {
  const files = findBundles(folder).filter((file) => /attack-stix/.test(file));
  const texts = new Map<string | null, string>();
  for (const text of files.flatMap(textsOf)) {
    const { id, type, errors } = checkObject(text, 'spec');
    // Ids of markings are those of the standard, and stay theirs.
    if (errors.length === 0 && type !== 'marking-definition') texts.set(id, text);
  }
  return [...texts.values()];
}

/** What is published: the real ATT&CK bundles again and again under other ids, else objects made like theirs. */
function* catalogueTexts(folder: string | undefined): Generator<string> {
  const texts = readCatalogues(folder);
  const random = createRandom(7);
  for (let number = 1; texts.length === 0; number += 1) yield JSON.stringify(makeCatalogueObject(number, random));
  for (let copy = 0; ; copy += 1) for (const text of texts) yield renumber(text, copy);
}

/** Texts of so many bytes together. */
function takeTexts(texts: Iterator<string>, bytes: number): string[] {
  const taken: string[] = [];
  for (let length = 0; length < bytes; ) {
    const { value } = texts.next();
    taken.push(value);
    length += Buffer.byteLength(value) + 1;
  }
  return taken;
}

function bundleOf(texts: readonly string[]): Buffer {
  const id = 'bundle--5e0c1d2a-7b41-4f6e-8a3d-000000000001';
  return Buffer.from(`{"type":"bundle","id":"${id}","objects":[${texts.join()}]}`);
}

/** Asks for pages all the time, with a short pause between two, until told to end. Yields the latencies. */
async function readMeanwhile({ port }: Running, isOver: () => boolean): Promise<number[]> {
  const connection = await openConnection(port);
  const latencies: number[] = [];
  for (let n = 1; !isOver(); n += 1) {
    const request = formatRequest(`${objectsPath}?limit=100&added_after=${formatMicros(n)}`, login);
    latencies.push(check(await connection.ask(request), { status: 200, ...anyLength }).time);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  connection.close();
  return latencies;
}

interface Published {
  readonly perSecond: number;
  /** Microseconds of processor time of an object. */
  readonly cost: number;
  readonly latencies: readonly number[];
  readonly megabytesAboveIdle: number;
}

function postOf(texts: readonly string[]): Buffer {
  return formatRequest(objectsPath, posting, bundleOf(texts));
}

/** Publishes a bundle of so many objects. Yields the milliseconds it took. */
async function post({ port }: Running, request: Buffer, objects: number): Promise<number> {
  const connection = await openConnection(port);
  const answer = check(await connection.ask(request), { status: 202, ...anyLength });
  connection.close();
  const { success_count: count } = JSON.parse(answer.body().toString()) as { success_count: number };
  if (count === objects) return answer.time;
  throw new Error(`${count} of ${objects} objects were taken: ${answer.body().toString('utf8', 0, 1000)}`);
}

async function publishBundle(place: Place, warmUp: readonly string[], texts: readonly string[]): Promise<Published> {
  const huiju = await serve(place);
  await post(huiju, postOf(warmUp), warmUp.length);
  // Before anybody reads: to make it takes a while, in which no answer would be seen.
  const request = postOf(texts);
  const idle = holdingsOf(huiju.pid).megabytes;
  forgetPeak(huiju.pid);
  const before = processorTime(treeOf(huiju.pid));
  let isOver = false;
  const readers = Array.from({ length: 4 }, () => readMeanwhile(huiju, () => isOver));
  const time = await post(huiju, request, texts.length);
  isOver = true;
  const latencies = (await Promise.all(readers)).flat();
  const cost = ((processorTime(treeOf(huiju.pid)) - before) * 1000) / texts.length;
  const megabytesAboveIdle = peakOf(huiju.pid) - idle;
  await huiju.stop();
  return { perSecond: (texts.length / time) * 1000, cost, latencies, megabytesAboveIdle };
}

async function insertBare(folder: string, texts: readonly string[], rows: number): Promise<number> {
  const file = join(folder, 'rows.ndjson');
  writeFileSync(file, `${texts.join('\n')}\n`);
  const script = join(root, 'bench', 'bare-insert.ts');
  const { code, stdout, stderr } = await runProgram(process.execPath, [script, file, String(rows)]);
  if (code !== 0) throw new Error(`the bare insert failed: ${stderr}`);
  return Number(stdout);
}

async function withPlace<T>(server: string | undefined, work: (place: Place) => Promise<T>): Promise<T> {
  const place = await createPlace(server);
  try {
    return await work(place);
  } finally {
    await place.end();
  }
}

interface Amounts {
  readonly megabytes: number;
  readonly rounds: number;
  /** Posts of one object. */
  readonly posts: number;
}

function amountsOf({ quick, isClaimed }: Settings): Amounts {
  if (!isClaimed) return { megabytes: 1, rounds: 1, posts: 200 };
  return quick ? { megabytes: 20, rounds: 1, posts: 5000 } : { megabytes: 100, rounds: 3, posts: 30_000 };
}

async function benchBundle(report: Report, folder: string, settings: Settings): Promise<void> {
  const { server, data } = settings;
  const { megabytes, rounds } = amountsOf(settings);
  const source = catalogueTexts(data);
  const [warmUp, texts] = [takeTexts(source, 1e6), takeTexts(source, megabytes * 1e6)];
  const published: Published[] = [];
  const bare: number[] = [];
  for (let done = 0; done < rounds; done += 1) {
    showProgress(`publishing ${texts.length} objects: round ${done + 1}`);
    published.push(await withPlace(server, (place) => publishBundle(place, warmUp, texts)));
    bare.push(server === undefined ? await insertBare(folder, texts, 1000) : Number.NaN);
  }
  showProgress('');
  const perSecond = published.map((one) => one.perSecond);
  const value = summarise(perSecond).median;
  const latencies = published.flatMap((one) => one.latencies);
  const most = Math.max(...published.map(({ megabytesAboveIdle }) => megabytesAboveIdle));
  report.row({
    what: `a bundle of ${texts.length.toLocaleString('en')} objects, ${megabytes} MB`,
    ours: `${round(value)} objects/s, ${round(summarise(published.map(({ cost }) => cost)).median)} µs of processor time each`,
    ...(server === undefined && {
      other: `bare insert ${round(summarise(bare).median)} rows/s`,
      ratio: ratioOf(perSecond, bare),
    }),
    value,
    bound: { kind: 'at least', must: 8000, goal: 15_000 },
  });
  const limits = [
    ['other requests meanwhile, p99', quantile(latencies, 0.99), 'ms', 50, 20],
    ['other requests meanwhile, worst', quantile(latencies, 1), 'ms', 200, 50],
    ['memory above idle', most, 'MB', 200, undefined],
  ] as const;
  for (const [what, measured, unit, must, goal] of limits) {
    const bound = { kind: 'at most', must, unit, ...(goal !== undefined && { goal }) } as const;
    report.row({ what, ours: `${round(measured)} ${unit}`, value: measured, bound });
  }
}

async function benchSmall(report: Report, folder: string, settings: Settings): Promise<void> {
  const { server } = settings;
  const { posts: count } = amountsOf(settings);
  const random = createRandom(3);
  const texts = Array.from({ length: count }, (_, number) => JSON.stringify(makeObject('tool', number, 0, random)));
  const bodies = texts.map((text) => formatRequest(objectsPath, posting, Buffer.from(`{"objects":[${text}]}`)));
  const { latencies, seconds } = await withPlace(server, async (place) => {
    const huiju = await serve(place);
    await post(huiju, postOf([JSON.stringify(makeObject('tool', count, 0, random))]), 1);
    let sent = 0;
    const expected = { status: 202, ...anyLength };
    const outcome = await run({ port: huiju.port, connections: 64, next: () => bodies[sent++], expected });
    await huiju.stop();
    return outcome;
  });
  const value = count / seconds;
  const bare = server === undefined ? await insertBare(folder, texts.slice(0, 5000), 1) : undefined;
  report.row({
    what: 'one object a post, 64 connections',
    ours: `${round(value)} posts/s, p50 ${round(quantile(latencies, 0.5))} ms, p99 ${round(quantile(latencies, 0.99))} ms`,
    ...(bare !== undefined && {
      other: `bare insert, a commit each, ${round(bare)} rows/s`,
      ratio: summarise([value / bare]),
    }),
    value,
    bound: { kind: 'at least', must: 1500 },
  });
}

function writeLines(file: string, texts: Iterator<string>, bytes: number): void {
  const out = openSync(file, 'w');
  for (let length = 0; length < bytes; ) {
    const part = Buffer.from(`${takeTexts(texts, 4e6).join('\n')}\n`);
    writeSync(out, part);
    length += part.length;
  }
  closeSync(out);
}

/** `huiju import` of a file; its memory is held against that of an import of a single object. */
async function benchImport(report: Report, folder: string, { server, data }: Settings): Promise<void> {
  const [small, large] = [join(folder, 'small.ndjson'), join(folder, 'large.ndjson')];
  writeLines(small, catalogueTexts(data), 1);
  writeLines(large, catalogueTexts(data), 1e9);
  await withPlace(server, async ({ store, collections }) => {
    const env = { HUIJU_STORE: store, HUIJU_COLLECTIONS: collections };
    const importing = (file: string) =>
      runToEnd([...product, 'import', file, '--collection', `bench/${collection}`], env);
    const idle = await importing(small);
    showProgress('importing 1 GB');
    const all = await importing(large);
    showProgress('');
    const value = all.megabytes - idle.megabytes;
    report.row({
      what: `import of ${formatBytes(statSync(large).size)}`,
      ours: `${round(value)} MB above idle, ${round(all.seconds)} s`,
      value,
      bound: { kind: 'at most', must: 200, unit: 'MB' },
    });
  });
}

export async function benchPublish(report: Report, settings: Settings): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-publish-'));
  const isReal = findBundles(settings.data).some((file) => /attack-stix/.test(file));
  report.section(`Publishing ${isReal ? 'real ATT&CK objects under other ids' : 'objects made like those of ATT&CK'}`);
  try {
    await benchBundle(report, folder, settings);
    await benchSmall(report, folder, settings);
    if (settings.large) await benchImport(report, folder, settings);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
