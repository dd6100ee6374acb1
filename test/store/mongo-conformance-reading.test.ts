import { runOnMongodb } from '../support/on-mongodb.ts';

const names = [
  'objects',
  'manifest',
  'versions',
  'match',
  'pagination',
  'sorting-filtering',
  'served-text',
  'collections',
];
await runOnMongodb(names.map((name) => new URL(`../conformance/${name}.test.ts`, import.meta.url)));
