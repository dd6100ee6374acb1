/** What the conformance tests share: a server with empty collections to use up and walks over pages. */

import { randomUUID } from 'node:crypto';
import type { Environment } from '../../src/config.ts';
import { type Ask, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';

export interface Member {
  readonly id: string;
  readonly modified?: string;
  readonly date_added?: string;
  readonly version?: string;
}

/** Any resource with pages: an envelope, a manifest, versions. */
export interface Page {
  readonly more?: boolean;
  readonly next?: string;
  readonly objects?: readonly Member[];
  readonly versions?: readonly string[];
}

export interface Lab extends TestServer {
  /** The path of an empty collection of its own, with a slash at the end: members read it, publishers write. */
  newCollection(): string;
  /** Publishes to a collection; fails unless every object was taken. */
  add(collection: string, ...objects: readonly object[]): Promise<void>;
  page(path: string, options?: Ask): Promise<Page>;
  /** All pages from here on, by `next`. */
  walk(path: string, query?: Readonly<Record<string, string>>): Promise<Page[]>;
}

const collectionCount = 60;
const maxPages = 2000;

function declareLab() {
  const collections = Array.from({ length: collectionCount }, (_, index) => ({
    id: randomUUID(),
    alias: `lab-${index}`,
    title: `Laboratory ${index}`,
    read: ['members'],
    write: ['role:publisher'],
  }));
  return { api_root: 'lab', title: 'Laboratory', default: true, collections };
}

/** A query string with every reserved character percent-encoded. */
export function query(parameters: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(parameters).toString();
  return text === '' ? '' : `?${text}`;
}

/** Starts a server whose root `lab` has many empty collections. */
export async function startLab(environment: Environment = {}): Promise<Lab> {
  const declared = declareLab();
  const server = await startTaxiiServer(environment, [declared]);
  let used = 0;

  const page = async (path: string, options?: Ask): Promise<Page> => {
    const answer = await server.get(path, options);
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
    return answer.json<Page>();
  };

  return {
    ...server,
    page,
    newCollection: () => {
      const collection = declared.collections[used];
      if (collection === undefined) throw new Error('every collection of the laboratory is used up');
      used += 1;
      return `/lab/collections/${collection.id}/`;
    },
    add: async (collection, ...objects) => {
      const answer = await server.publish(objects, `${collection}objects/`);
      const { failure_count: failed, failures } = answer.json();
      if (answer.status !== 202 || failed !== 0) throw new Error(JSON.stringify(failures ?? answer.text));
    },
    walk: async (path, parameters = {}) => {
      const pages: Page[] = [];
      for (let next: string | undefined; pages.length === 0 || next !== undefined; ) {
        if (pages.length === maxPages) throw new Error(`the walk over ${path} does not end`);
        const last: Page = await page(`${path}${query({ ...parameters, ...(next !== undefined && { next }) })}`);
        pages.push(last);
        next = last.next;
      }
      return pages;
    },
  };
}

export function idsOf(...pages: readonly Page[]): string[] {
  return pages.flatMap(({ objects = [] }) => objects.map(({ id }) => id));
}

/** `id version` of each object or manifest record. */
export function versionsOf(...pages: readonly Page[]): string[] {
  return pages.flatMap(({ objects = [] }) =>
    objects.map(({ id, modified, version }) => `${id} ${modified ?? version ?? ''}`),
  );
}

/** The time so many microseconds later, or earlier. */
export function shift(timestamp: string, micros: number): string {
  const fraction = Number(timestamp.slice(20, 26)) + micros;
  const carry = Math.floor(fraction / 1_000_000);
  const seconds = new Date(Date.parse(`${timestamp.slice(0, 19)}Z`) + carry * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(fraction - carry * 1_000_000).padStart(6, '0')}Z`;
}
