/** Structured logs: one JSON object a line on standard error. Credentials never get here; what might is redacted. */

import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';

export type Log = Logger;

const secrets = ['authorization', 'password', 'token', 'cookie'];

/** Creates the logger of the process. */
export function createLog(level: Config['logLevel']): Log {
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: secrets.flatMap((name) => [name, `*.${name}`, `*.headers.${name}`]),
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
