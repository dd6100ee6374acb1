/** The suites of this folder on MongoDB. */

import { afterAll, beforeAll } from '@jest/globals';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import type { StoreKind } from './deployment.ts';

/** Declares a suite for an engine that is started before and ended after it. */
export function describeOnMongodb(declare: (kind: StoreKind) => void): void {
  const found = findEngine();
  describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'on MongoDB', () => {
    let engine: Engine | undefined;
    beforeAll(async () => {
      if ('missing' in found) throw new Error(found.missing);
      engine = await startEngine(found);
    });
    afterAll(() => engine?.stop());
    declare({
      name: 'MongoDB',
      newLocation: async () => {
        if (engine === undefined) throw new Error('the engine was not started');
        return engine.newUrl();
      },
    });
  });
}
