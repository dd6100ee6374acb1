/** What an import has done so far, and how it is told: the summary, and the report with every failure. */

import { appendFileSync, closeSync, openSync } from 'node:fs';
import { formatIssue, type Issue } from '../stix/issue.ts';
import type { Verdict } from '../taxii/write.ts';
import { cannot } from './reason.ts';

/** One line of the report. Without `id` it is the text as a whole, or a line of it, that could not be read. */
export interface Failure {
  readonly file: string;
  readonly line?: number;
  readonly index?: number;
  readonly id?: string;
  readonly version?: string;
  /** Which rules were broken: `code` and `path` as in a status. */
  readonly errors: readonly Issue[];
}

export interface Report {
  write(failures: readonly Failure[]): void;
  close(): void;
}

/** Failures shown on the terminal; `--report` has all. */
const shownFailures = 10;

/** Opens the file for the report. Without a path nothing is written. Throws OperatorError when it cannot be. */
export function openReport(path: string | undefined): Report {
  if (path === undefined) return { write: () => undefined, close: () => undefined };
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw cannot('write', path, error);
    }
  };
  const file = attempt(() => openSync(path, 'w'));
  return {
    // At once, so that the report of an import that was killed has what is known of it.
    write: (failures) =>
      attempt(() => appendFileSync(file, failures.map((failure) => `${JSON.stringify(failure)}\n`).join(''))),
    close: () => closeSync(file),
  };
}

/** Counts verdicts and keeps what the summary shows. */
export class Tally {
  added = 0;
  duplicate = 0;
  failed = 0;
  readonly #shown: Failure[] = [];
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  get total(): number {
    return this.added + this.duplicate + this.failed;
  }

  count(file: string, verdicts: readonly Verdict[]): void {
    const failures: Failure[] = [];
    for (const { outcome, line, index, id, version, errors } of verdicts) {
      if (outcome === 'failed') failures.push({ file, line, index, id, version, errors });
      else this[outcome] += 1;
    }
    if (failures.length > 0) this.fail(failures);
  }

  fail(failures: readonly Failure[]): void {
    this.failed += failures.length;
    this.#shown.push(...failures.slice(0, shownFailures - this.#shown.length));
    this.#report.write(failures);
  }

  /** A file that is of no use as a whole: in the report, but no object that failed. */
  refuse(file: string, code: string, message: string): void {
    this.#report.write([{ file, errors: [{ code, path: '', message }] }]);
  }

  /** The lines that tell what came of it, with the first failures. */
  summarise(target: string, seconds: number): string {
    const { added, duplicate, failed, total } = this;
    const head = `${target}: ${total} objects in ${seconds.toFixed(1)} s: ${added} added, ${duplicate} duplicate, ${failed} failed`;
    const more = failed - this.#shown.length;
    const rest = more > 0 ? [`  and ${more} more; --report FILE lists all`] : [];
    return [head, ...this.#shown.map(describeFailure), ...rest].join('\n');
  }
}

function describeFailure({ file, line, id, errors }: Failure): string {
  const reasons = errors.map((issue) => `    ${formatIssue(issue)}`);
  return [`  ${file}:${line}${id === undefined ? '' : `, ${id}`}`, ...reasons].join('\n');
}
