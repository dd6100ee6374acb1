import { afterAll, beforeAll } from '@jest/globals';
import { openMongoStore } from '../../src/store/mongo/mongo-store.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { describeWith } from '../support/skip.ts';
import { describeStore } from './contract.ts';

const found = findEngine();

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'on MongoDB', () => {
  let engine: Engine;
  let url: string;

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    url = engine.newUrl();
  });
  afterAll(() => engine?.stop());

  describeStore('MongoDB', (options) => openMongoStore({ url, ...options }), {
    ordersByUtf16: 'kind' in found && found.kind === 'java',
    readsRecordsLate: true,
  });
});
