/** From a request's filters and cursor to one question for the store, and on to the next cursor. */

import { TaxiiError } from '../errors.ts';
import type { Micros, ObjectQuery, PageInfo, VersionSelector } from '../store/store.ts';
import { type Cursor, formatCursor, maxSelectors, parseCursor } from './cursor.ts';
import type { Filters } from './query.ts';

export interface PageLimits {
  /** Objects of a page when the client names no limit, at most, and bytes of their texts. */
  readonly size: number;
  readonly max: number;
  readonly bytes: number;
}

export interface PageRequest {
  /** Undefined when the filters exclude everything. */
  readonly query: ObjectQuery | undefined;
  readonly limit: number;
  /** Requests of one key, to one collection, are answered with the same page. */
  readonly key: () => string;
  /** The cursor to the page after this one; undefined when nothing follows. */
  nextAfter(page: PageInfo): string | undefined;
}

export const everyVersion: VersionSelector = { all: true, first: false, last: false, exact: [] };
/** TAXII 2.1 §3.4.1: what is requested when `match[version]` is not. */
export const lastVersion: VersionSelector = { all: false, first: false, last: true, exact: [] };

function intersect(kept?: readonly string[], given?: readonly string[]): readonly string[] | undefined {
  if (kept === undefined || given === undefined) return kept ?? given;
  const both = new Set(given);
  return kept.filter((item) => both.has(item));
}

function isSame(a: VersionSelector, b: VersionSelector): boolean {
  return a.all === b.all && a.first === b.first && a.last === b.last && a.exact.join() === b.exact.join();
}

function combineVersions(
  kept: readonly VersionSelector[],
  given: VersionSelector | undefined,
): readonly VersionSelector[] {
  if (given === undefined || given.all || kept.some((selector) => isSame(selector, given))) return kept;
  const combined = [...kept.filter(({ all }) => !all), given];
  if (combined.length > maxSelectors) {
    throw new TaxiiError('malformed-parameter', 'match[version] is narrowed too often: start again without `next`.');
  }
  return combined;
}

/** The position to read on from. A cursor of another scope starts this one at the cursor's own added_after. */
function startOf(filters: Filters, cursor: Cursor | undefined, scope: string): Micros | undefined {
  if (cursor === undefined) return filters.addedAfter;
  return cursor.scope === scope ? cursor.position : cursor.addedAfter;
}

/**
 * TAXII 2.1 §3.5. Filters that stand beside a cursor narrow it further, a limit replaces the cursor's, and added_after
 * is the cursor's own: clients send it along from habit, or from their own clock.
 */
export function planPage(
  filters: Filters,
  scope: string,
  limits: PageLimits,
  defaultVersions: VersionSelector = lastVersion,
): PageRequest {
  const cursor = filters.next === undefined ? undefined : parseCursor(filters.next);
  const ids = intersect(cursor?.ids, filters.ids);
  const types = intersect(cursor?.types, filters.types);
  const versions =
    cursor === undefined ? [filters.versions ?? defaultVersions] : combineVersions(cursor.versions, filters.versions);
  const requested = filters.limit ?? cursor?.limit;
  const addedAfter = cursor === undefined ? filters.addedAfter : cursor.addedAfter;
  const start = startOf(filters, cursor, scope);
  const question = { ...(ids && { ids }), ...(types && { types }), versions };

  // Only STIX 2.1 is stored, so another version alone selects nothing.
  const excluded = filters.specVersions !== undefined && !filters.specVersions.includes('2.1');
  const isEmpty = excluded || ids?.length === 0 || types?.length === 0;
  const limit = Math.min(requested ?? limits.size, limits.max);
  // The cursor to the next page is part of the page: so is all that it carries.
  const parts = [isEmpty, scope, start, limit, requested, addedAfter, ids, types, versions];
  return {
    query: isEmpty ? undefined : { ...question, ...(start !== undefined && { addedAfter: start }) },
    limit,
    // A poll for which nothing is new needs none.
    key: () => JSON.stringify(parts),
    nextAfter: ({ more, last }) =>
      more && last !== undefined
        ? formatCursor({
            scope,
            position: last,
            ...(addedAfter !== undefined && { addedAfter }),
            ...(requested !== undefined && { limit: requested }),
            ...question,
          })
        : undefined,
  };
}
