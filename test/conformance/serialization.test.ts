/** TAXII 2.1 §2 and §3.8: how every resource is written: its text, its property names and the types of their values. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking } from '../support/stix-objects.ts';
import { type Answer, ids, newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { at, statusOf, taxiiTimestamp, uuid4 } from './answers.ts';

let server: TestServer;
/** Every resource, in all the forms in which it occurs, by name. */
const resources = new Map<string, readonly Answer[]>();

const identity = newIdentity({ name: '汇聚 🦊 "é" \\ \u2028 \u{10FFFF}' });
const address = newAddress();
const statuses: string[] = [];

async function publish(...objects: readonly unknown[]): Promise<Answer> {
  const answer = await server.publish(objects);
  statuses.push(`/main/status/${statusOf(answer).id}/`);
  return answer;
}

beforeAll(async () => {
  server = await startTaxiiServer();
  const get = (...paths: readonly string[]): Promise<Answer[]> => Promise.all(paths.map((path) => server.get(path)));
  const posted = [
    await publish(identity, address, newMarking()),
    await publish({ ...identity, modified: '2025-01-01T00:00:00.000Z' }, { id: 'ünknown', type: 'identity' }),
    await publish({ type: 'identity' }),
  ];
  const object = `${at.rw}/objects/${identity.id}/`;
  const nothing = 'added_after=2999-01-01T00:00:00Z';
  resources.set('discovery', [...(await get('/taxii2/')), await server.get('/taxii2/', { as: null })]);
  resources.set('api-root', await get('/main/', '/open/', '/small/', '/empty/'));
  resources.set('status', [...posted, ...(await get(...statuses))]);
  resources.set('collections', await get('/main/collections/', '/open/collections/', '/empty/collections/'));
  resources.set('collection', await get(`${at.rw}/`, `${at.ro}/`, `${at.wo}/`, '/small/collections/strict/'));
  const paths = [`${at.rw}/manifest/`, `${at.rw}/manifest/?limit=1`, `${at.rw}/manifest/?${nothing}`];
  resources.set('manifest', await get(...paths));
  const objects = [`${at.rw}/objects/`, `${at.rw}/objects/?limit=1&match[version]=all`, `${at.rw}/objects/?${nothing}`];
  resources.set('envelope', await get(...objects, object, `${object}?match[version]=all&limit=1`));
  resources.set(
    'versions',
    await get(`${object}versions/`, `${object}versions/?limit=1`, `${object}versions/?${nothing}`),
  );
  resources.set('error', await get('/nowhere/', '/%E6%B1%87/', `${at.rw}/objects/?limit=%E6%B1%87`));
});
afterAll(() => server.close());

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, { readonly required: boolean; readonly is: Check }>>;

const isString: Check = (value) => typeof value === 'string';
const isBoolean: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isPositive: Check = (value) => isCount(value) && value !== 0;
const isIdentifier: Check = (value) => typeof value === 'string' && uuid4.test(value);
const isTimestamp: Check = (value) => typeof value === 'string' && taxiiTimestamp.test(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf =
  (is: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(is);
const shaped =
  (shape: Shape): Check =>
  (value) =>
    isObject(value) && faultsOf(value, shape).length === 0;

/** What is wrong with a resource: names that its table has not, required ones that are missing, values of other types. */
function faultsOf(resource: Record<string, unknown>, shape: Shape): string[] {
  const unknown = Object.keys(resource).filter((name) => !(name in shape));
  const missing = Object.keys(shape).filter((name) => shape[name]?.required === true && !(name in resource));
  const wrong = Object.entries(resource).filter(([name, value]) => shape[name]?.is(value) === false);
  return [...unknown, ...missing, ...wrong.map(([name, value]) => `${name}: ${JSON.stringify(value)}`)];
}

const required = (is: Check) => ({ required: true, is });
const optional = (is: Check) => ({ required: false, is });

const details: Shape = { id: required(isString), version: required(isString), message: optional(isString) };
const collection: Shape = {
  id: required(isIdentifier),
  title: required(isString),
  description: optional(isString),
  alias: optional(isString),
  can_read: required(isBoolean),
  can_write: required(isBoolean),
  media_types: optional(listOf(isString)),
};
const record: Shape = {
  id: required(isString),
  date_added: required(isTimestamp),
  version: required(isString),
  media_type: optional(isString),
};
const paged = { more: optional(isBoolean), next: optional(isString) };

/** The property tables of §3.6.1, §3.7.1, §4 and §5. */
const shapes: Readonly<Record<string, Shape>> = {
  discovery: {
    title: required(isString),
    description: optional(isString),
    contact: optional(isString),
    default: optional(isString),
    api_roots: optional(listOf(isString)),
  },
  'api-root': {
    title: required(isString),
    description: optional(isString),
    versions: required(listOf(isString)),
    max_content_length: required(isPositive),
  },
  status: {
    id: required(isIdentifier),
    status: required((value) => value === 'complete' || value === 'pending'),
    request_timestamp: optional(isTimestamp),
    total_count: required(isCount),
    success_count: required(isCount),
    successes: optional(listOf(shaped(details))),
    failure_count: required(isCount),
    failures: optional(listOf(shaped(details))),
    pending_count: required(isCount),
    pendings: optional(listOf(shaped(details))),
  },
  collections: { collections: optional(listOf(shaped(collection))) },
  collection,
  manifest: { ...paged, objects: optional(listOf(shaped(record))) },
  envelope: { ...paged, objects: optional(listOf(isObject)) },
  versions: { ...paged, versions: optional(listOf(isString)) },
  error: {
    title: required(isString),
    description: optional(isString),
    error_id: optional(isString),
    error_code: optional(isString),
    http_status: optional(isString),
    external_details: optional(isString),
    details: optional(isObject),
  },
};
const names = Object.keys(shapes);

/** Every value of every resource, by the name it stands under. */
function* valuesOf(value: unknown, name = ''): Generator<readonly [string, unknown]> {
  yield [name, value];
  if (Array.isArray(value)) for (const item of value) yield* valuesOf(item, name);
  else if (isObject(value)) for (const [key, member] of Object.entries(value)) yield* valuesOf(member, key);
}

function valuesNamed(...wanted: readonly string[]): unknown[] {
  const everything = [...resources.values()].flat().flatMap((answer) => [...valuesOf(answer.json())]);
  return everything.filter(([name]) => wanted.includes(name)).map(([, value]) => value);
}

describe('TAXII 2.1 §2 serialization', () => {
  test.each(names)(
    'T-001: %s is UTF-8 JSON without BOM, duplicate names or other numbers than those of JSON',
    (name) => {
      const answers = resources.get(name) ?? [];
      expect(answers.length).toBeGreaterThan(1);
      for (const { text, headers } of answers) {
        expect(Buffer.byteLength(text)).toBe(Number(headers['content-length']));
        expect(text).not.toMatch(/^\uFEFF|\uFFFD/);
        // Compact text with each name once is what its own parse is written as.
        expect(JSON.stringify(JSON.parse(text))).toBe(text);
      }
    },
  );

  test('T-002: can_read, can_write and more are true or false, of both kinds', () => {
    for (const name of ['can_read', 'can_write', 'more']) {
      const values = valuesNamed(name);
      expect(new Set(values)).toEqual(new Set([true, false]));
    }
  });

  test('T-003: ids of collections and statuses are UUIDs of version 4', () => {
    const ofCollections = (resources.get('collections') ?? []).flatMap((answer) =>
      (answer.json<{ collections?: { id: string }[] }>().collections ?? []).map(({ id }) => id),
    );
    const ofStatuses = (resources.get('status') ?? []).map((answer) => answer.json().id);
    expect(ofCollections).toEqual([ids.rw, ids.ro, ids.wo, ids.open]);
    for (const id of [...ofCollections, ...ofStatuses]) expect(id).toMatch(uuid4);
    expect(new Set(ofStatuses).size).toBe(3);
  });

  test('T-004: max_content_length and the four counts are whole numbers', () => {
    const values = valuesNamed('max_content_length', 'total_count', 'success_count', 'failure_count', 'pending_count');
    expect(values).toHaveLength(4 + 4 * 6);
    for (const value of values) expect(Number.isSafeInteger(value)).toBe(true);
  });

  test('T-005, T-006: no list is empty; where there is nothing there is no list', () => {
    const lists = [
      'api_roots',
      'versions',
      'collections',
      'objects',
      'media_types',
      'successes',
      'failures',
      'pendings',
    ];
    for (const name of lists) for (const value of valuesNamed(name)) expect(value).not.toEqual([]);
    expect(resources.get('collections')?.at(-1)?.text).toBe('{}');
    expect(resources.get('manifest')?.at(-1)?.text).toBe('{"more":false}');
    expect(resources.get('versions')?.at(-1)?.text).toBe('{"more":false}');
    const [whole, mixed, failed] = (resources.get('status') ?? []).map((answer) => Object.keys(answer.json()));
    expect(whole).not.toContain('failures');
    expect(mixed).toEqual(expect.arrayContaining(['successes', 'failures']));
    expect(failed).not.toContain('successes');
    for (const keys of [whole, mixed, failed]) expect(keys).not.toContain('pendings');
  });

  test('T-007: text beyond ASCII survives, as itself', () => {
    const [objects] = resources.get('envelope') ?? [];
    expect(objects?.text).toContain(JSON.stringify(identity.name));
    expect(objects?.text).toContain('🦊');
    expect(resources.get('status')?.[1]?.text).toContain('ünknown');
  });

  test('T-008, T-009: every TAXII timestamp has six digits and Z, in headers too', () => {
    const values = valuesNamed('date_added', 'request_timestamp');
    const answers = ['manifest', 'envelope', 'versions'].flatMap((name) => resources.get(name) ?? []);
    const headers = answers.flatMap((answer) => [
      answer.headers['x-taxii-date-added-first'],
      answer.headers['x-taxii-date-added-last'],
    ]);
    const given = headers.filter((value) => value !== undefined);
    expect(values.length).toBeGreaterThan(9);
    expect(given).toHaveLength(2 * (answers.length - 3));
    for (const value of [...values, ...given]) expect(value).toMatch(taxiiTimestamp);
  });
});

describe('TAXII 2.1 §3.8 property names', () => {
  test.each(names)(
    'T-006, T-010, T-011, T-012: %s has the properties of its table, as they are spelled and typed there',
    (name) => {
      for (const answer of resources.get(name) ?? []) {
        expect(faultsOf(answer.json(), shapes[name] ?? {})).toEqual([]);
      }
    },
  );
});
