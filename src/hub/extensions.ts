/**
 * Registering extensions: an extension definition and the JSON Schema of its content are read from files, checked, and
 * kept as records. `registered-extensions.ts` reads them.
 */

import { isDeepStrictEqual } from 'node:util';
import { messageOf, OperatorError } from '../errors.ts';
import { suggest } from '../nearest.ts';
import { checkObject } from '../stix/check-object.ts';
import { assertSchema, SchemaMistake } from '../stix/extension-schema.ts';
import { type ExtensionDefinition, type RegisteredExtension, shippedExtensions } from '../stix/extensions.ts';
import { formatIssue } from '../stix/issue.ts';
import { isObject, listOf } from '../stix/json-value.ts';
import { readObject } from '../stix/object-text.ts';
import { findVersionKey, formatMicros } from '../stix/timestamp.ts';
import type { Micros, Store } from '../store/store.ts';
import { walkRecords } from './records.ts';
import {
  changesId,
  changesKind,
  isDefinition,
  isSchema,
  extensionKind as kind,
  parseRegistration,
  type Registration,
} from './registered-extensions.ts';

/** Each checking thread holds them all. */
const maxExtensions = 500;
const maxTotalLength = 16 * 1024 * 1024;
/** Bytes of a file that is to be registered. */
export const maxSchemaLength = 1024 * 1024;
const maxDepth = 100;
const maxAttempts = 100;

/** A text that is to be registered, and what to call it when something is wrong with it. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

function parseJson({ name, text }: NamedText): unknown {
  if (Buffer.byteLength(text) > maxSchemaLength) {
    throw new OperatorError(
      `${name}: it is longer than ${maxSchemaLength} bytes; an extension and its schema are shorter`,
    );
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new OperatorError(`${name}: this is not JSON: ${messageOf(error)}`);
  }
  const { value, faults } = readObject(text, maxDepth);
  const [fault] = faults;
  if (fault !== undefined)
    throw new OperatorError(`${name}: ${fault.path === '' ? '' : `${fault.path}: `}${fault.text.en}`);
  return value;
}

const forms =
  'an extension-definition object, a bundle with exactly one, or {"definition": the object, "schema": its JSON Schema}';

function findDefinition(value: unknown, name: string): { definition: unknown; schema?: unknown } {
  if (!isObject(value)) throw new OperatorError(`${name}: this is no extension; it must be ${forms}`);
  if (value.type === 'extension-definition') return { definition: value };
  if (value.type === 'bundle') {
    const found = listOf(value.objects).filter((one) => isObject(one) && one.type === 'extension-definition');
    if (found.length === 1) return { definition: found[0] };
    throw new OperatorError(`${name}: the bundle has ${found.length} extension definitions; give ${forms}`);
  }
  if (value.type === undefined && isObject(value.definition))
    return { definition: value.definition, schema: value.schema };
  throw new OperatorError(`${name}: this is no extension; it must be ${forms}`);
}

function checkDefinition(definition: unknown, name: string): ExtensionDefinition {
  const { errors } = checkObject(JSON.stringify(definition), 'spec');
  if (errors.length > 0) {
    throw new OperatorError(`${name}: the definition is not valid STIX: ${errors.map(formatIssue).join('; ')}`);
  }
  if (!isDefinition(definition)) throw new OperatorError(`${name}: the definition is no extension-definition object`);
  if (definition.revoked === true)
    throw new OperatorError(`${name}: the definition is revoked; register one that is not`);
  return definition;
}

/** The schema that the definition has in its own `schema`, which may be a URL or the text (STIX 2.1 §7.3). */
function schemaWithin({ schema: text }: ExtensionDefinition, name: string): unknown {
  const isText = typeof text === 'string' && text.trimStart().startsWith('{');
  if (isText) return parseJson({ name: `${name}, the schema within the definition`, text });
  throw new OperatorError(
    `${name}: no JSON Schema is in it: the definition's "schema" is ${JSON.stringify(String(text).slice(0, 200))}, and nothing is ever fetched; give the schema as a file with --schema`,
  );
}

/**
 * An extension from a file, and its schema from a second one if given. Throws an OperatorError that says what is wrong:
 * both are checked in full.
 */
export function parseExtension(file: NamedText, schemaFile?: NamedText): RegisteredExtension {
  const found = findDefinition(parseJson(file), file.name);
  const definition = checkDefinition(found.definition, file.name);
  const given = schemaFile === undefined ? found.schema : parseJson(schemaFile);
  const schema = given ?? schemaWithin(definition, file.name);
  const place = schemaFile?.name ?? file.name;
  if (!isSchema(schema)) throw new OperatorError(`${place}: a JSON Schema is an object, true or false`);
  try {
    assertSchema(schema);
  } catch (error) {
    if (error instanceof SchemaMistake)
      throw new OperatorError(`${place}: the schema cannot be used: ${error.message}`);
    throw error;
  }
  return { definition, schema };
}

function isShipped(id: string): boolean {
  return shippedExtensions.some(({ definition }) => definition.id === id);
}

function refuseShipped(id: string): void {
  if (isShipped(id)) throw new OperatorError(`the extension ${id} is shipped with Huiju: it is registered, and stays`);
}

/** Every registered extension and every shipped one, by id. */
export async function listExtensions(store: Store): Promise<Registration[]> {
  const found: Registration[] = shippedExtensions.map((extension) => ({ ...extension, since: null }));
  for await (const record of walkRecords(store, kind)) found.push(parseRegistration(record));
  return found.sort((a, b) => (a.definition.id < b.definition.id ? -1 : 1));
}

/** The registered extension of this id. Throws an OperatorError when there is none; it suggests the nearest. */
export async function getExtension(store: Store, id: string): Promise<Registration> {
  const all = await listExtensions(store);
  const found = all.find(({ definition }) => definition.id === id);
  if (found !== undefined) return found;
  const help =
    suggest(
      id,
      all.map(({ definition }) => definition.id),
    ) || '; `huiju extension list` shows which there are';
  throw new OperatorError(`there is no extension ${JSON.stringify(id)}${help}`);
}

// After the change: a server that reads in between reads once more.
async function noteChange(store: Store): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const { revision = 0 } = (await store.findRecord(changesKind, changesId)) ?? {};
    if (await store.putRecord(changesKind, changesId, revision, {}, {})) return;
  }
  throw new Error(`The record of changed extensions changed ${maxAttempts} times while it was being changed.`);
}

function refuseOlder(present: RegisteredExtension, { definition }: RegisteredExtension): void {
  const [before, now] = [present, { definition }].map((one) => findVersionKey(String(one.definition.modified)) ?? '');
  if (String(now) > String(before)) return;
  if (String(now) < String(before)) {
    throw new OperatorError(
      `a newer version of ${definition.id} is registered: modified ${present.definition.modified}, this one ${definition.modified}; remove it first if you mean to go back`,
    );
  }
  if (!isDeepStrictEqual(present.definition, definition)) {
    throw new OperatorError(
      `another definition is registered with the id ${definition.id} and modified ${definition.modified}; a changed one has a later modified`,
    );
  }
}

async function refuseTooMany(store: Store, added: RegisteredExtension): Promise<void> {
  let count = 1;
  let length = JSON.stringify(added).length;
  for await (const { id, document } of walkRecords(store, kind)) {
    if (id === added.definition.id) continue;
    count += 1;
    length += JSON.stringify(document).length;
  }
  if (count > maxExtensions || length > maxTotalLength) {
    throw new OperatorError(
      `too much would be registered: ${count} extensions with ${length} characters, and ${maxExtensions} with ${maxTotalLength} may be; remove one with \`huiju extension remove\``,
    );
  }
}

/**
 * Registers an extension that `parseExtension` has read, or replaces it: a newer version of the definition, or another
 * schema for the same. Servers on the store judge by it from their next publication on. Throws an OperatorError when a
 * newer version is registered, when it is shipped, or when there are too many.
 */
export async function registerExtension(
  store: Store,
  extension: RegisteredExtension,
  now: Micros,
): Promise<'added' | 'replaced'> {
  const { id } = extension.definition;
  refuseShipped(id);
  await refuseTooMany(store, extension);
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const present = await store.findRecord(kind, id);
    if (present !== undefined) refuseOlder(parseRegistration(present), extension);
    const document = { ...extension, registered_at: formatMicros(now) };
    if (await store.putRecord(kind, id, present?.revision ?? 0, document, {})) {
      await noteChange(store);
      return present === undefined ? 'added' : 'replaced';
    }
  }
  throw new Error(`The extension ${id} changed ${maxAttempts} times while it was being registered.`);
}

/** Removes a registered extension. Throws an OperatorError when there is none or it is shipped. */
export async function removeExtension(store: Store, id: string): Promise<void> {
  refuseShipped(id);
  for (;;) {
    const record = await store.findRecord(kind, id);
    if (record === undefined) await getExtension(store, id);
    else if (await store.deleteRecord(kind, id, record.revision)) return noteChange(store);
  }
}
