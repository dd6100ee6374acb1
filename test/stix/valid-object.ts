/** Valid objects of any type: what the schemas allow, put right where a rule in code asks for more. */

import fc from 'fast-check';
import { tlp1Markings, tlp2Extension, tlp2Markings } from '../../src/stix/markings.ts';
import { customPrefix, languagePattern, stixPattern } from './own-arbitraries.ts';
import { makeFromFile } from './schema-arbitrary.ts';
import { type Json, objectSchemas } from './schema-files.ts';

export type StixObject = Record<string, Json>;

interface Choices {
  readonly stix: string;
  readonly other: readonly [string, string] | readonly string[];
  readonly choice: number;
}

/** The types that the standard defines, and the two schemas for all others. */
export const objectTypes: readonly string[] = [...objectSchemas.keys()].filter((type) => type !== 'bundle');

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const ordered = [
  ['created', 'modified'],
  ['first_seen', 'last_seen'],
  ['first_observed', 'last_observed'],
  ['valid_from', 'valid_until'],
  ['start_time', 'stop_time'],
  ['start', 'end'],
] as const;

const strictlyLater: readonly string[] = ['valid_until', 'stop_time'];

/** As times compare: without the zeros at the end of a fraction. */
function instant(text: Json | undefined): string {
  return String(text)
    .replace(/Z$/, '')
    .replace(/(\.[0-9]*?)0+$/, '$1')
    .replace(/\.$/, '');
}

function putTimesInOrder(object: StixObject): void {
  for (const [earlier, later] of ordered) {
    const [from, to] = [object[earlier], object[later]];
    if (from === undefined || to === undefined) continue;
    if (instant(from) > instant(to)) Object.assign(object, { [earlier]: to, [later]: from });
    if (instant(from) === instant(to) && strictlyLater.includes(later)) delete object[later];
  }
}

function putTypeRight(object: StixObject, schema: string): void {
  if (!schema.startsWith('custom-')) return;
  const { type, id, extensions } = object;
  object.id = `${String(type)}--${String(id).slice(-36)}`;
  object.spec_version = '2.1';
  // Else the extension would say that the object is of the other kind.
  for (const each of isObject(extensions) ? Object.values(extensions) : []) {
    if (isObject(each)) Object.assign(each, { extension_type: schema === 'custom-sco' ? 'new-sco' : 'new-sdo' });
  }
}

function putPatternRight(object: StixObject, { stix, other, choice }: Choices): void {
  const [language = '', pattern = ''] = choice % 3 === 0 ? other : ['stix', stix];
  Object.assign(object, { pattern_type: language, pattern });
}

function putMarkingRight(object: StixObject, { choice }: Choices): void {
  const marking = [...tlp1Markings, ...tlp2Markings][choice % 12];
  if (marking === undefined) {
    if (object.definition_type !== undefined) {
      Object.assign(object, { definition_type: 'statement', definition: { statement: 'Copyright 2024' } });
    }
    return;
  }
  const { id, name, created, value } = marking;
  delete object.definition_type;
  delete object.definition;
  delete object.extensions;
  const content = tlp1Markings.includes(marking)
    ? { definition_type: 'tlp', definition: { tlp: value } }
    : { extensions: { [tlp2Extension]: { extension_type: 'property-extension', tlp_2_0: value } } };
  Object.assign(object, { id, name, created, ...content });
}

/** Every place that a selector can name (STIX 2.1 §7.2.3.1). */
function selectorsOf(value: Json, prefix: string, found: string[]): string[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, member] of Object.entries(value)) {
    if (key.includes('.') || key === 'granular_markings') continue;
    const selector = `${prefix}${Array.isArray(value) ? `[${key}]` : key}`;
    found.push(selector);
    selectorsOf(member, `${selector}.`, found);
  }
  return found;
}

function putSelectorsRight(object: StixObject): void {
  const { granular_markings: markings } = object;
  if (!Array.isArray(markings)) return;
  const selectors = selectorsOf(object, '', []);
  for (const marking of markings) {
    const chosen = marking.selectors.map((number: number) => selectors[number % selectors.length]);
    Object.assign(marking, { selectors: chosen });
  }
}

/** Valid under `spec`: of the type, or of some custom type by the schema for these. */
export function validObjects(schema: string): fc.Arbitrary<StixObject> {
  const choices = fc.record({ stix: stixPattern, other: languagePattern, choice: fc.nat(1e6) });
  return fc.tuple(makeFromFile(objectSchemas.get(schema) ?? ''), choices).map(([made, choice]) => {
    const object = structuredClone(made);
    putTypeRight(object, schema);
    putTimesInOrder(object);
    if (schema === 'indicator') putPatternRight(object, choice);
    if (schema === 'marking-definition') putMarkingRight(object, choice);
    putSelectorsRight(object);
    return object;
  });
}

/** The value without custom properties, at any depth. */
export function withoutCustom(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutCustom);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name]) => !name.startsWith(customPrefix));
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutCustom(member)]));
}
