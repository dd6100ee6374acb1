/** Makes versions of objects for the tests of the store. */

import { createHash, randomUUID } from 'node:crypto';
import { findVersionKey } from '../../src/stix/timestamp.ts';
import type { NewVersion, ObjectQuery, PageBounds, Store, VersionSelector } from '../../src/store/store.ts';

export const all: VersionSelector = { all: true, first: false, last: false, exact: [] };
export const first: VersionSelector = { all: false, first: true, last: false, exact: [] };
export const last: VersionSelector = { all: false, first: false, last: true, exact: [] };
export const exact = (...keys: string[]): VersionSelector => ({ all: false, first: false, last: false, exact: keys });

export const newId = (type = 'indicator') => `${type}--${randomUUID()}`;

/** The time `n` milliseconds after a fixed one, as STIX spells it. */
export const time = (n: number) => new Date(Date.UTC(2024, 0, 1) + n).toISOString();

/** A version key of `time(n)`. */
export const key = (n: number) => findVersionKey(time(n)) ?? '';

export function version(id: string, modified: string, rest: Readonly<Record<string, unknown>> = {}): NewVersion {
  const type = id.slice(0, id.indexOf('--'));
  const text = JSON.stringify({ type, spec_version: '2.1', id, created: time(0), modified, ...rest });
  return {
    text,
    id,
    type,
    specVersion: '2.1',
    version: modified,
    versionKey: findVersionKey(modified) ?? '',
    digest: null,
  };
}

/** A version of an object that has neither `modified` nor `created`. */
export function observable(id: string, rest: Readonly<Record<string, unknown>> = {}): NewVersion {
  const type = id.slice(0, id.indexOf('--'));
  const text = JSON.stringify({ type, spec_version: '2.1', id, ...rest });
  const digest = createHash('sha256').update(text).digest('base64');
  return { text, id, type, specVersion: '2.1', version: null, versionKey: null, digest };
}

/** `count` objects with one version each. */
export const objects = (count: number, type?: string): NewVersion[] =>
  Array.from({ length: count }, (_, n) => version(newId(type), time(n)));

const roomy: PageBounds = { limit: 10_000, maxBytes: 100_000_000 };

/** The texts of the objects of one page. */
export async function texts(store: Store, collection: string, query: ObjectQuery, bounds = roomy): Promise<string[]> {
  const page = await store.findObjects(collection, query, bounds);
  const parsed: unknown = JSON.parse(`[${page.texts.toString()}]`);
  return (parsed as unknown[]).map((object) => JSON.stringify(object));
}

/** `id version` of every record of a query, read page by page. */
export async function walk(store: Store, collection: string, query: ObjectQuery, limit = 1_000): Promise<string[]> {
  const seen: string[] = [];
  let addedAfter = query.addedAfter ?? 0;
  for (;;) {
    const page = await store.findRecords(collection, { ...query, addedAfter }, { limit });
    seen.push(...page.records.map((record) => `${record.id} ${record.version}`));
    if (!page.more || page.last === undefined) return seen;
    addedAfter = page.last;
  }
}

export const names = (versions: readonly NewVersion[]) => versions.map(({ id, version }) => `${id} ${version}`);
