/**
 * Who made an object and when. STIX 2.1 §3.6.1: an object has one creator, who alone makes versions of it; §3.6.2:
 * `created` is the time of the first version, so it is that of all. Each store holds a new version against what it has.
 */

import { isObject } from './json-value.ts';
import { findVersionKey } from './timestamp.ts';

/** What all versions of an object have in common, as one of them spells it; null is what it does not say. */
export interface Origin {
  readonly createdByRef: string | null;
  readonly created: string | null;
}

export interface OriginBreach {
  readonly outcome: 'other-creator' | 'created-changed';
  /** What the refused version says there; null when it says nothing. */
  readonly given: string | null;
}

/**
 * The observables of STIX 2.1 §6, which have none of the two; where one says so all the same it is a custom property.
 * A list of its own: the schemas are too heavy for what the store loads. A test compares it with them.
 */
export const observableTypes: ReadonlySet<unknown> = new Set([
  ...['artifact', 'autonomous-system', 'directory', 'domain-name', 'email-addr', 'email-message', 'file', 'ipv4-addr'],
  ...['ipv6-addr', 'mac-addr', 'mutex', 'network-traffic', 'process', 'software', 'url', 'user-account'],
  ...['windows-registry-key', 'x509-certificate'],
]);

const noOrigin: Origin = { createdByRef: null, created: null };

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** The origin that the text of a valid object tells: nothing at all of one that the standard does not version. */
export function readOrigin(text: string): Origin {
  const object: unknown = JSON.parse(text);
  if (!isObject(object) || observableTypes.has(object.type) || typeof object.created !== 'string') return noOrigin;
  return { createdByRef: stringOrNull(object.created_by_ref), created: object.created };
}

function isSameInstant(a: string, b: string): boolean {
  return a === b || findVersionKey(a) === findVersionKey(b);
}

/**
 * Why a version cannot be one of the object that is held; undefined when it can. Two that name no creator have the same
 * one; where one of them does and the other does not, nobody knows, and nobody may take the object over.
 */
export function findOriginBreach(held: Origin, added: Origin): OriginBreach | undefined {
  if (held.created === null || added.created === null) return undefined;
  // UUIDs are compared without regard to case (RFC 9562 §4), and so are the lower-case types before them.
  if (held.createdByRef?.toLowerCase() !== added.createdByRef?.toLowerCase())
    return { outcome: 'other-creator', given: added.createdByRef };
  if (!isSameInstant(held.created, added.created)) return { outcome: 'created-changed', given: added.created };
  return undefined;
}
