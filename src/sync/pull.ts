/** Pulling: what a source yields goes through the door of every publication, and the position is kept after each batch. */

import type { Delivery } from '../store/store.ts';
import type { Collection } from '../taxii/api-roots.ts';
import { type Slice, Slicer } from '../taxii/receive.ts';
import { type Verdict, type WriteDeps, writeObjects } from '../taxii/write.ts';
import { type Feed, principalOf } from './feed.ts';
import { addCounts, type Counts, noCounts, type Session } from './feed-state.ts';
import { findName } from './object-names.ts';
import { quarantine, type Refused } from './quarantine.ts';
import type { Batch, Source, Unreadable } from './source.ts';

export interface PullDeps extends WriteDeps {
  readonly maxObjectLength: number;
}

/** What a run works on. */
export interface PullJob {
  readonly feed: Feed;
  readonly collection: Collection;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Where the objects come from, as origins have it. */
  readonly upstream: string;
  /** Whether versions that were deleted here may come back. */
  readonly resurrect: boolean;
}

type PageDates = Pick<Batch, 'dateAddedFirst' | 'dateAddedLast'>;

/** What is kept with each version as its provenance. */
export interface Origin {
  readonly feed: string;
  readonly upstream: string;
  /** The upstream's dates of the page that it was on, as far as known. */
  readonly date_added?: readonly [first: string | null, last: string | null];
}

// As long as the store takes; a date is never so long unless it is none.
const maxDateLength = 64;

function formatOrigin({ feed, upstream }: PullJob, { dateAddedFirst, dateAddedLast }: PageDates): string {
  const shorten = (date: string | undefined): string | null => date?.slice(0, maxDateLength) ?? null;
  const isKnown = dateAddedFirst !== undefined || dateAddedLast !== undefined;
  const origin: Origin = {
    feed: feed.name,
    upstream,
    ...(isKnown && { date_added: [shorten(dateAddedFirst), shorten(dateAddedLast)] }),
  };
  return JSON.stringify(origin);
}

/** Reads what `formatOrigin` wrote; undefined for what a feed has not brought. */
export function findOrigin(text: string | null): Origin | undefined {
  if (text === null) return undefined;
  try {
    const origin: Partial<Origin> | null = JSON.parse(text);
    return typeof origin?.feed === 'string' && typeof origin.upstream === 'string' ? (origin as Origin) : undefined;
  } catch {
    return undefined;
  }
}

function sliceTexts(texts: readonly string[], tooLong: Map<number, string>, maxLength: number): Slice[] {
  const slicer = new Slicer(tooLong);
  for (const text of texts) {
    const bytes = Buffer.from(text);
    slicer.add({ text: bytes, tooLong: bytes.length > maxLength, line: 1 });
  }
  slicer.flush();
  return slicer.takeFull();
}

function refusedOf({ id, version, errors }: Verdict, text: string): Refused {
  return { text, id: id.startsWith('/') ? null : id, version, errors };
}

/** What became of some texts. */
export interface Stored {
  readonly counts: Counts;
  readonly refused: readonly Refused[];
  /** Places of those that are here now. */
  readonly here: ReadonlySet<number>;
}

/** Sends texts through the door, as the feed. */
export async function storeTexts(
  deps: PullDeps,
  { feed, collection }: Pick<PullJob, 'feed' | 'collection'>,
  texts: readonly string[],
  delivery: Delivery,
): Promise<Stored> {
  const tooLong = new Map<number, string>();
  const slices = sliceTexts(texts, tooLong, deps.maxObjectLength);
  const target = {
    collection,
    submitter: principalOf(feed.name),
    language: 'en',
    delivery,
    ...(feed.ceiling !== null && { ceiling: feed.ceiling }),
    ...(feed.unmarkedAs !== null && { unmarkedAs: feed.unmarkedAs }),
  } as const;
  const verdicts: Verdict[] = [];
  await writeObjects(deps, target, { slices, tooLong, maxObjectLength: deps.maxObjectLength }, (some) => {
    verdicts.push(...some);
  });
  const count = (outcome: Verdict['outcome']): number => verdicts.filter((one) => one.outcome === outcome).length;
  const refused = verdicts
    .filter(({ outcome }) => outcome === 'failed')
    .map((verdict) => refusedOf(verdict, texts[verdict.index] ?? ''));
  const isHere = ({ outcome }: Verdict): boolean => outcome === 'added' || outcome === 'duplicate';
  const here = new Set(verdicts.filter(isHere).map(({ index }) => index));
  const [added, duplicate, withheld] = [count('added'), count('duplicate'), count('withheld')];
  const counts = { ...noCounts, added, duplicate, withheld, refused: refused.length };
  return { counts, refused, here };
}

/** What the feed asks for: some servers pass over filters, and files know none. What names nothing is judged at the door. */
function selectWanted({ filters: { types, ids } }: Feed, texts: readonly string[]): readonly string[] {
  if (types === undefined && ids === undefined) return texts;
  return texts.filter((text) => {
    const name = findName(text);
    return name === undefined || (types?.includes(name.type) !== false && ids?.includes(name.id) !== false);
  });
}

async function storeBatch(deps: PullDeps, job: PullJob, batch: Batch): Promise<void> {
  const { feed, session } = job;
  const origin = formatOrigin(job, batch);
  // What this feed itself has deleted, because it was gone upstream, may come back.
  const withholdDeleted = { exceptBy: principalOf(feed.name) };
  const delivery = job.resurrect ? { origin } : { origin, withholdDeleted };
  const { counts, refused } = await storeTexts(deps, job, selectWanted(feed, batch.objects), delivery);
  const at = new Date(deps.now() / 1000).toISOString();
  await quarantine(deps.store, feed.name, refused, { at, origin });
  // Last: whatever ends the run before it, the batch is read again.
  await session.update((state) => ({
    position: batch.position,
    lastDateAdded: batch.dateAddedLast?.slice(0, maxDateLength) ?? state.lastDateAdded,
    ...progress(state.run, counts, batch.bytes),
  }));
}

/** What a run has done, with some more. */
export function progress<Run extends { readonly counts: Counts; readonly bytes: number }>(
  run: Run | null,
  counts: Partial<Counts>,
  bytes = 0,
): { run: Run | null } {
  if (run === null) return { run };
  return { run: { ...run, counts: addCounts(run.counts, counts), bytes: run.bytes + bytes } };
}

async function keepUnreadable({ store, now }: PullDeps, job: PullJob, unreadable: Unreadable): Promise<void> {
  const { feed, session } = job;
  const { code, message, text } = unreadable;
  const refused = { text, id: null, version: null, errors: [{ code, path: '', message }], isCut: true };
  const at = new Date(now() / 1000).toISOString();
  await quarantine(store, feed.name, [refused], { at, origin: formatOrigin(job, {}) });
  await session.update(({ run }) => progress(run, { refused: 1 }));
}

/** Follows a source to where it has nothing more now. What was stored stays, however it ends. */
export async function pull(deps: PullDeps, job: PullJob, source: Source): Promise<void> {
  const { session, signal } = job;
  for await (const item of source.walk(session.state().position ?? undefined, signal)) {
    if ('objects' in item) await storeBatch(deps, job, item);
    else await keepUnreadable(deps, job, item);
    signal.throwIfAborted();
  }
  signal.throwIfAborted();
}
