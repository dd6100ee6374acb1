/**
 * What was asked for of late, by name, and what of it has not been for longest.
 *
 * To move an entry to the end of a Map each time it is found would be shorter, and dear: a Map that entries leave and enter
 * all the time goes from one table to the next, each table points to its successor, and once V8 takes one of them for old
 * it keeps all that come after, with everything in them, until it collects the whole heap. So an entry is only marked, and
 * moved when its turn to go has come.
 */

export interface Recency<Value> {
  readonly size: number;
  /** What has this name, which counts as asked for. */
  find(name: string): Value | undefined;
  /** Replaces what has this name. It is new, not asked for. */
  set(name: string, value: Value): void;
  /** Removes what has this name, and returns it. */
  delete(name: string): Value | undefined;
  /**
   * Removes the oldest that was not asked for since its last turn, and returns it with its name; of those that were, this was
   * the turn. Undefined when there is nothing.
   */
  takeStale(): readonly [name: string, value: Value] | undefined;
}

export function createRecency<Value>(): Recency<Value> {
  // The order of a Map is that of insertion.
  const entries = new Map<string, { readonly value: Value; isAskedFor: boolean }>();
  return {
    get size() {
      return entries.size;
    },
    find(name) {
      const entry = entries.get(name);
      if (entry !== undefined) entry.isAskedFor = true;
      return entry?.value;
    },
    set(name, value) {
      entries.delete(name);
      entries.set(name, { value, isAskedFor: false });
    },
    delete(name) {
      const entry = entries.get(name);
      entries.delete(name);
      return entry?.value;
    },
    takeStale() {
      // Who is spared comes again at the end, no longer marked.
      for (const [name, entry] of entries) {
        entries.delete(name);
        if (!entry.isAskedFor) return [name, entry.value];
        entry.isAskedFor = false;
        entries.set(name, entry);
      }
      return undefined;
    },
  };
}
