/** Interleaved timing: what is compared runs in turns, so that a busy machine slows all of it alike. */

export interface Timing {
  /** Milliseconds of processor time of one pass: the middle one of all rounds. */
  readonly median: number;
  /** Half of the rounds lie between these two. */
  readonly quartiles: readonly [number, number];
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] as number;
}

export function summarise(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  return { median: at(sorted, 0.5), quartiles: [at(sorted, 0.25), at(sorted, 0.75)] };
}

function processorTime(pass: () => void): number {
  const start = process.cpuUsage();
  pass();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Runs the passes in turns, a few rounds unmeasured first, and reports the number of rounds that are done. */
export function interleave<Name extends string>(
  passes: Readonly<Record<Name, () => void>>,
  rounds: number,
  onRound: (done: number) => void = () => undefined,
): Record<Name, number[]> {
  const names = Object.keys(passes) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const unmeasured = Math.ceil(rounds / 5);
  for (let round = -unmeasured; round < rounds; round += 1) {
    for (const name of names) {
      const time = processorTime(passes[name]);
      if (round >= 0) times[name].push(time);
    }
    onRound(round + unmeasured + 1);
  }
  return times;
}

/** Shows the text on a terminal in place of the last one; elsewhere nothing. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
