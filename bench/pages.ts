/** Pages as pollers meet them, from the whole product, against bare servers that send the same bytes. */

import { type DataSet, openDataSet } from './data-set.ts';
import { interleave, ratioOf, type Summary, showProgress, summarise } from './measure.ts';
import { type Running, serve } from './processes.ts';
import { getShape, type Shape, shapes } from './questions.ts';
import { type Bound, type Report, round } from './report.ts';
import { countsOf, type Settings, usualCount } from './settings.ts';
import {
  type Comparing,
  createSides,
  createTwins,
  type Effort,
  effortOf,
  type Role,
  roleNames,
  type Sides,
  startBaseline,
} from './sides.ts';

/** A data set, and the product that serves it. */
interface Subject {
  readonly data: DataSet;
  readonly huiju: Running;
  readonly sql: Running;
}

function show({ median }: Summary): string {
  return `${round(median)} µs`;
}

function passesOf(sides: ReadonlyMap<string, Sides>): Record<string, () => Promise<number>> {
  return Object.fromEntries(
    [...sides].flatMap(([name, { ours, theirs }]) => [
      [`${name} ours`, ours.pass],
      [`${name} theirs`, theirs.pass],
    ]),
  );
}

const bounds: Readonly<Record<string, Bound>> = {
  'last versions, 100': { kind: 'at least', must: 0.75, goal: 0.9 },
  'last versions, 1000': { kind: 'at least', must: 0.8, goal: 0.9 },
};
const flat: Bound = { kind: 'at most', must: 2.5, goal: 1.5 };

/** A comparison of the product with itself, elsewhere in a collection or in a larger one. */
interface Growth {
  readonly what: string;
  readonly ratio: Summary;
}

function growthsOf(name: string, costs: ReadonlyMap<string, readonly number[]>, cases: readonly Case[]): Growth[] {
  const costOf = ({ key }: Case): readonly number[] => costs.get(key) ?? [];
  const pairs = cases.flatMap((large) =>
    cases
      .filter((small) => {
        const isDeeper = small.count === large.count && small.shape.depth === 'first' && large.shape.depth === 'deep';
        return isDeeper || (small.count < large.count && small.shape.depth === large.shape.depth);
      })
      .map((small) => ({ small, large })),
  );
  return pairs.map(({ small, large }) => ({
    what: `${name}: ${large.key} against ${small.key}`,
    ratio: ratioOf(costOf(large), costOf(small)),
  }));
}

interface Case {
  readonly key: string;
  readonly count: number;
  readonly shape: Shape;
  readonly subject: Subject;
}

/** All depths of a shape in all data sets, in one interleaved run. */
async function compareShape(
  report: Report,
  subjects: readonly Subject[],
  name: string,
  depths: readonly Shape[],
  effort: Effort,
): Promise<Growth[]> {
  const cases: Case[] = subjects.flatMap((subject) =>
    depths.map((shape) => {
      const { count } = subject.data;
      return { key: `${shape.depth} of ${count.toLocaleString('en')}`, count, shape, subject };
    }),
  );
  const sides = new Map<string, Sides>();
  for (const { key, shape, subject } of cases) {
    sides.set(key, await createSides(subject.data, shape, [subject.huiju, subject.sql], effort));
  }
  const costs = await interleave(passesOf(sides), effort.rounds, (done) => showProgress(`${name}: round ${done}`));
  showProgress('');
  for (const { key } of cases) {
    const [ours = [], theirs = []] = [costs[`${key} ours`], costs[`${key} theirs`]];
    const bound = bounds[name];
    const ratio = ratioOf(theirs, ours);
    const [mine, other] = [show(summarise(ours)), `the same SQL on node:http ${show(summarise(theirs))}`];
    report.row({ what: `${name}: ${key}`, ours: mine, other, ratio, ...(bound && { bound }) });
  }
  return growthsOf(name, new Map(cases.map(({ key }) => [key, costs[`${key} ours`] ?? []])), cases);
}

async function benchShapes(report: Report, subjects: readonly Subject[], effort: Effort): Promise<void> {
  report.section('Pages: every query shape, no cache');
  const names = new Set(shapes.filter(({ depth }) => depth !== 'end').map(({ name, limit }) => `${name}, ${limit}`));
  const growths: Growth[] = [];
  for (const name of names) {
    const depths = shapes.filter((shape) => `${shape.name}, ${shape.limit}` === name && shape.depth !== 'end');
    growths.push(...(await compareShape(report, subjects, name, depths, effort)));
  }
  const [worst] = growths.toSorted((a, b) => b.ratio.median - a.ratio.median);
  if (worst === undefined) return;
  report.row({ what: 'largest growth with depth or size', ours: worst.what, ratio: worst.ratio, bound: flat });
}

/** What is compared once, in a data set of the usual size. */
interface Single {
  readonly what: string;
  readonly shape: Shape;
  readonly role: Role;
  readonly comparing?: Comparing;
  readonly bound?: Bound;
  /** How many times ours costs theirs, in place of the other way round. */
  readonly inverse?: boolean;
}

const warm: Bound = { kind: 'at least', must: 0.45, goal: 0.7 };
const singles: readonly Single[] = [
  ...[100, 1000].flatMap((limit): Single[] => {
    const shape = getShape('last versions', 'middle', limit);
    return [
      { what: `page of ${limit}, asked again`, shape, role: 'buffer', comparing: { repeated: true }, bound: warm },
      { what: `page of ${limit}, not asked before`, shape, role: 'express' },
    ];
  }),
  {
    what: 'empty poll',
    shape: getShape('an empty poll', 'end'),
    role: 'constant',
    comparing: { repeated: true },
    bound: { kind: 'at most', must: 2.5, goal: 1.7 },
    inverse: true,
  },
];

async function compareSingle(
  report: Report,
  { data, huiju }: Subject,
  single: Single,
  effort: Effort,
  settings: Settings,
) {
  const { what, shape, role, comparing, bound, inverse = false } = single;
  const baseline = await startBaseline(role, data, settings);
  const { ours, theirs } = await createSides(data, shape, [huiju, baseline], effort, comparing);
  const passes = { ours: ours.pass, theirs: theirs.pass };
  // What costs so little is asked for some ten thousand times before the compiler has done with it.
  await interleave(passes, 2 * effort.rounds);
  const costs = await interleave(passes, effort.rounds);
  await baseline.stop();
  const ratio = inverse ? ratioOf(costs.ours, costs.theirs) : ratioOf(costs.theirs, costs.ours);
  const [mine, other] = [show(summarise(costs.ours)), `${roleNames[role]} ${show(summarise(costs.theirs))}`];
  report.row({ what, ours: mine, other, ratio, ...(bound && { bound }) });
}

async function benchConnections(report: Report, subject: Subject, effort: Effort): Promise<void> {
  report.section('Pages of 100 to many connections, no cache');
  const shape = getShape('last versions', 'middle');
  for (const connections of [1, 4, 16, 64, 256]) {
    const both = [subject.huiju, subject.sql] as const;
    const { ours, theirs } = await createSides(subject.data, shape, both, effort, { connections });
    const costs = await interleave({ ours: ours.pass, theirs: theirs.pass }, effort.rounds);
    const latency = `p50 ${round(ours.latency(0.5))} ms, p99 ${round(ours.latency(0.99))} ms`;
    report.row({
      what: `${connections} connections`,
      ours: `${show(summarise(costs.ours))}, ${round(ours.rate())}/s, ${latency}`,
      other: `${roleNames.sql} ${show(summarise(costs.theirs))}, ${round(theirs.rate())}/s`,
      ratio: ratioOf(costs.theirs, costs.ours),
    });
  }
}

/** The smallest part of the work that one of the serving processes did; 0 when there are not two of them. */
function leastShare(spent: ReadonlyMap<number, number>, first: number): number {
  // The process that was started supervises the others, and does not serve.
  const serving = [...spent].filter(([pid]) => pid !== first).map(([, time]) => time);
  return serving.length < 2 ? 0 : Math.min(...serving) / serving.reduce((sum, time) => sum + time, 0);
}

async function benchWorkers(report: Report, { data, huiju, sql }: Subject, effort: Effort, settings: Settings) {
  report.section('HUIJU_WORKERS=2');
  const [two, pair] = [await serve(data, { HUIJU_WORKERS: '2' }), await startBaseline('pair', data, settings)];
  const shape = getShape('last versions', 'middle');
  const { ours: double, theirs: single } = await createTwins(data, shape, [huiju, two], effort);
  const bare = await createTwins(data, shape, [sql, pair], effort, 'baseline');
  const passes = {
    ...{ single: single.pass, double: double.pass },
    ...{ bareSingle: bare.theirs.pass, bareDouble: bare.ours.pass },
  };
  // Two new processes, of which each is warm only after as many requests as the one that has served all this time.
  await interleave(passes, 2 * effort.rounds);
  const costs = await interleave(passes, effort.rounds);
  await Promise.all([two.stop(), pair.stop()]);
  report.row({
    what: 'page of 100, processor time against one process',
    ours: `${show(summarise(costs.double))}, ${round(double.rate())}/s`,
    other: `HUIJU_WORKERS=1 ${show(summarise(costs.single))}, ${round(single.rate())}/s`,
    ratio: ratioOf(costs.double, costs.single),
    bound: { kind: 'at most', must: 1.1 },
  });
  // What the machine itself asks for: the load generator and two processes share its cores and their caches.
  report.row({
    what: 'the same of bare processes',
    ours: `${roleNames.pair} ${show(summarise(costs.bareDouble))}, ${round(bare.ours.rate())}/s`,
    other: `${roleNames.sql} ${show(summarise(costs.bareSingle))}, ${round(bare.theirs.rate())}/s`,
    ratio: ratioOf(costs.bareDouble, costs.bareSingle),
  });
  const value = leastShare(double.shares(), two.pid);
  const bound = { kind: 'at least', must: 0.4 } as const;
  report.row({ what: 'share of the process with the least work', ours: round(value), value, bound });
}

async function startSubject(count: number, settings: Settings): Promise<Subject> {
  const data = await openDataSet(count, settings.server);
  return { data, huiju: await serve(data), sql: await startBaseline('sql', data, settings) };
}

/** Servers run for days: what is measured first would else pay for the compiler's work. */
async function warmUp({ data, huiju, sql }: Subject, effort: Effort): Promise<void> {
  const { ours, theirs } = await createSides(data, getShape('last versions', 'middle'), [huiju, sql], effort);
  showProgress('warming up');
  await interleave({ ours: ours.pass, theirs: theirs.pass }, 2 * effort.rounds);
  showProgress('');
}

export async function benchPages(report: Report, settings: Settings): Promise<void> {
  const effort = effortOf(settings);
  const subjects: Subject[] = [];
  for (const count of countsOf(settings)) subjects.push(await startSubject(count, settings));
  for (const subject of subjects) await warmUp(subject, effort);
  await benchShapes(report, subjects, effort);
  const usual = subjects.find(({ data }) => data.count === usualCount(settings));
  if (usual === undefined) throw new Error('no data set of the usual size');
  report.section(`Pages of ${usual.data.count.toLocaleString('en')} objects`);
  for (const single of singles) await compareSingle(report, usual, single, effort, settings);
  await benchConnections(report, usual, effort);
  await benchWorkers(report, usual, effort, settings);
  for (const { huiju, sql } of subjects) await Promise.all([huiju.stop(), sql.stop()]);
}
