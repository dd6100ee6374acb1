/** `huiju access`: who asked what of a collection, from the access log in the store. */

import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../config.ts';
import { findUser, unknownUser } from '../hub/users.ts';
import { formatMicros, microsNow } from '../stix/timestamp.ts';
import type { AccessEntry, AccessQuery, Micros, Store } from '../store/store.ts';
import { loadApiRoots } from '../taxii/api-roots.ts';
import { findSpan, formatBytes } from '../text.ts';
import { findCollection } from './find-collection.ts';
import { printList } from './output.ts';
import { findTime } from './when.ts';
import { withStore } from './with-store.ts';

interface AccessOptions {
  readonly collection: string;
  readonly since: Micros;
  readonly user?: string;
  readonly summary?: true;
  readonly limit: number;
  readonly json?: true;
}

const pageSize = 1_000;

function parseSince(text: string): Micros {
  const span = findSpan(text);
  const since = span === undefined ? findTime(text) : microsNow() - span;
  if (since === undefined)
    throw new InvalidArgumentError('Give a time span such as 30m, 12h or 1d, a date, or a time in RFC 3339.');
  return since;
}

function parseLimit(text: string): number {
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (limit < 1) throw new InvalidArgumentError('Give a whole number from 1 to 9999999.');
  return limit;
}

/** The entries, the newest first. Holds one page at a time. */
async function* walkAccess(store: Store, query: AccessQuery): AsyncGenerator<AccessEntry> {
  for (let next: string | undefined = ''; next !== undefined; ) {
    const page = await store.findAccess({ ...query, ...(next !== '' && { next }) }, pageSize);
    yield* page.entries;
    next = page.next;
  }
}

/** An entry as `--json` shows it. */
function toResource({ at, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode }: AccessEntry) {
  return {
    time: formatMicros(at),
    user,
    client,
    agent,
    method,
    endpoint,
    status: status ?? 'aborted',
    ...(errorCode !== null && { error_code: errorCode }),
    objects,
    bytes,
    ms,
  };
}

function toRow(entry: AccessEntry): string[] {
  const { at, user, client, agent, method, endpoint, status, objects, bytes, ms, errorCode } = entry;
  const outcome = `${status ?? 'aborted'}${errorCode === null ? '' : ` ${errorCode}`}`;
  const counts = [String(objects), formatBytes(bytes), `${ms} ms`];
  return [formatMicros(at).slice(0, 19), user ?? '–', client, method, endpoint, outcome, ...counts, agent];
}

async function printEntries(store: Store, query: AccessQuery, { limit, json }: AccessOptions): Promise<void> {
  const entries: AccessEntry[] = [];
  let hasMore = false;
  for await (const entry of walkAccess(store, query)) {
    hasMore = entries.length === limit;
    if (hasMore) break;
    entries.push(entry);
  }
  // As logs are read: the newest at the bottom.
  entries.reverse();
  const heading = ['TIME (UTC)', 'USER', 'CLIENT', 'METHOD', 'ENDPOINT', 'STATUS', 'OBJECTS', 'BYTES', 'TOOK', 'AGENT'];
  printList(entries.map(toResource), json === true, heading, entries.map(toRow));
  if (hasMore) process.stderr.write(`huiju: only the newest ${limit} are shown; --limit takes more\n`);
}

/** What one user did with one client from one address. */
interface Summary {
  readonly user: string | null;
  readonly client: string;
  readonly agent: string;
  /** Answered reads: of objects, versions and manifests. */
  polls: number;
  /** Objects in the answers to them. */
  objects: number;
  /** Objects sent here, stored or not. */
  published: number;
  /** Everything that was answered with an error, or not at all. */
  refused: number;
  readonly last: string;
}

function isPoll({ method, endpoint }: AccessEntry): boolean {
  return method === 'GET' && endpoint !== 'collection';
}

function count(summary: Summary, entry: AccessEntry): void {
  if (entry.status === null || entry.status >= 400) summary.refused += 1;
  else if (isPoll(entry)) {
    summary.polls += 1;
    summary.objects += entry.objects;
  } else if (entry.method === 'POST') summary.published += entry.objects;
}

/** By user, address and client; whoever was here last comes first. */
async function summarise(entries: AsyncIterable<AccessEntry>): Promise<Summary[]> {
  const summaries = new Map<string, Summary>();
  for await (const entry of entries) {
    const { user, client, agent, at } = entry;
    const key = JSON.stringify([user, client, agent]);
    const present = summaries.get(key);
    const summary = present ?? {
      ...{ user, client, agent, polls: 0, objects: 0, published: 0, refused: 0 },
      last: formatMicros(at),
    };
    if (present === undefined) summaries.set(key, summary);
    count(summary, entry);
  }
  return [...summaries.values()];
}

async function printSummary(store: Store, query: AccessQuery, { json }: AccessOptions): Promise<void> {
  const summaries = await summarise(walkAccess(store, query));
  const rows = summaries.map(({ user, client, agent, polls, objects, published, refused, last }) => [
    ...[user ?? '–', client, String(polls), String(objects), String(published), String(refused)],
    ...[last.slice(0, 19), agent],
  ]);
  const heading = ['USER', 'CLIENT', 'POLLS', 'OBJECTS', 'PUBLISHED', 'REFUSED', 'LAST (UTC)', 'AGENT'];
  printList(summaries, json === true, heading, rows);
}

async function printAccess(options: AccessOptions): Promise<void> {
  const { collection } = findCollection(loadApiRoots(loadConfig().collections), options.collection);
  const { since, user } = options;
  await withStore(async (store) => {
    if (user !== undefined && (await findUser(store, user)) === undefined) throw await unknownUser(store, user);
    const query = { collection: collection.id, since, ...(user !== undefined && { user }) };
    await (options.summary === true ? printSummary : printEntries)(store, query, options);
  });
}

export function registerAccess(program: Command): void {
  program
    .command('access')
    .description('who asked what of a collection, with which client and outcome')
    .requiredOption('--collection <[root/]id-or-alias>', 'the collection')
    .option('--since <when>', 'how far back: 30m, 12h, 1d, or a time', parseSince, parseSince('1d'))
    .option('--user <name>', 'only requests of this user')
    .option('--summary', 'a line for each user and client in place of one for each request')
    .option('--limit <n>', 'show the newest so many; not for --summary', parseLimit, pageSize)
    .option('--json', 'as JSON')
    .action(printAccess);
}
