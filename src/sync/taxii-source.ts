/** Follows a collection of a TAXII 2.1 server. How it gets from page to page is in `taxii-paging.ts`. */

import { createHash } from 'node:crypto';
import { ScanError } from '../stix/scan.ts';
import { findMicros } from '../stix/timestamp.ts';
import type { HttpClient } from './http-client.ts';
import { HttpFault } from './http-fault.ts';
import { isUnreadable, type Piece, readDocument, readPageMembers, type Texts } from './object-texts.ts';
import { showUrl } from './peer-url.ts';
import { type Batch, type Position, type Source, SourceError, type Unreadable } from './source.ts';
import { createTaxiiClient, type Filters, type ManifestPage, type ObjectsPage } from './taxii-client.ts';
import { digestOf, type PageFacts, Paging } from './taxii-paging.ts';
import { asBase, assertPage, type ManifestEntry, type Resource } from './taxii-resources.ts';

export interface TaxiiSourceOptions {
  readonly http: HttpClient;
  /** URL of the API root. */
  readonly root: URL;
  /** Id of the collection. */
  readonly collection: string;
  /** `versions` absent: all of them, so that none is missed between two walks. */
  readonly filters?: Filters;
  /** Where a walk from the beginning begins, an RFC 3339 time; absent: at the first object. */
  readonly addedAfter?: string;
  /** Objects asked for per page; 1000 if absent. */
  readonly pageSize?: number;
  /** Milliseconds before the newest known date_added that each walk reads again; one, or a second where dates have none, if absent. */
  readonly overlap?: number;
  /** Bytes of one object; longer ones are unreadable. */
  readonly maxObjectLength: number;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

const nothing: Texts = { objects: [], bytes: 0 };
/** What a server says to a cursor that it does not know (any more). */
const cursorRefused = new Set([400, 404, 410, 416, 422]);
/** What a server says that has no manifest. */
const hasNoManifest = new Set([400, 403, 404, 405, 406, 410, 501]);

function statusOf(error: unknown): number {
  return error instanceof SourceError ? (error.status ?? 0) : 0;
}

/** The members of an envelope. Throws SourceError for JSON that is none. */
function readRoot(root: string, objects: string, url: URL): Resource {
  const members = JSON.parse(root) as Resource;
  assertPage(members, objects === 'list', url);
  return members;
}

function toSourceError(error: unknown, url: URL): unknown {
  if (!(error instanceof ScanError)) return error;
  return new SourceError(
    `${showUrl(url)} sends a page that is broken: ${error.message}. What was whole before is kept; the next run asks for this page again`,
    'later',
    undefined,
    { cause: error },
  );
}

/** Some servers send the word undefined. */
function findDate(field: string | undefined): string | undefined {
  return field === undefined || findMicros(field) === undefined ? undefined : field;
}

function dateOf({ dateAdded }: ManifestEntry): number {
  return findMicros(dateAdded) ?? 0;
}

/** A source that asks `http`, which knows the login. */
export function createTaxiiSource(options: TaxiiSourceOptions): Source {
  const { http, addedAfter, pageSize = 1000, overlap = 0, maxObjectLength, now = Date.now } = options;
  const root = asBase(options.root);
  const filters: Filters = { versions: ['all'], ...options.filters };
  const where = `the collection ${options.collection} of ${showUrl(root)}`;
  const scope = digestOf(JSON.stringify([root.href, options.collection, filters]));
  const client = createTaxiiClient({ http });
  const place = { root, collection: options.collection };

  async function openPage(paging: Paging, isFirst: boolean, signal: AbortSignal): Promise<ObjectsPage> {
    const open = () => client.openObjects(place, { ...paging.ask, filters }, signal);
    try {
      return await open();
    } catch (error) {
      const status = statusOf(error);
      // Some servers fall over a cursor of yesterday.
      const isRefused = cursorRefused.has(status) || (isFirst && status === 500);
      if (isRefused && paging.dropCursor()) return open();
      throw error;
    }
  }

  /** Hands out what a page holds; the last of it, with the position behind the page, when `advance` has taken the page. */
  async function* readPage(
    page: ObjectsPage,
    paging: Paging,
    advance: (facts: PageFacts) => Promise<void>,
  ): AsyncGenerator<Batch | Unreadable> {
    const { url, dateAddedFirst: first, dateAddedLast: last } = page;
    const dates = {
      ...(first !== undefined && { dateAddedFirst: first }),
      ...(last !== undefined && { dateAddedLast: last }),
    };
    const batchOf = (texts: Texts): Batch => ({ ...texts, ...dates, position: paging.position });
    const hash = createHash('sha256');
    const pieces = readDocument(page.body, maxObjectLength);
    let held: Texts | undefined;
    try {
      let piece = await pieces.next();
      for (; piece.done !== true; piece = await pieces.next()) {
        for (const text of textsOf(piece.value)) hash.update(text).update('\n');
        if (held !== undefined) yield batchOf(held);
        held = undefined;
        if (isUnreadable(piece.value)) yield piece.value;
        else held = piece.value;
      }
      const { root: text, objects, count } = piece.value;
      await advance({
        ...readPageMembers(readRoot(text, objects, url)),
        count,
        first: findDate(first),
        last: findDate(last),
        digest: hash.digest('base64url').slice(0, 22),
      });
    } catch (error) {
      if (held !== undefined) yield batchOf(held);
      throw toSourceError(error, url);
    } finally {
      page.discard();
    }
    yield batchOf(held ?? nothing);
  }

  async function* walkManifest(asked: Filters, paging: Paging, signal: AbortSignal): AsyncGenerator<ManifestPage> {
    for (let goesOn = true; goesOn; ) {
      const page = await client.getManifest(place, { ...paging.ask, filters: asked }, signal);
      const { entries, more, next } = page;
      yield page;
      goesOn = paging.advance({
        count: entries.length,
        more,
        next,
        first: page.dateAddedFirst ?? entries[0]?.dateAdded,
        last: page.dateAddedLast ?? entries.at(-1)?.dateAdded,
        digest: digestOf(JSON.stringify(entries)),
      });
    }
  }

  function begin(from: Position | undefined): Paging {
    return new Paging({ scope, where, from, limit: pageSize, overlap, now });
  }

  /** The newest date_added that the manifest knows; undefined: there is no manifest that can be read. */
  async function findNewest(from: Position | undefined, signal: AbortSignal): Promise<string | undefined> {
    let newest: ManifestEntry | undefined;
    try {
      for await (const { entries } of walkManifest(filters, begin(from), signal)) {
        for (const entry of entries) if (newest === undefined || dateOf(entry) > dateOf(newest)) newest = entry;
      }
    } catch (error) {
      const isNone = hasNoManifest.has(statusOf(error)) || (error instanceof HttpFault && error.isTooLong);
      if (!isNone) throw error;
    }
    return newest?.dateAdded;
  }

  async function* walk(known: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch | Unreadable> {
    const from = known?.scope === scope || addedAfter === undefined ? known : { scope, reached: addedAfter };
    const paging = begin(from);
    let isFirst = true;
    // A walk that is gone on with has noted its date when it began.
    let isDated = typeof from?.next === 'string';
    for (let goesOn = true; goesOn; isFirst = false) {
      const page = await openPage(paging, isFirst, signal);
      let isUndated = false;
      const advance = async (facts: PageFacts): Promise<void> => {
        isUndated = facts.count > 0 && facts.last === undefined && !isDated;
        if (isUndated) {
          // Asked before the walk begins anew: what is added meanwhile is newer, and the next walk's.
          paging.noteDate(await findNewest(from, signal));
        } else goesOn = paging.advance(facts);
        isDated = true;
      };
      try {
        yield* readPage(page, paging, advance);
      } catch (error) {
        if (!(error instanceof HttpFault && error.isTooLong && paging.shrink())) throw error;
      }
    }
  }

  async function* list(signal: AbortSignal): AsyncGenerator<readonly ManifestEntry[]> {
    for await (const page of walkManifest({ ...filters, versions: ['all'] }, begin(undefined), signal)) {
      // What a list leaves out would count as deleted.
      if (!page.isWhole) throw new SourceError(`${showUrl(page.url)} lists an entry without id or version`, 'later');
      yield page.entries;
    }
  }

  return { walk, list };
}

function textsOf(piece: Piece): readonly string[] {
  return isUnreadable(piece) ? [piece.text] : piece.objects;
}
