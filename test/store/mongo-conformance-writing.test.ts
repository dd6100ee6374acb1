import { runOnMongodb } from '../support/on-mongodb.ts';

const names = [
  'add-objects',
  'new-versions',
  'status',
  'delete',
  'races',
  'custom-properties',
  'envelope',
  'refused-objects',
];
await runOnMongodb(names.map((name) => new URL(`../conformance/${name}.test.ts`, import.meta.url)));
