/** The product and a baseline on the same questions, as sides of a comparison. */

import { join } from 'node:path';
import { root } from '../test/support/huiju.ts';
import { type Asker, createAsker, sampleAnswers } from './asker.ts';
import { collection, type DataSet, login } from './data-set.ts';
import { formatRequest } from './load.ts';
import { type Running, startProcess } from './processes.ts';
import { createQuestions, type Shape, shapes } from './questions.ts';
import type { Settings } from './settings.ts';

export type Role = 'sql' | 'pair' | 'buffer' | 'constant' | 'express';

export interface Effort {
  readonly rounds: number;
  /** Milliseconds of processor time of each pass. */
  readonly budget: number;
}

export const roleNames: Readonly<Record<Role, string>> = {
  sql: 'the same SQL on node:http',
  pair: 'the same SQL on two processes of node:http',
  buffer: 'a ready Buffer on node:http',
  constant: 'a constant on node:http',
  express: 'Express, rows parsed, res.json',
};

export function effortOf({ quick, isClaimed }: Settings): Effort {
  if (!isClaimed) return { rounds: 1, budget: 0 };
  return quick ? { rounds: 3, budget: 150 } : { rounds: 9, budget: 300 };
}

export const usualConnections = 16;

export function startBaseline(role: Role, { count }: DataSet, { server }: Settings): Promise<Running> {
  const script = join(root, 'bench', 'baselines.ts');
  return startProcess(role, [process.execPath, script, role, String(count), ...(server === undefined ? [] : [server])]);
}

function requestsOf(data: DataSet, shape: Shape) {
  const question = createQuestions(data.facts, shape);
  const place = shapes.indexOf(shape);
  return {
    huiju: (n: number) => formatRequest(`/bench/collections/${collection}/${question(n).path}`, login),
    baseline: (n: number) => formatRequest(`/${place}/${n}`),
  };
}

function entriesOf(body: Buffer): readonly unknown[] {
  const { objects, versions, records } = JSON.parse(body.toString()) as Record<string, unknown[] | undefined>;
  return objects ?? versions ?? records ?? [];
}

/** Whether both sides give the same objects, or where there are no objects, as many entries. */
function assertSame(shape: Shape, ours: readonly Buffer[], theirs: readonly Buffer[]): void {
  ours.forEach((body, place) => {
    const [mine, other] = [entriesOf(body), entriesOf(theirs[place] ?? Buffer.from('{}'))];
    const isSame = shape.texts ? JSON.stringify(mine) === JSON.stringify(other) : mine.length === other.length;
    if (!isSame)
      throw new Error(`${nameOf(shape)}: ${mine.length} entries, and others than the baseline's ${other.length}`);
  });
}

function nameOf({ name, limit, depth }: Shape): string {
  return `${name}, ${limit}, ${depth}`;
}

export interface Sides {
  readonly ours: Asker;
  readonly theirs: Asker;
}

export interface Comparing {
  readonly connections?: number;
  /** Always the same question, as pollers of an unchanged collection ask it. */
  readonly repeated?: boolean;
}

/** Questions that both sides are asked to compare their answers. */
const samples = Array.from({ length: 10 }, (_, n) => n);
/** How many questions of a shape each server was asked in this run: what lies in a cache is not asked again. */
const asked = new WeakMap<Running, Map<Shape, number>>();

function takeNumber(running: Running, shape: Shape): number {
  const counts = asked.get(running) ?? new Map<Shape, number>();
  const n = counts.get(shape) ?? samples.length;
  asked.set(running, counts.set(shape, n + 1));
  return n;
}

/** A server that is asked questions of a shape; `request` makes the n-th. Yields its answers to the first ones, too. */
async function createSide(
  running: Running,
  shape: Shape,
  request: (n: number) => Buffer,
  { budget }: Effort,
  { connections = usualConnections, repeated = false }: Comparing,
) {
  const { bodies, expected } = await sampleAnswers(running, (repeated ? [0] : samples).map(request));
  const next = () => request(repeated ? 0 : takeNumber(running, shape));
  return { bodies, asker: createAsker({ running, next, expected, connections }, budget) };
}

/** The product and a baseline, on the same questions. Their first answers are compared. */
export async function createSides(
  data: DataSet,
  shape: Shape,
  [huiju, baseline]: readonly [Running, Running],
  effort: Effort,
  comparing: Comparing = {},
): Promise<Sides> {
  const requests = requestsOf(data, shape);
  const ours = await createSide(huiju, shape, requests.huiju, effort, comparing);
  const theirs = await createSide(baseline, shape, requests.baseline, effort, comparing);
  if (baseline.name !== 'constant') assertSame(shape, ours.bodies, theirs.bodies);
  return { ours: ours.asker, theirs: theirs.asker };
}

/** The product, or a baseline, in another configuration against what it usually is, on the same questions. */
export async function createTwins(
  data: DataSet,
  shape: Shape,
  [usual, other]: readonly [Running, Running],
  effort: Effort,
  kind: 'huiju' | 'baseline' = 'huiju',
): Promise<Sides> {
  const request = requestsOf(data, shape)[kind];
  const ours = await createSide(other, shape, request, effort, {});
  const theirs = await createSide(usual, shape, request, effort, {});
  assertSame(shape, ours.bodies, theirs.bodies);
  return { ours: ours.asker, theirs: theirs.asker };
}
