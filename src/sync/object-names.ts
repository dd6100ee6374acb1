/** What objects on their way through a feed are called: their texts are neither changed nor judged. */

import { isObject } from '../stix/json-value.ts';
import { findVersionKey } from '../stix/timestamp.ts';
import type { VersionName } from '../store/store.ts';

/** What an object says that it is. */
export interface ObjectName extends VersionName {
  /** Empty when it says none. */
  readonly type: string;
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
export function findName(text: string): ObjectName | undefined {
  const value = parse(text);
  if (!isObject(value) || typeof value.id !== 'string') return undefined;
  const named = { id: value.id, type: typeof value.type === 'string' ? value.type : '' };
  for (const version of [value.modified, value.created]) {
    const versionKey = typeof version === 'string' ? findVersionKey(version) : undefined;
    if (typeof version === 'string' && versionKey !== undefined) return { ...named, version, versionKey };
  }
  return { ...named, version: null, versionKey: null };
}
