/** The access log: who asked what of which collection, kept in the store, never in the way of an answer. */

import type { AccessEndpoint, AccessEntry, Store } from '../store/store.ts';
import type { ApiRoot } from '../taxii/api-roots.ts';

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
  /** Milliseconds that an entry waits for others. */
  readonly pause?: number;
}

/** For how long entries are kept, and how many at most. About 250 bytes each in the store. */
const keptMicros = 30 * 86_400_000_000;
const keptEntries = 1_000_000;

// Together a commit of a few milliseconds.
const batchLength = 500;
// A store that cannot keep up with this many is not there: entries are dropped, answers are not.
const queueLength = 10_000;
const defaultPause = 5_000;
const maxAgentLength = 120;

const collectionPath =
  /^\/+([^/]+)\/+collections\/+([^/]+)(?:\/+(manifest|objects))?(?:\/+([^/]+))?(?:\/+(versions))?\/*$/;

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function endpointOf(kind: string | undefined, object: string | undefined, tail: string | undefined) {
  const endpoints: Readonly<Record<string, AccessEndpoint>> = {
    '': 'collection',
    manifest: 'manifest',
    objects: 'objects',
    'objects/object': 'object',
    'objects/object/versions': 'versions',
  };
  return endpoints[[kind, object && 'object', tail].filter((part) => part !== undefined).join('/')];
}

/** The collection and the endpoint that a path names; undefined when there is no such collection or endpoint. */
export function findAccessed(
  roots: readonly ApiRoot[],
  path: string,
): { readonly collection: string; readonly endpoint: AccessEndpoint } | undefined {
  const [, rootName = '', name = '', kind, object, tail] = collectionPath.exec(path) ?? [];
  const endpoint = endpointOf(kind, object, tail);
  const root = roots.find((candidate) => candidate.name === decode(rootName));
  const wanted = decode(name);
  const collection = root?.collections.find(({ id, alias }) => id === wanted || alias === wanted);
  return endpoint === undefined || collection === undefined ? undefined : { collection: collection.id, endpoint };
}

// Header fields may hold bytes that a terminal obeys.
function tidy(agent: string): string {
  return agent.slice(0, maxAgentLength).replace(/[^\x20-\x7e\xa0-\uffff]/g, '?');
}

/**
 * Starts an access log. Entries wait for others, and are written together; what the queue cannot hold or the store does not
 * take is lost and counted.
 */
export function startAccessLog({ store, roots, now, onLoss, pause = defaultPause }: AccessLogOptions): AccessLog {
  let queue: AccessEntry[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let isClosed = false;
  let lost = 0;
  let reason: unknown;

  async function writeBatch(): Promise<void> {
    const batch = queue.slice(0, batchLength);
    queue = queue.slice(batchLength);
    try {
      await store.recordAccess(batch, { since: now() - keptMicros, entries: keptEntries });
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

  async function writeAll(): Promise<void> {
    while (queue.length > 0) await writeBatch();
    writing = undefined;
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (queue.length > 0) writing ??= writeAll();
  }

  return {
    record({ path, agent, ...rest }) {
      const accessed = isClosed ? undefined : findAccessed(roots, path);
      if (accessed === undefined) return;
      if (queue.length >= queueLength) {
        lost += 1;
        return;
      }
      queue.push({ ...rest, ...accessed, agent: tidy(agent) });
      if (queue.length >= batchLength) flush();
      else timer ??= setTimeout(flush, pause).unref();
    },
    async close() {
      isClosed = true;
      flush();
      await writing;
      if (lost > 0) onLoss(lost, reason);
      lost = 0;
    },
  };
}
