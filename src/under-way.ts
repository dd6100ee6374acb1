/** What is under way at a time, in no order. */

export interface UnderWay<Item> {
  readonly items: readonly Item[];
  add(item: Item): void;
  remove(item: Item): void;
}

/**
 * A Set would do it, and make V8 keep what was under way long ago: see `recency.ts`. There is not much at a time, so that to
 * look for something among it takes no time.
 */
export function createUnderWay<Item>(): UnderWay<Item> {
  const items: Item[] = [];
  return {
    items,
    add: (item) => void items.push(item),
    remove(item) {
      const place = items.indexOf(item);
      if (place < 0) return;
      const last = items.pop() as Item;
      if (place < items.length) items[place] = last;
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
