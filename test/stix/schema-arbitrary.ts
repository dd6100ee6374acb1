/**
 * Valid objects of any type, made from the schemas: whatever these allow may come. Only what the rules in code ask
 * beyond them has arbitraries of its own, in own-arbitraries.ts, or is put right in the end, in valid-object.ts.
 */

import fc from 'fast-check';
import { customName, free, freeText, ownByFile, ownByProperty } from './own-arbitraries.ts';
import { type Json, type Schema, schemaBase, schemaFiles } from './schema-files.ts';

/** A schema, and the file that its references start from. */
interface Part {
  readonly schema: Schema;
  readonly file: string;
}
type Values = Record<string, Json>;
type Make = fc.Arbitrary<Json>;

function read(file: string): Part {
  const schema = schemaFiles.get(file);
  if (schema === undefined) throw new Error(`there is no schema ${file}`);
  return { schema, file };
}

function record(value: Json | undefined): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** The schemas that hold together with this one: what it refers to, and each of allOf. */
function together(part: Part): Part[] {
  const { schema, file } = part;
  const { $ref, allOf } = schema;
  const referred = typeof $ref === 'string' ? new URL($ref, `${schemaBase}${file}`).href.slice(schemaBase.length) : '';
  return [
    part,
    ...(referred === '' ? [] : together(read(referred))),
    ...list(allOf).flatMap((each) => together({ schema: record(each), file })),
  ];
}

/** The schemas under a keyword of each part. */
function below(parts: readonly Part[], keyword: string): Part[] {
  return parts.flatMap(({ schema, file }) =>
    schema[keyword] === undefined ? [] : together({ schema: record(schema[keyword]), file }),
  );
}

function numbers(parts: readonly Part[], keyword: string): number[] {
  return parts.map(({ schema }) => schema[keyword]).filter((value) => typeof value === 'number');
}

function names(parts: readonly Part[], keyword: string): string[] {
  return parts.flatMap(({ schema }) => list(schema[keyword]).map(String));
}

function patternsOf(parts: readonly Part[]): RegExp[] {
  return parts.flatMap(({ schema: { pattern } }) => (typeof pattern === 'string' ? [new RegExp(pattern, 'u')] : []));
}

const matching = new Map<string, fc.Arbitrary<string>>();

/** Made once: that takes longer than a hundred strings. */
function stringMatching(pattern: RegExp): fc.Arbitrary<string> {
  const known = matching.get(pattern.source) ?? fc.stringMatching(pattern, { size: 'xsmall' });
  matching.set(pattern.source, known);
  return known;
}

function text(parts: readonly Part[]): Make {
  const [first, ...others] = patternsOf(parts);
  if (first === undefined) return freeText;
  return stringMatching(first).filter((value) => others.every((pattern) => pattern.test(value)));
}

function whole(parts: readonly Part[]): Make {
  return fc.integer({
    min: Math.max(-(2 ** 31), ...numbers(parts, 'minimum')),
    max: Math.min(2 ** 31 - 1, ...numbers(parts, 'maximum')),
  });
}

function decimal(parts: readonly Part[]): Make {
  const min = Math.max(-1e300, ...numbers(parts, 'minimum'));
  const max = Math.min(1e300, ...numbers(parts, 'maximum'));
  return fc.double({ min, max, noNaN: true });
}

function items(parts: readonly Part[]): Make {
  const each = below(parts, 'items');
  const any = makeFrom(each);
  const contained = below(parts, 'contains');
  const least = Math.max(0, ...numbers(parts, 'minItems'));
  if (contained.length === 0) return fc.array(any, { minLength: least, maxLength: least + 2 });
  return fc
    .tuple(makeFrom([...each, ...contained]), fc.array(any, { maxLength: 2 }))
    .map(([first, others]) => [first, ...others]);
}

/** What each named property has to keep, whichever part says it; those that no value satisfies are left out. */
function propertiesOf(parts: readonly Part[]): Map<string, Part[]> {
  const found = new Map<string, Part[]>();
  for (const { schema, file } of parts) {
    for (const [name, property] of Object.entries(record(schema.properties))) {
      found.set(name, [...(found.get(name) ?? []), ...together({ schema: record(property), file })]);
    }
  }
  for (const [name, those] of found) if (those.some(({ schema }) => schema.not !== undefined)) found.delete(name);
  return found;
}

function makeProperty(owners: readonly Part[], name: string, parts: readonly Part[]): Make {
  const own = owners.map(({ file }) => ownByProperty.get(`${file} ${name}`)).find((each) => each !== undefined);
  return own ?? makeFrom(parts);
}

/** Properties without a name of their own: of dictionaries, of hashes, of extensions. */
function makeOthers(parts: readonly Part[]): fc.Arbitrary<[string, Json]>[] {
  const choices = parts.flatMap(({ schema, file }) =>
    Object.entries(record(schema.patternProperties)).map(([pattern, each]) => {
      const key = makeFrom([{ schema: { type: 'string', pattern }, file }]) as fc.Arbitrary<string>;
      return fc.tuple(key, makeFrom(together({ schema: record(each), file })));
    }),
  );
  const rest = below(parts, 'additionalProperties').filter(({ schema }) => Object.keys(schema).length > 0);
  const isDictionary = parts.some(({ file }) => file === 'common/dictionary.json');
  if (rest.length === 0 && !isDictionary) return choices;
  const keys = below(parts, 'propertyNames');
  const key = makeFrom([{ schema: { type: 'string' }, file: '' }, ...keys]) as fc.Arbitrary<string>;
  return [...choices, fc.tuple(key, makeFrom(rest))];
}

/** The lists of names of which anyOf or oneOf wants one. */
function alternatives(parts: readonly Part[], keyword: 'anyOf' | 'oneOf'): string[][][] {
  return parts.flatMap(({ schema }) =>
    schema[keyword] === undefined ? [] : [list(schema[keyword]).map((each) => list(record(each).required).map(String))],
  );
}

function pickOne<T>(those: readonly T[], choice: number): T | undefined {
  return those[choice % Math.max(those.length, 1)];
}

/** Which properties the object has: the required, some of the others, and what these bring with them. */
function presentNames(parts: readonly Part[], some: readonly string[], choice: number): Set<string> {
  const present = new Set([...names(parts, 'required'), ...some]);
  for (const options of alternatives(parts, 'oneOf')) {
    for (const name of options.flat()) present.delete(name);
    for (const name of pickOne(options, choice) ?? []) present.add(name);
  }
  for (const options of alternatives(parts, 'anyOf')) {
    const isMet = options.some((option) => option.every((name) => present.has(name)));
    for (const name of isMet ? [] : (pickOne(options, choice) ?? [])) present.add(name);
  }
  for (const { schema } of parts) {
    for (const [name, needed] of Object.entries(record(schema.dependentRequired))) {
      if (present.has(name)) for (const each of list(needed)) present.add(String(each));
    }
  }
  return present;
}

/** All that some alternative, condition or neighbour may ask for: made in any case, since it may have to be there. */
function neededNames(parts: readonly Part[]): Set<string> {
  const options = (['anyOf', 'oneOf'] as const).flatMap((keyword) => alternatives(parts, keyword)).flat(2);
  const neighbours = parts.flatMap(({ schema }) => Object.values(record(schema.dependentRequired)).flatMap(list));
  const consequences = names(below(parts, 'then'), 'required');
  const toCount = numbers(parts, 'minProperties').length > 0 ? propertiesOf(parts).keys() : [];
  return new Set([...names(parts, 'required'), ...options, ...neighbours.map(String), ...consequences, ...toCount]);
}

/** The optional ones that were made, and of the others some. */
function someOf(all: object, needed: readonly string[], choice: number): string[] {
  const isChosen = (name: string) => (choice >> (needed.indexOf(name) % 30)) % 2 === 1;
  return Object.keys(all).filter((name) => !needed.includes(name) || isChosen(name));
}

/** Conditions of the schemas are constants of properties, and their presence. */
function isMet(condition: Schema, object: Values): boolean {
  const isThere = list(condition.required).every((name) => object[String(name)] !== undefined);
  const constants = Object.entries(record(condition.properties)).map(
    ([name, each]) => [name, record(each).const] as const,
  );
  return isThere && constants.every(([name, value]) => value === undefined || object[name] === value);
}

/** Makes true what follows from a condition that is met. */
function fulfil(consequence: Schema, object: Values, all: Values): void {
  for (const name of list(consequence.required).map(String)) object[name] ??= all[name] ?? null;
  for (const [name, each] of Object.entries(record(consequence.properties))) {
    const { not, contains } = record(each);
    const wanted = record(contains).const;
    if (not !== undefined) delete object[name];
    if (wanted !== undefined && !list(object[name]).includes(wanted)) object[name] = [...list(object[name]), wanted];
  }
}

function assemble(parts: readonly Part[], all: Values, others: Values, present: ReadonlySet<string>): Values {
  const object: Values = {};
  for (const [name, value] of Object.entries(all)) if (present.has(name)) object[name] = value;
  for (const { schema } of parts) {
    if (schema.if !== undefined && isMet(record(schema.if), object)) fulfil(record(schema.then), object, all);
  }
  const least = Math.max(0, ...numbers(parts, 'minProperties'));
  for (const [name, value] of Object.entries({ ...others, ...all })) {
    if (Object.keys(object).length < least) object[name] = value;
  }
  return { ...object, ...others };
}

function makeObject(parts: readonly Part[]): Make {
  const properties = propertiesOf(parts);
  const makes = [...properties].map(([name, those]) => [name, makeProperty(parts, name, those)] as const);
  const isOpen = parts.some(({ schema }) => schema.unevaluatedProperties === true);
  const others = [...makeOthers(parts), ...(isOpen ? [fc.tuple(customName, free)] : [])];
  const unnamed = others.length === 0 ? fc.constant([]) : fc.array(fc.oneof(...others), { minLength: 1, maxLength: 2 });
  const isFree = makes.length === 0 && others.length === 0;
  if (isFree) return fc.array(fc.tuple(freeText, free), { minLength: 1, maxLength: 3 }).map(Object.fromEntries);
  const requiredKeys = [...neededNames(parts)].filter((name) => properties.has(name));
  return fc
    .tuple(fc.record(Object.fromEntries(makes), { requiredKeys }), fc.nat(), unnamed, fc.boolean())
    .map(([all, choice, pairs, hasOthers]) => {
      const unnamedOnes = hasOthers || makes.length === 0 ? (Object.fromEntries(pairs) as Values) : {};
      return assemble(
        parts,
        all as Values,
        unnamedOnes,
        presentNames(parts, someOf(all, requiredKeys, choice), choice),
      );
    });
}

const byType: Readonly<Record<string, (parts: readonly Part[]) => Make>> = {
  string: text,
  integer: whole,
  number: decimal,
  boolean: () => fc.boolean(),
  array: items,
  object: makeObject,
};

function typesOf(parts: readonly Part[]): string[] {
  const said = parts.map(({ schema }) => schema.type).filter((type) => type !== undefined);
  return said.length === 0 ? [] : [said[0] ?? ''].flat().map(String);
}

/** Values that keep all these schemas. */
function makeFrom(parts: readonly Part[]): Make {
  const own = parts.map(({ file, schema }) => (schema === schemaFiles.get(file) ? ownByFile.get(file) : undefined));
  const [make] = own.filter((each) => each !== undefined);
  if (make !== undefined) return make(patternsOf(parts));
  for (const { schema } of parts) {
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  }
  const types = typesOf(parts);
  if (types.length > 0) return fc.oneof(...types.map((type) => (byType[type] ?? (() => free))(parts)));
  if (patternsOf(parts).length > 0) return text(parts);
  return free;
}

/** Objects that keep the schema in this file; the rules in code may find fault with them. */
export function makeFromFile(file: string): fc.Arbitrary<Values> {
  return makeObject(together(read(file))) as fc.Arbitrary<Values>;
}
