/**
 * Remembers small things that every request asks for, for as long as nobody has changed anything in the file: not by time,
 * but by SQLite's own count of other connections' commits (sqlite.org/pragma.html, `data_version`). To read that count costs
 * what any read costs, so it is read once for all that a request asks for without waiting in between.
 */

import type Database from 'better-sqlite3';

/** What is remembered at most; then all of it is forgotten. Strangers choose names, so they are bounded, too. */
const maxKept = 1_000;
const longestName = 300;

/**
 * Yields what `read` would, or what it yielded since the last change, under a name that says all that it depends on. What is
 * too large to be kept, by `isSmall`, is read again each time.
 */
export type Unchanged = <T>(name: string, read: () => T, isSmall?: (found: T) => boolean) => T;

/** For a connection that only reads. Whoever is given what is remembered must not change it. */
export function createUnchanged(db: Database.Database): Unchanged {
  const dataVersion = db.prepare<[], number>('PRAGMA data_version').pluck();
  const kept = new Map<string, unknown>();
  let seen: number | undefined;
  let isCurrent = false;

  const endTurn = (): void => {
    isCurrent = false;
  };

  function forgetOutdated(): void {
    if (isCurrent) return;
    const current = dataVersion.get();
    if (current !== seen) kept.clear();
    seen = current;
    isCurrent = true;
    // A tick set by a microtask comes when no microtask is left: before anything else that arrives is looked at.
    queueMicrotask(() => process.nextTick(endTurn));
  }

  return <T>(name: string, read: () => T, isSmall: (found: T) => boolean = () => true): T => {
    forgetOutdated();
    if (kept.has(name)) return kept.get(name) as T;
    const found = read();
    if (name.length > longestName || !isSmall(found)) return found;
    if (kept.size >= maxKept) kept.clear();
    kept.set(name, found);
    return found;
  };
}
