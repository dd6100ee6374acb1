/**
 * Mixed load for minutes: pollers, publishers, who deletes, imports and backups. What the server holds at rest after a
 * first part and after all of it is compared; an answer that is not as it should be ends the run.
 *
 * The collection stays as large as it is at the beginning: publishers delete what they published, and imports bring the same
 * files again. So what grows is the server's, and not that of more objects.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collection, createPlace, login, objectsPath, type Place } from './data-set.ts';
import { type Connection, check, formatRequest, openConnection } from './load.ts';
import { quantile, showProgress } from './measure.ts';
import { createRandom, makeObject } from './objects.ts';
import { type Holdings, holdingsOf, product, type Running, runToEnd, startProcess } from './processes.ts';
import { type Report, round } from './report.ts';
import type { Settings } from './settings.ts';

export interface SoakPlan {
  /** The program, and the arguments before the command. */
  readonly program: readonly [string, ...string[]];
  /** Of the first part and of all that follows. */
  readonly seconds: readonly [number, number];
  /** The URL of a MongoDB server; undefined: the embedded store. */
  readonly server: string | undefined;
}

/** What was done in a part of the run. */
type Done = Record<'polls' | 'posts' | 'deletions' | 'imports' | 'backups', number>;

export interface Part {
  readonly done: Readonly<Done>;
  /** Of polls, in milliseconds. */
  readonly latencies: readonly number[];
  /** When all clients have left. */
  readonly atRest: Holdings;
}

export interface SoakResult {
  readonly first: Part;
  readonly last: Part;
  /** Lines of the log that tell of an error. */
  readonly faults: number;
}

interface Scene {
  readonly port: number;
  readonly place: Place;
  readonly program: SoakPlan['program'];
  readonly folder: string;
  readonly isOver: () => boolean;
  readonly done: Done;
  readonly latencies: number[];
  readonly random: () => number;
  /** The next object, of all parts together. */
  readonly next: () => { readonly id: string; readonly text: string };
}

const anyLength = { least: 0, most: Number.POSITIVE_INFINITY };
const posting = { ...login, 'Content-Type': 'application/taxii+json;version=2.1' };
const requestsOfConnection = 100;
const dateOfLast = /\r\nx-taxii-date-added-last: (\S+)/i;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs `step` again and again until the part is over, each time after a while with a connection anew. */
async function repeat(
  scene: Scene,
  milliseconds: number,
  step: (connection: Connection) => Promise<void>,
): Promise<void> {
  while (!scene.isOver()) {
    const connection = await openConnection(scene.port);
    for (let count = 0; count < requestsOfConnection && !scene.isOver(); count += 1) {
      await step(connection);
      await pause(milliseconds);
    }
    connection.close();
  }
}

/** Reads the collection page by page to what is newest, and then from its beginning. */
function poll(scene: Scene): Promise<void> {
  let after = '1970-01-01T00:00:00Z';
  return repeat(scene, 5, async (connection) => {
    const request = formatRequest(`${objectsPath}?limit=100&added_after=${after}`, login);
    const answer = check(await connection.ask(request), { status: 200, ...anyLength });
    after = dateOfLast.exec(answer.head)?.[1] ?? '1970-01-01T00:00:00Z';
    scene.latencies.push(answer.time);
    scene.done.polls += 1;
  });
}

/** Objects that lie there from the beginning, and of each file that is imported. */
const lasting = 20_000;
const ofFile = 500;
const files = 4;

async function post(connection: Connection, texts: readonly string[]): Promise<void> {
  const body = Buffer.from(`{"objects":[${texts.join()}]}`);
  const answer = check(await connection.ask(formatRequest(objectsPath, posting, body)), { status: 202, ...anyLength });
  if (!answer.body().includes('"failure_count":0')) throw new Error(`objects were refused: ${answer.body()}`);
}

/** Publishes what stays. */
async function fill(port: number, next: Scene['next']): Promise<void> {
  const connection = await openConnection(port);
  for (let done = 0; done < lasting; done += 1000)
    await post(
      connection,
      Array.from({ length: 1000 }, () => next().text),
    );
  connection.close();
}

/** Publishes up to twenty objects at a time, and deletes those of the time before. */
function publish(scene: Scene): Promise<void> {
  let before: string[] = [];
  return repeat(scene, 100, async (connection) => {
    const objects = Array.from({ length: 1 + Math.floor(scene.random() * 20) }, scene.next);
    await post(
      connection,
      objects.map(({ text }) => text),
    );
    scene.done.posts += 1;
    const ids = before;
    before = objects.map(({ id }) => id);
    for (const id of ids) {
      const request = formatRequest(`${objectsPath}${id}/`, login, undefined, 'DELETE');
      check(await connection.ask(request), { status: 200, ...anyLength });
      scene.done.deletions += 1;
    }
  });
}

function fileOf(folder: string, number: number): string {
  return join(folder, `import-${number}.ndjson`);
}

function writeFiles(folder: string, next: Scene['next']): void {
  for (let number = 0; number < files; number += 1) {
    const texts = Array.from({ length: ofFile }, () => `${next().text}\n`);
    writeFileSync(fileOf(folder, number), texts.join(''));
  }
}

/** Runs commands on the store beside the server. */
async function operate({ place, program, folder, isOver, done }: Scene): Promise<void> {
  const env = { HUIJU_STORE: place.store, HUIJU_COLLECTIONS: place.collections };
  do {
    const file = fileOf(folder, done.imports % files);
    await runToEnd([...program, 'import', file, '--collection', `bench/${collection}`], env);
    done.imports += 1;
    await runToEnd([...program, 'backup', join(folder, 'huiju.backup'), '--force'], env);
    done.backups += 1;
    await pause(500);
  } while (!isOver());
}

/** What is held once all connections are known to be closed: when nothing changes from one look to the next. */
async function restOf(huiju: Running): Promise<Holdings> {
  for (let before = holdingsOf(huiju.pid), looks = 0; ; looks += 1) {
    await pause(500);
    const now = holdingsOf(huiju.pid);
    if ((now.handles === before.handles && now.threads === before.threads && looks >= 4) || looks === 40) return now;
    before = now;
  }
}

async function runPart(
  huiju: Running,
  scene: Omit<Scene, 'isOver' | 'done' | 'latencies'>,
  seconds: number,
): Promise<Part> {
  const until = performance.now() + seconds * 1000;
  const done = { polls: 0, posts: 0, deletions: 0, imports: 0, backups: 0 };
  const all: Scene = { ...scene, done, latencies: [], isOver: () => performance.now() >= until };
  await Promise.all([poll(all), poll(all), poll(all), poll(all), publish(all), publish(all), operate(all)]);
  return { done, latencies: all.latencies, atRest: await restOf(huiju) };
}

/** Runs both parts against a server and a store of their own. */
export async function soak({ program, seconds: [first, rest], server }: SoakPlan): Promise<SoakResult> {
  const place = await createPlace(server);
  const folder = mkdtempSync(join(tmpdir(), 'huiju-soak-'));
  const env = { HUIJU_STORE: place.store, HUIJU_COLLECTIONS: place.collections, HUIJU_PORT: '0' };
  const huiju = await startProcess('huiju serve', [...program, 'serve'], env);
  try {
    const random = createRandom(11);
    let number = 0;
    const next = () => {
      const object = makeObject('tool', number++, 0, random);
      return { id: String(object.id), text: JSON.stringify(object) };
    };
    const scene = { port: huiju.port, place, program, folder, random, next };
    writeFiles(folder, next);
    await fill(huiju.port, next);
    const parts = { first: await runPart(huiju, scene, first), last: await runPart(huiju, scene, rest) };
    return { ...parts, faults: huiju.faults() };
  } finally {
    await huiju.stop();
    await place.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function benchSoak(report: Report, { quick, isClaimed, server }: Settings): Promise<void> {
  const seconds = quick || !isClaimed ? ([15, 45] as const) : ([60, 540] as const);
  const all = seconds[0] + seconds[1];
  showProgress(`mixed load, ${all} s`);
  const { first, last, faults } = await soak({
    program: product,
    seconds,
    server,
  });
  showProgress('');
  report.section(`Mixed load for ${all} s: after the first ${seconds[0]} s, and at the end`);
  const growth = { kind: 'at most', must: 1.3, goal: 1.1 } as const;
  const still = { kind: 'at most', must: 1 } as const;
  const compare = (what: string, before: number, after: number, unit: string, bound: typeof growth | typeof still) => {
    const value = after / before;
    const ours = `${round(after)}${unit}, ${round(value)} times as before`;
    report.row({ what, ours, other: `before ${round(before)}${unit}`, value, bound });
  };
  compare('memory at rest', first.atRest.megabytes, last.atRest.megabytes, ' MB', growth);
  compare('handles at rest', first.atRest.handles, last.atRest.handles, '', still);
  compare('threads at rest', first.atRest.threads, last.atRest.threads, '', still);
  compare('latency of a poll, p50', quantile(first.latencies, 0.5), quantile(last.latencies, 0.5), ' ms', growth);
  compare('latency of a poll, p99', quantile(first.latencies, 0.99), quantile(last.latencies, 0.99), ' ms', growth);
  report.row({ what: 'errors in the log', ours: String(faults), value: faults, bound: { kind: 'at most', must: 0 } });
  const done = Object.entries(last.done).map(([what, count]) => `${count.toLocaleString('en')} ${what}`);
  report.note(`In the last ${seconds[1]} s: ${done.join(', ')}.`);
}
