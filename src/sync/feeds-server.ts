/** The server's side of the thread in which feeds run. It is started when there is a first feed that runs by itself. */

import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import type { SecretKey } from '../hub/secrets.ts';
import type { StoreLocation } from '../store/open-store.ts';
import type { RecordSource } from '../store/store.ts';
import type { ApiRoot } from '../taxii/api-roots.ts';
import { threadUrl } from '../thread-url.ts';
import { changesOf } from './changes.ts';
import { hasScheduled } from './feed.ts';
import type { RunResult } from './run.ts';

/** What the thread works with. */
export interface FeedsThreadData {
  readonly store: StoreLocation;
  readonly roots: readonly ApiRoot[];
  readonly maxObjectLength: number;
  /** As configured; undefined: those beside the store. */
  readonly secretKeys: readonly SecretKey[] | undefined;
}

export interface Fault {
  readonly message: string;
  readonly stack: string | undefined;
}

/** A run that has ended, as it goes to the log. */
export type EndedRun = Omit<RunResult, 'unforeseen'>;

export type FromFeeds =
  | { readonly kind: 'run'; readonly feed: string; readonly words: string; readonly result: EndedRun }
  | { readonly kind: 'fault'; readonly fault: Fault };
export type ToFeeds = 'close';

export interface FeedsOptions extends FeedsThreadData {
  /** The server's own connection, on which it looks whether there are feeds. */
  readonly records: RecordSource;
  /** Hears of each run that has ended. */
  readonly onRun: (feed: string, words: string, result: EndedRun) => void;
  /** Hears of what went wrong beyond a run. */
  readonly onFault: (fault: Fault) => void;
}

export interface Feeds {
  /** Goes on with these API roots: runs under way stop where they are, and go on. */
  reload(roots: readonly ApiRoot[]): void;
  /** Stops runs where they are and ends the thread. May be called twice. */
  close(): Promise<void>;
}

const lookEvery = 2_000;
const firstRestart = 1_000;
const longestRestart = 60_000;
/** How long runs may take to stop; what they had stored by then counts. */
const closeTimeout = 10_000;

export function describeFault(error: unknown): Fault {
  return { message: messageOf(error), stack: error instanceof Error ? error.stack : undefined };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // It rejects when it is aborted: then the pause is over too.
  await wait(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

/** Runs the thread until it ends, which it only does when it is told to or has crashed. */
async function runThread(
  { onRun, onFault, ...data }: Omit<FeedsOptions, 'records'>,
  signal: AbortSignal,
): Promise<void> {
  const workerData: FeedsThreadData = data;
  const worker = new Worker(threadUrl('./feeds-thread', import.meta.url), { workerData });
  let late: NodeJS.Timeout | undefined;
  const end = (): void => {
    worker.postMessage('close' satisfies ToFeeds);
    late = setTimeout(() => void worker.terminate(), closeTimeout);
  };
  signal.addEventListener('abort', end);
  worker.on('message', (message: FromFeeds) => {
    if (message.kind === 'run') onRun(message.feed, message.words, message.result);
    else onFault(message.fault);
  });
  worker.on('error', (error) => onFault(describeFault(error)));
  await new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  clearTimeout(late);
  signal.removeEventListener('abort', end);
}

/** Looks for feeds every two seconds, and runs them in a thread from the first one on. */
export function startFeeds({ records, ...options }: FeedsOptions): Feeds {
  const ending = new AbortController();
  const { signal } = ending;
  let { roots } = options;
  let thread = new AbortController();
  signal.addEventListener('abort', () => thread.abort());

  async function awaitFeed(): Promise<void> {
    let seen = 0;
    while (!signal.aborted) {
      try {
        const changes = await changesOf(records);
        if (changes !== seen && (await hasScheduled(records))) return;
        seen = changes;
      } catch {
        // Requests have told of it: the store is away for a moment.
      }
      await pause(lookEvery, signal);
    }
  }

  async function run(): Promise<void> {
    await awaitFeed();
    let restart = firstRestart;
    while (!signal.aborted) {
      const began = performance.now();
      thread = new AbortController();
      await runThread({ ...options, roots }, thread.signal);
      // One that was to end, or ran for long before it crashed, is started again at once.
      const isWell = thread.signal.aborted || performance.now() - began > longestRestart;
      restart = isWell ? firstRestart : Math.min(restart * 2, longestRestart);
      if (!thread.signal.aborted) await pause(restart, signal);
    }
  }

  const running = run();
  return {
    reload(changed) {
      roots = changed;
      thread.abort();
    },
    close() {
      ending.abort();
      return running;
    },
  };
}
