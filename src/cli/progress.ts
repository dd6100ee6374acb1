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

function describe(label: string, done: number, total: number | undefined, elapsed: number, note: string): string {
  const part = total === undefined || total === 0 ? undefined : Math.min(done / total, 1);
  const bytes = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  const parts = [note, bytes, `${formatBytes((done / Math.max(elapsed, 1)) * 1000)}/s`];
  if (part !== undefined) parts.unshift(`${Math.floor(part * 100)} %`);
  if (part !== undefined && part > 0 && elapsed >= firstEstimate) {
    parts.push(`${formatDuration((elapsed * (1 - part)) / part / 1000)} left`);
  }
  return `${label}: ${parts.filter((text) => text !== '').join(', ')}`;
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
    const text = describe(label, done, total, time - start, note);
    if (!isTerminal) display.write(`huiju: ${text}\n`);
    // A line that wraps could not be wiped.
    else display.write(eraseLine + `${drawBar(done, total)}${text}`.slice(0, (display.columns ?? 80) - 1));
    drawn = isTerminal;
  };
  const stop = (): void => {
    if (drawn) display.write(eraseLine);
    drawn = false;
  };
  return { update, stop };
}
