/** `npm run bench [-- NAME...]`: measured comparisons. Everything is a ratio taken in one run, since machines differ. */

import { parseArgs } from 'node:util';
import { benchBoot } from './boot.ts';
import { findEngineOf } from './engine.ts';
import { benchFeeds } from './feeds.ts';
import { benchPages } from './pages.ts';
import { benchPolls } from './polls.ts';
import { benchPublish } from './publish.ts';
import { createReport, type Report, writeReport } from './report.ts';
import type { Settings } from './settings.ts';
import { benchSoak } from './soak.ts';
import { benchValidate } from './validate.ts';

const benches: Readonly<Record<string, (report: Report, settings: Settings) => Promise<void>>> = {
  pages: benchPages,
  polls: benchPolls,
  publish: benchPublish,
  validate: benchValidate,
  boot: benchBoot,
  soak: benchSoak,
  feeds: benchFeeds,
};

const usage = `Usage: npm run bench -- [${Object.keys(benches).join('|')}]... [options]

  --quick            small data sets and few rounds: does it work, and is anything far off
  --large            5,000,000 objects and a file of 1 GB, too
  --store URL        on this MongoDB server instead of the embedded store
  --data FOLDER      real STIX bundles to publish and validate
  --out FILE         write the table as Markdown, between the marks of FILE where it has them
`;

function parse(args: readonly string[]) {
  const options = {
    quick: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    store: { type: 'string' },
    data: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
  const unknown = positionals.find((name) => !Object.hasOwn(benches, name));
  if (unknown !== undefined) throw new Error(`there is no bench ${unknown}`);
  if (values.store !== undefined && !/^mongodb(\+srv)?:\/\//.test(values.store)) {
    throw new Error('--store takes the URL of a MongoDB server, mongodb://HOST; without it the store is embedded');
  }
  return { ...values, names: positionals.length > 0 ? positionals : Object.keys(benches) };
}

async function bench({ names, quick, large, store: server, data, out }: ReturnType<typeof parse>): Promise<void> {
  const engine = server === undefined ? undefined : await findEngineOf(server);
  // URLs may hold passwords.
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ').replace(/\/\/[^@/\s]*@/, '//');
  const isClaimed = engine?.isMongod ?? true;
  const report = createReport(command, isClaimed);
  if (engine !== undefined) report.note(`The store is ${engine.name}.`);
  for (const name of names) await benches[name]?.(report, { quick, large, server, isClaimed, data });
  if (out !== undefined) writeReport(out, report.markdown());
}

/** What the arguments ask for; undefined, and said so, when they are wrong or ask for help. */
function parseOrExplain(): ReturnType<typeof parse> | undefined {
  try {
    const parsed = parse(process.argv.slice(2));
    if (!parsed.help) return parsed;
    process.stdout.write(usage);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exitCode = 2;
  }
  return undefined;
}

const parsed = parseOrExplain();
if (parsed !== undefined) await bench(parsed);
