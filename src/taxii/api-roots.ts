/** API roots and their collections, as declared in `collections/*.json`. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listMistakes, OperatorError, systemReasonOf } from '../errors.ts';
import { isObject, listOf } from '../stix/json-value.ts';
import { createLocator, type Position } from '../stix/locate.ts';
import type { TlpLevel } from '../stix/markings.ts';
import { readObject } from '../stix/object-text.ts';
import { createScanner, ScanError } from '../stix/scan.ts';
import type { Micros } from '../store/store.ts';
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
  /** Microseconds after which a version goes; absent: never. */
  readonly expireAfter?: Micros;
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
  /** Everything that is wrong, each with its file and place, in that order. */
  readonly mistakes: readonly string[];
}

interface Place extends Position {
  readonly file: string;
}

interface Mistake extends Place {
  readonly message: string;
}

/** A file that is JSON; what it declares may be wrong all the same. */
interface DeclaringFile {
  readonly value: unknown;
  /** Undefined when it is wrong beyond use. */
  readonly apiRoot: ApiRoot | undefined;
  readonly report: Report;
  readonly placeOf: (pointer: string) => Place;
}

// An API root with thousands of collections has a megabyte or two.
const maxFileLength = 16 * 1024 ** 2;

/** Unlike JSON.parse alone, says where the text is wrong, and does not let the last of equal members win. */
function parseJson(bytes: Buffer, report: Report): unknown {
  const scanner = createScanner({ maxObjectLength: maxFileLength, onObject: () => {} });
  scanner.push(bytes);
  const { value, faults } = readObject(scanner.end().root);
  for (const { path, text } of faults) report(text.en, path);
  return value;
}

function placeOfFault(error: unknown): Position {
  return (error instanceof ScanError ? error.place : undefined) ?? { line: 1, column: 1 };
}

function readDeclaringFile(folder: string, file: string, mistakes: Mistake[]): DeclaringFile | undefined {
  try {
    const bytes = readFileSync(join(folder, file));
    const locate = createLocator(bytes.toString().replace(/^\ufeff/, ''));
    const placeOf = (pointer: string): Place => ({ file, ...locate(pointer) });
    const report: Report = (message, pointer = '') => {
      mistakes.push({ ...placeOf(pointer), message: `${pointer}${pointer === '' ? '' : ': '}${message}` });
      return undefined;
    };
    const value = parseJson(bytes, report);
    if (value === undefined) return undefined;
    return { value, apiRoot: parseApiRoot(value, report), report, placeOf };
  } catch (error) {
    const message = error instanceof ScanError ? error.what : systemReasonOf(error);
    mistakes.push({ file, ...placeOfFault(error), message });
    return undefined;
  }
}

function listFiles(folder: string, mistakes: string[]): string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json') && !file.startsWith('.'));
    if (files.length === 0) mistakes.push(`${folder} has no *.json file: each declares an API root`);
    return files.sort();
  } catch (error) {
    mistakes.push(`HUIJU_COLLECTIONS is ${folder}, which cannot be read: ${systemReasonOf(error)}`);
    return [];
  }
}

/** What a file takes for itself: `key` may be taken once only. */
interface Claim {
  readonly key: string;
  readonly pointer: string;
  readonly what: string;
}

/** Names of API roots and ids are taken over all files; titles and aliases, by which clients find a collection, in one. */
function* listClaims({ value, placeOf }: DeclaringFile): Generator<Claim> {
  if (!isObject(value)) return;
  const claim = (scope: string, taken: string, pointer: string): Claim => ({
    key: JSON.stringify([scope, taken]),
    pointer,
    what: JSON.stringify(taken),
  });
  if (typeof value.api_root === 'string') yield claim('api_root', value.api_root, '/api_root');
  if (value.default === true) yield { key: 'default', pointer: '/default', what: 'the default' };
  for (const [index, collection] of listOf(value.collections).entries()) {
    if (!isObject(collection)) continue;
    for (const name of ['id', 'title', 'alias']) {
      const scope = name === 'id' ? name : `${name} in ${placeOf('').file}`;
      const taken = collection[name];
      if (typeof taken === 'string') yield claim(scope, taken, `/collections/${index}/${name}`);
    }
  }
}

/** Reports what is taken twice, whether or not the rest of the files is right. */
function checkTogether(files: readonly DeclaringFile[]): void {
  const taken = new Map<string, () => Place>();
  for (const declaring of files) {
    for (const { key, pointer, what } of listClaims(declaring)) {
      const first = taken.get(key)?.();
      if (first === undefined) taken.set(key, () => declaring.placeOf(pointer));
      else declaring.report(`${what} is declared at ${first.file}:${first.line}:${first.column} already`, pointer);
    }
  }
}

function byPlace(a: Mistake, b: Mistake): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** Reads the API roots that the files of a folder declare, and says everything that is wrong with them. */
export function examineApiRoots(folder: string): ExaminedApiRoots {
  const general: string[] = [];
  const mistakes: Mistake[] = [];
  const files = listFiles(folder, general)
    .map((file) => readDeclaringFile(folder, file, mistakes))
    .filter((declaring) => declaring !== undefined);
  checkTogether(files);
  const apiRoots = files.map(({ apiRoot }) => apiRoot).filter((apiRoot) => apiRoot !== undefined);
  apiRoots.sort((a, b) => (a.name < b.name ? -1 : 1));
  const hasDefault = apiRoots.some(({ isDefault }) => isDefault);
  return {
    apiRoots: apiRoots.map((root, index) => ({ ...root, isDefault: hasDefault ? root.isDefault : index === 0 })),
    mistakes: [
      ...general,
      ...mistakes.sort(byPlace).map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`),
    ],
  };
}

/** The API roots, by name. Throws one OperatorError that lists everything that is wrong with any of the files. */
export function loadApiRoots(folder: string): readonly ApiRoot[] {
  const { apiRoots, mistakes } = examineApiRoots(folder);
  if (mistakes.length > 0) throw new OperatorError(`Collections in ${folder}: ${listMistakes(mistakes)}`);
  return apiRoots;
}
