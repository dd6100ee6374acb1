/** Runs the tests of other files with their servers' stores in MongoDB. */

import { afterAll, test } from '@jest/globals';
import { findEngine, startEngine } from './mongodb.ts';
import { describeWith } from './skip.ts';
import { useStores } from './stores.ts';

/** Loads test files, which declare their tests then. Await it at the top of a test file. */
export async function runOnMongodb(files: readonly URL[]): Promise<void> {
  const found = findEngine();
  if ('missing' in found) {
    describeWith('mongodb', found.missing, 'on MongoDB', () => {
      test('what these files test', () => {});
    });
    return;
  }
  const engine = await startEngine(found);
  useStores(engine.newUrl);
  for (const file of files) await import(file.href);
  // Declared last: the servers of the files close first.
  afterAll(() => engine.stop());
}
