import { runOnMongodb } from '../support/on-mongodb.ts';

const names = ['run', 'push', 'mirror', 'two-servers'];
await runOnMongodb(names.map((name) => new URL(`./${name}.test.ts`, import.meta.url)));
