import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { engineOf } from '../../bench/engine.ts';
import { interleave, quantile, ratioOf, summarise } from '../../bench/measure.ts';
import { createReport, reaches, writeReport } from '../../bench/report.ts';

beforeEach(() => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
});

afterEach(() => {
  jest.restoreAllMocks();
});

const bound = { kind: 'at least', must: 0.75, goal: 0.9 } as const;

test.each([
  [0.95, 'goal'],
  [0.9, 'goal'],
  [0.8, 'yes'],
  [0.75, 'yes'],
  [0.74, 'no'],
])('of a ratio that must be 0.75 and is hoped to be 0.9, %d reaches: %s', (value, reached) => {
  expect(reaches(bound, value)).toBe(reached);
  expect(reaches({ kind: 'at most', must: -0.75, goal: -0.9 }, -value)).toBe(reached);
});

describe('the table', () => {
  const row = { what: 'a page', ours: '10 µs', other: 'bare 8 µs', ratio: summarise([0.7, 0.8, 0.95]), bound };

  test('has what was measured, against what, with spread, bounds and verdict', () => {
    const report = createReport('bench', true);
    report.section('Pages');
    report.row(row);
    expect(report.markdown()).toContain(
      '### Pages\n\n| what | Huiju | compared with | ratio (quartiles) | must | goal | reached |\n' +
        '| --- | --- | --- | --- | --- | --- | --- |\n' +
        '| a page | 10 µs | bare 8 µs | 0.80 (0.70 to 0.95) | ≥ 0.75 | ≥ 0.90 | yes |\n',
    );
  });

  test('claims no number where none means anything', () => {
    const report = createReport('bench', false);
    report.section('Pages');
    report.row(row);
    expect(report.markdown()).toContain('| a page | not measured |  |  | ≥ 0.75 | ≥ 0.90 | not measured |');
    expect(report.markdown()).not.toMatch(/10 µs|0\.80/);
  });

  test('tells the command and the machine', () => {
    expect(createReport('npm run bench', true).markdown()).toMatch(
      /^`npm run bench` on \d{4}-\d\d-\d\d: \d+ cores of .+ of memory, .+, Node 24\./,
    );
  });
});

describe('writing it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-report-'));
  const file = join(folder, 'table.md');

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('makes a file, or replaces it', () => {
    writeFileSync(file, 'old\n');
    writeReport(file, 'table\n');
    expect(readFileSync(file, 'utf8')).toBe('table\n');
  });

  test('replaces what stands between the marks of a document, and nothing else', () => {
    const [begin, end] = ['<!-- bench: the table begins -->', '<!-- bench: the table ends -->'];
    writeFileSync(file, `before\n${begin}\nold\n${end}\nbehind\n`);
    writeReport(file, 'new\n');
    writeReport(file, 'newer\n');
    expect(readFileSync(file, 'utf8')).toBe(`before\n${begin}\n\nnewer\n\n${end}\nbehind\n`);
  });
});

test('the middle and the quartiles are those of the sorted values', () => {
  expect(summarise([5, 1, 4, 2, 3])).toEqual({ median: 3, quartiles: [2, 4] });
  expect(quantile([10, 30, 20], 0.99)).toBe(30);
  expect(quantile([], 0.5)).toBeNaN();
  expect(ratioOf([2, 9, 8], [1, 3, 2])).toEqual({ median: 3, quartiles: [2, 4] });
});

test('what is compared takes turns', async () => {
  const order: string[] = [];
  const pass = (name: string) => async () => order.push(name);
  const values = await interleave({ a: pass('a'), b: pass('b') }, 2);
  expect(order).toEqual(['a', 'b', 'a', 'b']);
  expect(values).toEqual({ a: [1, 3], b: [2, 4] });
});

describe('an engine behind a MongoDB URL', () => {
  test('is MongoDB when it stores with WiredTiger', () => {
    const engine = engineOf({ version: '8.0.4', storageEngines: ['devnull', 'wiredTiger'], gitVersion: 'x' });
    expect(engine).toEqual({ name: 'MongoDB 8.0.4', isMongod: true });
  });

  test.each([
    ['that has no storage engine', { version: '3.0.0' }],
    ['that says it is FerretDB', { version: '7.0.42', storageEngines: ['wiredTiger'], ferretdb: { version: 'v2' } }],
    ['of another kind', { version: '5.0.0', storageEngines: ['memory'] }],
  ])('is none of which numbers mean anything: one %s', (_what, buildInfo) => {
    expect(engineOf(buildInfo).isMongod).toBe(false);
  });
});
