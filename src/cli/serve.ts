/** `huiju serve`: runs the server until it is told to end. */

import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { type Config, loadConfig } from '../config.ts';
import type { RunningServer } from '../server.ts';

/** Where the first password goes when nobody is looking. */
function passwordFileOf({ store }: Config): string {
  return join(dirname(store.path), 'admin-password');
}

async function handOverPassword(config: Config, password: string): Promise<readonly string[]> {
  if (process.stdout.isTTY) {
    return ['', '  User            admin', `  Password        ${password}   (shown this once; keep it)`];
  }
  const file = passwordFileOf(config);
  await writeFile(file, `${password}\n`, { mode: 0o600, flag: 'w' });
  return ['', `  User            admin, its password is in ${file}`];
}

function urlLines({ url, roots }: RunningServer): readonly string[] {
  return [
    `Huiju listens on ${url}`,
    '',
    `  Discovery URL   ${url}/taxii2/`,
    ...roots.map((name, index) => `  ${index === 0 ? 'API roots    ' : '             '}   ${url}/${name}/`),
  ];
}

/**
 * Resolves with the signal that asks the server to end. One Ctrl-C arrives several times: from the terminal, and from
 * npm and the launcher, which pass on what they get. Only a signal that comes a second later ends the process as usual.
 */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const stopListening = (): void => {
      for (const each of signals) process.removeListener(each, listener);
    };
    const listener = (signal: NodeJS.Signals): void => {
      resolve(signal);
      setTimeout(stopListening, 1000).unref();
    };
    for (const each of signals) process.on(each, listener);
  });
}

async function serve(): Promise<void> {
  const config = loadConfig();
  // Loaded here, so that other commands do not wait for Express.
  const [{ createLog }, { startServer }] = await Promise.all([import('../log.ts'), import('../server.ts')]);
  const log = createLog(config.logLevel);
  // Heard from now on, so that a signal during the start is not lost.
  const signal = nextSignal();
  const server = await startServer(config, log);
  const password = server.adminPassword === undefined ? [] : await handOverPassword(config, server.adminPassword);
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
