/** One side of a comparison: a server, what it is asked, and what an answer costs it. */

import { askOnce, check, type Expected, type Outcome, run } from './load.ts';
import { quantile } from './measure.ts';
import { processorTime, type Running, treeOf } from './processes.ts';

export interface Asked {
  readonly running: Running;
  /** The next request. */
  readonly next: () => Buffer;
  readonly expected: Expected;
  readonly connections: number;
}

export interface Asker {
  /** Asks for as long as the budget lasts. Yields the microseconds of processor time of a request. */
  pass(): Promise<number>;
  /** Of all passes but the first, which warms up: requests a second, and the latencies' quantile in milliseconds. */
  rate(): number;
  latency(share: number): number;
  /** Milliseconds that each process of the server has spent, by pid. */
  shares(): ReadonlyMap<number, number>;
}

/** Requests of a pass, and of the first one, which finds out what one costs. */
const [fewest, first, most] = [20, 300, 20_000];
/** Until then the compiler is still at work. */
const warmUpPasses = 2;

/** Makes a side that spends about so many milliseconds of processor time in each pass; 0: it asks a few times. */
export function createAsker({ running, next, expected, connections }: Asked, budget: number): Asker {
  const outcomes: Outcome[] = [];
  const spent = new Map<number, number>();
  let requests = budget > 0 ? first : fewest;
  const ask = async (): Promise<{ outcome: Outcome; cost: number }> => {
    const pids = treeOf(running.pid);
    const before = pids.map((pid) => processorTime([pid]));
    const count = Math.max(requests, connections * 2);
    let left = count;
    const outcome = await run({
      port: running.port,
      connections,
      expected,
      next: () => (left-- > 0 ? next() : undefined),
    });
    const times = pids.map((pid, place) => processorTime([pid]) - (before[place] ?? 0));
    times.forEach((time, place) => {
      const pid = pids[place] ?? 0;
      spent.set(pid, (spent.get(pid) ?? 0) + time);
    });
    return { outcome, cost: times.reduce((sum, time) => sum + time, 0) / count };
  };
  const warmUp = async (): Promise<void> => {
    await ask();
    const { cost } = await ask();
    requests = Math.min(Math.max(Math.round(budget / Math.max(cost, 0.01)), fewest), most);
    for (let pass = 0; pass < warmUpPasses && budget > 0; pass += 1) await ask();
    spent.clear();
  };
  let warm: Promise<void> | undefined;
  return {
    async pass() {
      warm ??= warmUp();
      await warm;
      const { outcome, cost } = await ask();
      outcomes.push(outcome);
      return cost * 1000;
    },
    rate: () =>
      quantile(
        outcomes.map(({ latencies, seconds }) => latencies.length / seconds),
        0.5,
      ),
    latency: (share) =>
      quantile(
        outcomes.flatMap(({ latencies }) => latencies),
        share,
      ),
    shares: () => spent,
  };
}

/** What the answers to some requests look like: the bounds for others of their kind. */
export async function sampleAnswers(
  { port }: Running,
  requests: readonly Buffer[],
): Promise<{ bodies: readonly Buffer[]; expected: Expected }> {
  const bodies: Buffer[] = [];
  const any = { status: 200, least: 0, most: Number.POSITIVE_INFINITY };
  for (const request of requests) bodies.push(check(await askOnce(port, request), any).body());
  const lengths = bodies.map(({ length }) => length);
  const expected = { status: 200, least: Math.min(...lengths) / 4, most: Math.max(...lengths) * 4 };
  return { bodies, expected };
}
