/**
 * The extensions that are registered in a store: records of kind `extension`, by the id of the definition. A record
 * beside them rises in revision with every change, so that servers notice one by a single small read. Nothing here
 * loads the validators: the server's main thread has no need of them.
 */

import type { ExtensionDefinition, JsonSchema, RegisteredExtension, RegisteredExtensions } from '../stix/extensions.ts';
import { isObject } from '../stix/json-value.ts';
import type { RecordSource, StoredRecord } from '../store/store.ts';
import { walkRecords } from './records.ts';

export const extensionKind = 'extension';
/** The record whose revision counts the changes. */
export const changesKind = 'extension-changes';
export const changesId = 'all';

export interface Registration extends RegisteredExtension {
  /** When it was registered, as a TAXII timestamp; null: it is shipped with Huiju. */
  readonly since: string | null;
}

export function isSchema(value: unknown): value is JsonSchema {
  return isObject(value) || typeof value === 'boolean';
}

export function isDefinition(value: unknown): value is ExtensionDefinition {
  return isObject(value) && typeof value.id === 'string' && value.type === 'extension-definition';
}

/** Reads a record of kind `extension`. */
export function parseRegistration({ id, document }: StoredRecord): Registration {
  const { definition, schema, registered_at: since } = isObject(document) ? document : {};
  if (isDefinition(definition) && isSchema(schema) && typeof since === 'string') return { definition, schema, since };
  throw new Error(`The stored extension ${id} is damaged.`);
}

/** Every extension that is registered, by id; the shipped ones are not among them. */
export async function readExtensions(store: RecordSource): Promise<RegisteredExtension[]> {
  const extensions: RegisteredExtension[] = [];
  for await (const record of walkRecords(store, extensionKind)) {
    const { definition, schema } = parseRegistration(record);
    extensions.push({ definition, schema });
  }
  return extensions;
}

/**
 * Returns a function that resolves to what is registered now. It costs a read of one small record, unless something has
 * changed; as long as nothing has, it resolves to the same value.
 */
export function watchExtensions(store: RecordSource): () => Promise<RegisteredExtensions> {
  let known: RegisteredExtensions = { revision: 0, extensions: [] };
  return async () => {
    const { revision = 0 } = (await store.findRecord(changesKind, changesId)) ?? {};
    if (revision !== known.revision) known = { revision, extensions: await readExtensions(store) };
    return known;
  };
}
