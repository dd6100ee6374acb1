/** Paths of endpoints: which one a request asks for, and what stands in its variable segments. */

import { TaxiiError } from '../errors.ts';

/** The variable segments of a path, by name. */
export type Params = Readonly<Record<string, string>>;

/** A path, and what answers each of its methods. */
export interface Endpoint<Handle> {
  /** A name stands for any text. */
  readonly segments: readonly { readonly literal: string | undefined; readonly name: string }[];
  readonly handles: Map<string, Handle>;
}

/** Reads a path such as `/:root/collections`, as yet without methods. */
export function parsePath<Handle>(path: string): Endpoint<Handle> {
  const segments = path.split('/').slice(1);
  const parse = (segment: string) =>
    segment.startsWith(':') ? { literal: undefined, name: segment.slice(1) } : { literal: segment, name: '' };
  return { segments: segments.map(parse), handles: new Map() };
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    const given = JSON.stringify(segment.slice(0, 100));
    throw new TaxiiError('malformed-request', `The path holds ${given}, which is no percent-encoded UTF-8.`);
  }
}

function matches({ segments }: Endpoint<unknown>, given: readonly string[]): boolean {
  return (
    segments.length === given.length &&
    segments.every(({ literal }, n) => (literal === undefined ? given[n] !== '' : literal === given[n]))
  );
}

/** The first endpoint that has this path, with or without a slash at its end, and what its variable segments say. */
export function findEndpoint<Handle>(
  endpoints: readonly Endpoint<Handle>[],
  path: string,
): { readonly handles: ReadonlyMap<string, Handle>; readonly params: Params } | undefined {
  const given = path.slice(1).split('/');
  if (given.at(-1) === '') given.pop();
  const endpoint = endpoints.find((one) => matches(one, given));
  if (endpoint === undefined) return undefined;
  const params: Record<string, string> = {};
  for (const [n, { literal, name }] of endpoint.segments.entries())
    if (literal === undefined) params[name] = decodeSegment(given[n] ?? '');
  return { handles: endpoint.handles, params };
}
