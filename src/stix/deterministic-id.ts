/** Ids of cyber-observables that are made of their own properties (STIX 2.1 §2.9). */

import { hash } from 'node:crypto';
import { isObject } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import { findVersionKey } from './timestamp.ts';

const namespace = Buffer.from('00abedb4aa42466c9c01fed23315a9b7', 'hex');

/** The properties that contribute, by type (§6), in the order of RFC 8785. Nothing of a process does. */
const contributing: ReadonlyMap<string, readonly string[]> = new Map([
  ['artifact', ['hashes', 'payload_bin']],
  ['autonomous-system', ['number']],
  ['directory', ['path']],
  ['domain-name', ['value']],
  ['email-addr', ['value']],
  ['email-message', ['body', 'from_ref', 'subject']],
  ['file', ['extensions', 'hashes', 'name', 'parent_directory_ref']],
  ['ipv4-addr', ['value']],
  ['ipv6-addr', ['value']],
  ['mac-addr', ['value']],
  ['mutex', ['name']],
  ['network-traffic', ['dst_port', 'dst_ref', 'end', 'extensions', 'protocols', 'src_port', 'src_ref', 'start']],
  ['process', []],
  ['software', ['cpe', 'name', 'swid', 'vendor', 'version']],
  ['url', ['value']],
  ['user-account', ['account_login', 'account_type', 'user_id']],
  ['windows-registry-key', ['key', 'values']],
  ['x509-certificate', ['hashes', 'serial_number']],
]);

/** The types of cyber-observables that the standard defines. */
export const observableTypes: readonly string[] = [...contributing.keys()];

type Spelling = (text: string) => string;
const asWritten: Spelling = (text) => text;

// python-stix2 reads timestamps and writes them anew, without zeros at the end, before it computes an id.
const respelled: Spelling = (text) => {
  const key = text.endsWith('Z') ? findVersionKey(text) : undefined;
  return key === undefined ? text : `${key}Z`;
};

/** RFC 8785: members sorted by their names, no white space, numbers and strings as ECMAScript writes them. */
function canonicalJson(value: unknown, spell: Spelling): string {
  if (typeof value === 'string') return JSON.stringify(spell(value));
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, spell)).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name], spell)}`).join(',')}}`;
}

const preferredHashes = ['MD5', 'SHA-1', 'SHA-256', 'SHA-512'];
// So many are tried when the choice of another producer is to be recognised.
const mostChoices = 4;

/** The hashes of which one contributes: the first of the preferred ones, else any. */
function hashChoices(hashes: unknown): readonly (string | undefined)[] {
  if (!isObject(hashes)) return [undefined];
  const preferred = preferredHashes.find((name) => Object.hasOwn(hashes, name));
  return preferred === undefined ? Object.keys(hashes).slice(0, mostChoices) : [preferred];
}

/** RFC 4122 §4.3: SHA-1 of namespace and name, with the version 5 and the variant set. */
function uuidOfName(name: string): string {
  const digest = hash('sha1', Buffer.concat([namespace, Buffer.from(name, 'utf8')]), 'hex');
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `5${digest.slice(13, 16)}`,
    `${variant}${digest.slice(18, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}

/** The properties that contribute to the object's id and are there; undefined for a type that the standard lacks. */
function contributingNames(object: StixObject): readonly string[] | undefined {
  const names = typeof object.type === 'string' ? contributing.get(object.type) : undefined;
  return names?.filter((name) => object[name] !== undefined);
}

/** Whether nothing of this observable contributes to its id, which then must be random. */
export function hasOnlyRandomId(object: StixObject): boolean {
  return contributingNames(object)?.length === 0;
}

type Members = ReadonlyMap<string, string>;

function membersOf(object: StixObject, names: readonly string[], spell: Spelling, hashName?: string): Members {
  return new Map(
    names.map((name) => {
      const value = object[name];
      const isChosen = name === 'hashes' && hashName !== undefined && isObject(value);
      return [name, canonicalJson(isChosen ? { [hashName]: value[hashName] } : value, spell)];
    }),
  );
}

function nameOf(members: Members): string {
  return `{${Array.from(members, ([property, value]) => `"${property}":${value}`).join(',')}}`;
}

/** The name that the UUID is made of; undefined when nothing contributes. */
function findName(object: StixObject, spell: Spelling, choice = 0): string | undefined {
  const names = contributingNames(object) ?? [];
  return names.length === 0 ? undefined : nameOf(membersOf(object, names, spell, hashChoices(object.hashes)[choice]));
}

function idOf({ type }: StixObject, name: string): string {
  return `${String(type)}--${uuidOfName(name)}`;
}

/**
 * The id that every producer gives this cyber-observable; undefined when its type is not one of the standard, or when
 * nothing of it contributes (a process never has such an id).
 */
export function deterministicId(object: StixObject): string | undefined {
  const name = findName(object, asWritten);
  return name === undefined ? undefined : idOf(object, name);
}

// No feed has longer ones, and each spelling that is tried costs as much as all of the object.
const longestRespelled = 64 * 1024;

/** The ids that other producers may have computed: with times spelled anew, with another of the hashes. */
function* otherIdsOf(object: StixObject): Generator<string, void> {
  for (const choice of hashChoices(object.hashes).keys()) {
    for (const spell of [asWritten, respelled]) yield idOf(object, findName(object, spell, choice) ?? '');
  }
}

/**
 * The id of this kind that the object ought to have in place of its own; undefined when its own is right, as the
 * standard has it or as the widely used python-stix2 computes it, or when there is none.
 */
export function findRightId(object: StixObject): string | undefined {
  const own = String(object.id).toLowerCase();
  const name = findName(object, asWritten);
  if (name === undefined) return undefined;
  const id = idOf(object, name);
  if (id === own) return undefined;
  const others = name.length > longestRespelled ? [] : otherIdsOf(object);
  for (const other of others) if (other === own) return undefined;
  return id;
}
