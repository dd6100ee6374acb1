/** Entity tags and the condition on them (RFC 9110 §8.8.3 and §13.1.2). */

import type { Coding } from './negotiation.ts';

/** The tag of a representation: each coding has bytes of its own, so each has a tag of its own. */
export function formatTag(name: string, coding: Coding): string {
  return coding === 'identity' ? `"${name}"` : `"${name}-${coding}"`;
}

// §8.8.3: an opaque tag may hold commas, and no quotation mark.
const entityTag = /"[\x21\x23-\x7e\x80-\xff]*"/g;

/**
 * The tag of the representation that the client has already, if If-None-Match names one of those that it takes; `*` is the
 * one it would get. The comparison is weak, so a `W/` before a tag says nothing.
 */
export function findHeldTag(
  ifNoneMatch: string | undefined,
  name: string,
  codings: readonly Coding[],
): string | undefined {
  if (ifNoneMatch === undefined) return undefined;
  const tags = codings.map((coding) => formatTag(name, coding));
  if (ifNoneMatch.trim() === '*') return tags[0];
  const given = new Set(ifNoneMatch.match(entityTag));
  return tags.find((tag) => given.has(tag));
}
