/**
 * `npm run bench -- pages [--large] [--quick]`: pages as pollers meet them, by the whole product (a `huiju serve`
 * process, Basic auth, default logging), against bare servers that send the same bytes. What is compared takes turns.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { openStore } from '../src/store/open-store.ts';
import type { ObjectQuery, VersionSelector } from '../src/store/store.ts';
import { root } from '../test/support/huiju.ts';
import { collection, type DataSet, openDataSet, password, types, user } from './data-set.ts';
import { processorTime, run } from './load.ts';
import { showProgress, summarise } from './measure.ts';

const last: VersionSelector = { all: false, first: false, last: true, exact: [] };
const every: VersionSelector = { all: true, first: false, last: false, exact: [] };

interface Shape {
  readonly name: string;
  readonly parameters: string;
  readonly query: ObjectQuery;
  readonly limit: number;
  readonly against: string;
  /** The least part of the baseline's speed that is to be reached, by processor time. */
  readonly must?: number;
}

interface Running {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly child: ChildProcess;
}

async function start(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Running> {
  const options = {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'],
  };
  const child = spawn(process.execPath, [...args], options);
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      if (text.length < 10_000) text += String(chunk);
      const found = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.once('exit', () => reject(new Error(`${name} ended: ${text}`)));
  });
  return { name, port, pid: child.pid ?? 0, child };
}

function serve({ store, collections }: DataSet): Promise<Running> {
  const env = { HUIJU_STORE: `sqlite:${store}`, HUIJU_COLLECTIONS: collections, HUIJU_PORT: '0' };
  return start('huiju', [join(root, 'dist', 'main.js'), 'serve'], env);
}

function startBaseline(role: string, { store }: DataSet, { query, limit }: Shape): Promise<Running> {
  return start(role, [join(root, 'bench', 'baselines.ts'), role, store, JSON.stringify({ query, limit })], {});
}

/** Processor time of a request in microseconds, and requests a second. */
async function ask(server: Running, path: string, requests: number, connections: number) {
  const login = Buffer.from(`${user}:${password}`).toString('base64');
  const headers = { Authorization: `Basic ${login}`, Accept: 'application/taxii+json;version=2.1' };
  const before = processorTime(server.pid);
  const outcome = await run({ port: server.port, path, headers, connections, requests });
  const { latencies, seconds } = outcome;
  return { cpu: ((processorTime(server.pid) - before) * 1000) / requests, rate: requests / seconds, latencies };
}

interface Settings {
  readonly rounds: number;
  readonly connections: number;
}

async function compare(
  data: DataSet,
  huiju: Running,
  shape: Shape,
  { rounds, connections }: Settings,
): Promise<string> {
  const baseline = await startBaseline(shape.against, data, shape);
  const path = `/bench/collections/${collection}/objects/?limit=${shape.limit}${shape.parameters}`;
  const requests = shape.limit >= 1000 ? 200 : 1000;
  const ours: number[] = [];
  const theirs: number[] = [];
  const rates: number[] = [];
  const latencies: number[] = [];
  for (let round = -1; round < rounds; round += 1) {
    showProgress(`${shape.name}: round ${round + 1} of ${rounds}`);
    const mine = await ask(huiju, path, requests, connections);
    const base = await ask(baseline, '/', requests, connections);
    if (round < 0) continue;
    ours.push(mine.cpu);
    theirs.push(base.cpu);
    rates.push(mine.rate);
    latencies.push(...mine.latencies);
  }
  showProgress('');
  baseline.child.kill('SIGKILL');
  const ratio = summarise(theirs.map((time, round) => time / (ours[round] as number)));
  const sorted = latencies.toSorted((a, b) => a - b);
  const p99 = sorted[Math.floor(sorted.length * 0.99)] as number;
  const [low, high] = ratio.quartiles;
  const must = shape.must === undefined ? '' : `, must ${shape.must}`;
  return `${shape.name.padEnd(34)} ${summarise(ours).median.toFixed(0).padStart(6)} µs, ${shape.against} ${summarise(theirs).median.toFixed(0)} µs: ${ratio.median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}${must}); ${Math.round(summarise(rates).median)}/s, p99 ${p99.toFixed(1)} ms`;
}

/** Positions in the collection: the first page, the middle, the last full page, and behind the end. */
async function findDepths({ store: path }: DataSet, count: number): Promise<readonly number[]> {
  const store = await openStore({ kind: 'sqlite', path });
  const { highWater } = await store.getCollectionState(collection);
  const first = await store.findRecords(collection, { versions: [every] }, { limit: 1 });
  await store.close();
  const begin = (first.first ?? 0) - 1;
  return [
    begin,
    begin + Math.floor((highWater - begin) / 2),
    begin + Math.floor((highWater - begin) * (1 - 2000 / count)),
    highWater,
  ];
}

function at(position: number): string {
  return `&added_after=${new Date(position / 1000).toISOString().slice(0, 19)}.${String(position % 1_000_000).padStart(6, '0')}Z`;
}

function shapesOf([begin = 0, middle = 0, deep = 0, end = 0]: readonly number[]): Shape[] {
  const shape = (
    name: string,
    parameters: string,
    query: Partial<ObjectQuery>,
    limit = 100,
    against = 'sql',
    must?: number,
  ): Shape => ({
    name,
    parameters,
    query: { versions: [last], ...query },
    limit,
    against,
    ...(must !== undefined && { must }),
  });
  const all = '&match%5Bversion%5D=all';
  const ofType = (names: readonly string[]) => `&match%5Btype%5D=${names.join(',')}`;
  return [
    shape('page of 100, first', '', {}, 100, 'sql', 0.75),
    shape('page of 100, middle', at(middle), { addedAfter: middle }, 100, 'sql', 0.75),
    shape('page of 100, deepest', at(deep), { addedAfter: deep }, 100, 'sql', 0.75),
    shape('page of 1000, middle', at(middle), { addedAfter: middle }, 1000, 'sql', 0.8),
    shape('page of 100, against Express', at(middle), { addedAfter: middle }, 100, 'express'),
    shape('page of 100, against a Buffer', at(middle), { addedAfter: middle }, 100, 'buffer', 0.45),
    shape('all versions', `${all}${at(middle)}`, { versions: [every], addedAfter: middle }),
    shape('a common type', `${ofType([types.common])}${at(middle)}`, { types: [types.common], addedAfter: middle }),
    shape('several types', `${ofType(types.several)}${at(middle)}`, { types: types.several, addedAfter: middle }),
    shape('a rare type', ofType([types.rare]), { types: [types.rare], addedAfter: begin }),
    shape('an absent type', ofType([types.absent]), { types: [types.absent] }),
    shape('an empty poll', at(end), { addedAfter: end }, 100, 'constant', 1 / 2.5),
  ];
}

export async function benchPages(args: readonly string[]): Promise<void> {
  const settings = { rounds: args.includes('--quick') ? 3 : 9, connections: 16 };
  const counts = args.includes('--quick')
    ? [10_000]
    : args.includes('--large')
      ? [10_000, 1_000_000, 5_000_000]
      : [10_000, 1_000_000];
  for (const count of counts) {
    const data = await openDataSet(count);
    const huiju = await serve(data);
    process.stdout.write(`${count.toLocaleString('en')} objects\n`);
    for (const shape of shapesOf(await findDepths(data, count))) {
      process.stdout.write(`  ${await compare(data, huiju, shape, settings)}\n`);
    }
    huiju.child.kill('SIGTERM');
  }
}
