/** API roots and their collections, as declared in `collections/*.json`. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listMistakes, messageOf, OperatorError } from '../errors.ts';
import { createLocator } from '../stix/locate.ts';
import type { TlpLevel } from '../stix/markings.ts';
import { readObject } from '../stix/object-text.ts';
import { createScanner } from '../stix/scan.ts';
import { parseApiRoot, type Report } from './parse-api-root.ts';

export interface Collection {
  /** A UUID, version 4; unique over all API roots. */
  readonly id: string;
  readonly alias?: string;
  readonly title: string;
  readonly description?: string;
  /** Who may read and write: `public`, `members`, `role:R`, `unit:U`, `group:G`, `user:N`. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly validation: 'spec' | 'strict';
  /** The strictest marking an object in this collection may carry. */
  readonly tlpCeiling?: TlpLevel;
}

export interface ApiRoot {
  /** Its path segment: the root lives at `/{name}/`. */
  readonly name: string;
  readonly title: string;
  readonly description?: string;
  readonly contact?: string;
  /** Of all API roots exactly one is the default. */
  readonly isDefault: boolean;
  /** Bytes of a request body, decoded; absent: the server's own limit. */
  readonly maxContentLength?: number;
  /** Whether empty pages carry `"objects":[]` for clients that cannot do without. */
  readonly emptyObjects: boolean;
  readonly collections: readonly Collection[];
}

export interface ExaminedApiRoots {
  /** By name; without those that are wrong beyond use. */
  readonly apiRoots: readonly ApiRoot[];
  /** Everything that is wrong, each with its file and place. */
  readonly mistakes: readonly string[];
}

interface DeclaredApiRoot {
  readonly file: string;
  readonly apiRoot: ApiRoot;
  /** The file's JSON value, in which the places of mistakes are found. */
  readonly value: unknown;
  readonly report: Report;
}

// An API root with thousands of collections has a megabyte or two.
const maxFileLength = 16 * 1024 ** 2;

/** Unlike JSON.parse alone, says where the text is wrong, and does not let the last of equal members win. */
function parseJson(bytes: Buffer, report: Report): unknown {
  const scanner = createScanner({ maxObjectLength: maxFileLength, onObject: () => {} });
  scanner.push(bytes);
  const { value, issues } = readObject(scanner.end().root);
  for (const { path, message } of issues) report(message, path);
  return value;
}

function readApiRoot(folder: string, file: string, mistakes: string[]): DeclaredApiRoot | undefined {
  try {
    const bytes = readFileSync(join(folder, file));
    const locate = createLocator(bytes.toString().replace(/^\ufeff/, ''));
    const report: Report = (message, pointer = '') => {
      const { line, column } = locate(pointer);
      mistakes.push(`${file}:${line}:${column}: ${pointer}${pointer === '' ? '' : ': '}${message}`);
      return undefined;
    };
    const value = parseJson(bytes, report);
    const apiRoot = value === undefined ? undefined : parseApiRoot(value, report);
    return apiRoot === undefined ? undefined : { file, apiRoot, value, report };
  } catch (error) {
    mistakes.push(`${file}: ${messageOf(error)}`);
    return undefined;
  }
}

function listFiles(folder: string, mistakes: string[]): string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json') && !file.startsWith('.'));
    if (files.length === 0) mistakes.push(`${folder} has no *.json file: each declares an API root`);
    return files.sort();
  } catch (error) {
    mistakes.push(`HUIJU_COLLECTIONS: ${messageOf(error)}`);
    return [];
  }
}

/** The ids of a file's collections, each with its place, whether or not the rest of the collection is right. */
function listIds(value: unknown): readonly (readonly [id: unknown, pointer: string])[] {
  const { collections } = value as { readonly collections?: unknown };
  if (!Array.isArray(collections)) return [];
  return collections.map((collection: { readonly id?: unknown } | null, index) => [
    collection?.id,
    `/collections/${index}/id`,
  ]);
}

/** What may occur once only, over all files. */
function checkTogether(declared: readonly DeclaredApiRoot[]): void {
  const names = new Map<unknown, string>();
  const ids = new Map<unknown, string>();
  const claim = (seen: Map<unknown, string>, value: unknown, { file, report }: DeclaredApiRoot, pointer: string) => {
    const first = seen.get(value);
    if (first === undefined) seen.set(value, file);
    else report(`${value} is taken ${first === file ? 'twice' : `by ${first} already`}`, pointer);
  };
  for (const one of declared) {
    claim(names, one.apiRoot.name, one, '/api_root');
    const known = new Set<unknown>(one.apiRoot.collections.map(({ id }) => id));
    for (const [id, pointer] of listIds(one.value)) if (known.has(id)) claim(ids, id, one, pointer);
  }
  const [first, ...others] = declared.filter(({ apiRoot }) => apiRoot.isDefault);
  for (const { report } of others) report(`${first?.file} is the default already`, '/default');
}

/** Reads the API roots that the files of a folder declare, and says everything that is wrong with them. */
export function examineApiRoots(folder: string): ExaminedApiRoots {
  const mistakes: string[] = [];
  const declared = listFiles(folder, mistakes)
    .map((file) => readApiRoot(folder, file, mistakes))
    .filter((one) => one !== undefined);
  checkTogether(declared);
  const apiRoots = declared.map(({ apiRoot }) => apiRoot).sort((a, b) => (a.name < b.name ? -1 : 1));
  const hasDefault = apiRoots.some(({ isDefault }) => isDefault);
  return {
    apiRoots: apiRoots.map((root, index) => ({ ...root, isDefault: hasDefault ? root.isDefault : index === 0 })),
    mistakes,
  };
}

/** The API roots, by name. Throws one OperatorError that lists everything that is wrong with any of the files. */
export function loadApiRoots(folder: string): readonly ApiRoot[] {
  const { apiRoots, mistakes } = examineApiRoots(folder);
  if (mistakes.length > 0) throw new OperatorError(`Collections in ${folder}: ${listMistakes(mistakes)}`);
  return apiRoots;
}
