/**
 * What a feed could not bring over, and why: records of kind `feed-quarantine`, one for each text, so that what fails at
 * every run is there once. An index of each feed bounds their number and bytes; the oldest go.
 */

import { createHash } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import { dropRecord } from '../hub/records.ts';
import type { Issue } from '../stix/issue.ts';
import { isObject, listOf } from '../stix/json-value.ts';
import type { RecordSource, Store, StoredRecord } from '../store/store.ts';

const kind = 'feed-quarantine';
const indexKind = 'feed-quarantine-index';

/** Entries of a feed, and bytes of their texts. */
export const maxEntries = 1000;
const maxBytes = 32 * 1024 * 1024;
/** Characters of a text that are kept; of a longer one the beginning, which cannot be tried again. */
const maxText = 256 * 1024;
/** Entries that are written at a time: a store commits them together. */
const atOnce = 100;
const maxAttempts = 100;

export interface Refused {
  readonly text: string;
  /** The id and version that the object names, if any. */
  readonly id: string | null;
  readonly version: string | null;
  readonly errors: readonly Pick<Issue, 'code' | 'path' | 'message'>[];
  /** Whether the text is only a part of what was there; absent: it is whole. */
  readonly isCut?: boolean;
}

interface EntryDocument extends Refused {
  /** Whether `text` is only the beginning. */
  readonly isCut: boolean;
  readonly firstAt: string;
  readonly lastAt: string;
  /** Runs in which it was refused. */
  readonly times: number;
  /** What would be kept with it as its provenance, had it been taken; null: it was on its way out. */
  readonly origin: string | null;
}

export interface QuarantineEntry extends EntryDocument {
  /** Names it within its feed. */
  readonly key: string;
}

/** The entries of a feed in the order of their coming, each with the bytes that it counts for. */
type Index = readonly (readonly [key: string, bytes: number])[];

function keyOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

function idOf(feed: string, key: string): string {
  return `${feed}/${key}`;
}

function parseEntry({ id, document }: StoredRecord): QuarantineEntry {
  if (!isObject(document) || typeof document.text !== 'string' || !Array.isArray(document.errors)) {
    throw new Error(`The stored quarantine entry ${id} is damaged.`);
  }
  return { ...(document as unknown as EntryDocument), key: id.slice(id.indexOf('/') + 1) };
}

function parseIndex(document: unknown): Index {
  return isObject(document) ? (listOf(document.entries) as [string, number][]) : [];
}

async function readIndex(store: RecordSource, feed: string): Promise<Index> {
  return parseIndex((await store.findRecord(indexKind, feed))?.document);
}

/** Replaces the index by what `change` makes of it, and resolves to what it was. */
async function changeIndex(store: Store, feed: string, change: (index: Index) => Index): Promise<Index> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const record = await store.findRecord(indexKind, feed);
    const index = parseIndex(record?.document);
    const document = { entries: change(index) };
    if (await store.putRecord(indexKind, feed, record?.revision ?? 0, document, {})) return index;
  }
  throw new Error(`The quarantine of the feed ${feed} changed ${maxAttempts} times while it was being changed.`);
}

/** The newest entries that fit the bounds. */
function bounded(index: Index): Index {
  let bytes = 0;
  let from = index.length;
  while (from > 0 && index.length - from < maxEntries) {
    bytes += index[from - 1]?.[1] ?? 0;
    if (bytes > maxBytes) break;
    from -= 1;
  }
  return index.slice(from);
}

async function putEntry(store: Store, feed: string, key: string, refused: Refused, seen: Seen): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const record = await store.findRecord(kind, idOf(feed, key));
    const known = record === undefined ? undefined : parseEntry(record);
    const document: EntryDocument = {
      ...refused,
      text: refused.text.slice(0, maxText),
      isCut: refused.isCut === true || refused.text.length > maxText,
      firstAt: known?.firstAt ?? seen.at,
      lastAt: seen.at,
      times: (known?.times ?? 0) + 1,
      origin: seen.origin,
    };
    if (await store.putRecord(kind, idOf(feed, key), record?.revision ?? 0, document, { feed })) return;
  }
  throw new Error(`The quarantine entry ${key} of ${feed} changed ${maxAttempts} times while it was being written.`);
}

async function inPortions<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += atOnce) await Promise.all(items.slice(from, from + atOnce).map(work));
}

interface Seen {
  readonly at: string;
  readonly origin: string | null;
}

/** Keeps what was refused; the oldest entries go when there are too many. */
export async function quarantine(store: Store, feed: string, refused: readonly Refused[], seen: Seen): Promise<void> {
  if (refused.length === 0) return;
  const entries = new Map(refused.map((one) => [keyOf(one.text), one]));
  const added: Index = [...entries].map(([key, { text }]) => [key, Math.min(text.length, maxText)]);
  // Named before they are there: an entry that no index has would stay for ever.
  const before = await changeIndex(store, feed, (index) =>
    bounded([...index.filter(([key]) => !entries.has(key)), ...added]),
  );
  const kept = new Set((await readIndex(store, feed)).map(([key]) => key));
  await inPortions(
    [...entries].filter(([key]) => kept.has(key)),
    ([key, one]) => putEntry(store, feed, key, one, seen),
  );
  const gone = before.filter(([key]) => !kept.has(key));
  await inPortions(gone, ([key]) => dropRecord(store, kind, idOf(feed, key)));
}

/** How many entries a feed has. */
export async function countQuarantine(store: RecordSource, feed: string): Promise<number> {
  return (await readIndex(store, feed)).length;
}

/** The entries of a feed, the oldest first. Holds one at a time. */
export async function* walkQuarantine(store: RecordSource, feed: string): AsyncGenerator<QuarantineEntry> {
  for (const [key] of await readIndex(store, feed)) {
    const record = await store.findRecord(kind, idOf(feed, key));
    if (record !== undefined) yield parseEntry(record);
  }
}

/** The entry whose key begins so. Throws OperatorError when none or several do. */
export async function getEntry(store: RecordSource, feed: string, prefix: string): Promise<QuarantineEntry> {
  const keys = (await readIndex(store, feed)).map(([key]) => key).filter((key) => key.startsWith(prefix));
  const [key, second] = keys;
  const record = key === undefined ? undefined : await store.findRecord(kind, idOf(feed, key));
  if (record === undefined) {
    throw new OperatorError(
      `the quarantine of ${feed} has no entry ${prefix}; \`huiju feed quarantine list\` shows them`,
    );
  }
  if (second !== undefined) throw new OperatorError(`several entries of ${feed} begin with ${prefix}: give more of it`);
  return parseEntry(record);
}

/** Lets entries go; without keys all of the feed. Resolves to how many there were. */
export async function dropEntries(store: Store, feed: string, keys?: readonly string[]): Promise<number> {
  const dropped = new Set(keys);
  const before = await changeIndex(store, feed, (index) =>
    keys === undefined ? [] : index.filter(([key]) => !dropped.has(key)),
  );
  const going = before.filter(([key]) => keys === undefined || dropped.has(key));
  await inPortions(going, ([key]) => dropRecord(store, kind, idOf(feed, key)));
  return going.length;
}

/** Lets everything go, the index too. */
export async function dropQuarantine(store: Store, feed: string): Promise<void> {
  await dropEntries(store, feed);
  await dropRecord(store, indexKind, feed);
}
