/**
 * What is asked: every query shape of the store contract, as path of a request and as question to a store. The n-th
 * question of a shape differs from all before it, so that no cache knows the answer, and both who asks and what the
 * product is compared with can tell it from n.
 */

import { formatMicros } from '../src/stix/timestamp.ts';
import type { Micros, ObjectQuery, VersionSelector } from '../src/store/store.ts';
import { everyVersion, lastVersion } from '../src/taxii/page.ts';
import type { Facts, Known } from './facts.ts';
import { types } from './objects.ts';

type Depth = 'first' | 'middle' | 'deep' | 'end';

/** Between the objects of one commit lie a few microseconds at most, between two commits many. */
const leastGap = 1000;

/**
 * Positions in a stretch of the collection: first each object's, then those in gaps between commits, of which each is
 * another question with the same answer as its neighbour.
 */
function createPositions(dates: readonly Micros[]): (n: number) => Micros {
  const gaps = dates
    .map((date, place) => ({ date, room: (dates[place + 1] ?? date) - date - 1 }))
    .filter(({ room }) => room > leastGap);
  return (n) => {
    const date = dates[n];
    if (date !== undefined) return date;
    const rest = n - dates.length;
    const gap = gaps[rest % gaps.length];
    if (gap === undefined) return dates[rest % dates.length] ?? 0;
    return gap.date + 1 + (Math.floor(rest / gaps.length) % gap.room);
  };
}

export interface Shape {
  readonly name: string;
  readonly depth: Depth;
  readonly limit: number;
  /** Where it is asked for, below the collection. */
  readonly resource: (known: Known) => string;
  /** Of the query string, beside `added_after` and `limit`. */
  readonly parameters: (known: readonly Known[]) => string;
  readonly query: (known: readonly Known[]) => Omit<ObjectQuery, 'addedAfter'>;
  /** Whether the answer has the texts of objects, or speaks of them. */
  readonly texts: boolean;
}

const firstVersion: VersionSelector = { all: false, first: true, last: false, exact: [] };
const objects = { resource: () => 'objects/', texts: true, limit: 100 } as const;

function ofVersions(name: string, keyword: string, versions: VersionSelector) {
  return {
    ...objects,
    name,
    parameters: () => (keyword === 'last' ? '' : `&match[version]=${keyword}`),
    query: () => ({ versions: [versions] }),
  };
}

function ofTypes(name: string, wanted: readonly string[]) {
  return {
    ...objects,
    name,
    parameters: () => `&match[type]=${wanted.join()}`,
    query: () => ({ types: wanted, versions: [lastVersion] }),
  };
}

function exactly(versionKey: string): VersionSelector {
  return { all: false, first: false, last: false, exact: [versionKey] };
}

const one = ([known]: readonly Known[]): Known => known ?? { id: '', version: '', versionKey: '' };

/** The shapes that pages of a hundred objects have, at any depth. */
const pages: readonly Omit<Shape, 'depth'>[] = [
  ofVersions('last versions', 'last', lastVersion),
  ofVersions('all versions', 'all', everyVersion),
  ofVersions('first versions', 'first', firstVersion),
  ofTypes('a common type', [types.common]),
  ofTypes('several types', types.several),
  ofTypes('a rare type', [types.rare]),
  ofTypes('an absent type', [types.absent]),
  {
    ...ofVersions('manifest', 'last', lastVersion),
    resource: () => 'manifest/',
    texts: false,
  },
];

/** The shapes that name objects; where these lie does not matter. */
const named: readonly Omit<Shape, 'depth'>[] = [
  {
    ...objects,
    name: 'ten ids',
    parameters: (known) => `&match[id]=${known.map(({ id }) => id).join()}`,
    query: (known) => ({ ids: known.map(({ id }) => id), versions: [lastVersion] }),
  },
  {
    ...objects,
    name: 'an id with versions',
    parameters: (known) => `&match[id]=${one(known).id}&match[version]=all`,
    query: (known) => ({ ids: [one(known).id], versions: [everyVersion] }),
  },
  {
    ...objects,
    name: 'an exact version',
    parameters: (known) => `&match[id]=${one(known).id}&match[version]=${one(known).version}`,
    query: (known) => ({ ids: [one(known).id], versions: [exactly(one(known).versionKey)] }),
  },
  {
    ...objects,
    name: 'a single object',
    resource: ({ id }) => `objects/${id}/`,
    parameters: () => '',
    query: (known) => ({ ids: [one(known).id], versions: [lastVersion] }),
  },
  {
    ...objects,
    name: 'versions of an object',
    resource: ({ id }) => `objects/${id}/versions/`,
    parameters: () => '',
    query: (known) => ({ ids: [one(known).id], versions: [everyVersion] }),
    texts: false,
  },
];

export const shapes: readonly Shape[] = [
  ...(['first', 'deep'] as const).flatMap((depth) => pages.map((page) => ({ ...page, depth }))),
  ...(['first', 'middle', 'deep'] as const).map((depth) => ({
    ...ofVersions('last versions', 'last', lastVersion),
    depth,
    limit: 1000,
  })),
  { ...ofVersions('last versions', 'last', lastVersion), depth: 'middle' },
  ...named.map((shape) => ({ ...shape, depth: 'first' as const })),
  { ...ofVersions('an empty poll', 'last', lastVersion), depth: 'end' },
];

/** The shape of this name, depth and limit. */
export function getShape(name: string, depth: Depth, limit: number = objects.limit): Shape {
  const shape = shapes.find((other) => other.name === name && other.depth === depth && other.limit === limit);
  if (shape === undefined) throw new Error(`there is no shape ${name}, ${depth}, ${limit}`);
  return shape;
}

export interface Question {
  /** Below the collection, with its query string. */
  readonly path: string;
  readonly query: ObjectQuery;
}

/** Returns what yields the n-th question of a shape. */
export function createQuestions({ begin, end, middle, deep, objects: all }: Facts, shape: Shape) {
  // Before the first object is room for as many questions as there are microseconds.
  const first = (n: number): Micros => begin - 1 - n;
  const positions = { first, middle: createPositions(middle), deep: createPositions(deep), end: () => end };
  return (n: number): Question => {
    const addedAfter = positions[shape.depth](n);
    const known = Array.from({ length: 10 }, (_, place) => all[(n * 10 + place) % all.length]).filter(
      (object) => object !== undefined,
    );
    const query = `?added_after=${formatMicros(addedAfter)}&limit=${shape.limit}${shape.parameters(known)}`;
    return { path: `${shape.resource(one(known))}${query}`, query: { ...shape.query(known), addedAfter } };
  };
}
