/** What the standard says of each object type, from the schemas. */

import { isObject } from './json-value.ts';
import { type ObjectType, types } from './validators.generated.js';

const byName = new Map(types.filter(({ kind }) => kind !== 'custom').map((type) => [type.type, type]));
const properties = new Map(types.map(({ type, properties: names }) => [type, new Set(names)]));

export type StixObject = Readonly<Record<string, unknown>>;

/** The names of the types that the standard has. */
export const standardTypes: readonly string[] = [...byName.keys()];

export function findObjectType(type: string): ObjectType | undefined {
  return byName.get(type);
}

/** Whether an extension of the object has one of these values for `extension_type` (STIX 2.1 §7.3). */
export function hasExtensionOf(object: StixObject, ...kinds: readonly string[]): boolean {
  if (!isObject(object.extensions)) return false;
  return Object.values(object.extensions).some(
    (extension) => isObject(extension) && kinds.includes(extension.extension_type as string),
  );
}

/** Whether a type that the standard does not define is a cyber-observable: it says so, or it has no version. */
function isCustomObservable(object: StixObject): boolean {
  if (hasExtensionOf(object, 'new-sco')) return true;
  if (hasExtensionOf(object, 'new-sdo', 'new-sro')) return false;
  return object.created === undefined && object.modified === undefined;
}

/** The schema that judges the object: that of its type, or the one for custom types of its shape. */
export function schemaNameOf(object: StixObject, type: string): string {
  if (byName.has(type)) return type;
  return isCustomObservable(object) ? 'custom-sco' : 'custom-sdo';
}

/** Whether the object is a cyber-observable, by its type or, of a custom type, by its shape. */
export function isObservable(object: StixObject, type: string): boolean {
  return (byName.get(type)?.kind ?? schemaNameOf(object, type)).endsWith('sco');
}

/** The names of the properties that the standard does not give the object's type. */
export function customPropertiesOf(object: StixObject, type: string): string[] {
  const known = properties.get(type) ?? properties.get(schemaNameOf(object, type));
  const names: string[] = [];
  for (const name in object) if (known?.has(name) === false) names.push(name);
  return names;
}
