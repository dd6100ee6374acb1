/** Changes of one collection by one process, one after the other; additions that wait together share a block. */

import { TaxiiError } from '../../errors.ts';
import type { AddOutcome } from '../store.ts';
import type { Submission } from './write-objects.ts';

// What one block holds at most, unless a single call brings more: it is to be written well before others lose patience.
const maxVersions = 1_000;
const maxBytes = 8 * 1024 ** 2;
// Changes that may wait at a time. Each is bounded by whoever sends it.
const maxPending = 10_000;

interface Job {
  /** Absent: the job stands alone. */
  readonly submissions?: readonly Submission[];
  run(others: readonly Job[]): Promise<void>;
  resolve(outcomes: readonly AddOutcome[]): void;
  reject(error: unknown): void;
}

function bytesOf({ submissions = [] }: Job): number {
  return submissions.reduce((sum, { version }) => sum + version.text.length, 0);
}

/** Takes the additions behind `first` that fit in one block with it. */
function takeCompanions(jobs: Job[], first: Job): Job[] {
  const taken: Job[] = [];
  if (first.submissions === undefined) return taken;
  let versions = first.submissions.length;
  let bytes = bytesOf(first);
  for (let next = jobs[0]; next?.submissions !== undefined; next = jobs[0]) {
    versions += next.submissions.length;
    bytes += bytesOf(next);
    if (versions > maxVersions || bytes > maxBytes) break;
    taken.push(next);
    jobs.shift();
  }
  return taken;
}

export type AddTogether = (collection: string, submissions: readonly Submission[]) => Promise<AddOutcome[]>;

/** Returns the queues of all collections. */
export function createQueues(addTogether: AddTogether) {
  const queues = new Map<string, Job[]>();
  const running = new Set<Promise<void>>();
  let pending = 0;

  /** Whoever has waited while the database was not there is not kept waiting for it once more. */
  function rejectAll(jobs: Job[], error: TaxiiError): void {
    const waiting = jobs.splice(0);
    pending -= waiting.length;
    for (const { reject } of waiting) reject(error);
  }

  async function work(collection: string, jobs: Job[]): Promise<void> {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const companions = takeCompanions(jobs, job);
      pending -= 1 + companions.length;
      try {
        await job.run(companions);
      } catch (error) {
        for (const { reject } of [job, ...companions]) reject(error);
        if (error instanceof TaxiiError && error.code === 'unavailable') rejectAll(jobs, error);
      }
    }
    queues.delete(collection);
  }

  function enqueue(collection: string, job: Job): void {
    pending += 1;
    const waiting = queues.get(collection);
    if (waiting !== undefined) {
      waiting.push(job);
      return;
    }
    const jobs = [job];
    queues.set(collection, jobs);
    const worker = work(collection, jobs).finally(() => running.delete(worker));
    running.add(worker);
  }

  function assertRoom(): void {
    if (pending >= maxPending)
      throw new TaxiiError('unavailable', 'Too many changes are waiting to be stored: try again later.');
  }

  async function runTogether(collection: string, jobs: readonly Job[]): Promise<void> {
    const all = jobs.flatMap(({ submissions = [] }) => submissions);
    const outcomes = await addTogether(collection, all);
    let at = 0;
    for (const { submissions = [], resolve } of jobs) {
      resolve(outcomes.slice(at, at + submissions.length));
      at += submissions.length;
    }
  }

  return {
    /** Adds versions together with others that wait. */
    add(collection: string, submissions: readonly Submission[]): Promise<AddOutcome[]> {
      assertRoom();
      return new Promise((resolve, reject) => {
        const job: Job = {
          submissions,
          run: (others) => runTogether(collection, [job, ...others]),
          resolve: (outcomes) => resolve([...outcomes]),
          reject,
        };
        enqueue(collection, job);
      });
    },
    /** Does something else in its turn. */
    run<T>(collection: string, change: () => Promise<T>): Promise<T> {
      assertRoom();
      return new Promise((resolve, reject) => {
        const run = async () => resolve(await change());
        enqueue(collection, { run, resolve: () => {}, reject });
      });
    },
    /** Resolves when nothing is under way. */
    async settled(): Promise<void> {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
