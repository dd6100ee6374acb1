/** From the start of the command to the first answer, as a checkout and as an installed package. */

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runProgram } from '../test/support/huiju.ts';
import { type DataSet, login, objectsPath, openDataSet } from './data-set.ts';
import { askOnce, check, formatRequest } from './load.ts';
import { interleave, showProgress, summarise } from './measure.ts';
import { startProcess } from './processes.ts';
import { type Report, type Row, round } from './report.ts';
import { type Settings, usualCount } from './settings.ts';

const bound = { kind: 'at most', must: 600, goal: 350, unit: 'ms' } as const;

/**
 * The package as npm would install it, with the dependencies of this checkout. Returns its executable. Not installed in
 * truth: that would ask a registry and measure no more.
 */
function install(folder: string): string {
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root, stdio: 'pipe' });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', modules]);
  symlinkSync(join(modules, 'package'), join(modules, 'huiju'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  return join(modules, 'package', 'bin', 'huiju.js');
}

/** A checkout installs what is missing when it starts: through a link that would be into somebody else's. */
function assertOwnModules(): void {
  const modules = join(root, 'node_modules');
  if (!lstatSync(modules).isSymbolicLink()) return;
  throw new Error(`${modules} is a link: remove it and run npm ci, then measure the start of this checkout`);
}

/** Milliseconds until the answer of `path`; the start is that of the process. */
async function timeStart(executable: string, data: DataSet, path: string): Promise<number> {
  const start = performance.now();
  const env = { HUIJU_STORE: data.store, HUIJU_COLLECTIONS: data.collections, HUIJU_PORT: '0' };
  const running = await startProcess('huiju serve', [process.execPath, executable, 'serve'], env);
  check(await askOnce(running.port, formatRequest(path, login)), { status: 200, least: 2, most: Number.MAX_VALUE });
  const time = performance.now() - start;
  await running.stop();
  return time;
}

async function timeNode(): Promise<number> {
  const start = performance.now();
  await runProgram(process.execPath, ['-e', 'require("node:http")']);
  return performance.now() - start;
}

export async function benchBoot(report: Report, settings: Settings): Promise<void> {
  const count = usualCount({ ...settings, isClaimed: true });
  assertOwnModules();
  report.section(`Start to first answer, embedded store with ${count.toLocaleString('en')} objects`);
  const data = await openDataSet(count, undefined);
  const folder = mkdtempSync(join(tmpdir(), 'huiju-boot-'));
  try {
    const installed = install(folder);
    const checkout = join(root, 'bin', 'huiju.js');
    const page = `${objectsPath}?limit=100`;
    const passes = {
      'installed package': () => timeStart(installed, data, '/readyz'),
      checkout: () => timeStart(checkout, data, '/readyz'),
      'installed package, to the first page with a login': () => timeStart(installed, data, page),
      'Node alone': timeNode,
    };
    // The first start of a checkout may have to build.
    await interleave(passes, 1);
    const times = await interleave(passes, settings.quick ? 3 : 11, (done) => showProgress(`start: round ${done}`));
    showProgress('');
    const node = summarise(times['Node alone']).median;
    for (const [what, values] of Object.entries(times)) {
      const { median: value, quartiles } = summarise(values);
      const ours = `${round(value)} ms (${quartiles.map(round).join(' to ')})`;
      const row: Row =
        what === 'Node alone' ? { what, ours } : { what, ours, other: `Node alone ${round(node)} ms`, value };
      report.row(row.value === undefined || what.includes('login') ? row : { ...row, bound });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
