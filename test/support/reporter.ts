/** Ends the run with one line that says how it went, after jest's own summary, and before it why tests were skipped. */

/** Stands in a title before the reason why its tests were skipped. */
export const skipMark = ' [skipped]';

/** What this reads of a test's result as jest gives it. */
export interface TestOutcome {
  readonly status: string;
  readonly ancestorTitles: readonly string[];
}

/** What this reads of a run's result as jest gives it. */
export interface RunOutcome {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Files that could not run, so their tests are unknown. */
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly { readonly testResults: readonly TestOutcome[] }[];
}

function reasonOf(test: TestOutcome): string | undefined {
  const title = test.ancestorTitles.find((candidate) => candidate.includes(skipMark));
  return title?.slice(title.indexOf(skipMark) + skipMark.length).trim();
}

function isSkipped(test: TestOutcome): boolean {
  return test.status === 'pending' || test.status === 'todo';
}

/** One line for each reason why tests were skipped, with their number. */
export function describeSkips(results: RunOutcome): string[] {
  const counts = new Map<string, number>();
  for (const test of results.testResults.flatMap((file) => file.testResults).filter(isSkipped)) {
    const reason = reasonOf(test) ?? 'no reason written';
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, count]) => `Skipped ${count}: ${reason}`);
}

/** The closing line. A file that could not run counts as one failure. */
export function describeOutcome(results: RunOutcome): string {
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  const skipped = results.numPendingTests + results.numTodoTests;
  const line = `${results.numPassedTests} passed, ${failed} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}

export default class OutcomeReporter {
  onRunComplete(_contexts: unknown, results: RunOutcome): void {
    const lines = [...describeSkips(results), describeOutcome(results)];
    // jest writes its summary after this call, so these lines wait for the very end.
    process.once('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
  }
}
