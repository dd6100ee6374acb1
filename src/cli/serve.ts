/** `huiju serve`: runs the server until it is told to end. */

import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import { passwordFileOf } from '../first-password.ts';
import type { Log } from '../log.ts';
import type { RunningServer } from '../server.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { nextSignal } from './signals.ts';

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

interface Started {
  readonly server: RunningServer;
  readonly log: Log;
}

/** In this process, or in several that this one watches over. What is loaded is what that needs. */
async function start(settings: Settings): Promise<Started> {
  const { config, roots } = settings;
  const { createLog, openDestination } = await import('../log.ts');
  const destination = openDestination();
  if (config.workers === 1) {
    const log = createLog(config.logLevel, destination);
    const [{ startServer }, { keepPassword }] = await Promise.all([
      import('../server.ts'),
      import('../first-password.ts'),
    ]);
    const keep = (password: string) => keepPassword(config, password);
    return { log, server: await startServer(config, log, { roots, keepPassword: keep }) };
  }
  const log = createLog(config.logLevel, destination, 'supervisor');
  const { startSupervisor } = await import('../supervisor.ts');
  return { log, server: await startSupervisor(settings, log, (lines) => destination.write(lines)) };
}

/** Reloads at each SIGHUP, one time after the other, as soon as the server is there. What is wrong changes nothing. */
function reloadOnHangup(started: Promise<Started>): void {
  const reload = async (): Promise<void> => {
    const { server, log } = await started;
    try {
      await server.reload(loadSettings());
      log.info('reloaded: collections and certificate are those of the files now');
    } catch (error) {
      log.error(
        { reason: messageOf(error) },
        'not reloaded, everything goes on as it was: mend it, then send SIGHUP again',
      );
    }
  };
  let last = Promise.resolve();
  process.on('SIGHUP', () => {
    // A start that fails says so itself.
    last = last.then(reload).catch(() => undefined);
  });
}

async function serve(): Promise<void> {
  const settings = loadSettings();
  // A terminal that closes sends SIGHUP too, and nobody is left there to end the server.
  const isOnTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  // Heard from now on, so that a signal during the start is not lost.
  const signal = nextSignal(isOnTerminal ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM']);
  const started = start(settings);
  if (!isOnTerminal) reloadOnHangup(started);
  const { server, log } = await started;
  const password = passwordLines(settings.config, server.adminPassword);
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
