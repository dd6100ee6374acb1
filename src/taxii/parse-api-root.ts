/** Makes an ApiRoot of the JSON value that one file of `collections/` holds, and reports everything wrong with it. */

import { isName, isRole, nameRule, roleRule } from '../hub/names.ts';
import { suggest } from '../nearest.ts';
import { isObject } from '../stix/json-value.ts';
import { tlpLevels } from '../stix/markings.ts';
import type { Micros } from '../store/store.ts';
import { findSpan } from '../text.ts';
import type { ApiRoot, Collection } from './api-roots.ts';

/** Path segments that the server needs for itself. */
const reservedNames = ['taxii2', 'healthz', 'readyz', 'metrics', 'admin', 'console'];
const validations = ['spec', 'strict'] as const;

const rootName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const aliasFormat = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Takes note of a mistake, at a JSON Pointer below the present place if one is given. */
export type Report = (message: string, pointer?: string) => undefined;
/** Makes a typed value of a JSON value, or reports why it cannot. */
type Parse<T> = (value: unknown, report: Report) => T | undefined;

function below(report: Report, key: string | number): Report {
  const step = String(key).replaceAll('~', '~0').replaceAll('/', '~1');
  return (message, pointer = '') => report(message, `/${step}${pointer}`);
}

const parseText: Parse<string> = (value, report) => (typeof value === 'string' ? value : report('must be a string'));

const parseTitle: Parse<string> = (value, report) =>
  typeof value === 'string' && value.trim() !== '' ? value : report('must be a string that is not empty');

// TAXII clients are known that address a collection as `root.title`.
const parseCollectionTitle: Parse<string> = (value, report) => {
  const title = parseTitle(value, report);
  return title?.includes('.') ? report('must not contain a dot: some clients split titles at dots') : title;
};

const parseFlag: Parse<boolean> = (value, report) =>
  typeof value === 'boolean' ? value : report('must be true or false');

const parseLength: Parse<number> = (value, report) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
    ? value
    : report('must be a whole number of bytes, at least 1');

const parseRootName: Parse<string> = (value, report) => {
  if (typeof value !== 'string' || !rootName.test(value)) {
    return report('must be one path segment: 1 to 64 letters, digits, - and _, beginning with a letter or digit');
  }
  if (reservedNames.includes(value.toLowerCase()))
    return report(`must not be ${value}: the server uses that path itself`);
  return value;
};

const parseId: Parse<string> = (value, report) =>
  typeof value === 'string' && uuidV4.test(value)
    ? value
    : report('must be a UUID of version 4 in lower case; `node -p "crypto.randomUUID()"` makes one');

const parseAlias: Parse<string> = (value, report) => {
  if (typeof value !== 'string' || !aliasFormat.test(value)) {
    return report('must be one path segment: 1 to 64 letters, digits and - . _ ~, beginning with a letter or digit');
  }
  return uuid.test(value) ? report('must not look like a UUID') : value;
};

function parseOneOf<T extends string>(choices: readonly T[]): Parse<T> {
  return (value, report) =>
    choices.find((choice) => choice === value) ?? report(`must be one of ${choices.map((c) => `"${c}"`).join(', ')}`);
}

function parseList<T>(parseItem: Parse<T>): Parse<readonly T[]> {
  return (value, report) => {
    if (!Array.isArray(value)) return report('must be a list');
    const items = value.map((item: unknown, index) => parseItem(item, below(report, index)));
    return items.filter((item) => item !== undefined);
  };
}

/** What a text that names no audience was most likely meant to be. */
function suggestAudience(text: string): string {
  const [, name] = text.split(':', 2);
  const sorts = ['role', 'unit', 'group', 'user'];
  const near = suggest(text, name === undefined ? ['public', 'members'] : sorts.map((sort) => `${sort}:${name}`));
  if (near !== '' || name !== undefined || !isName(text)) return near;
  return `; did you mean ${isRole(text) ? `role:${text} or ` : ''}user:${text}?`;
}

const parseReader: Parse<string> = (value, report) => {
  if (value === 'public' || value === 'members') return value;
  const [, sort, name = ''] = (typeof value === 'string' && /^(role|unit|group|user):(.*)$/s.exec(value)) || [];
  if (typeof value !== 'string' || sort === undefined) {
    const forms = 'must be "public", "members", "role:ROLE", "unit:NAME", "group:NAME" or "user:NAME"';
    return report(`${forms}${typeof value === 'string' ? suggestAudience(value) : ''}`);
  }
  const lower = isRole(name.toLowerCase()) ? `; did you mean role:${name.toLowerCase()}?` : '';
  if (sort === 'role' && !isRole(name)) return report(`names no role: ${roleRule}${lower}`);
  if (sort !== 'role' && !isName(name)) return report(`names no ${sort}: ${nameRule}`);
  return value;
};

const parseWriter: Parse<string> = (value, report) =>
  value === 'public' ? report('must not be "public": publishing needs a login') : parseReader(value, report);

/** Reads members of an object, and reports those whose keys are not known. Undefined when it is no object. */
function openObject(value: unknown, report: Report, known: readonly string[]) {
  if (!isObject(value)) return report('must be an object');
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    below(report, key)(`is not a known key${suggest(key, known) || ';'} known here are ${known.join(', ')}`);
  }
  const find = <T>(key: string, parse: Parse<T>): T | undefined =>
    Object.hasOwn(value, key) ? parse(value[key], below(report, key)) : undefined;
  const need = <T>(key: string, parse: Parse<T>): T | undefined =>
    Object.hasOwn(value, key) ? find(key, parse) : below(report, key)('is missing');
  return { find, need };
}

/** What was most likely meant where a time span should stand. */
function suggestSpan(value: unknown): string {
  const [, amount, unit] = /^ ?(\d{1,6}) ?(?:([dh])|$)/i.exec(String(value)) ?? [];
  if (amount === undefined || Number(amount) === 0) return '';
  return `; did you mean "${Number(amount)}${unit?.toLowerCase() || 'd'}"?`;
}

const parseExpiry: Parse<Micros> = (value, report) => {
  const span = typeof value === 'string' && !value.endsWith('m') ? findSpan(value) : undefined;
  if (span !== undefined && span > 0) return span;
  return report(`must be a time span in days or hours, such as "90d" or "12h"${suggestSpan(value)}`);
};

const parseCollection: Parse<Collection> = (value, report) => {
  const known = ['id', 'alias', 'title', 'description', 'read', 'write', 'validation', 'tlp_ceiling', 'expire_after'];
  const members = openObject(value, report, known);
  if (members === undefined) return undefined;
  const { find, need } = members;
  const id = need('id', parseId);
  const alias = find('alias', parseAlias);
  const title = need('title', parseCollectionTitle);
  const description = find('description', parseText);
  const tlpCeiling = find('tlp_ceiling', parseOneOf(tlpLevels));
  const expireAfter = find('expire_after', parseExpiry);
  const rights = {
    read: find('read', parseList(parseReader)) ?? [],
    write: find('write', parseList(parseWriter)) ?? [],
    validation: find('validation', parseOneOf(validations)) ?? 'spec',
  };
  if (id === undefined || title === undefined) return undefined;
  return {
    id,
    ...(alias === undefined ? {} : { alias }),
    title,
    ...(description === undefined ? {} : { description }),
    ...rights,
    ...(tlpCeiling === undefined ? {} : { tlpCeiling }),
    ...(expireAfter === undefined ? {} : { expireAfter }),
  };
};

const parseEmptyObjects: Parse<boolean> = (value, report) =>
  openObject(value, report, ['empty_objects'])?.find('empty_objects', parseFlag);

const rootKeys = [
  'api_root',
  'title',
  'description',
  'contact',
  'default',
  'max_content_length',
  'client_compat',
  'collections',
];

/** The API root, with `isDefault` as the file says it; undefined when it is wrong beyond use. */
export const parseApiRoot: Parse<ApiRoot> = (value, report) => {
  const members = openObject(value, report, rootKeys);
  if (members === undefined) return undefined;
  const { find, need } = members;
  const name = need('api_root', parseRootName);
  const title = need('title', parseTitle);
  const description = find('description', parseText);
  const contact = find('contact', parseText);
  const maxContentLength = find('max_content_length', parseLength);
  const rest = {
    isDefault: find('default', parseFlag) ?? false,
    emptyObjects: find('client_compat', parseEmptyObjects) ?? false,
    collections: need('collections', parseList(parseCollection)) ?? [],
  };
  if (name === undefined || title === undefined) return undefined;
  return {
    name,
    title,
    ...(description === undefined ? {} : { description }),
    ...(contact === undefined ? {} : { contact }),
    ...(maxContentLength === undefined ? {} : { maxContentLength }),
    ...rest,
  };
};
