/**
 * Turns for large bodies, so that many of them at once, or one user's, take neither the memory nor everybody's time.
 *
 * A user may hold `perUser` of the `atOnce` turns, and the last `kept` of all go to users who hold none. Whoever waits
 * with the fewest turns is next. Alone a client may be as slow as its line is, for hours; but while somebody waits who
 * holds fewer turns than another, that other's uploads have to keep the contested pace: the slowest upload of who holds
 * most hands its turn over and ends with 408. So slow uploads, however many accounts send them, hold a turn for two
 * spans of `contested.grace` against who has none, and fast ones for the time that their bytes take.
 */

import { TaxiiError } from '../errors.ts';
import type { HttpLimits } from './limits.ts';
import { createPatience, type Patience } from './patience.ts';

/** One body on its way. */
export interface Upload {
  /** With the client that sends it. */
  readonly patience: Patience;
  /**
   * Waits for a turn; at once for who has one. Throws `too-many-uploads` when too many of this user wait already, and
   * `request-timeout` when the turn went to somebody else.
   */
  enter(): Promise<void>;
  /** Why the patience with the client is at its end. */
  tooSlow(): TaxiiError;
  /** Gives the turn back, if there was one. May be called twice. */
  leave(): void;
  /** Gives up waiting for a turn; `enter` then rejects. Changes nothing for who has one. */
  abandon(): void;
}

export interface Uploads {
  open(user: string): Upload;
}

interface Owned {
  readonly user: string;
}

interface Waiting extends Owned {
  start(): void;
  abandon(error: Error): void;
}

interface Holder extends Owned {
  readonly patience: Patience;
  dismiss(): void;
}

export function createUploads({ uploads, pace }: Pick<HttpLimits, 'uploads' | 'pace'>): Uploads {
  const { atOnce, kept, perUser, waitingPerUser, contested } = uploads;
  const holders = new Set<Holder>();
  const held = new Map<string, number>();
  const queue: Waiting[] = [];

  const heldBy = ({ user }: Owned): number => held.get(user) ?? 0;
  const withinOwn = (one: Owned): boolean => heldBy(one) < perUser;
  /** Whether there is room for one more, or would be if so many turns were given back. */
  const hasRoom = (one: Owned, givenBack = 0): boolean =>
    holders.size - givenBack < atOnce - (heldBy(one) > 0 ? kept : 0);
  const isFree = (one: Owned): boolean => withinOwn(one) && hasRoom(one);
  /** The first of those with the fewest turns. */
  const fewest = (all: readonly Waiting[]): Waiting | undefined =>
    all.reduce<Waiting | undefined>((best, one) => (best && heldBy(best) <= heldBy(one) ? best : one), undefined);

  function take(holder: Holder): void {
    holders.add(holder);
    held.set(holder.user, heldBy(holder) + 1);
  }

  function remove(waiting: Waiting | undefined): boolean {
    const place = waiting === undefined ? -1 : queue.indexOf(waiting);
    if (place >= 0) queue.splice(place, 1);
    return place >= 0;
  }

  /** Hands a turn on, if the upload had one. */
  function pass(holder: Holder): void {
    if (!holders.delete(holder)) return;
    const left = heldBy(holder) - 1;
    if (left === 0) held.delete(holder.user);
    else held.set(holder.user, left);
    const next = fewest(queue.filter(isFree));
    if (remove(next)) next?.start();
  }

  function refuseMany(user: string): void {
    if (queue.filter((waiting) => waiting.user === user).length < waitingPerUser) return;
    const description = `More than ${waitingPerUser} of your uploads are waiting for their turn; send them one by one.`;
    throw new TaxiiError('too-many-uploads', description, { 'Retry-After': '10' });
  }

  /** Holders who stayed under the contested pace since they were looked at, the first to go first. */
  function findSlow(marks: ReadonlyMap<Holder, ReturnType<Patience['soFar']>>): Holder[] {
    const slow: { readonly holder: Holder; readonly bytes: number }[] = [];
    for (const [holder, mark] of marks) {
      if (!holders.has(holder)) continue;
      const soFar = holder.patience.soFar();
      const bytes = soFar.bytes - mark.bytes;
      const waited = soFar.waited - mark.waited;
      // Who was waited for only now and then was held up by the server, or has sent all.
      const isSlow = waited > contested.grace / 2 && bytes < (waited / 1000) * contested.bytesPerSecond;
      if (isSlow) slow.push({ holder, bytes });
    }
    return slow.sort((a, b) => heldBy(b.holder) - heldBy(a.holder) || a.bytes - b.bytes).map(({ holder }) => holder);
  }

  let isWatching = false;

  /** As long as somebody waits for others: looks at who holds turns, and again after the grace. */
  function watch(): void {
    isWatching = queue.some(withinOwn);
    if (!isWatching) return;
    const marks = new Map([...holders].map((holder) => [holder, holder.patience.soFar()]));
    setTimeout(() => {
      for (const holder of findSlow(marks)) {
        // Asked anew after each: its turn has gone to one of those who wait, and makes that one's user hold more.
        const next = fewest(queue.filter(withinOwn));
        if (next !== undefined && heldBy(next) < heldBy(holder) && hasRoom(next, 1)) holder.dismiss();
      }
      watch();
    }, contested.grace).unref();
  }

  return {
    open: (user) => {
      const patience = createPatience(pace);
      let waiting: Waiting | undefined;
      let wasDismissed = false;
      const holder: Holder = {
        user,
        patience,
        dismiss: () => {
          wasDismissed = true;
          patience.end();
          pass(holder);
        },
      };

      const wait = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const start = (): void => {
            take(holder);
            resolve();
          };
          waiting = { user, start, abandon: reject };
          queue.push(waiting);
          if (!isWatching) watch();
        });
      const abandon = (): void => {
        if (!remove(waiting)) return;
        waiting?.abandon(new TaxiiError('request-timeout', 'The client left before its upload had its turn.'));
      };
      const tooSlow = (): TaxiiError => {
        const rate = `stays under ${(wasDismissed ? contested : pace).bytesPerSecond} bytes per second`;
        const why = wasDismissed ? `${rate} while others wait for their turn` : rate;
        return new TaxiiError('request-timeout', `The body stopped, or ${why}. Nothing was stored; send it again.`);
      };
      return {
        patience,
        enter: async () => {
          if (wasDismissed) throw tooSlow();
          if (holders.has(holder)) return;
          if (isFree(holder)) {
            take(holder);
            return;
          }
          refuseMany(user);
          await wait();
        },
        tooSlow,
        leave: () => {
          abandon();
          pass(holder);
        },
        abandon,
      };
    },
  };
}
