/**
 * The thread in which feeds run, beside the server's own: with a store connection and a checker of its own, and less of
 * the processor than requests have. It says what it does in messages, which the server's log gets.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { watchExtensions } from '../hub/registered-extensions.ts';
import { getSecretKeys } from '../hub/secrets.ts';
import { stepBack } from '../priority.ts';
import { microsNow } from '../stix/timestamp.ts';
import { openStore } from '../store/open-store.ts';
import { startChecker } from '../taxii/checker.ts';
import { systemClock } from './clock.ts';
import { describeFault, type FeedsThreadData, type FromFeeds, type ToFeeds } from './feeds-server.ts';
import { createPeers } from './peers.ts';
import { describeRun } from './run.ts';
import { startScheduler } from './scheduler.ts';

/** Of this thread, and of those that it starts from now on. */
const leastPriority = 19;

function say(message: FromFeeds): void {
  parentPort?.postMessage(message);
}

async function main({ store: location, roots, maxObjectLength, secretKeys }: FeedsThreadData): Promise<void> {
  const store = await openStore(location);
  // Only now: the store's writer holds locks that requests wait for.
  stepBack(leastPriority);
  const checker = startChecker(1);
  const collections = new Map(
    roots.flatMap((root) => root.collections.map((collection) => [collection.id, collection])),
  );
  const scheduler = startScheduler({
    store,
    checker,
    registeredExtensions: watchExtensions(store),
    now: microsNow,
    maxObjectLength,
    clock: systemClock,
    peers: createPeers({ secretKeys: () => getSecretKeys(secretKeys, location), clock: systemClock, maxObjectLength }),
    findCollection: (id) => collections.get(id),
    onRun: (feed, { unforeseen: _said, ...result }) =>
      say({ kind: 'run', feed: feed.name, words: describeRun(feed, result), result }),
    onFault: (error) => say({ kind: 'fault', fault: describeFault(error) }),
  });
  parentPort?.once('message', (_close: ToFeeds) => {
    void (async () => {
      await scheduler.close();
      await checker.close();
      await store.close();
      parentPort?.close();
    })();
  });
}

await main(workerData as FeedsThreadData);
