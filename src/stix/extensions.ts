/**
 * The registry of extensions (STIX 2.1 §7.3): whose content is known and judged by a schema. Some are shipped, in
 * `schemas/extensions/`; operators register others.
 */

import { contentFaults } from './extension-faults.ts';
import { compileSchema, type JsonSchema, type JudgeValue, SchemaMistake } from './extension-schema.ts';
import type { Fault, Text } from './issue.ts';
import { isObject, listOf } from './json-value.ts';
import { customPropertiesOf, findObjectType, type StixObject } from './object-types.ts';
import { pointerTo } from './pointer.ts';
import { extensions as shipped } from './validators.generated.js';

export type { JsonSchema } from './extension-schema.ts';

export interface ExtensionDefinition extends StixObject {
  readonly id: string;
}

/** An extension definition, valid by the standard, and the JSON Schema of its content. */
export interface RegisteredExtension {
  readonly definition: ExtensionDefinition;
  readonly schema: JsonSchema;
}

/** What is registered at some moment, beside the shipped extensions. */
export interface RegisteredExtensions {
  /** Differs whenever the extensions differ; 0 while none was ever registered. */
  readonly revision: number;
  readonly extensions: readonly RegisteredExtension[];
}

/** A registered extension that an object carries. */
export interface CarriedExtension {
  /** As the object spells it. */
  readonly key: string;
  readonly value: StixObject;
  /** What the object says that it is; undefined unless it is one of the definition's types. */
  readonly type: string | undefined;
  /** The types that the definition allows. */
  readonly types: readonly string[];
  /** The top-level properties that it adds as a toplevel-property-extension. */
  readonly properties: readonly string[];
  /** What is wrong with its content; paths begin at the object. */
  findFaults(object: StixObject): Omit<Fault, 'code'>[];
}

export interface Extensions {
  /** Those of the object's extensions that are registered. */
  carriedBy(object: StixObject): readonly CarriedExtension[];
}

/** The extensions that come with Huiju. */
export const shippedExtensions: readonly RegisteredExtension[] = shipped.map(({ definition, schema }) => ({
  definition: definition as ExtensionDefinition,
  schema,
}));

interface KnownExtension {
  readonly types: readonly string[];
  /** The named ones, else those that the schema speaks of. */
  readonly properties: readonly string[];
  /** Undefined when the definition names none, and the whole object is judged. */
  readonly named: readonly string[] | undefined;
  readonly judge: JudgeValue;
}

const unjudgeable: Text = {
  en: 'The schema that is registered for this extension fails or takes too long on this content; shorten it, or ask the operator of the server to mend the schema.',
  zh: '为此扩展登记的模式无法判断该内容，或耗时过长；请精简内容，或请服务器运营者修正模式。',
};

function stringsOf(value: unknown): string[] {
  return listOf(value).filter((one) => typeof one === 'string');
}

/** The names that a schema gives properties of. */
function propertiesOf(schema: JsonSchema): string[] {
  return isObject(schema) && isObject(schema.properties) ? Object.keys(schema.properties) : [];
}

function know({ definition, schema }: RegisteredExtension, judge: JudgeValue): KnownExtension {
  const named = definition.extension_properties === undefined ? undefined : stringsOf(definition.extension_properties);
  const types = stringsOf(definition.extension_types);
  return { types, named, properties: named ?? propertiesOf(schema), judge };
}

// A schema that this version cannot compile refuses the content of its extension, and no more than that.
function compileOrRefuse(schema: JsonSchema): JudgeValue {
  try {
    return compileSchema(schema);
  } catch (error) {
    if (error instanceof SchemaMistake) return () => undefined;
    throw error;
  }
}

/** Compiles at the first use: most processes see objects of few extensions. */
function judgeLater(schema: JsonSchema): JudgeValue {
  let judge: JudgeValue | undefined;
  return (value) => {
    judge ??= compileOrRefuse(schema);
    return judge(value);
  };
}

function pick(object: StixObject, names: readonly string[]): StixObject {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(object, name)).map((name) => [name, object[name]]));
}

/** What the schema is for, and where it stands in the object: by the type that the extension has there. */
function subjectOf(object: StixObject, key: string, value: StixObject, type: string, { named }: KnownExtension) {
  if (type === 'property-extension') return { subject: value, place: pointerTo(['extensions', key]) };
  if (type !== 'toplevel-property-extension' || named === undefined) return { subject: object, place: '' };
  return { subject: pick(object, named), place: '' };
}

function carry(key: string, value: StixObject, known: KnownExtension): CarriedExtension {
  const { types, properties } = known;
  const type = types.find((one) => one === value.extension_type);
  return {
    key,
    value,
    type,
    types,
    properties: type === 'toplevel-property-extension' ? properties : [],
    findFaults: (object) => {
      if (type === undefined) return [];
      const { subject, place } = subjectOf(object, key, value, type, known);
      const errors = known.judge(subject);
      if (errors === undefined) return [{ path: pointerTo(['extensions', key]), text: unjudgeable }];
      return contentFaults(errors).map(({ path, text }) => ({ path: place + path, text }));
    },
  };
}

const none: readonly CarriedExtension[] = [];

function createLookup(known: ReadonlyMap<string, KnownExtension>): Extensions {
  return {
    carriedBy: ({ extensions }) => {
      if (!isObject(extensions)) return none;
      return Object.entries(extensions).flatMap(([key, value]) => {
        // UUIDs are equal in either case (RFC 4122 §3).
        const found = known.get(key.toLowerCase());
        return found === undefined || !isObject(value) ? none : carry(key, value, found);
      });
    },
  };
}

const knownShipped = shipped.map(({ definition, schema, validate }): [string, KnownExtension] => {
  const judge: JudgeValue = (value) => {
    const errors = validate(value) ? [] : (validate.errors ?? []);
    // The validator would keep the value.
    validate.errors = null;
    return errors;
  };
  const registered = { definition: definition as ExtensionDefinition, schema };
  return [registered.definition.id.toLowerCase(), know(registered, judge)];
});

/** The registry of a process in which none but the shipped extensions are registered. */
export const defaultExtensions: Extensions = createLookup(new Map(knownShipped));

/** A registry with the shipped extensions and these, which were checked when they were registered. */
export function createExtensions(registered: readonly RegisteredExtension[]): Extensions {
  if (registered.length === 0) return defaultExtensions;
  const known = registered.map((extension): [string, KnownExtension] => [
    extension.definition.id.toLowerCase(),
    know(extension, judgeLater(extension.schema)),
  ]);
  return createLookup(new Map([...known, ...knownShipped]));
}

/** Whether the object's type, which the standard does not define, is that of a registered extension. */
export function isDefinedType(object: StixObject, extensions: Extensions): boolean {
  return extensions.carriedBy(object).some(({ type }) => type?.startsWith('new-') === true);
}

/**
 * The object without the custom properties at its top level that registered extensions define, for a schema that takes
 * no others.
 */
export function withoutDefined(object: StixObject, type: string, extensions: Extensions): StixObject {
  const carried = extensions.carriedBy(object);
  if (carried.length === 0) return object;
  const isDefined = findObjectType(type) === undefined && isDefinedType(object, extensions);
  const added = new Set(carried.flatMap(({ properties }) => properties));
  const custom = new Set(customPropertiesOf(object, type).filter((name) => isDefined || added.has(name)));
  if (custom.size === 0) return object;
  return Object.fromEntries(Object.entries(object).filter(([name]) => !custom.has(name)));
}
