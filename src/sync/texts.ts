/** Texts of objects on their way through a feed: named, but neither changed nor judged. */

import { isObject } from '../stix/json-value.ts';
import { createScanner } from '../stix/scan.ts';
import { findVersionKey } from '../stix/timestamp.ts';
import type { VersionName } from '../store/store.ts';

/** What an object says that it is. */
export interface TextName extends VersionName {
  readonly version: string | null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The name of the version that a text holds; undefined when it names none. */
export function findName(text: string): TextName | undefined {
  const value = parse(text);
  if (!isObject(value) || typeof value.id !== 'string') return undefined;
  for (const version of [value.modified, value.created]) {
    const versionKey = typeof version === 'string' ? findVersionKey(version) : undefined;
    if (typeof version === 'string' && versionKey !== undefined) return { id: value.id, version, versionKey };
  }
  return { id: value.id, version: null, versionKey: null };
}

/** The texts of a page of the store, which joins them by commas. */
export function splitPage(texts: Buffer): string[] {
  const objects: string[] = [];
  const scanner = createScanner({
    maxObjectLength: texts.length,
    onObject: ({ text }) => objects.push(text.toString()),
  });
  scanner.push(Buffer.from('{"objects":['));
  scanner.push(texts);
  scanner.push(Buffer.from(']}'));
  scanner.end();
  return objects;
}
