/**
 * What a feed reads from: a collection of a TAXII server, a file on the web, a folder, standard input. A source knows its
 * upstream's manners; `pull.ts` knows ours. Neither knows the other's.
 */

import { printable } from '../text.ts';

/**
 * Where a walk stands, in the source's own words: plain JSON that is kept with the objects before it, so that a run can go
 * on from there after a kill.
 */
export type Position = { readonly [name: string]: string | number | boolean | null };

/** Some objects in the upstream's order, and what was learnt with them. */
export interface Batch {
  /** Compact texts of the objects, none when only the position is new; each is one JSON value, whatever it holds. */
  readonly objects: readonly string[];
  /** What the upstream says when it had the first and the last of them (`X-TAXII-Date-Added-*`), as spelled there. */
  readonly dateAddedFirst?: string;
  readonly dateAddedLast?: string;
  /** When all these objects are stored, a new walk may begin here. */
  readonly position: Position;
  /** Bytes of these texts. */
  readonly bytes: number;
}

/** What was read but is no object: broken JSON in mid-page, an object longer than allowed. It goes into quarantine. */
export interface Unreadable {
  readonly code: string;
  readonly message: string;
  /** What stands there, a few thousand characters at most. */
  readonly text: string;
}

export interface Source {
  /**
   * Walks from a position, or from the beginning, to where the upstream has nothing more now. Holds one batch at a time:
   * at most a thousand objects and some megabytes. Throws `SourceError`; what it yielded before stays good.
   */
  walk(from: Position | undefined, signal: AbortSignal): AsyncIterable<Batch | Unreadable>;

  /** Names of the versions that the upstream has now, for mirrored deletions; absent: it cannot tell. */
  list?(signal: AbortSignal): AsyncIterable<readonly { readonly id: string; readonly version: string }[]>;
}

/** Characters of a message: it is kept, logged and shown. */
const longestMessage = 2000;

/**
 * Why a source could not be read: what was wrong, where, and whether it helps to come again. Its message may hold words of
 * the other end: it is made one line of bounded length that steers no terminal.
 */
export class SourceError extends Error {
  /** `later`: it may be over soon; `never`: somebody has to change something first. */
  readonly retry: 'later' | 'never';
  /** Milliseconds after which the upstream wants to be asked again, when it says. */
  readonly retryAfter: number | undefined;
  /** The status of the HTTP answer, when it was one that said no. */
  readonly status: number | undefined;

  constructor(
    message: string,
    retry: 'later' | 'never',
    retryAfter?: number,
    options: ErrorOptions & { readonly status?: number | undefined } = {},
  ) {
    super(printable(message).slice(0, longestMessage), options);
    this.name = 'SourceError';
    this.retry = retry;
    this.retryAfter = retryAfter;
    this.status = options.status;
  }
}
