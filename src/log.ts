/**
 * Structured logs on standard error: one JSON object a line, on a terminal a line that a person reads. Credentials never
 * get here; what might is redacted.
 */

import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from './config.ts';
import { formatForTerminal } from './log-terminal.ts';
import { remember } from './remember.ts';

export type Log = Logger;

const redacted = '[Redacted]';

/** Fields that hold a secret, in lower case. */
const secretFields = new Set([
  ...['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'],
  ...['password', 'token'],
]);
const maxDepth = 8;
/** Milliseconds that a line waits for others, and characters of lines that wait. */
const flushAfter = 10;
const flushedFrom = 64 * 1024;

const isSecret = remember((name) => secretFields.has(name.toLowerCase()));

/** Whether there is nothing to redact, as in nearly all events: then nothing is copied. */
function isHarmless(fields: Readonly<Record<string, unknown>>): boolean {
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if ((typeof value === 'object' && value !== null) || isSecret(name)) return false;
  }
  return true;
}

// pino's own redaction asks each path of each event: it costs three times what writing the line does.
function redactFields(fields: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    isSecret(name) ? redacted : redactValue(value, depth),
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

/** Whether one of them may match. */
function isSuspicious(line: string): boolean {
  return line.includes('huiju_') || line.includes('://') || /[?&=]|\b(?:basic|bearer|token|apikey) /i.test(line);
}

function redactTexts(line: string): string {
  if (!isSuspicious(line)) return line;
  return secretTexts.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line);
}

/** Standard error as a destination. It takes whole lines, one or more at a time. */
export function openDestination(): DestinationStream {
  const { stderr } = process;
  if (!stderr.isTTY) return openDescriptor(2);
  const hasColours = stderr.hasColors();
  const format = (line: string): string => (line === '' ? '' : formatForTerminal(line, hasColours));
  return { write: (lines) => void stderr.write(lines.split('\n').map(format).join('')) };
}

/**
 * An open file, pipe or socket as a destination. Lines wait a few milliseconds for others, and what is left is written when
 * the process ends, whatever ends it but SIGKILL: a call of the system for each line costs twice what making it does.
 */
export function openDescriptor(descriptor: number): DestinationStream {
  const file = pino.destination({ dest: descriptor, sync: true });
  let lines = '';
  const flush = (): void => {
    const written = lines;
    lines = '';
    if (written !== '') file.write(written);
  };
  process.on('exit', flush);
  return {
    write: (line) => {
      if (lines === '') setTimeout(flush, flushAfter).unref();
      lines += line;
      if (lines.length >= flushedFrom) flush();
    },
  };
}

/** Returns what tells the time as a member of a line. Lines of a busy server are many in a millisecond. */
function createTimestamp(): () => string {
  let told = 0;
  let member = '';
  return () => {
    const now = Date.now();
    if (now !== told) member = `,"time":"${new Date(now).toISOString()}"`;
    told = now;
    return member;
  };
}

/**
 * Creates the logger of the process. Whatever reaches the destination is redacted. `process` is in every line: which of
 * several processes with one log says it.
 */
export function createLog(
  level: Config['logLevel'],
  destination: DestinationStream = openDestination(),
  process?: string,
): Log {
  return pino(
    {
      level,
      base: process === undefined ? null : { process },
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => (isHarmless(fields) ? fields : redactFields(fields, maxDepth)),
      },
      serializers: { err: (error) => redactValue(pino.stdSerializers.err(error), maxDepth) },
      timestamp: createTimestamp(),
    },
    { write: (line) => destination.write(redactTexts(line)) },
  );
}
