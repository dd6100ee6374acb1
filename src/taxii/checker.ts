/** Objects are checked in threads of their own, so that a large body does not hold up other requests. */

import { Worker } from 'node:worker_threads';
import type { CheckedObject } from '../stix/check-object.ts';
import { threadUrl } from '../thread-url.ts';
import type { Slice } from './receive.ts';

export interface CheckJob {
  readonly job: number;
  readonly lines: Uint8Array;
  readonly policy: 'spec' | 'strict';
}

export type CheckReply =
  | { readonly job: number; readonly checked: readonly CheckedObject[] }
  | { readonly job: number; readonly failure: string };

export interface Checker {
  /** Verdicts on the objects of a slice, in their order. */
  check(slice: Slice, policy: 'spec' | 'strict'): Promise<readonly CheckedObject[]>;
  close(): Promise<void>;
}

interface Waiting {
  readonly request: CheckJob;
  resolve(checked: readonly CheckedObject[]): void;
  reject(error: Error): void;
}

/** Starts so many threads. A thread that dies fails its job alone and is replaced. */
export function startChecker(threads: number): Checker {
  const queue: Waiting[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const all = new Set<Worker>();
  let lastJob = 0;
  let closed = false;

  function settle(worker: Worker, reply: CheckReply): void {
    const waiting = busy.get(worker);
    busy.delete(worker);
    worker.unref();
    idle.push(worker);
    if ('checked' in reply) waiting?.resolve(reply.checked);
    else waiting?.reject(new Error(reply.failure));
    dispatch();
  }

  function startWorker(): Worker {
    const worker = new Worker(threadUrl('./check-worker', import.meta.url));
    let fault: Error | undefined;
    worker.on('message', (reply: CheckReply) => settle(worker, reply));
    worker.on('error', (error) => {
      fault = error;
    });
    worker.on('exit', () => {
      all.delete(worker);
      const waiting = busy.get(worker);
      busy.delete(worker);
      const place = idle.indexOf(worker);
      if (place >= 0) idle.splice(place, 1);
      waiting?.reject(fault ?? new Error('the checking thread ended'));
      if (!closed) dispatch();
    });
    worker.unref();
    all.add(worker);
    return worker;
  }

  function dispatch(): void {
    while (queue.length > 0) {
      // A thread that died is replaced when there is work again, so that one which cannot start fails job by job.
      const worker = idle.pop() ?? (all.size < threads ? startWorker() : undefined);
      if (worker === undefined) return;
      const waiting = queue.shift() as Waiting;
      busy.set(worker, waiting);
      // Only a job under way keeps the process alive.
      worker.ref();
      worker.postMessage(waiting.request);
    }
  }

  for (let thread = 0; thread < threads; thread += 1) idle.push(startWorker());
  return {
    check: ({ lines }, policy) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new Error('the checker is closed'));
          return;
        }
        lastJob += 1;
        queue.push({ request: { job: lastJob, lines, policy }, resolve, reject });
        dispatch();
      }),
    close: async () => {
      closed = true;
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}
