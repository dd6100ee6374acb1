/** `npm run bench -- NAME`: measured comparisons. Everything is a ratio taken in one run, since machines differ. */

import { benchPages } from './pages.ts';
import { benchValidate } from './validate.ts';

const benches: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  pages: benchPages,
  validate: benchValidate,
};

const [name, ...args] = process.argv.slice(2);
const bench = name === undefined ? undefined : benches[name];
if (bench === undefined) {
  const names = Object.keys(benches).join('|');
  process.stderr.write(`bench: ${name === undefined ? 'name a bench' : `there is no bench ${name}`}: ${names}\n`);
  process.exitCode = 2;
} else await bench(args);
