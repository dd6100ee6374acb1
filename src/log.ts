/**
 * Structured logs on standard error: one JSON object a line, on a terminal a line that a person reads. Credentials never
 * get here; what might is redacted.
 */

import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from './config.ts';
import { formatForTerminal } from './log-terminal.ts';

export type Log = Logger;

const redacted = '[Redacted]';

/** Fields that hold a secret, in lower case. */
const secretFields = new Set([
  ...['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'],
  ...['password', 'token'],
]);
const maxDepth = 8;

// pino's own redaction asks each path of each event: it costs three times what writing the line does.
function redactFields(fields: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    secretFields.has(name.toLowerCase()) ? redacted : redactValue(value, depth),
  ]);
  return Object.fromEntries(entries);
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || 'toJSON' in value) return value;
  if (depth === 0) return '[Too deep]';
  return Array.isArray(value) ? value.map((item) => redactValue(item, depth - 1)) : redactFields(value, depth - 1);
}

// What gives a secret away within a text: a path, an address, a message of an error. None eats a quotation mark or a
// backslash, so that JSON stays JSON.
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/\bhuiju_[A-Za-z0-9_-]{43}/g, `huiju_${redacted}`],
  [/\b(Basic|Bearer|Token|ApiKey) {1,9}[A-Za-z0-9._~+/-]{16,}=*/gi, `$1 ${redacted}`],
  [/:\/\/[^\s/?#"@\\]{1,300}@/g, `://${redacted}@`],
  [/([?&](?:access_token|token|api_?key|password|secret)=)[^&#\s"\\]+/gi, `$1${redacted}`],
];

function redactTexts(line: string): string {
  return secretTexts.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line);
}

function openDestination(): DestinationStream {
  const { stderr } = process;
  if (!stderr.isTTY) return pino.destination({ dest: 2, sync: true });
  const hasColours = stderr.hasColors();
  return { write: (json) => void stderr.write(formatForTerminal(json, hasColours)) };
}

/** Creates the logger of the process. Whatever reaches the destination is redacted. */
export function createLog(level: Config['logLevel'], destination: DestinationStream = openDestination()): Log {
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redactFields(fields, maxDepth) },
      serializers: { err: (error) => redactValue(pino.stdSerializers.err(error), maxDepth) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    { write: (line) => destination.write(redactTexts(line)) },
  );
}
