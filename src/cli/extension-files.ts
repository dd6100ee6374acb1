/** Extensions from files, and those that a run without a server judges by. */

import { open } from 'node:fs/promises';
import { maxSchemaLength, type NamedText, parseExtension } from '../hub/extensions.ts';
import { readExtensions } from '../hub/registered-extensions.ts';
import { createExtensions, type Extensions, type RegisteredExtension } from '../stix/extensions.ts';
import { openGlimpse, type StoreLocation } from '../store/open-store.ts';
import { cannot } from './reason.ts';

/** A byte more than may be registered, if there are so many: what is too long need not be read to its end. */
async function readStart(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxSchemaLength + 1), 0, maxSchemaLength + 1, null);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

async function readText(path: string): Promise<NamedText> {
  try {
    return { name: path, text: await readStart(path) };
  } catch (error) {
    throw cannot('read', path, error);
  }
}

/** The extension in a file, its schema in a second one if that is named. Throws OperatorError for what is wrong. */
export async function readExtension(path: string, schemaPath?: string): Promise<RegisteredExtension> {
  const schema = schemaPath === undefined ? undefined : await readText(schemaPath);
  return parseExtension(await readText(path), schema);
}

async function readStored(location: StoreLocation): Promise<RegisteredExtension[]> {
  const store = await openGlimpse(location);
  try {
    return store === undefined ? [] : await readExtensions(store);
  } finally {
    await store?.close();
  }
}

/** What is registered in the store, if there is one, and in these files, which go before it. The store stays as it is. */
export async function loadExtensions(store: StoreLocation, paths: readonly string[]): Promise<Extensions> {
  const own = await Promise.all(paths.map((path) => readExtension(path)));
  return createExtensions([...(await readStored(store)), ...own]);
}
