/** How much of the server one client may take before the others would feel it. */

/** The least speed of a client that sends a body or reads an answer. */
export interface Pace {
  /** Milliseconds it may fall behind, or do nothing at all. */
  readonly grace: number;
  /** What it has to make good in each second beyond that. */
  readonly bytesPerSecond: number;
}

/** What the kernel takes of an answer before the client does: we hear of a slow reader only once in so many bytes. */
const kernelBytes = 1024 * 1024;
const longestTimer = 2 ** 31 - 1;

/** Milliseconds within which a client that reads at the least speed lets us hear of it. */
export function readingTime({ grace, bytesPerSecond }: Pace): number {
  return Math.min(grace + (kernelBytes / bytesPerSecond) * 1000, longestTimer);
}

export interface HttpLimits {
  /** Milliseconds in which the request line and the header fields have to arrive. */
  readonly headersTimeout: number;
  /** Milliseconds for which a poller's connection is kept between its requests. */
  readonly keepAliveTimeout: number;
  /** Milliseconds for which a page is searched for a client that closed its side: it may read on, or have left. */
  readonly halfOpenTimeout: number;
  readonly pace: Pace;
  readonly maxConnections: number;
  readonly uploads: {
    /** Bytes of each body that are received without waiting for a turn. */
    readonly freeBytes: number;
    /** Larger bodies that are under way at once, of all users and of one. */
    readonly atOnce: number;
    readonly perUser: number;
    /** How many of `atOnce` are for users who have no other under way. */
    readonly kept: number;
    /** What a larger body has to keep while others wait for turns, looked at in spans of the grace. */
    readonly contested: Pace;
    /** Larger bodies of one user that may wait for their turn. */
    readonly waitingPerUser: number;
  };
  /** Bytes of large answers that may wait for their readers; beyond, the one that stands still longest is cut off. */
  readonly unreadBytes: number;
}

/** The part of these limits that one of several processes has, when connections are spread over them evenly. */
export function shareLimits(limits: HttpLimits, processes: number): HttpLimits {
  const part = (whole: number): number => Math.ceil(whole / processes);
  const { uploads } = limits;
  return {
    ...limits,
    maxConnections: part(limits.maxConnections),
    uploads: {
      ...uploads,
      atOnce: part(uploads.atOnce),
      perUser: part(uploads.perUser),
      kept: part(uploads.kept),
      waitingPerUser: part(uploads.waitingPerUser),
    },
    unreadBytes: part(limits.unreadBytes),
  };
}

// A turn of an upload can cost some 10 MiB: an object of 8 MiB and what is spooled. A free beginning costs 64 KiB for
// each connection. The slowest pace is that of a bad telephone line: 100 MiB take half a day, and are welcome.
export const defaultLimits: HttpLimits = {
  headersTimeout: 30_000,
  keepAliveTimeout: 75_000,
  halfOpenTimeout: 10_000,
  pace: { grace: 30_000, bytesPerSecond: 2048 },
  maxConnections: 8192,
  uploads: {
    freeBytes: 64 * 1024,
    atOnce: 32,
    perUser: 8,
    kept: 8,
    contested: { grace: 15_000, bytesPerSecond: 64 * 1024 },
    waitingPerUser: 64,
  },
  unreadBytes: 256 * 1024 * 1024,
};
