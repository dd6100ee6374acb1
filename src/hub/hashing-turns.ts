/**
 * Turns for hashing passwords, which is slow on purpose: so that a flood of wrong passwords keeps nobody out.
 *
 * First go credentials that were good lately. Then, of those who wait, whoever came with the fewest others of the same
 * network and of the same user name waiting: a flood from one place, or against one name, queues up behind itself. When
 * the queue is full the last of all gives its place to whoever would come before it.
 */

import { TaxiiError } from '../errors.ts';

/** For whom a password is hashed. */
export interface Asker {
  /** The network that the request came from; empty for the server itself. */
  readonly network: string;
  /** The user name that was given, whether there is such a user or not. */
  readonly name: string;
  /** Whether the same credentials were good lately: no flood has those. */
  readonly isFamiliar: boolean;
}

export interface HashingTurns {
  /** Runs the work when it is its turn. Throws `too-many-logins` when there is no place to wait, or none any more. */
  run<T>(asker: Asker, work: () => Promise<T>): Promise<T>;
}

interface Waiting extends Asker {
  readonly rank: number;
  start(): void;
  refuse(error: Error): void;
}

function tooMany(): TaxiiError {
  const description = 'Too many passwords are being checked; try again in a few seconds, or use a token.';
  return new TaxiiError('too-many-logins', description, { 'Retry-After': '5' });
}

export function createHashingTurns(limits: { readonly atOnce: number; readonly maxWaiting: number }): HashingTurns {
  /** By rank; of equal ones the first comes first. */
  const queue: Waiting[] = [];
  const running = new Set<Asker>();

  function rankOf({ network, name, isFamiliar }: Asker): number {
    const others = [...running, ...queue].filter((one) => one.isFamiliar === isFamiliar);
    const ofNetwork = others.filter((one) => one.network === network).length;
    const ofName = others.filter((one) => one.name === name).length;
    return Math.max(ofNetwork, ofName) + (isFamiliar ? 0 : 1);
  }

  function wait(asker: Asker): Promise<void> {
    const rank = rankOf(asker);
    const last = queue.at(-1);
    if (queue.length >= limits.maxWaiting) {
      if (last === undefined || last.rank <= rank) throw tooMany();
      queue.pop();
      last.refuse(tooMany());
    }
    return new Promise((resolve, reject) => {
      const behind = queue.findIndex((one) => one.rank > rank);
      const start = (): void => {
        running.add(asker);
        resolve();
      };
      queue.splice(behind < 0 ? queue.length : behind, 0, { ...asker, rank, start, refuse: reject });
    });
  }

  return {
    async run(given, work) {
      // Runs are told apart by identity, and one asker may have several.
      const asker = { ...given };
      if (running.size < limits.atOnce) running.add(asker);
      else await wait(asker);
      try {
        return await work();
      } finally {
        running.delete(asker);
        queue.shift()?.start();
      }
    },
  };
}
