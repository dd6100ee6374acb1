/** The query parameters of TAXII 2.1 §3.4, from text to types. What is malformed is a 400 that names the parameter. */

import { TaxiiError } from '../errors.ts';
import { remember } from '../remember.ts';
import { findMicros, findVersionKey } from '../stix/timestamp.ts';
import type { Micros, VersionSelector } from '../store/store.ts';

/** What a request asks for. A filter that is absent lets everything through. */
export interface Filters {
  readonly addedAfter?: Micros;
  readonly limit?: number;
  /** The cursor as it was given; `cursor.ts` reads it. */
  readonly next?: string;
  readonly ids?: readonly string[];
  readonly types?: readonly string[];
  readonly specVersions?: readonly string[];
  readonly versions?: VersionSelector;
}

export type Parameter =
  | 'added_after'
  | 'limit'
  | 'next'
  | 'match[id]'
  | 'match[type]'
  | 'match[version]'
  | 'match[spec_version]';

const shown = 100;

function malformed(parameter: Parameter, value: string, expected: string): never {
  const given = JSON.stringify(value.length > shown ? `${value.slice(0, shown)}…` : value);
  throw new TaxiiError('malformed-parameter', `${parameter}=${given}: expected ${expected}.`);
}

/** The one value of a parameter. TAXII 2.1 §3.4: each occurs at most once; a client is known that appends `next`. */
function findValue(params: URLSearchParams, parameter: Parameter): string | undefined {
  const values = params.getAll(parameter);
  if (values.length > 1 && parameter !== 'next') {
    throw new TaxiiError('malformed-parameter', `${parameter} is given ${values.length} times: give it once.`);
  }
  return values.at(-1);
}

function parseAddedAfter(value: string): Micros {
  // A '+' that was not percent-encoded arrives as a space.
  const micros = findMicros(value.replace(/ (?=\d\d:\d\d$)/, '+'));
  if (micros === undefined) {
    return malformed('added_after', value, 'an RFC 3339 time such as 2026-01-31T00:00:00.000000Z');
  }
  // Clients begin with the year 1 or 1601. No date_added lies outside these bounds, and within them numbers are exact.
  return Math.min(Math.max(micros, 0), Number.MAX_SAFE_INTEGER);
}

function parseLimit(value: string): number {
  if (!/^\d+$/.test(value) || /^0+$/.test(value)) malformed('limit', value, 'a whole number greater than 0');
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function parseList(parameter: Parameter, value: string): string[] {
  const items = value.split(',');
  if (items.includes('')) malformed(parameter, value, 'one or more values, separated by single commas');
  return [...new Set(items)];
}

/** Reads the value of `match[spec_version]`. Throws `malformed-parameter`. */
export function parseSpecVersions(value: string): string[] {
  const items = parseList('match[spec_version]', value);
  if (!items.every((item) => /^\d{1,4}\.\d{1,4}$/.test(item))) {
    malformed('match[spec_version]', value, 'versions of STIX such as 2.1');
  }
  return items;
}

/** Reads the value of `match[version]`. Throws `malformed-parameter`. */
export function parseVersions(value: string): VersionSelector {
  const items = value.split(',');
  const exact: string[] = [];
  for (const item of items) {
    if (item === 'all' || item === 'first' || item === 'last') continue;
    const key = findVersionKey(item);
    if (key === undefined) {
      malformed('match[version]', value, '`all`, or `first`, `last` and timestamps such as 2016-01-01T00:00:00.000Z');
    }
    exact.push(key);
  }
  const selector = {
    all: items.includes('all'),
    first: items.includes('first'),
    last: items.includes('last'),
    exact,
  };
  if (selector.all && items.length > 1) malformed('match[version]', value, '`all` alone');
  const keywords = Number(selector.all) + Number(selector.first) + Number(selector.last);
  if (keywords + new Set(exact).size !== items.length) malformed('match[version]', value, 'each value once');
  return selector;
}

/** Returns `parseFilters` for the text of a query. A poller asks the same again and again, until something is new. */
export function createFilterParser(accepted: readonly Parameter[]): (query: string) => Filters {
  return remember((query) => parseFilters(new URLSearchParams(query), accepted));
}

/** Reads those parameters that the endpoint has; others are ignored (TAXII 2.1 §3.4). */
export function parseFilters(params: URLSearchParams, accepted: readonly Parameter[]): Filters {
  const value = (parameter: Parameter): string | undefined =>
    accepted.includes(parameter) ? findValue(params, parameter) : undefined;
  const addedAfter = value('added_after');
  const limit = value('limit');
  const next = value('next');
  const ids = value('match[id]');
  const types = value('match[type]');
  const specVersions = value('match[spec_version]');
  const versions = value('match[version]');
  return {
    ...(addedAfter !== undefined && { addedAfter: parseAddedAfter(addedAfter) }),
    ...(limit !== undefined && { limit: parseLimit(limit) }),
    // Several clients send the parameter empty on their first request.
    ...(next !== undefined && next !== '' && { next }),
    ...(ids !== undefined && { ids: parseList('match[id]', ids) }),
    ...(types !== undefined && { types: parseList('match[type]', types) }),
    ...(specVersions !== undefined && { specVersions: parseSpecVersions(specVersions) }),
    ...(versions !== undefined && { versions: parseVersions(versions) }),
  };
}
