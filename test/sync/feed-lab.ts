/** What tests of feeds have in common: a source that does as it is told, and all that a run needs on a store. */

import { randomUUID } from 'node:crypto';
import type { Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/sync/clock.ts';
import { defaultSettings, type Feed, type FeedSettings, feedKind, parseFeed } from '../../src/sync/feed.ts';
import { openSession, type Session } from '../../src/sync/feed-state.ts';
import type { Target } from '../../src/sync/push.ts';
import type { OpenSource, RunDeps } from '../../src/sync/run.ts';
import type { Batch, Source, Unreadable } from '../../src/sync/source.ts';
import type { Collection } from '../../src/taxii/api-roots.ts';
import { type Checker, startChecker } from '../../src/taxii/checker.ts';
import { everyVersion } from '../../src/taxii/page.ts';

export type Version = { readonly id: string; readonly version: string };

/** A source whose walk yields what it is given, each batch at its place, and throws the errors among them. */
export function fakeSource(
  items: readonly (Batch | Unreadable | Error)[],
  listed?: readonly Version[] | Error,
): Source {
  return {
    async *walk(from, signal) {
      for (const item of items.slice(Number(from?.at ?? 0))) {
        signal.throwIfAborted();
        if (item instanceof Error) throw item;
        yield item;
      }
    },
    ...(listed !== undefined && {
      async *list() {
        if (listed instanceof Error) throw listed;
        yield listed;
      },
    }),
  };
}

/** Batch number `at` of a walk, from 1. */
export function batch(at: number, objects: readonly object[], dates: Partial<Batch> = {}): Batch {
  return { objects: objects.map((object) => JSON.stringify(object)), position: { at }, bytes: 100, ...dates };
}

export interface Lab {
  readonly deps: RunDeps;
  readonly collection: Collection;
  /** What the next runs read from and write to. */
  follow(source: Source, upstream?: string): void;
  pushTo(target: Target): void;
  /** Keeps a feed of a name of its own. */
  addFeed(settings?: Partial<FeedSettings>, direction?: Feed['direction']): Promise<Feed>;
  openSession(feed: Feed): Promise<Session>;
  /** Ids that the collection holds, in order. */
  ids(): Promise<string[]>;
  close(): Promise<void>;
}

const checkers = new Map<Store, Checker>();

export function createLab(store: Store, overrides: Partial<RunDeps> = {}): Lab {
  const collection: Collection = {
    id: randomUUID(),
    alias: 'lab',
    title: 'Lab',
    read: ['members'],
    write: [],
    validation: 'spec',
  };
  const checker = checkers.get(store) ?? startChecker(1);
  checkers.set(store, checker);
  let open: OpenSource | undefined;
  let target: Target | undefined;
  const close = async (): Promise<void> => undefined;
  const clock = overrides.clock ?? systemClock;
  const deps: RunDeps = {
    store,
    checker,
    registeredExtensions: async () => ({ revision: 0, extensions: [] }),
    now: () => clock.now() * 1000,
    clock,
    maxObjectLength: 100_000,
    findCollection: (id) => (id === collection.id ? collection : undefined),
    peers: {
      openSource: async () => {
        if (open === undefined) throw new Error('there is no source');
        return open;
      },
      openTarget: async () => {
        if (target === undefined) throw new Error('there is no target');
        return { target, close };
      },
    },
    ...overrides,
  };
  return {
    deps,
    collection,
    follow: (source, upstream = 'https://up.example/root/collections/1/') => {
      open = { source, upstream, close };
    },
    pushTo: (to) => {
      target = to;
    },
    async addFeed(settings = {}, direction = 'pull') {
      const name = `f-${randomUUID().slice(0, 8)}`;
      const document = {
        ...defaultSettings,
        ...settings,
        direction,
        peer: { kind: 'taxii', root: 'https://up.example/root/', collection: '1' },
        collection: collection.id,
        walk: 0,
        createdAt: '2026-01-01T00:00:00.000Z',
      };
      await store.putRecord(feedKind, name, 0, document, {});
      return parseFeed({ id: name, revision: 1, document });
    },
    async openSession(feed) {
      const session = await openSession(deps, feed.name);
      if (session === undefined) throw new Error('the feed is taken');
      return session;
    },
    async ids() {
      const page = await store.findRecords(collection.id, { versions: [everyVersion] }, { limit: 10_000 });
      return page.records.map(({ id }) => id);
    },
    close: async () => {
      checkers.delete(store);
      await checker.close();
    },
  };
}
