/** Clients that publish, poll and walk while processes come and go. A client that gets no answer asks again elsewhere. */

import { type Answer, type Ask, ask } from '../support/taxii-server.ts';
import { type Deployment, loginOf, publishers } from './deployment.ts';
import type { KnownStatus, Ledger, Outgoing } from './ledger.ts';

/** Who asks. Each request goes to the process that `deployment` picks. */
export interface Client {
  readonly deployment: Pick<Deployment, 'pick'>;
  readonly ledger: Ledger;
  readonly random: () => number;
  readonly isOver: () => boolean;
}

export function below(random: () => number, count: number): number {
  return Math.floor(random() * count);
}

export function publisherOf(random: () => number): string {
  return publishers[below(random, publishers.length)] ?? publishers[0];
}

/** Sends a request until some process answers it with other than 429 or 503. */
async function insist({ deployment, random }: Client, path: string, options: Ask): Promise<Answer> {
  for (;;) {
    const url = await deployment.pick(random);
    const answer = await ask(url, path, options).catch(() => undefined);
    if (answer !== undefined && answer.status !== 503 && answer.status !== 429) return answer;
  }
}

/** Publishes a batch. Without an answer it is sent again or given up, as it falls, and given up when all is over. */
async function publishBatch(
  { deployment, ledger, random, isOver }: Client,
  collection: string,
  submitter: string,
  batch: readonly Outgoing[],
): Promise<void> {
  for (const object of batch) ledger.willSend(object);
  const body = `{"objects": [${batch.map(({ text }) => text).join(' ,\n')}]}`;
  do {
    const url = await deployment.pick(random);
    const options = { authorization: loginOf(submitter), body };
    const answer = await ask(url, `${collection}objects/`, options).catch(() => undefined);
    if (answer?.status === 202) return ledger.acknowledge(batch, submitter, answer.text);
    if (answer !== undefined && answer.status !== 503 && answer.status !== 429)
      return ledger.fault(`a publication was answered with ${answer.status}: ${answer.text}`);
  } while (!isOver() && random() < 0.7);
}

/** Publishes batches of 1 to `largest` objects, one after the other. */
export async function publishUntilOver(client: Client, collection: string, largest: number): Promise<void> {
  const { ledger, random, isOver } = client;
  const submitter = publisherOf(random);
  while (!isOver()) {
    const batch = Array.from({ length: 1 + below(random, largest) }, () => ledger.next(random));
    await publishBatch(client, collection, submitter, batch);
  }
}

/** What a page is made of: for `objects/` the texts as they were sent, for `manifest/` one line for each record. */
function entriesOf(ledger: Ledger, path: string, answer: Answer): string[] {
  const { objects = [] } = answer.json<{ objects?: Record<string, string>[] }>();
  if (path.includes('/manifest/'))
    return objects.map(({ id, version, date_added }) => `${id} ${version} ${date_added}`);
  const texts = objects.map((object) => {
    const text = ledger.findSent(object);
    if (text === undefined) ledger.fault(`${path} serves what was never sent: ${JSON.stringify(object)}`);
    return text ?? '';
  });
  if (texts.length > 0 && !answer.text.includes(`"objects":[${texts.join()}]`))
    ledger.fault(`${path} serves other texts than were sent: ${answer.text.slice(0, 1000)}`);
  return texts;
}

export interface Page {
  readonly entries: readonly string[];
  readonly more: boolean;
  readonly next: string | undefined;
  /** X-TAXII-Date-Added-Last. */
  readonly last: string | undefined;
}

/** Asks for a page. Notes it when date_added does not rise from `after`, or a page contradicts itself. */
export async function getPage(client: Client, path: string, after: string): Promise<Page> {
  const { ledger, random } = client;
  const answer = await insist(client, path, { authorization: loginOf(publisherOf(random)) });
  if (answer.status !== 200) {
    ledger.fault(`${path} was answered with ${answer.status}: ${answer.text}`);
    return { entries: [], more: false, next: undefined, last: undefined };
  }
  const entries = entriesOf(ledger, path, answer);
  const { more = false, next } = answer.json<{ more?: boolean; next?: string }>();
  const [first, last] = ['first', 'last'].map((end) => answer.headers[`x-taxii-date-added-${end}`]?.toString());
  const isRising =
    entries.length === 0 ? !more && first === undefined : String(first) > after && String(last) >= String(first);
  if (!isRising || more !== (next !== undefined))
    ledger.fault(`${path} after ${after}: ${entries.length} from ${first} to ${last}, more ${more}, next ${next}`);
  return { entries, more, next, last };
}

/** What a poller saw, and when it should have seen how much. */
export interface Sightings {
  readonly name: string;
  readonly entries: string[];
  /** When so many versions were acknowledged it asked, and at the end it had seen so many. */
  readonly checkpoints: { readonly acknowledged: number; readonly seen: number }[];
}

export type PollBy = 'next' | 'added_after';
export type Endpoint = 'objects' | 'manifest';

const start = '1970-01-01T00:00:00.000000Z';
const pageSizes = [1, 7, 50, 400];

/** Reads from `after` to the end of what is visible. Resolves to where the next poll begins. */
async function pollToEnd(client: Client, path: string, by: PollBy, seen: Sightings, from: string): Promise<string> {
  const { ledger, random } = client;
  const acknowledged = ledger.acknowledged.length;
  let after = from;
  let next: string | undefined;
  for (;;) {
    const limit = pageSizes[below(random, pageSizes.length)];
    const position = next !== undefined && by === 'next' ? `next=${next}` : `added_after=${after}`;
    const page = await getPage(client, `${path}?match[version]=all&limit=${limit}&${position}`, after);
    seen.entries.push(...page.entries);
    after = page.last ?? after;
    next = page.next;
    // Without a cursor, "more" is what the next page says: an empty one ends the poll.
    if (by === 'next' ? !page.more : page.entries.length === 0) break;
  }
  seen.checkpoints.push({ acknowledged, seen: seen.entries.length });
  return after;
}

/** Polls for what is new, again and again, and once more when all is over. */
export async function follow(client: Client, collection: string, endpoint: Endpoint, by: PollBy): Promise<Sightings> {
  const seen: Sightings = { name: `${endpoint} by ${by}`, entries: [], checkpoints: [] };
  let after = start;
  let isLast = false;
  while (!isLast) {
    isLast = client.isOver();
    after = await pollToEnd(client, `${collection}${endpoint}/`, by, seen, after);
  }
  return seen;
}

/** Walks the whole collection again and again, and once more when all is over: the sightings of each walk. */
export async function walkUntilOver(client: Client, collection: string, endpoint: Endpoint): Promise<Sightings[]> {
  const walks: Sightings[] = [];
  let isLast = false;
  while (!isLast) {
    isLast = client.isOver();
    const seen: Sightings = { name: `walk ${walks.length} of ${endpoint}`, entries: [], checkpoints: [] };
    await pollToEnd(client, `${collection}${endpoint}/`, 'next', seen, start);
    walks.push(seen);
  }
  return walks;
}

/** A collection at rest. Both lists have the same order. */
export interface Reference {
  readonly texts: readonly string[];
  readonly records: readonly string[];
}

async function readEntries(client: Client, path: string, from: string): Promise<string[]> {
  const entries: string[] = [];
  let after = from;
  let position = `&added_after=${from}`;
  for (;;) {
    const page = await getPage(client, `${path}&limit=1000${position}`, after);
    entries.push(...page.entries);
    if (page.next === undefined) return entries;
    after = page.last ?? after;
    position = `&next=${page.next}`;
  }
}

const mostReads = 5;

/**
 * The versions that `versions` selects and that were added after `from`, in collection order, of a collection that nobody
 * publishes into any more.
 */
export async function readAll(
  client: Client,
  collection: string,
  versions: 'all' | 'first' | 'last',
  from: string = start,
): Promise<Reference> {
  const query = `?match[version]=${versions}`;
  for (let reads = 1; ; reads += 1) {
    const texts = await readEntries(client, `${collection}objects/${query}`, from);
    const records = await readEntries(client, `${collection}manifest/${query}`, from);
    // In between there may have appeared what a process that died had begun, and others have finished for it.
    if (texts.length === records.length || reads === mostReads) return { texts, records };
  }
}

/** Whether each status is still served to who submitted it, as the 202 had it. */
export async function checkStatuses(client: Client, statuses: readonly KnownStatus[]): Promise<void> {
  for (const { id, submitter, text } of statuses) {
    const answer = await insist(client, `/race/status/${id}/`, { authorization: loginOf(submitter) });
    if (answer.status !== 200 || answer.text !== text)
      client.ledger.fault(`status ${id} is now ${answer.status}: ${answer.text.slice(0, 500)}`);
  }
}

/** Publishes objects and deletes some of them again. Resolves to the ids that were deleted. */
export async function churnUntilOver(client: Client, collection: string): Promise<ReadonlySet<string>> {
  const { ledger, random, isOver } = client;
  const deleted = new Set<string>();
  const publishOnce = { ...client, isOver: () => true };
  while (!isOver()) {
    const from = ledger.acknowledged.length;
    await publishBatch(
      publishOnce,
      collection,
      'ada',
      Array.from({ length: 1 + below(random, 20) }, () => ledger.newObject()),
    );
    const mine = ledger.acknowledged.slice(from).filter(() => random() < 0.3);
    for (const { id } of mine) {
      deleted.add(id);
      const options = { method: 'DELETE', authorization: loginOf('ada') };
      const { status, text } = await insist(client, `${collection}objects/${id}/`, options);
      // 404: done before, by a process that died before it could say so.
      if (status !== 200 && status !== 404) ledger.fault(`a deletion was answered with ${status}: ${text}`);
    }
  }
  return deleted;
}
