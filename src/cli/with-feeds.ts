/** What the commands of feeds have in common: the store and all that a run needs, opened and closed. */

import type { Config } from '../config.ts';
import { watchExtensions } from '../hub/registered-extensions.ts';
import { getSecretKeys, loadSecretKeys } from '../hub/secrets.ts';
import { microsNow } from '../stix/timestamp.ts';
import { systemClock } from '../sync/clock.ts';
import type { FeedsDeps } from '../sync/feeds.ts';
import type { OperateDeps } from '../sync/operate.ts';
import { createPeers } from '../sync/peers.ts';
import { Stopped } from '../sync/run.ts';
import { type ApiRoot, loadApiRoots } from '../taxii/api-roots.ts';
import { startChecker } from '../taxii/checker.ts';
import { exitCodeOf, nextSignal } from './signals.ts';
import { withStore } from './with-store.ts';

export interface JsonOption {
  readonly json?: true;
}

export const feedName = ['<name>', 'name of the feed'] as const;

/** What is declared, beside what the operations need. */
export interface Declared {
  readonly roots: readonly ApiRoot[];
}

/** Runs a command's work on the configured store, and closes it whatever happens. */
export function withFeeds<T>(work: (deps: FeedsDeps & Declared, config: Config) => Promise<T>): Promise<T> {
  return withStore((store, config) => {
    const secretKeys = () => loadSecretKeys(config.secretKeys, config.store);
    return work({ store, roots: loadApiRoots(config.collections), clock: systemClock, secretKeys }, config);
  });
}

/** The same, with all that a run needs. */
export function withRuns<T>(work: (deps: OperateDeps) => Promise<T>): Promise<T> {
  return withFeeds(async (feeds, config) => {
    const { store, roots, clock } = feeds;
    const { maxObjectLength } = config;
    const secretKeys = () => getSecretKeys(config.secretKeys, config.store);
    const checker = startChecker(1);
    const collections = roots.flatMap((root) => root.collections);
    try {
      return await work({
        ...feeds,
        checker,
        maxObjectLength,
        registeredExtensions: watchExtensions(store),
        now: microsNow,
        peers: createPeers({ secretKeys, clock, maxObjectLength, standardInput: process.stdin }),
        findCollection: (id) => collections.find((collection) => collection.id === id),
      });
    } finally {
      await checker.close();
    }
  });
}

/** Does work that a signal stops where it is, which is where it can be gone on with. */
export async function untilStopped<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  void nextSignal().then((signal) => {
    process.exitCode = exitCodeOf(signal);
    abort.abort(new Stopped('it was interrupted'));
  });
  return work(abort.signal);
}
