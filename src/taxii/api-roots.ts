/** API roots and their collections, as declared in `collections/*.json`. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listMistakes, OperatorError } from '../errors.ts';
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
}

// An API root with thousands of collections has a megabyte or two.
const maxFileLength = 16 * 1024 ** 2;

const byteOrderMark = Buffer.from('\ufeff');

function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Unlike JSON.parse alone, says where the text is wrong, and does not let the last of equal members win. */
function parseJson(bytes: Buffer, report: Report): unknown {
  const scanner = createScanner({ maxObjectLength: maxFileLength, onObject: () => {} });
  scanner.push(bytes.subarray(bytes.indexOf(byteOrderMark) === 0 ? byteOrderMark.length : 0));
  const { value, issues } = readObject(scanner.end().root);
  for (const { path, message } of issues) report(message, path);
  return value;
}

function readApiRoot(folder: string, file: string, mistakes: string[]): ApiRoot | undefined {
  const report: Report = (message, pointer = '') => {
    mistakes.push(`${file}: ${pointer}${pointer === '' ? '' : ': '}${message}`);
    return undefined;
  };
  try {
    const value = parseJson(readFileSync(join(folder, file)), report);
    return value === undefined ? undefined : parseApiRoot(value, report);
  } catch (error) {
    return report(describeError(error));
  }
}

function listFiles(folder: string, mistakes: string[]): string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json') && !file.startsWith('.'));
    if (files.length === 0) mistakes.push(`${folder} has no *.json file: each declares an API root`);
    return files.sort();
  } catch (error) {
    mistakes.push(`HUIJU_COLLECTIONS: ${describeError(error)}`);
    return [];
  }
}

/** What may occur once only, over all files. */
function checkTogether(declared: readonly DeclaredApiRoot[], mistakes: string[]): void {
  const names = new Map<string, string>();
  const ids = new Map<string, string>();
  const claim = (seen: Map<string, string>, value: string, file: string, what: string) => {
    const first = seen.get(value);
    if (first === undefined) seen.set(value, file);
    else mistakes.push(`${file}: ${what} ${value} is taken${first === file ? ' twice' : ` by ${first} already`}`);
  };
  for (const { file, apiRoot } of declared) {
    claim(names, apiRoot.name, file, '/api_root:');
    for (const { id } of apiRoot.collections) claim(ids, id, file, '/collections: the id');
  }
  const [first, ...others] = declared.filter(({ apiRoot }) => apiRoot.isDefault);
  for (const { file } of others) mistakes.push(`${file}: /default: ${first?.file} is the default already`);
}

/** Reads the API roots that the files of a folder declare, and says everything that is wrong with them. */
export function examineApiRoots(folder: string): ExaminedApiRoots {
  const mistakes: string[] = [];
  const declared = listFiles(folder, mistakes).flatMap((file) => {
    const apiRoot = readApiRoot(folder, file, mistakes);
    return apiRoot === undefined ? [] : [{ file, apiRoot }];
  });
  checkTogether(declared, mistakes);
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
