/**
 * Pages that were read before and would be read the same again. Rights are decided before: the cache knows no callers.
 *
 * A page belongs to a generation of its collection, which rises with everything that is added or deleted there, by whatever
 * process (`Store.getCollectionState`). The generation is read at every request. A page is kept when it was the same before
 * and after the page was read, and handed out while it still is: never by time. A store may tell the generation of a moment ago,
 * as long as that is after the request was sent; the page may be newer then, and goes when the next one is told.
 */

import { hash, randomBytes } from 'node:crypto';
import { TaxiiError } from '../errors.ts';
import { createRecency } from '../recency.ts';
import { noteShortLived } from '../short-lived.ts';
import type { CollectionState, Micros, Store } from '../store/store.ts';
import { createUnderWay, type UnderWay } from '../under-way.ts';

/** A page of a resource, ready to be sent. */
export interface Page {
  /** The bytes, in parts that follow each other. */
  readonly body: readonly Buffer[];
  /** Names the body: pages of other bytes have other tags, in every process, and in copies of the store. */
  readonly tag: string;
  readonly count: number;
  /** The values of its two headers (TAXII 2.1 §3.2); none when it is empty. */
  readonly dateAddedFirst?: string;
  readonly dateAddedLast?: string;
}

/** Packs a body; undefined when it will not, now. */
export type Pack = (body: readonly Buffer[]) => Promise<Buffer> | undefined;

/** A page that keeps what is made of it, for as long as it is kept itself. */
export interface PackablePage extends Page {
  /** The body in this coding: packed before, or now, once for all who ask for it at the same time. */
  packed(coding: string, pack: Pack): Promise<Buffer> | undefined;
}

export interface PageQuestion {
  readonly collection: string;
  /** All that decides what the page is, but for its collection and what is in there. */
  readonly key: () => string;
  /** The page where nothing was added later than this. It needs no search when that is known to be so. */
  readonly emptyAfter?: { readonly addedAfter: Micros; readonly page: PackablePage } | undefined;
  /** Reads the page. Calls `assertWanted` now and then, which throws when everybody who waits for it has left. */
  read(assertWanted: () => void): Promise<Page>;
}

/** Whether who asked for a page has left. */
export type HasLeft = () => boolean;

export interface PageCache {
  /** The page as of now. Rejects with `request-timeout` when all who wait for it have left before it was found. */
  find(question: PageQuestion, hasLeft?: HasLeft): Promise<PackablePage>;
}

/** A page that is being read, for everybody who asks for it in the same generation. */
interface Reading {
  readonly name: string;
  readonly generation: number;
  readonly page: Promise<PackablePage>;
  /** Of each who waits for it. */
  readonly waiting: HasLeft[];
}

interface Kept {
  readonly collection: string;
  readonly page: PackablePage;
  weight: number;
  isHeld: boolean;
}

/** What the pages that a server keeps may take. */
export const pageCacheBytes = 64 * 1024 ** 2;
/** Of so many questions it is remembered that they were asked, in sets of four places. */
const maxAsked = 16_384;
const places = 4;
/** Longer names are told by their hash. */
const longestName = 300;
/** Pages that are being read are looked for in one list of so many. */
const lists = 256;
/** A page heavier than this part of the whole is not kept: it would put out too many others. */
const largestShare = 1 / 16;
// What an entry costs beside its texts: objects, and the slab of 8 KiB in which Node allocates short buffers.
const entryWeight = 9 * 1024;

/** Bytes of a body. */
export function lengthOf(body: readonly Buffer[]): number {
  return body.reduce((sum, { length }) => sum + length, 0);
}

function nameOf(collection: string, key: string): string {
  const name = `${collection} ${key}`;
  return name.length <= longestName ? name : hash('sha256', name, 'base64');
}

/** `onPacked` hears how many bytes more are held. */
export function makePackable(page: Page, onPacked: (bytes: number) => void = () => undefined): PackablePage {
  const made = new Map<string, Promise<Buffer>>();
  return {
    ...page,
    packed: (coding, pack) => {
      const present = made.get(coding) ?? pack(page.body);
      if (present === undefined || made.has(coding)) return present;
      made.set(coding, present);
      present.then(
        ({ length }) => onPacked(length),
        () => made.delete(coding),
      );
      return present;
    },
  };
}

/** Returns a number of 48 bits by which names are told apart at first sight. Nobody can choose names of which it is the same. */
function createMarks(): (name: string) => number {
  const key = randomBytes(32).toString('base64');
  return (name) => hash('sha256', key + name, 'buffer').readUIntBE(0, 6);
}

/**
 * Returns whether a mark came before, not too long ago. A walk through a collection asks for each page once: to keep those
 * would put out what others ask for again, and memory that is new each time makes a page dearer by a quarter.
 *
 * A mark has four places, of which it takes the first, and puts out who was in the last. To keep the names themselves would
 * fill the old part of V8's heap with what is soon forgotten.
 */
function createMemory(): (mark: number) => boolean {
  const seen = new Uint32Array(maxAsked);
  return (mark) => {
    const start = (mark % (maxAsked / places)) * places;
    const set = seen.subarray(start, start + places);
    const rest = Math.floor(mark / 2 ** 16);
    const place = set.indexOf(rest);
    set.copyWithin(1, 0, place < 0 ? places - 1 : place);
    set[0] = rest;
    return place >= 0;
  };
}

/** Keeps pages of about so many bytes that were asked for more than once, the last of them. */
export function createPageCache(store: Pick<Store, 'getCollectionState'>, maxBytes: number): PageCache {
  const kept = createRecency<Kept>();
  /** What is kept of each collection, all of one generation. */
  const current = new Map<string, { readonly generation: number; readonly names: Set<string> }>();
  const underWay: readonly UnderWay<Reading>[] = Array.from({ length: lists }, () => createUnderWay<Reading>());
  const markOf = createMarks();
  const wasAsked = createMemory();
  let held = 0;

  function release(name: string, entry: Kept): void {
    entry.isHeld = false;
    held -= entry.weight;
    const ofCollection = current.get(entry.collection);
    ofCollection?.names.delete(name);
    if (ofCollection?.names.size === 0) current.delete(entry.collection);
  }

  function drop(name: string): void {
    const entry = kept.delete(name);
    if (entry !== undefined) release(name, entry);
  }

  /** Lets go of a collection's pages of before it changed: nobody gets them any more. */
  function dropOutdated(collection: string, generation: number): void {
    const present = current.get(collection);
    if (present !== undefined && present.generation !== generation) for (const name of present.names) drop(name);
  }

  /** Makes room for so many bytes more. */
  function holdMore(bytes: number): void {
    held += bytes;
    while (held > maxBytes) {
      const stale = kept.takeStale();
      if (stale === undefined) return;
      release(...stale);
    }
  }

  function keep(name: string, collection: string, page: Page, generation: number): PackablePage {
    const weight = lengthOf(page.body) + 2 * name.length + entryWeight;
    if (weight > maxBytes * largestShare) return makePackable(page);
    // In one piece it is sent at less cost.
    const whole = { ...page, body: [Buffer.concat(page.body)] };
    const packable = makePackable(whole, (bytes) => {
      if (!entry.isHeld) return;
      entry.weight += bytes;
      holdMore(bytes);
    });
    const entry: Kept = { collection, page: packable, weight, isHeld: true };
    dropOutdated(collection, generation);
    drop(name);
    holdMore(weight);
    kept.set(name, entry);
    const ofCollection = current.get(collection) ?? { generation, names: new Set() };
    ofCollection.names.add(name);
    current.set(collection, ofCollection);
    return packable;
  }

  async function readPage(
    name: string,
    mark: number,
    { collection, read }: PageQuestion,
    { generation }: CollectionState,
    waiting: readonly HasLeft[],
    giveUp: () => void,
  ): Promise<PackablePage> {
    const isRepeated = wasAsked(mark);
    const page = await read(() => {
      if (!waiting.every((hasLeft) => hasLeft())) return;
      giveUp();
      throw new TaxiiError('request-timeout', 'The client left before its page was found.');
    });
    noteShortLived(lengthOf(page.body));
    if (!isRepeated) return makePackable(page);
    const after = await store.getCollectionState(collection);
    return after.generation === generation ? keep(name, collection, page, generation) : makePackable(page);
  }

  function startReading(
    name: string,
    mark: number,
    question: PageQuestion,
    state: CollectionState,
    hasLeft: HasLeft,
  ): Reading {
    const waiting = [hasLeft];
    let reading: Reading | undefined;
    let isOver = false;
    // Who comes when it was given up starts anew.
    const forget = (): void => {
      isOver = true;
      if (reading !== undefined) underWay[mark % lists]?.remove(reading);
    };
    const page = readPage(name, mark, question, state, waiting, forget);
    reading = { name, generation: state.generation, page, waiting };
    if (!isOver) underWay[mark % lists]?.add(reading);
    // Each who waits hears of a failure, too.
    page.then(forget, forget);
    return reading;
  }

  return {
    async find(question, hasLeft = () => false) {
      const { collection, emptyAfter } = question;
      const state = await store.getCollectionState(collection);
      if (emptyAfter !== undefined && emptyAfter.addedAfter >= state.highWater) return emptyAfter.page;
      const name = nameOf(collection, question.key());
      dropOutdated(collection, state.generation);
      const present = kept.find(name);
      if (present !== undefined) return present.page;
      const mark = markOf(name);
      const { generation } = state;
      const readings = underWay[mark % lists]?.items;
      const reading = readings?.find((one) => one.name === name && one.generation === generation);
      if (reading === undefined) return startReading(name, mark, question, state, hasLeft).page;
      reading.waiting.push(hasLeft);
      return reading.page;
    },
  };
}
