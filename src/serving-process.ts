/** One of several processes that serve: `supervisor.ts` starts it, and tells it what to serve and when to end. */

import { on } from 'node:events';
import { describeFailure } from './errors.ts';
import { keepPassword } from './first-password.ts';
import { createLog, openDescriptor } from './log.ts';
import { type RunningServer, startServer } from './server.ts';
import type { FromProcess, ToProcess } from './supervisor.ts';

// A terminal and a service manager send their signals to every process; the supervisor decides what follows of them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

function tell(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
}

async function start({ worker, settings, logTo }: Extract<ToProcess, { do: 'serve' }>): Promise<RunningServer> {
  const { config, roots } = settings;
  const log = createLog(config.logLevel, openDescriptor(logTo), `worker ${worker}`);
  const keep = (password: string) => keepPassword(config, password);
  const server = await startServer(config, log, { roots, worker, keepPassword: keep });
  const { url, adminPassword } = server;
  log.info({ pid: process.pid }, 'serving');
  await tell({ is: 'serving', url, ...(adminPassword !== undefined && { adminPassword }) });
  return server;
}

/** Does what it is told, one after the other, until it is told to end. */
async function obey(messages: AsyncIterable<readonly ToProcess[]>): Promise<void> {
  let server: RunningServer | undefined;
  for await (const [message] of messages) {
    if (message?.do === 'serve') server = await start(message);
    if (message?.do === 'reload') {
      await server?.reload(message.settings);
      await tell({ is: 'reloaded' });
    }
    if (message?.do === 'end') break;
  }
  await server?.close();
}

try {
  await obey(on(process, 'message') as AsyncIterable<readonly ToProcess[]>);
} catch (error) {
  await tell({ is: 'failed', description: describeFailure(error) });
  process.exitCode = 1;
}
// Nothing is left to do; node:cluster ends the process.
process.disconnect?.();
