/** The access log: who asked what of which collection, kept in the store, never in the way of an answer. */

import { remember } from '../remember.ts';
import type { AccessBounds, AccessEndpoint, AccessEntry, Store } from '../store/store.ts';
import type { ApiRoot } from '../taxii/api-roots.ts';
import { printable } from '../text.ts';
import { networkOf } from './network.ts';

/** A request that is over. */
export interface AccessedRequest extends Omit<AccessEntry, 'collection' | 'endpoint'> {
  /** As it was asked for, without the query. */
  readonly path: string;
}

export interface AccessLog {
  /** Keeps the request if it was to a collection that there is, whatever became of it. Returns at once. */
  record(request: AccessedRequest): void;
  /** Writes what waits. Records nothing afterwards. */
  close(): Promise<void>;
}

export interface AccessLogOptions {
  readonly store: Pick<Store, 'recordAccess'>;
  readonly roots: readonly ApiRoot[];
  /** Microseconds. */
  readonly now: () => number;
  /** Hears how many entries were lost, once the log can be written again, and why when there was an error. */
  readonly onLoss: (entries: number, error: unknown) => void;
  /** Hears, when a minute is over, how many requests without login were too many of one address and so not kept. */
  readonly onExcess: (requests: number) => void;
  /** Milliseconds that an entry waits for others. */
  readonly pause?: number;
  /** Processes among which requests are spread: each keeps its part of what an address may. */
  readonly processes?: number;
}

/** For how long entries are kept, and how many at most. About 120 bytes each in SQLite, 250 in MongoDB. */
const keptMicros = 30 * 86_400_000_000;
const kept: Omit<AccessBounds, 'since'> = { ofUsers: 1_000_000, ofNobody: 100_000 };

/** Lets entries go that are too old or too many, a thousand of each kind at most: where no new ones come, nothing else does. */
export function dropOldAccess(store: Pick<Store, 'recordAccess'>, now: () => number): Promise<void> {
  return store.recordAccess([], { since: now() - keptMicros, ...kept });
}

// Of requests without login, so many from one address are kept in a minute: a scanner leaves room for the others.
const perMinute = 100;
const minuteMicros = 60_000_000;
// Addresses beyond so many in a minute share one count.
const maxAddresses = 10_000;

// Together a commit of a few milliseconds.
const batchLength = 500;
// A store that cannot keep up with this many is not there: entries are dropped, answers are not.
const queueLength = 10_000;
// Requests without login leave the rest of the queue to users.
const queueOfNobody = 1_000;
const defaultPause = 5_000;
const maxAgentLength = 120;
const maxClientLength = 64;

const collectionPath =
  /^\/+([^/]+)\/+collections\/+([^/]+)(?:\/+(manifest|objects))?(?:\/+([^/]+))?(?:\/+(versions))?\/*$/;

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

const endpoints: Readonly<Record<string, AccessEndpoint>> = {
  '': 'collection',
  manifest: 'manifest',
  objects: 'objects',
  'objects/object': 'object',
  'objects/object/versions': 'versions',
};

function endpointOf(kind: string | undefined, object: string | undefined, tail: string | undefined) {
  return endpoints[[kind, object && 'object', tail].filter((part) => part !== undefined).join('/')];
}

/** What a path says. The same paths are asked for again and again. */
const parsePath = remember((path: string) => {
  const [, root = '', collection = '', kind, object, tail] = collectionPath.exec(path) ?? [];
  return { root: decode(root), collection: decode(collection), endpoint: endpointOf(kind, object, tail) };
});

/** The collection and the endpoint that a path names; undefined when there is no such collection or endpoint. */
export function findAccessed(
  roots: readonly ApiRoot[],
  path: string,
): { readonly collection: string; readonly endpoint: AccessEndpoint } | undefined {
  const { root: rootName, collection: wanted, endpoint } = parsePath(path);
  const root = roots.find(({ name }) => name === rootName);
  const collection = root?.collections.find(({ id, alias }) => id === wanted || alias === wanted);
  return endpoint === undefined || collection === undefined ? undefined : { collection: collection.id, endpoint };
}

// Header fields, and an address that a proxy was told, may be long, and hold characters that a terminal obeys.
function createTidy(maxLength: number): (text: string) => string {
  return remember((text) => printable(text.slice(0, maxLength)));
}

const tidyAgent = createTidy(maxAgentLength);
const tidyClient = createTidy(maxClientLength);

/** Lets the first requests of an address and minute pass, and tells at the end of the minute how many did not. */
function createGate(perMinute: number, tell: (requests: number) => void) {
  let minute = 0;
  let excess = 0;
  const counts = new Map<string, number>();

  function begin(next: number): void {
    if (excess > 0) tell(excess);
    minute = next;
    excess = 0;
    counts.clear();
  }

  return {
    passes(client: string, now: number): boolean {
      const present = Math.floor(now / minuteMicros);
      if (present !== minute) begin(present);
      const network = networkOf(client);
      const name = counts.has(network) || counts.size < maxAddresses ? network : 'others';
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      if (count > perMinute) excess += 1;
      return count <= perMinute;
    },
    close: () => begin(0),
  };
}

/**
 * Starts an access log. Entries wait for others, and are written together; what the queue cannot hold or the store does not
 * take is lost and counted.
 */
export function startAccessLog({
  store,
  roots,
  now,
  onLoss,
  onExcess,
  pause = defaultPause,
  processes = 1,
}: AccessLogOptions): AccessLog {
  const gate = createGate(Math.ceil(perMinute / processes), onExcess);
  let queue: AccessEntry[] = [];
  let ofNobody = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let isClosed = false;
  /** Whether what is in the queue has waited for others long enough. */
  let isDue = false;
  let lost = 0;
  let reason: unknown;

  async function writeBatch(): Promise<void> {
    const batch = queue.slice(0, batchLength);
    queue = queue.slice(batchLength);
    ofNobody -= batch.filter(({ user }) => user === null).length;
    try {
      await store.recordAccess(batch, { since: now() - keptMicros, ...kept });
    } catch (error) {
      lost += batch.length;
      reason = error;
      return;
    }
    // Told when it is over, so that a full disk makes no line every few seconds.
    if (lost > 0) onLoss(lost, reason);
    lost = 0;
    reason = undefined;
  }

  /** What came while a batch was written waits for others, unless it fills one or is due: many small commits would cost more. */
  async function writeAll(): Promise<void> {
    while (queue.length >= batchLength || (queue.length > 0 && (isDue || isClosed))) {
      if (queue.length <= batchLength) isDue = false;
      await writeBatch();
    }
    writing = undefined;
    if (queue.length > 0) awaitOthers();
  }

  function write(): void {
    if (queue.length > 0) writing ??= writeAll();
  }

  function awaitOthers(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      isDue = queue.length > 0;
      write();
    }, pause).unref();
  }

  return {
    record(request) {
      const accessed = isClosed ? undefined : findAccessed(roots, request.path);
      const client = tidyClient(request.client);
      const isNobody = request.user === null;
      if (accessed === undefined || (isNobody && !gate.passes(client, now()))) return;
      if (queue.length >= queueLength || (isNobody && ofNobody >= queueOfNobody)) {
        lost += 1;
        return;
      }
      if (isNobody) ofNobody += 1;
      const { at, user, method, status, objects, bytes, ms, errorCode } = request;
      const agent = tidyAgent(request.agent);
      queue.push({ at, ...accessed, user, client, agent, method, status, objects, bytes, ms, errorCode });
      if (queue.length >= batchLength) write();
      else awaitOthers();
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      write();
      await writing;
      gate.close();
      if (lost > 0) onLoss(lost, reason);
      lost = 0;
    },
  };
}
