/** Add Objects and Get Status (TAXII 2.1 §5.5, §4.3). */

import { randomUUID } from 'node:crypto';
import { TaxiiError } from '../errors.ts';
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
  /** The body, decoded; it throws TaxiiError itself when it is too large. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Above this many objects `successes` is left out, never cut: the counts say how many there were. */
const maxListedSuccesses = 5000;
// §4.3: a status is kept for 24 hours at least.
const statusLifetime = 48 * 3600 * 1_000_000;
/** Objects of one body; each costs memory for its verdict. */
export const maxObjectsOfBody = 200_000;

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

function messageOf({ outcome, errors }: Verdict): string | undefined {
  if (outcome === 'added') return undefined;
  if (outcome === 'duplicate') return 'Already stored with the same content; the first copy stays.';
  return errors.map(({ code, path, message }) => `${code}${path === '' ? '' : ` at ${path}`}: ${message}`).join(' | ');
}

function detailsOf(verdict: Verdict): StatusDetails {
  const message = messageOf(verdict);
  return { id: verdict.id, version: verdict.version, ...(message !== undefined && { message }) };
}

/** Gathers verdicts into a status resource. */
class StatusBuilder {
  readonly #successes: StatusDetails[] = [];
  readonly #failures: StatusDetails[] = [];
  #successCount = 0;

  add(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) {
      if (verdict.outcome === 'failed') this.#failures.push(detailsOf(verdict));
      else {
        this.#successCount += 1;
        if (this.#successCount <= maxListedSuccesses) this.#successes.push(detailsOf(verdict));
      }
    }
  }

  build(id: string, requestTimestamp: string): StatusResource {
    const isWhole = this.#successCount > 0 && this.#successCount <= maxListedSuccesses;
    return {
      id,
      status: 'complete',
      request_timestamp: requestTimestamp,
      total_count: this.#successCount + this.#failures.length,
      success_count: this.#successCount,
      ...(isWhole && { successes: this.#successes }),
      failure_count: this.#failures.length,
      ...(this.#failures.length > 0 && { failures: this.#failures }),
      pending_count: 0,
    };
  }
}

/**
 * Receives a body, stores its objects and answers with a complete status. What it answers is durable. Throws for what
 * is no envelope or bundle; then nothing was stored.
 */
export async function addObjects(
  deps: WriteDeps,
  request: AddRequest,
  limits: Omit<ReceiveLimits, 'maxObjects'>,
): Promise<StatusResource> {
  const requestTimestamp = formatMicros(deps.now());
  const received = await receive(request.body, { ...limits, maxObjects: maxObjectsOfBody });
  try {
    requireEnvelope(received);
    const builder = new StatusBuilder();
    const incoming = { slices: received.slices(), tooLong: received.tooLong, ...limits };
    await writeObjects(deps, request, incoming, (verdicts) => builder.add(verdicts));
    const status = builder.build(randomUUID(), requestTimestamp);
    const completedAt = deps.now();
    await deps.store.putStatus(
      {
        id: status.id,
        apiRoot: request.apiRoot,
        submitter: request.submitter,
        text: JSON.stringify(status),
        completedAt,
      },
      completedAt - statusLifetime,
    );
    return status;
  } finally {
    await received.close();
  }
}

/** The text of a status, for who submitted it and for admins; for others it does not exist. */
export async function getStatus(store: Store, apiRoot: string, id: string, caller: Caller): Promise<string> {
  const status = await store.findStatus(apiRoot, id);
  const isTheirs = caller.kind === 'user' && (status?.submitter === caller.name || isAdmin(caller));
  if (status === undefined || !isTheirs) {
    throw new TaxiiError('not-found', `There is no status ${JSON.stringify(id.slice(0, 100))} that you may see.`);
  }
  return status.text;
}
