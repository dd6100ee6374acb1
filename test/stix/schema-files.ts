/** The schemas of schemas/ as data, and which of them judges an object: what anybody else has who uses them. */

import { readdirSync, readFileSync } from 'node:fs';
import { type StixObject, schemaNameOf } from '../../src/stix/object-types.ts';
import type { Policy } from '../../src/stix/rule.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type Schema = { readonly [name: string]: Json };

export const schemaBase = 'https://schemas.huiju.example/stix-2.1/';
const folder = new URL('../../schemas/', import.meta.url);

const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.json'))
  .sort();

function readSchemas(those: (path: string) => boolean): Map<string, Schema> {
  const read = (path: string) => JSON.parse(readFileSync(new URL(path, folder), 'utf8')) as Schema;
  return new Map(paths.filter(those).map((path) => [path, read(path)]));
}

function isOfExtension(path: string): boolean {
  return path.startsWith('extensions/');
}

/** The schemas of the standard by their path in the folder. */
export const schemaFiles: ReadonlyMap<string, Schema> = readSchemas((path) => !isOfExtension(path));

/** The schemas of registered extensions. */
export const extensionSchemas: ReadonlyMap<string, Schema> = new Map(
  [...readSchemas(isOfExtension)].map(([path, { schema }]) => [path, schema as Schema]),
);

const pathByName = new Map<string, string>();
for (const path of schemaFiles.keys()) {
  const [, name] = /^(?:(?:sdo|sro|sco|meta|custom)\/)?([a-z0-9-]+)\.json$/.exec(path) ?? [];
  if (name !== undefined) pathByName.set(name, path);
}

/** The schemas that judge objects, not parts of them, by the type they are for. */
export const objectSchemas: ReadonlyMap<string, string> = pathByName;

/** The path of the schema that judges the object; undefined when it has no type. */
export function schemaPathFor(object: unknown): string | undefined {
  if (typeof object !== 'object' || object === null || !('type' in object)) return undefined;
  const { type } = object;
  return typeof type === 'string' ? pathByName.get(schemaNameOf(object as StixObject, type)) : undefined;
}

/** Calls `visit` with every schema within the schema, itself included, and its place: a JSON Pointer. */
export function visitSchema(schema: Json, visit: (schema: Schema, place: string) => void, place = ''): void {
  if (typeof schema !== 'object' || schema === null) return;
  if (!Array.isArray(schema)) visit(schema as Schema, place);
  for (const [name, part] of Object.entries(schema)) {
    if (name === 'const' || name === 'enum') continue;
    visitSchema(part, visit, `${place}/${name}`);
  }
}

/** The schema with its structures closed to custom properties under `strict`, open as written under `spec`. */
export function underPolicy(policy: Policy, schema: Schema): Schema {
  if (policy === 'spec') return schema;
  const close = (name: string, value: Json): Json => (name === 'unevaluatedProperties' ? false : value);
  return JSON.parse(JSON.stringify(schema), close) as Schema;
}
