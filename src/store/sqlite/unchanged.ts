/**
 * Remembers small things that every request asks for, for as long as nobody has changed anything in the file: not by time,
 * but by SQLite's own count of other connections' commits (sqlite.org/pragma.html, `data_version`). To read that count costs
 * what any read costs, so it is read once for all that is asked for without waiting in between, and for all requests that
 * have arrived together: for some milliseconds, so that the last of many is not answered by what was long ago.
 */

import type Database from 'better-sqlite3';
import { type Arrivals, atEndOfMoment, isSameLook, type Look } from '../../arrivals.ts';

/** What is remembered at most; then all of it is forgotten. Strangers choose names, so they are bounded, too. */
const maxKept = 1_000;
const longestName = 300;
/** Milliseconds. */
const longestShared = 2;

/**
 * Yields what `read` would, or what it yielded since the last change, under a kind and a name which say all that it depends on.
 * What is too large to be kept, by `isSmall`, is read again each time.
 */
export type Find = <T>(kind: string, name: string, read: () => T, isSmall?: (found: T) => boolean) => T;

export interface Unchanged {
  readonly find: Find;
  /** To be called when this process is told of a commit: what follows from it in this moment must see it. */
  lookAgain(): void;
}

/** For a connection that only reads. Whoever is given what is remembered must not change it. */
export function createUnchanged(db: Database.Database, arrivals?: Pick<Arrivals, 'find'>): Unchanged {
  const dataVersion = db.prepare<[], number>('PRAGMA data_version').pluck();
  // By kind, then by name: to join the two for each look would cost more than the look.
  const kept = new Map<string, Map<string, unknown>>();
  let count = 0;
  let seen: number | undefined;
  let isCurrent = false;
  /** By which the requests came that share what is remembered, and until when they do. */
  let shared: { readonly look: Look; readonly until: number } | undefined;

  function isShared(look: Look | undefined): boolean {
    return isSameLook(look, shared?.look) && performance.now() < (shared?.until ?? 0);
  }

  function forgetAll(): void {
    kept.clear();
    count = 0;
  }

  const endTurn = (): void => {
    isCurrent = false;
  };

  function forgetOutdated(): void {
    if (isCurrent) return;
    const look = arrivals?.find();
    if (isShared(look)) return;
    const current = dataVersion.get();
    if (current !== seen) forgetAll();
    seen = current;
    shared = look && { look, until: performance.now() + longestShared };
    isCurrent = true;
    atEndOfMoment(endTurn);
  }

  function keep(kind: string, name: string, found: unknown): void {
    if (count >= maxKept) forgetAll();
    const ofKind = kept.get(kind);
    if (ofKind === undefined) kept.set(kind, new Map([[name, found]]));
    else ofKind.set(name, found);
    count += 1;
  }

  return {
    find<T>(kind: string, name: string, read: () => T, isSmall: (found: T) => boolean = () => true): T {
      forgetOutdated();
      const ofKind = kept.get(kind);
      if (ofKind?.has(name)) return ofKind.get(name) as T;
      const found = read();
      if (name.length <= longestName && isSmall(found)) keep(kind, name, found);
      return found;
    },
    lookAgain() {
      isCurrent = false;
      shared = undefined;
    },
  };
}
