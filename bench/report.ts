/** The table of a run: printed as it grows, and written as Markdown at its end. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Summary } from './measure.ts';

/** What must be reached, and what is hoped for. */
export interface Bound {
  readonly kind: 'at least' | 'at most';
  readonly must: number;
  readonly goal?: number;
  readonly unit?: string;
}

export interface Row {
  readonly what: string;
  /** Of the product, with its unit. */
  readonly ours: string;
  /** What it is compared with. */
  readonly other?: string;
  readonly ratio?: Summary;
  /** What is held against the bound; absent: the median of the ratio. */
  readonly value?: number;
  readonly bound?: Bound;
}

export interface Report {
  section(title: string): void;
  row(row: Row): void;
  /** A sentence below the section's title. */
  note(text: string): void;
}

const columns = ['what', 'Huiju', 'compared with', 'ratio (quartiles)', 'must', 'goal', 'reached'];

export function round(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function limitText({ kind, unit = '' }: Bound, value: number | undefined): string {
  return value === undefined ? '' : `${kind === 'at least' ? '≥' : '≤'} ${round(value)}${unit && ` ${unit}`}`;
}

/** Whether a value reaches the bound. */
export function reaches({ kind, must, goal }: Bound, value: number): 'goal' | 'yes' | 'no' {
  const holds = (limit: number): boolean => (kind === 'at least' ? value >= limit : value <= limit);
  if (goal !== undefined && holds(goal)) return 'goal';
  return holds(must) ? 'yes' : 'no';
}

function cellsOf({ what, ours, other = '', ratio, value = ratio?.median, bound }: Row): string[] {
  const spread = ratio && `${round(ratio.median)} (${ratio.quartiles.map(round).join(' to ')})`;
  const limits = bound === undefined ? ['', ''] : [limitText(bound, bound.must), limitText(bound, bound.goal)];
  const reached = bound === undefined ? '' : value === undefined ? 'not measured' : reaches(bound, value);
  return [what, ours, other, spread ?? '', ...limits, reached];
}

function withoutNumbers({ what, bound }: Row): Row {
  return { what, ours: 'not measured', ...(bound && { bound }) };
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** The machine in words. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = `${Math.round(totalmem() / 1024 ** 3)} GB of memory`;
  return `${availableParallelism()} cores of ${model}, ${memory}, ${type()} ${release().split('-')[0]}, Node ${process.versions.node}`;
}

/**
 * Collects rows and shows each at once on standard output. `markdown` has all. Where nothing can be claimed, since the
 * database is none that anybody would use, the rows say only what was done.
 */
export function createReport(command: string, isClaimed: boolean): Report & { markdown(): string } {
  const started = new Date().toISOString().slice(0, 10);
  const lines = [`\`${command}\` on ${started}: ${describeMachine()}.`];
  let isInTable = false;
  const print = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  return {
    section(title) {
      isInTable = false;
      lines.push('', `### ${title}`);
      print(`\n${title}`);
    },
    note(text) {
      isInTable = false;
      lines.push('', text);
      print(`  ${text}`);
    },
    row(row) {
      if (!isInTable) lines.push('', tableRow(columns), tableRow(columns.map(() => '---')));
      isInTable = true;
      const cells = cellsOf(isClaimed ? row : withoutNumbers(row));
      lines.push(tableRow(cells));
      const [what = '', ours = '', other, ratio, must, goal, reached] = cells;
      const limits = must === '' ? '' : `; must ${must}${goal === '' ? '' : `, goal ${goal}`}: ${reached}`;
      print(`  ${what.padEnd(44)} ${ours}${other && `; ${other}`}${ratio && `: ${ratio}`}${limits}`);
    },
    markdown: () => `${lines.join('\n')}\n`,
  };
}

const begin = '<!-- bench: the table begins -->';
const end = '<!-- bench: the table ends -->';

/** Writes the table to a file: between its marks where it has them, else as the whole of it. */
export function writeReport(file: string, markdown: string): void {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  const isMarked = from >= 0 && to > from;
  const text = isMarked ? `${old.slice(0, from + begin.length)}\n\n${markdown}\n${old.slice(to)}` : markdown;
  writeFileSync(file, text);
}
