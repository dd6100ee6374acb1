import { constants } from 'node:os';

const allSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Resolves with the signal, one of these, that asks the process to end. One Ctrl-C arrives several times: from the
 * terminal, and from npm and the launcher, which pass on what they get. Only a signal that comes a second later ends the
 * process as usual.
 */
export function nextSignal(signals: readonly NodeJS.Signals[] = allSignals): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stopListening = (): void => {
      for (const each of signals) process.removeListener(each, listener);
    };
    const listener = (signal: NodeJS.Signals): void => {
      resolve(signal);
      setTimeout(stopListening, 1000).unref();
    };
    for (const each of signals) process.on(each, listener);
  });
}

/** What a command throws that a signal has ended. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  /** `left` says what is there now. */
  constructor(signal: NodeJS.Signals, left = 'nothing was written') {
    super(`interrupted; ${left}`);
    this.name = 'Interrupted';
    this.signal = signal;
  }
}

/**
 * Does work that a signal gives up: the AbortSignal's reason is then an Interrupted, for the work to throw. Work that
 * comes to its end all the same has succeeded.
 */
export async function untilSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  void nextSignal().then((signal) => abort.abort(new Interrupted(signal)));
  return await work(abort.signal);
}

/** The exit code of a command that a signal ended, as shells count it: 130 for Ctrl-C. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
