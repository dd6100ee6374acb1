/** Tests that need something from outside: they run with it, and are counted as skipped, with the reason, without it. */

import { describe, test } from '@jest/globals';
import { skipMark } from './reporter.ts';

function isRequired(what: string): boolean {
  return (process.env.HUIJU_TEST_REQUIRE ?? '').split(',').includes(what);
}

/**
 * Like `describe`, for tests that need `what`. `missing` says why it cannot be had, undefined that it can. Where
 * `HUIJU_TEST_REQUIRE` lists `what`, a missing one is a failure.
 */
export function describeWith(what: string, missing: string | undefined, title: string, tests: () => void): void {
  if (missing === undefined) {
    describe(title, tests);
  } else if (isRequired(what)) {
    describe(title, () => {
      test(`has ${what}, which HUIJU_TEST_REQUIRE asks for`, () => {
        throw new Error(missing);
      });
    });
  } else {
    describe.skip(`${title}${skipMark} ${missing}`, tests);
  }
}
