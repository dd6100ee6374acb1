/** Interleaved measuring: what is compared runs in turns, so that a busy machine slows all of it alike. */

export interface Summary {
  readonly median: number;
  /** Half of the values lie between these two. */
  readonly quartiles: readonly [number, number];
}

/** The value below which this share of the values lies; of no values: NaN. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
}

export function summarise(values: readonly number[]): Summary {
  return { median: quantile(values, 0.5), quartiles: [quantile(values, 0.25), quantile(values, 0.75)] };
}

/** The ratio of two series, round by round. */
export function ratioOf(numerators: readonly number[], denominators: readonly number[]): Summary {
  return summarise(numerators.map((value, round) => value / (denominators[round] ?? Number.NaN)));
}

/** Milliseconds of processor time that this process spends on the work. */
export function ownTime(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Runs the passes in turns, so many rounds, and returns what each of them yields in each round. */
export async function interleave<Name extends string>(
  passes: Readonly<Record<Name, () => number | Promise<number>>>,
  rounds: number,
  onRound: (done: number) => void = () => undefined,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(passes) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) values[name].push(await passes[name]());
    onRound(round + 1);
  }
  return values;
}

/** Shows the text on a terminal in place of the last one; elsewhere nothing. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
