/**
 * How a walk goes on from page to page (TAXII 2.1 §3.4, §3.5) on servers of every kind: by `next`, or by the dates of the
 * pages when there is none or it leads in a circle, and never past an object that was not read. To read again what was
 * read already costs little: the store knows it.
 */

import { createHash } from 'node:crypto';
import { findMicros, formatMicros } from '../stix/timestamp.ts';
import type { Micros } from '../store/store.ts';
import { type Position, SourceError } from './source.ts';

/** A page of a walk, read to its end. Dates are spelled as the server does. */
export interface PageFacts {
  readonly count: number;
  readonly more: boolean | undefined;
  readonly next: string | undefined;
  readonly first: string | undefined;
  readonly last: string | undefined;
  /** Equal for pages of equal content. */
  readonly digest: string;
}

/** What to ask for. */
export interface PageAsk {
  readonly addedAfter?: string;
  readonly next?: string;
  readonly limit: number;
}

export interface PagingOptions {
  /** Names what is walked, filters included: a position is of use only there. */
  readonly scope: string;
  /** For messages. */
  readonly where: string;
  readonly from: Position | undefined;
  /** Objects to ask for per page. */
  readonly limit: number;
  /** Milliseconds to read again at the beginning of a walk, at least. */
  readonly overlap: number;
  /** The clock, in milliseconds. */
  readonly now: () => number;
}

/** How many objects a page is asked for at most, where many have one date. */
const mostAsked = 50_000;
/** Empty pages in a row that promise more. */
const mostEmpty = 100;
/** Pages of one walk that are known again. */
const mostRemembered = 100_000;
const millisecond = 1000;
const second = 1_000_000;

/** How far a date may be off: servers cut dates to milliseconds or seconds in one place and not in another. */
function coarseness(date: Micros): Micros {
  return date % second === 0 ? second : millisecond;
}

function findDate(position: Position | undefined, name: string): Micros | undefined {
  const date = position?.[name];
  return typeof date === 'string' ? findMicros(date) : undefined;
}

function newer(a: Micros | undefined, b: Micros | undefined): Micros | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

function format(date: Micros | undefined): string | null {
  return date === undefined ? null : formatMicros(Math.max(date, 0));
}

/** A short name for a long text. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** The state of one walk. Its position outlives the process. */
export class Paging {
  readonly #options: PagingOptions;
  /** The date after which this walk began; undefined: at the first object. A cursor belongs to it. */
  readonly #after: Micros | undefined;
  /** The newest date up to which earlier walks have read everything. */
  readonly #reached: Micros | undefined;
  /** The newest date of what this walk reads, when its pages do not say. */
  #noted: Micros | undefined;
  /** The newest date of the pages that this walk has read. */
  #newest: Micros | undefined;
  /** Whether its dates only ever rose: only then nothing older than the newest is still to come. */
  #isOrdered: boolean;
  #ask: PageAsk;
  #limit: number;
  #isDone = false;
  /** Cursors have led in a circle. */
  #isByDate = false;
  /** Stepping back by more than the tie itself fills whole pages. */
  #isFine = false;
  #empty = 0;
  readonly #seen = new Set<string>();
  /** Where a cursor was given up. */
  #lostAt: string | undefined;

  constructor(options: PagingOptions) {
    this.#options = options;
    const from = options.from?.scope === options.scope ? options.from : undefined;
    this.#reached = findDate(from, 'reached');
    this.#newest = findDate(from, 'newest');
    this.#noted = findDate(from, 'noted');
    this.#isOrdered = from?.isOrdered !== false;
    // A cursor may count in pages: those of another size would begin elsewhere.
    this.#limit = typeof from?.next === 'string' && typeof from.limit === 'number' ? from.limit : options.limit;
    const isUnderWay = typeof from?.next === 'string' || this.#newest !== undefined;
    this.#after = isUnderWay ? findDate(from, 'after') : this.#stepBack(this.#reached, options.overlap * millisecond);
    this.#ask =
      typeof from?.next === 'string'
        ? this.#askFor(this.#after, from.next)
        : this.#askFor(this.#safeDate ?? this.#after);
  }

  get ask(): PageAsk {
    return this.#ask;
  }

  /** Where a new walk may begin when all pages before the one that is asked for now are stored. */
  get position(): Position {
    const { scope } = this.#options;
    if (this.#isDone) return { scope, reached: format(this.#end) };
    return {
      scope,
      reached: format(this.#reached),
      after: format(this.#after),
      newest: format(this.#newest),
      noted: format(this.#noted),
      isOrdered: this.#isOrdered,
      next: this.#ask.next ?? null,
      limit: this.#ask.limit,
    };
  }

  /** Notes the date up to which this walk, when it has come to its end, will have read everything. */
  noteDate(date: string | undefined): void {
    this.#noted = date === undefined ? undefined : findMicros(date);
  }

  /** Asks for the same page with fewer objects. False: there are no fewer to ask for. */
  shrink(): boolean {
    if (this.#limit === 1) return false;
    this.#limit = Math.max(Math.floor(this.#limit / 8), 1);
    this.#ask = { ...this.#ask, limit: this.#limit };
    return true;
  }

  /** Goes on without a cursor that the server does not take any more. False: no cursor is to blame, or that led nowhere. */
  dropCursor(): boolean {
    if (this.#ask.next === undefined) return false;
    const ask = this.#askFor(this.#safeDate ?? this.#after);
    const at = ask.addedAfter ?? '';
    if (this.#lostAt === at) return false;
    this.#lostAt = at;
    this.#ask = ask;
    return true;
  }

  /** Takes a page; false: it was the last. Throws SourceError when the server gives no way to go on. */
  advance(page: PageFacts): boolean {
    const before = this.#newest;
    // A page that came before tells nothing of the order of the others.
    if (!this.#seen.has(page.digest)) this.#noteDates(page);
    this.#empty = page.count === 0 ? this.#empty + 1 : 0;
    // TAXII 2.1 §3.7: without `more` there is no more. Those who leave it out may still have given a way to go on.
    const isEnd = page.more === false || (page.more === undefined && page.count === 0);
    this.#isDone = isEnd || !(this.#goOnByCursor(page) || this.#goOnByDate(page, before));
    return !this.#isDone;
  }

  /** Up to where everything was read. A date of the future is a mistake of somebody's clock, and hides what comes next. */
  get #end(): Micros | undefined {
    const end = newer(this.#reached, newer(this.#newest, this.#noted));
    return end === undefined ? undefined : Math.min(end, this.#options.now() * millisecond);
  }

  /** After which date to go on without a cursor; undefined: this walk has no date that can be relied on. */
  get #safeDate(): Micros | undefined {
    return this.#isOrdered ? this.#stepBack(this.#newest) : undefined;
  }

  // Many objects can have one date, and a page may end among them.
  #stepBack(date: Micros | undefined, overlap = 0): Micros | undefined {
    if (date === undefined) return undefined;
    return date - (this.#isFine ? 1 : Math.max(coarseness(date), overlap));
  }

  #askFor(after: Micros | undefined, next?: string): PageAsk {
    const addedAfter = format(after);
    return { limit: this.#limit, ...(addedAfter !== null && { addedAfter }), ...(next !== undefined && { next }) };
  }

  #noteDates({ first, last }: PageFacts): void {
    const dates = [first, last].map((date) => (date === undefined ? undefined : findMicros(date)));
    // Pages by date begin with what was read before.
    const floor = this.#ask.next === undefined ? undefined : this.#newest;
    const isFalling = (a: Micros | undefined, b: Micros | undefined) => a !== undefined && b !== undefined && b < a;
    if (isFalling(floor, dates[0]) || isFalling(dates[0], dates[1])) this.#isOrdered = false;
    for (const date of dates) this.#newest = newer(this.#newest, date);
  }

  #goOnByCursor({ count, next, digest }: PageFacts): boolean {
    if (next === undefined || this.#isByDate) return false;
    // Some servers count on in their memory under one cursor: it is the page that must be new.
    const name = count > 0 ? digest : digestOf(next);
    this.#isByDate = this.#seen.has(name);
    if (this.#isByDate) return false;
    if (this.#empty > mostEmpty) throw this.#stuck(`${mostEmpty} pages in a row are empty and promise more`);
    if (this.#seen.size < mostRemembered) this.#seen.add(name);
    this.#ask = this.#askFor(this.#after, next);
    return true;
  }

  /** TAXII 2.1 §3.5: without `next` a client goes on after the date of the last object of the page. */
  #goOnByDate({ count, more, last }: PageFacts, before: Micros | undefined): boolean {
    if (last === undefined || this.#newest === undefined) {
      if (more === undefined) return false;
      throw this.#stuck('it has more, but gives neither a `next` that leads on nor X-TAXII-Date-Added-Last');
    }
    const hasRisen = before === undefined || this.#newest > before;
    const isFirstByDate = this.#ask.next !== undefined;
    if (more === undefined && count < this.#ask.limit && !hasRisen && !isFirstByDate) return false;
    if (!this.#isOrdered) throw this.#stuck('it has more, gives no `next` that leads on, and its dates go backwards');
    if (this.#limit < this.#options.limit) this.#limit = Math.min(this.#limit * 2, this.#options.limit);
    else if (!hasRisen && !isFirstByDate) this.#reachFarther(count);
    this.#ask = this.#askFor(this.#safeDate);
    return true;
  }

  /** A page by date brought nothing newer: makes the next one hold more of what is new. */
  #reachFarther(count: number): void {
    if (!this.#isFine) {
      this.#isFine = true;
      return;
    }
    if (count < this.#limit || this.#limit >= mostAsked) {
      throw this.#stuck(
        `it has more than ${count} objects of the date ${format(this.#newest)}, no page holds them all, and there is no \`next\``,
      );
    }
    this.#limit = Math.min(this.#limit * 4, mostAsked);
  }

  #stuck(what: string): SourceError {
    return new SourceError(`${this.#options.where} cannot be read to its end: ${what}; ask its operator`, 'never');
  }
}
