/** What a server that a test runs has logged, and waiting for it. */

import type { RunningServer } from './run-server.ts';

export interface LogLine {
  /** With several processes: which of them says it. */
  readonly process: string;
  readonly msg: string;
  readonly level: string;
  readonly pid?: number;
  readonly [name: string]: unknown;
}

/** Its whole lines so far. */
export function logOf(server: Pick<RunningServer, 'output'>): LogLine[] {
  const lines = server.output().split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

/** Asks again and again until there is an answer. */
export async function until<T>(find: () => T | undefined): Promise<T> {
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Ids of the first `count` serving processes that have begun to serve; of one of them, where its name is given. */
export function pidsOf(server: Pick<RunningServer, 'output'>, count: number, name?: string): Promise<number[]> {
  return until(() => {
    const lines = logOf(server).filter((line) => name === undefined || line.process === name);
    const pids = lines.flatMap(({ pid }) => pid ?? []);
    return pids.length < count ? undefined : pids;
  });
}
