/** What an import has done so far, and how it is told: the summary, and the report with every failure and warning. */

import { appendFileSync, closeSync, openSync } from 'node:fs';
import { formatIssue, type Issue } from '../stix/issue.ts';
import type { Verdict } from '../taxii/write.ts';
import { formatCount } from '../text.ts';
import { assertWritable, cannot } from './reason.ts';

/**
 * One line of the report: what failed, and what was taken with warnings. Without `id` it is the text as a whole, or a
 * line of it, that could not be read.
 */
export interface Finding {
  readonly file: string;
  readonly line?: number;
  readonly index?: number;
  readonly id?: string;
  readonly version?: string;
  /** Which rules were broken: `code` and `path` as in a status. Empty when the object was taken. */
  readonly errors: readonly Issue[];
  readonly warnings?: readonly Issue[];
}

export interface Report {
  write(findings: readonly Finding[]): void;
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
  assertWritable(path);
  const file = attempt(() => openSync(path, 'w'));
  return {
    // At once, so that the report of an import that was killed has what is known of it.
    write: (findings) =>
      attempt(() => appendFileSync(file, findings.map((finding) => `${JSON.stringify(finding)}\n`).join(''))),
    close: () => closeSync(file),
  };
}

/** Counts verdicts and keeps what the summary shows. */
export class Tally {
  added = 0;
  duplicate = 0;
  failed = 0;
  /** Of all objects together. */
  #warnings = 0;
  readonly #shown: Finding[] = [];
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  get total(): number {
    return this.added + this.duplicate + this.failed;
  }

  count(file: string, verdicts: readonly Verdict[]): void {
    const findings: Finding[] = [];
    for (const { outcome, line, index, id, version, errors, warnings } of verdicts) {
      this.#warnings += warnings.length;
      if (outcome === 'added' || outcome === 'duplicate') this[outcome] += 1;
      if (outcome === 'failed' || warnings.length > 0) {
        findings.push({ file, line, index, id, version, errors, ...(warnings.length > 0 && { warnings }) });
      }
    }
    if (findings.length > 0) this.#keep(findings);
  }

  /** Objects that could not even be read. */
  fail(failures: readonly Finding[]): void {
    this.#keep(failures);
  }

  #keep(findings: readonly Finding[]): void {
    const failures = findings.filter(({ errors }) => errors.length > 0);
    this.failed += failures.length;
    this.#shown.push(...failures.slice(0, shownFailures - this.#shown.length));
    this.#report.write(findings);
  }

  /** A file that is of no use as a whole: in the report, but no object that failed. */
  refuse(file: string, code: string, message: string): void {
    this.#report.write([{ file, errors: [{ code, path: '', message }] }]);
  }

  /** The lines that tell what came of it, with the first failures. */
  summarise(target: string, seconds: number): string {
    const { added, duplicate, failed, total } = this;
    const [here, there, not] = [added, duplicate, failed].map((count) => count.toLocaleString('en-US'));
    const warnings =
      this.#warnings === 0 ? '' : `, ${formatCount(this.#warnings, 'warning')} (--report FILE lists them)`;
    const verdicts = `${here} added, ${there} duplicate, ${not} failed${warnings}`;
    const head = `${target}: ${formatCount(total, 'object')} in ${seconds.toFixed(1)} s: ${verdicts}`;
    const more = failed - this.#shown.length;
    const rest = more > 0 ? [`  and ${more.toLocaleString('en-US')} more; --report FILE lists all`] : [];
    return [head, ...this.#shown.map(describeFailure), ...rest].join('\n');
  }
}

/** With the index as well as the line: many bundles are one line. What has no id has its place as one already. */
function describeFailure({ file, line, index, id, errors }: Finding): string {
  const reasons = errors.map((issue) => `    ${formatIssue(issue)}`);
  const object = id?.startsWith('/') === true ? undefined : id;
  const place = [`${file}:${line}`, index === undefined ? undefined : `index ${index}`, object];
  return [`  ${place.filter((part) => part !== undefined).join(', ')}`, ...reasons].join('\n');
}
