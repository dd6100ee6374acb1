/** `huiju serve`: runs the server until it is told to end. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Config, loadConfig } from '../config.ts';
import type { RunningServer } from '../server.ts';
import { nextSignal } from './signals.ts';

/** Where the first password goes when nobody is looking: beside the store; `data` is where the usual one is. */
function passwordFileOf({ store }: Config): string {
  return store.kind === 'sqlite' ? join(dirname(store.path), 'admin-password') : resolve('data', 'admin-password');
}

/** Keeps the first password for its owner: on a terminal it is shown, else a file is written that nobody else can read. */
async function keepPassword(config: Config, password: string): Promise<void> {
  if (process.stdout.isTTY) return;
  const file = passwordFileOf(config);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // Whatever lies there may have other rights, or be a link.
  await rm(file, { force: true });
  await writeFile(file, `${password}\n`, { mode: 0o600, flag: 'wx' });
}

function passwordLines(config: Config, password: string | undefined): readonly string[] {
  if (password === undefined) return [];
  if (!process.stdout.isTTY) return ['', `  User            admin, its password is in ${passwordFileOf(config)}`];
  return ['', '  User            admin', `  Password        ${password}   (shown this once; keep it)`];
}

function urlLines({ url, roots }: RunningServer): readonly string[] {
  return [
    `Huiju listens on ${url}`,
    '',
    `  Discovery URL   ${url}/taxii2/`,
    ...roots.map((name, index) => `  ${index === 0 ? 'API roots    ' : '             '}   ${url}/${name}/`),
  ];
}

async function serve(): Promise<void> {
  const config = loadConfig();
  // Loaded here, so that other commands do not wait for Express.
  const [{ createLog }, { startServer }] = await Promise.all([import('../log.ts'), import('../server.ts')]);
  const log = createLog(config.logLevel);
  // Heard from now on, so that a signal during the start is not lost.
  const signal = nextSignal();
  const server = await startServer(config, log, undefined, (password) => keepPassword(config, password));
  const password = passwordLines(config, server.adminPassword);
  const hint = process.stdout.isTTY ? ['', 'Ctrl-C ends it.'] : [];
  process.stdout.write(`${[...urlLines(server), ...password, ...hint].join('\n')}\n`);
  log.info({ url: server.url }, 'listening');

  const received = await signal;
  log.info({ signal: received }, 'ending: running requests finish first');
  await server.close();
  log.info('ended');
}

export function registerServe(program: Command): void {
  program.command('serve').description('run the server').action(serve);
}
