/** What is under way at a time, in no order. */

export interface UnderWay<Item extends object> {
  /** As of now: the same array all the time. */
  readonly items: readonly Item[];
  add(item: Item): void;
  remove(item: Item): void;
}

/**
 * A Set would do it, and make V8 keep what was under way long ago: see `recency.ts`. To look for an item among thousands takes
 * some microseconds.
 */
export function createUnderWay<Item extends object>(): UnderWay<Item> {
  const items: Item[] = [];
  return {
    items,
    add: (item) => void items.push(item),
    remove(item) {
      const place = items.indexOf(item);
      if (place < 0) return;
      const last = items.pop();
      if (last !== undefined && place < items.length) items[place] = last;
    },
  };
}

export interface Tracker {
  /** Yields what the work does, and knows of it until then. */
  track<T>(work: Promise<T>): Promise<T>;
  /** Resolves when all work that is known of now has ended, in whatever way. */
  settled(): Promise<unknown>;
}

/** Knows of work that goes on when nobody waits for it any more, so that an end can wait for it. */
export function createTracker(): Tracker {
  const underWay = createUnderWay<Promise<unknown>>();
  return {
    async track(work) {
      underWay.add(work);
      try {
        return await work;
      } finally {
        underWay.remove(work);
      }
    },
    settled: () => Promise.allSettled(underWay.items),
  };
}
