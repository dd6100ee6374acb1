/**
 * Structured logs on standard error: one JSON object a line, on a terminal a line that a person reads. Credentials never
 * get here; what might is redacted.
 */

import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from './config.ts';
import { formatForTerminal } from './log-terminal.ts';

export type Log = Logger;

const secrets = ['authorization', 'password', 'token', 'cookie'];

function openDestination(): DestinationStream {
  const { stderr } = process;
  if (!stderr.isTTY) return pino.destination({ dest: 2, sync: true });
  const hasColours = stderr.hasColors();
  return { write: (json) => void stderr.write(formatForTerminal(json, hasColours)) };
}

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
    openDestination(),
  );
}
