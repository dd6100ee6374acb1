/** Add Objects and Get Status (TAXII 2.1 §5.5, §4.3). */

import { randomUUID } from 'node:crypto';
import { TaxiiError } from '../errors.ts';
import { formatIssue, type Language, type Text } from '../stix/issue.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { Store } from '../store/store.ts';
import { type Caller, isAdmin } from './access.ts';
import type { Collection } from './api-roots.ts';
import { type Received, type ReceiveLimits, receive } from './receive.ts';
import type { StatusDetails, StatusResource } from './resources.ts';
import { type Verdict, type WriteDeps, writeObjects } from './write.ts';

export interface AddRequest {
  readonly apiRoot: string;
  readonly collection: Collection;
  readonly submitter: string;
  /** Of the messages of the status. */
  readonly language: Language;
  /** The body, decoded; it throws TaxiiError itself when it is too large. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Above this many objects `successes` is left out, never cut: the counts say how many there were. */
const maxListedSuccesses = 5000;
// §4.3: a status is kept for 24 hours at least.
export const statusLifetime = 48 * 3600 * 1_000_000;
/** Objects of one body; each costs memory for its verdict. */
const maxObjectsOfBody = 200_000;
/** Characters of a status in which failures are explained in full; after them each names only its first fault. */
const maxExplained = 16 * 1024 * 1024;
/** Characters of a status in which successes are explained in full; after them each says how many warnings it has. */
const maxCommented = 4 * 1024 * 1024;
/** Bodies of more objects are processed one at a time, so that their verdicts don't add up. */
const manyObjects = 10_000;

const wrapped = 'An envelope is {"objects":[…]} with at least one object (TAXII 2.1 §3.7); a STIX bundle is taken too.';

function requireEnvelope({ scan }: Received): void {
  const { objects, count, root } = scan;
  if (objects === 'list' && count > 0) {
    const { type } = JSON.parse(root) as { type?: unknown };
    if (type === undefined || type === 'bundle') return;
    throw new TaxiiError('invalid-envelope', `/type: the body says it is no bundle. ${wrapped}`);
  }
  if (objects === 'list') throw new TaxiiError('invalid-envelope', `/objects: the list is empty. ${wrapped}`);
  if (objects === 'other') throw new TaxiiError('invalid-envelope', `/objects: this is not a list. ${wrapped}`);
  throw new TaxiiError('invalid-envelope', `The member \`objects\` is missing. ${wrapped}`);
}

const texts = {
  duplicate: {
    en: 'Already stored with the same content; the first copy stays.',
    zh: '已存有相同内容，保留首次的副本。',
  },
  warning: { en: 'Warning: ', zh: '警告：' },
} satisfies Record<string, Text>;

function messageOf({ outcome, errors, warnings }: Verdict, language: Language): string | undefined {
  const parts = [
    ...(outcome === 'duplicate' ? [texts.duplicate[language]] : []),
    ...errors.map(formatIssue),
    ...warnings.map((issue) => `${texts.warning[language]}${formatIssue(issue)}`),
  ];
  return parts.length === 0 ? undefined : parts.join(' | ');
}

/** What is wrong with an object whose neighbours filled the status. */
function shortMessageOf({ errors: [first] }: Verdict): string | undefined {
  return first && `${first.code}${first.path === '' ? '' : ` at ${first.path.slice(0, 100)}`}`;
}

/** What is said of an object that was taken, when its neighbours filled the status. */
function shortCommentOf({ warnings }: Verdict, language: Language): string | undefined {
  if (warnings.length === 0) return undefined;
  return { en: `Warnings: ${warnings.length}`, zh: `警告：${warnings.length} 条` }[language];
}

function detailsOf(verdict: Verdict, message: string | undefined): StatusDetails {
  return { id: verdict.id, version: verdict.version, ...(message !== undefined && { message }) };
}

function textOf(verdicts: readonly Verdict[], message: (verdict: Verdict) => string | undefined): string {
  return verdicts.map((verdict) => JSON.stringify(detailsOf(verdict, message(verdict)))).join();
}

/**
 * Gathers verdicts into the text of a status resource, piece by piece: of 200,000 failures neither the objects are kept
 * nor is their text made in one long step.
 */
class StatusBuilder {
  readonly #successes: string[] = [];
  readonly #failures: string[] = [];
  #successCount = 0;
  #failureCount = 0;
  #explained = 0;
  #commented = 0;
  readonly #language: Language;

  constructor(language: Language) {
    this.#language = language;
  }

  add(verdicts: readonly Verdict[]): void {
    const failures = verdicts.filter(({ outcome }) => outcome === 'failed');
    const successes = verdicts.filter(({ outcome }) => outcome !== 'failed');
    this.#failureCount += failures.length;
    this.#successCount += successes.length;
    if (failures.length > 0) this.#failures.push(this.#explain(failures));
    if (successes.length > 0 && this.#successCount <= maxListedSuccesses) {
      this.#successes.push(this.#comment(successes));
    }
  }

  #explain(failures: readonly Verdict[]): string {
    const isFull = this.#explained >= maxExplained;
    const text = textOf(failures, (verdict) => (isFull ? shortMessageOf(verdict) : messageOf(verdict, this.#language)));
    this.#explained += text.length;
    return text;
  }

  #comment(successes: readonly Verdict[]): string {
    const say = this.#commented < maxCommented ? messageOf : shortCommentOf;
    const text = textOf(successes, (verdict) => say(verdict, this.#language));
    this.#commented += text.length;
    return text;
  }

  get total(): number {
    return this.#successCount + this.#failureCount;
  }

  build(id: string, requestTimestamp: string): string {
    const isWhole = this.#successCount > 0 && this.#successCount <= maxListedSuccesses;
    const head: Omit<StatusResource, 'successes' | 'failures'> = {
      id,
      status: 'complete',
      request_timestamp: requestTimestamp,
      total_count: this.total,
      success_count: this.#successCount,
      failure_count: this.#failureCount,
      pending_count: 0,
    };
    const successes = isWhole ? `,"successes":[${this.#successes.join()}]` : '';
    const failures = this.#failureCount > 0 ? `,"failures":[${this.#failures.join()}]` : '';
    return `${JSON.stringify(head).slice(0, -1)}${successes}${failures}}`;
  }
}

export interface AddDeps extends WriteDeps {
  /** Runs the work after all that it was given before: bodies of many objects go one by one. */
  readonly inTurn: InTurn;
}

type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

export function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const run = last.then(work);
    last = run.catch(() => undefined);
    return run;
  };
}

export interface Added {
  /** The text of the status resource. */
  readonly status: string;
  /** Objects that were received. */
  readonly count: number;
}

async function storeReceived(
  deps: WriteDeps,
  request: AddRequest,
  received: Received,
  maxObjectLength: number,
  requestTimestamp: string,
): Promise<Added> {
  const builder = new StatusBuilder(request.language);
  const incoming = { slices: received.slices(), tooLong: received.tooLong, maxObjectLength };
  await writeObjects(deps, request, incoming, (verdicts) => builder.add(verdicts));
  const id = randomUUID();
  const status = builder.build(id, requestTimestamp);
  const { apiRoot, submitter } = request;
  const completedAt = deps.now();
  await deps.store.putStatus({ id, apiRoot, submitter, text: status, completedAt }, completedAt - statusLifetime);
  return { status, count: builder.total };
}

/**
 * Receives a body, stores its objects and answers with a complete status. What it answers is durable. Throws for what
 * is no envelope or bundle; then nothing was stored.
 */
export async function addObjects(
  deps: AddDeps,
  request: AddRequest,
  limits: Omit<ReceiveLimits, 'maxObjects'>,
): Promise<Added> {
  const requestTimestamp = formatMicros(deps.now());
  const received = await receive(request.body, { ...limits, maxObjects: maxObjectsOfBody });
  try {
    requireEnvelope(received);
    const work = () => storeReceived(deps, request, received, limits.maxObjectLength, requestTimestamp);
    return await (received.scan.count > manyObjects ? deps.inTurn(work) : work());
  } finally {
    await received.close();
  }
}

/** The text of a status, for who submitted it and for admins; for others it does not exist. */
export async function getStatus(store: Store, apiRoot: string, id: string, caller: Caller): Promise<string> {
  if (caller.kind === 'anonymous') throw new TaxiiError('login-required', 'Log in to see the status of a publication.');
  const status = await store.findStatus(apiRoot, id);
  const isTheirs = status?.submitter === caller.name || isAdmin(caller);
  if (status === undefined || !isTheirs) {
    throw new TaxiiError('not-found', `There is no status ${JSON.stringify(id.slice(0, 100))} that you may see.`);
  }
  return status.text;
}
