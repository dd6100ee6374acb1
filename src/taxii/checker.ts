/** Objects are checked in threads of their own, so that a large body does not hold up other requests. */

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { CheckedObject, Policy } from '../stix/check-object.ts';
import type { RegisteredExtensions } from '../stix/extensions.ts';
import type { Language } from '../stix/issue.ts';
import { threadUrl } from '../thread-url.ts';
import type { Slice } from './receive.ts';

/** How a slice is judged. */
export interface CheckTerms {
  readonly policy: Policy;
  /** Of the messages. */
  readonly language: Language;
  readonly registered: RegisteredExtensions;
}

export interface CheckJob extends Omit<CheckTerms, 'registered'> {
  readonly job: number;
  readonly lines: Uint8Array;
  /** Given when they differ from those of the thread's last job: they may be large. */
  readonly registered: RegisteredExtensions | undefined;
}

export type CheckReply =
  /** A list of CheckedObject as JSON, which costs half of what a structured clone does. */
  { readonly job: number; readonly checked: string } | { readonly job: number; readonly failure: string };

export interface Checker {
  /** So many slices under way keep every thread busy: one for each, and one that waits. */
  readonly ahead: number;
  /** Verdicts on the objects of a slice, in their order. */
  check(slice: Slice, terms: CheckTerms): Promise<readonly CheckedObject[]>;
  close(): Promise<void>;
}

interface Waiting {
  readonly job: number;
  readonly lines: Uint8Array;
  readonly terms: CheckTerms;
  resolve(checked: readonly CheckedObject[]): void;
  reject(error: Error): void;
}

/** More would wait for the one thread that writes. */
const maxThreads = 4;

/** How many threads check best in one of so many processes on this machine: each process keeps a core for its requests. */
export function countCheckers(processes: number, cores: number = availableParallelism()): number {
  return Math.min(Math.max(Math.floor(cores / processes) - 1, 1), maxThreads);
}

/** Starts so many threads. A thread that dies fails its job alone and is replaced. */
export function startChecker(threads: number): Checker {
  const queue: Waiting[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  /** Every thread, with the revision of the extensions that it has. */
  const all = new Map<Worker, number>();
  let lastJob = 0;
  let closed = false;

  function settle(worker: Worker, reply: CheckReply): void {
    const waiting = busy.get(worker);
    busy.delete(worker);
    worker.unref();
    idle.push(worker);
    if ('checked' in reply) waiting?.resolve(JSON.parse(reply.checked) as CheckedObject[]);
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
    all.set(worker, 0);
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
      worker.postMessage(requestFor(worker, waiting));
    }
  }

  function requestFor(worker: Worker, { job, lines, terms: { registered, ...terms } }: Waiting): CheckJob {
    const isNew = all.get(worker) !== registered.revision;
    all.set(worker, registered.revision);
    return { job, lines, ...terms, registered: isNew ? registered : undefined };
  }

  for (let thread = 0; thread < threads; thread += 1) idle.push(startWorker());
  return {
    ahead: threads + 1,
    check: ({ lines }, terms) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new Error('the checker is closed'));
          return;
        }
        lastJob += 1;
        queue.push({ job: lastJob, lines, terms, resolve, reject });
        dispatch();
      }),
    close: async () => {
      closed = true;
      await Promise.all([...all.keys()].map((worker) => worker.terminate()));
    },
  };
}
