/** Turns for large bodies, so that many of them at once, or one user's, take neither the memory nor everybody's time. */

import { TaxiiError } from '../errors.ts';
import type { HttpLimits } from './limits.ts';

/** One body on its way. */
export interface Upload {
  /** Waits for a turn; at once for who has one. Throws `too-many-uploads` when too many of this user wait already. */
  enter(): Promise<void>;
  /** Gives the turn back, if there was one. May be called twice. */
  leave(): void;
  /** Gives up waiting for a turn; `enter` then rejects. Changes nothing for who has one. */
  abandon(): void;
}

export interface Uploads {
  open(user: string): Upload;
}

interface Waiting {
  readonly user: string;
  start(): void;
  abandon(error: Error): void;
}

export function createUploads({ atOnce, perUser, waitingPerUser }: HttpLimits['uploads']): Uploads {
  const underWay = new Map<string, number>();
  const queue: Waiting[] = [];
  let total = 0;

  const isFree = (user: string): boolean => total < atOnce && (underWay.get(user) ?? 0) < perUser;

  function count(user: string, change: 1 | -1): void {
    total += change;
    const left = (underWay.get(user) ?? 0) + change;
    if (left === 0) underWay.delete(user);
    else underWay.set(user, left);
  }

  function refuseMany(user: string): void {
    if (queue.filter((waiting) => waiting.user === user).length < waitingPerUser) return;
    const description = `More than ${waitingPerUser} of your uploads are waiting for their turn; send them one by one.`;
    throw new TaxiiError('too-many-uploads', description, { 'Retry-After': '10' });
  }

  function passTurn(user: string): void {
    count(user, -1);
    // The first whose user has not too many: one user's queue does not hold up the others.
    const place = queue.findIndex((waiting) => isFree(waiting.user));
    const [next] = place < 0 ? [] : queue.splice(place, 1);
    if (next === undefined) return;
    count(next.user, 1);
    next.start();
  }

  return {
    open: (user) => {
      let hasTurn = false;
      let waiting: Waiting | undefined;

      const wait = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const start = (): void => {
            waiting = undefined;
            hasTurn = true;
            resolve();
          };
          waiting = { user, start, abandon: reject };
          queue.push(waiting);
        });
      const abandon = (): void => {
        const place = waiting === undefined ? -1 : queue.indexOf(waiting);
        if (place < 0) return;
        queue.splice(place, 1);
        waiting?.abandon(new TaxiiError('request-timeout', 'The client left before its upload had its turn.'));
        waiting = undefined;
      };
      return {
        enter: async () => {
          if (hasTurn) return;
          if (isFree(user)) {
            count(user, 1);
            hasTurn = true;
            return;
          }
          refuseMany(user);
          await wait();
        },
        leave: () => {
          abandon();
          if (hasTurn) passTurn(user);
          hasTurn = false;
        },
        abandon,
      };
    },
  };
}
