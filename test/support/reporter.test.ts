import { expect, test } from '@jest/globals';
import { describeOutcome, describeSkips, type RunOutcome, type TestOutcome } from './reporter.ts';

function outcome(counts: Partial<RunOutcome>, tests: readonly TestOutcome[] = []): RunOutcome {
  return {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    numRuntimeErrorTestSuites: 0,
    testResults: [{ testResults: tests }],
    ...counts,
  };
}

test('the closing line counts what passed and what failed', () => {
  expect(describeOutcome(outcome({ numPassedTests: 3, numFailedTests: 1 }))).toBe('3 passed, 1 failed');
});

test('a file that could not run counts as failed', () => {
  expect(describeOutcome(outcome({ numPassedTests: 3, numRuntimeErrorTestSuites: 2 }))).toBe('3 passed, 2 failed');
});

test('skipped tests are counted when there are any', () => {
  expect(describeOutcome(outcome({ numPendingTests: 2, numTodoTests: 1 }))).toBe('0 passed, 0 failed, 3 skipped');
});

test('each reason for skipping is told once, with the number of tests', () => {
  const skipped = { status: 'pending', ancestorTitles: ['clients [skipped] Python 3 is not on the PATH', 'inner'] };
  const unexplained = { status: 'pending', ancestorTitles: ['a group'] };
  const passed = { status: 'passed', ancestorTitles: ['a group'] };
  expect(describeSkips(outcome({}, [skipped, unexplained, passed, skipped]))).toEqual([
    'Skipped 2: Python 3 is not on the PATH',
    'Skipped 1: no reason written',
  ]);
});
