/** The main thread's side of the writer thread. */

import { Worker } from 'node:worker_threads';
import { messageOf, TaxiiError } from '../../errors.ts';
import { threadUrl } from '../../thread-url.ts';
import type { Micros } from '../store.ts';
import type { Command, Failure, Reply, Request, Results } from './group-commit.ts';

// Commands that may wait at a time. Each is bounded by whoever sends it.
const maxPending = 10_000;

export interface WriterData {
  readonly path: string;
  /** Added to the system clock. */
  readonly clockOffset: Micros;
}

export type ToWriter = Request | 'close';

export interface Writer {
  /** Resolves when the change is on disk. Commands take effect in the order in which they are sent. */
  run<C extends Command>(command: C): Promise<Results[C['op']]>;
  /** Waits for what was sent, and ends the thread. */
  close(): Promise<void>;
}

interface Waiting {
  resolve(result: Results[keyof Results]): void;
  reject(error: Error): void;
}

function toError({ code, message }: Failure): Error {
  return code === undefined ? new Error(message) : new TaxiiError(code, message);
}

/**
 * Starts the writer thread. When it crashes, the commands under way are rejected with the reason, and the next one
 * starts it again: a commit is whole or absent, so nothing needs repair. `onReply` is called before any command is settled.
 */
export function startWriter(
  data: WriterData,
  onReply: () => void = () => {},
  file: URL = threadUrl('./writer-thread', import.meta.url),
): Writer {
  const waiting = new Map<number, Waiting>();
  let tickets = 0;
  let worker: Worker | undefined;
  let ended: Promise<void> = Promise.resolve();
  let isClosed = false;

  function settle(reply: Reply): void {
    const waiter = waiting.get(reply.ticket);
    waiting.delete(reply.ticket);
    if ('failure' in reply) waiter?.reject(toError(reply.failure));
    else waiter?.resolve(reply.result);
  }

  function rejectAll(reason: string): void {
    const rejected = [...waiting.values()];
    waiting.clear();
    const error = `The writer thread of the store ended: ${reason}. It starts again with the next change: try again.`;
    for (const { reject } of rejected) reject(new TaxiiError('unavailable', error));
  }

  function start(): Worker {
    const started = new Worker(file, { workerData: data });
    worker = started;
    let reason = 'it exited';
    started.on('message', (replies: readonly Reply[]) => {
      onReply();
      replies.forEach(settle);
    });
    started.on('error', (error) => {
      reason = messageOf(error);
    });
    ended = new Promise((resolve) => {
      started.once('exit', () => {
        worker = undefined;
        rejectAll(reason);
        resolve();
      });
    });
    return started;
  }

  start();
  return {
    run<C extends Command>(command: C) {
      if (isClosed) return Promise.reject(new TaxiiError('unavailable', 'The store is closed.'));
      if (waiting.size >= maxPending)
        return Promise.reject(
          new TaxiiError('unavailable', 'Too many changes are waiting to be stored: try again later.'),
        );
      tickets += 1;
      const request: Request = { ticket: tickets, command };
      const result = new Promise<Results[keyof Results]>((resolve, reject) => {
        waiting.set(request.ticket, { resolve, reject });
      });
      (worker ?? start()).postMessage(request satisfies ToWriter);
      // The thread answers each command with its own kind of result.
      return result as Promise<Results[C['op']]>;
    },
    close() {
      if (!isClosed) worker?.postMessage('close' satisfies ToWriter);
      isClosed = true;
      return ended;
    },
  };
}
