/** Progress on a terminal, and only there: on standard error, so that standard output stays the command's own. */

import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** Bytes that are done, and what to say beside the bar. */
  update(done: number, note: string): void;
  stop(): void;
}

const silent: Progress = { update: () => undefined, stop: () => undefined };

/** Starts a bar over `total` bytes; without a total it shows what is done, not what is left. */
export function startProgress(label: string, total: number | undefined): Progress {
  if (!process.stderr.isTTY) return silent;
  const format =
    total === undefined ? `${label}  {note}` : `${label} {bar} {percentage}%  {note}  {eta_formatted} left`;
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, fps: 5 }, Presets.shades_classic);
  bar.start(total ?? 1, 0, { note: '' });
  return {
    update: (done, note) => bar.update(total === undefined ? 0 : Math.min(done, total), { note }),
    stop: () => bar.stop(),
  };
}
