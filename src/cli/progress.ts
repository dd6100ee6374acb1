/** Progress on standard error: on a terminal a line that is drawn anew, elsewhere a plain line every ten seconds. */

import { formatBytes, formatDuration } from '../text.ts';

export interface Progress {
  /** Bytes that are done, and what to say beside them. */
  update(done: number, note: string): void;
  /** Wipes the line from the terminal. May be called twice. */
  stop(): void;
}

/** Where progress is shown, and by which clock (milliseconds). */
export interface Display {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawInterval = 200;
const lineInterval = 10_000;
/** A time left that is told earlier jumps. */
const firstEstimate = 1000;
const barLength = 10;

const eraseLine = '\r\u001b[K';

/** The whole line first, then the same without what matters less and less. */
function describe(
  label: string,
  done: number,
  total: number | undefined,
  elapsed: number,
  note: string,
): readonly [string, ...string[]] {
  const part = total === undefined || total === 0 ? undefined : Math.min(done / total, 1);
  const bytes = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  const rate = `${formatBytes((done / Math.max(elapsed, 1)) * 1000)}/s`;
  const percent = part === undefined ? '' : `${Math.floor(part * 100)} %`;
  const isForeseeable = part !== undefined && part > 0 && elapsed >= firstEstimate;
  const left = isForeseeable ? `${formatDuration((elapsed * (1 - part)) / part / 1000)} left` : '';
  const line = (...parts: string[]): string => `${label}: ${parts.filter((text) => text !== '').join(', ')}`;
  return [line(percent, note, bytes, rate, left), line(percent, note, rate, left), line(percent, note, left)];
}

function drawBar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return '';
  const filled = Math.min(Math.round((done / total) * barLength), barLength);
  return `[${'='.repeat(filled)}${' '.repeat(barLength - filled)}] `;
}

/** Starts to show how far work over `total` bytes is; without a total what is done, not what is left. */
export function startProgress(
  label: string,
  total: number | undefined,
  display: Display = process.stderr,
  now: () => number = () => performance.now(),
): Progress {
  const isTerminal = display.isTTY === true;
  const interval = isTerminal ? redrawInterval : lineInterval;
  const start = now();
  let shown = start;
  let drawn = false;
  const update = (done: number, note: string): void => {
    const time = now();
    if (time - shown < interval) return;
    shown = time;
    const lines = describe(label, done, total, time - start, note);
    // A line that wraps could not be wiped.
    const width = (display.columns ?? 80) - 1;
    const fitting = [drawBar(done, total) + lines[0], ...lines].find((line) => line.length <= width);
    if (isTerminal) display.write(eraseLine + (fitting ?? lines.at(-1) ?? '').slice(0, width));
    else display.write(`huiju: ${lines[0]}\n`);
    drawn = isTerminal;
  };
  const stop = (): void => {
    if (drawn) display.write(eraseLine);
    drawn = false;
  };
  return { update, stop };
}
