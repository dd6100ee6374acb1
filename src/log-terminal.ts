/** A line of the log as a person reads it on a terminal: aligned, in colour, an error with all that is known of it. */

import { formatBytes, formatCount, printable } from './text.ts';

type Fields = Readonly<Record<string, unknown>>;
type Colour = 'red' | 'green' | 'yellow' | 'dim';

const codes: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2 };
const indent = ' '.repeat(10);

function show(value: unknown): string {
  return printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
}

function formatTime(value: unknown): string {
  const time = new Date(String(value));
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

function colourOf(status: unknown): Colour {
  if (typeof status !== 'number') return 'yellow';
  if (status >= 500) return 'red';
  return status >= 400 ? 'yellow' : 'green';
}

/** Formats a line of JSON that pino wrote. */
export function formatForTerminal(json: string, hasColours: boolean): string {
  const paint = (text: string, colour: Colour): string =>
    hasColours ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;

  const describeRequest = ({ status, user, method, path, objects, received, bytes, ms }: Fields): string =>
    [
      paint((typeof status === 'number' ? String(status) : 'left').padEnd(4), colourOf(status)),
      show(user ?? '-').padEnd(12),
      show(method).padEnd(6),
      show(path).padEnd(44),
      (typeof objects === 'number' ? formatCount(objects, 'object') : '').padStart(14),
      formatBytes(Number(received ?? bytes ?? 0)).padStart(8),
      `${Math.round(Number(ms))} ms`.padStart(8),
    ].join('  ');

  const describeError = ({ error_code, description, error_id }: Fields): string =>
    `${indent}${show(error_code)}: ${show(description)} ${paint(show(error_id), 'dim')}`;

  const describeEvent = (level: unknown, message: unknown, fields: Fields): string => {
    const colour: Colour = level === 'error' || level === 'fatal' ? 'red' : level === 'warn' ? 'yellow' : 'green';
    const rest = Object.entries(fields).map(([name, value]) => `${name}=${show(value)}`);
    return [paint(String(level).padEnd(5), colour), show(message ?? ''), ...rest].join('  ');
  };

  const describeStack = (error: unknown): string[] => {
    const { stack, message } = (error ?? {}) as Fields;
    return String(stack ?? message ?? error)
      .split('\n')
      .map((line) => indent + show(line));
  };

  const { level, time, process, msg, err, ...fields }: Fields = JSON.parse(json);
  const lines =
    msg === 'request'
      ? [describeRequest(fields), ...(fields.error_id === undefined ? [] : [describeError(fields)])]
      : [describeEvent(level, msg, fields), ...(err === undefined ? [] : describeStack(err))];
  const who = process === undefined ? '' : `  ${show(process).padEnd(10)}`;
  return `${paint(formatTime(time) + who, 'dim')}  ${lines.join('\n')}\n`;
}
