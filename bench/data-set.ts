/** Stores full of generated objects, made once and kept outside the repository. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { createUser } from '../src/hub/users.ts';
import { openStore, type StoreLocation } from '../src/store/open-store.ts';
import type { NewVersion } from '../src/store/store.ts';
import { root } from '../test/support/huiju.ts';
import { withDatabase } from '../test/support/mongodb.ts';
import { FactFinder, type Facts } from './facts.ts';
import { showProgress } from './measure.ts';
import { makeCollection, toNewVersion } from './objects.ts';

export const user = 'bench';
export const password = 'a password for measuring';
export const collection = '7f2d7b0a-5d3c-4a57-9c1e-3a0b5f1f0a11';
export const objectsPath = `/bench/collections/${collection}/objects/`;
export const login = {
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  Accept: 'application/taxii+json;version=2.1',
};

/** A store and the declaration of its one collection. */
export interface Place {
  /** As HUIJU_STORE names it. */
  readonly store: string;
  readonly location: StoreLocation;
  /** As HUIJU_COLLECTIONS names it. */
  readonly collections: string;
}

export interface DataSet extends Place {
  readonly count: number;
  readonly facts: Facts;
}

const apiRoot = {
  api_root: 'bench',
  title: 'Measuring',
  collections: [{ id: collection, title: 'Objects', read: ['members'], write: ['members'] }],
};
/** Objects of a commit. */
const batchOf = (count: number): number => (count < 10_000 ? 200 : 1000);
const usualCache = join(tmpdir(), 'huiju-bench');

/** Changes with what is made, and with how it is stored: a data set of other rules is not used. */
function currentForm(): string {
  const makers = ['bench/objects.ts', 'bench/facts.ts', 'src/store/sqlite/layout.ts', 'src/store/mongo/layout.ts'];
  const hash = createHash('sha256');
  for (const path of makers) hash.update(readFileSync(join(root, path)));
  return hash.digest('hex').slice(0, 12);
}

function declare(folder: string): string {
  const collections = join(folder, 'collections');
  mkdirSync(collections, { recursive: true });
  writeFileSync(join(collections, 'bench.json'), JSON.stringify(apiRoot));
  return collections;
}

/** Fills an empty store. What there is to ask for is kept in it, as a record: then it is whole. */
async function fill(location: StoreLocation, count: number): Promise<void> {
  const store = await openStore(location);
  await createUser(store, user, password, []);
  const finder = new FactFinder(count);
  const batch = batchOf(count);
  let versions: NewVersion[] = [];
  let done = 0;
  const add = async (): Promise<void> => {
    const outcomes = await store.addObjects(collection, user, versions);
    outcomes.forEach(({ dateAdded }, place) => {
      finder.add(versions[place] as NewVersion, dateAdded);
    });
    done += versions.length;
    versions = [];
    showProgress(`making ${count.toLocaleString('en')} objects: ${Math.floor((done / count) * 100)} %`);
  };
  for (const object of makeCollection(count)) if (versions.push(toNewVersion(object)) === batch) await add();
  if (versions.length > 0) await add();
  await store.putRecord('bench', 'facts', 0, finder.facts, {});
  showProgress('');
  await store.close();
}

async function findFacts(location: StoreLocation): Promise<Facts | undefined> {
  const store = await openStore(location);
  const record = await store.findRecord('bench', 'facts');
  await store.close();
  return record?.document as Facts | undefined;
}

/** Removes what rules of before have made of a data set. */
function removeStale(cache: string, prefix: string, current: string): void {
  for (const name of readdirSync(cache)) {
    if (name.startsWith(prefix) && name !== current) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

async function openSqliteSet(count: number, cache: string): Promise<Place> {
  const prefix = `objects-${count}-`;
  const name = prefix + currentForm();
  const folder = join(cache, name);
  if (!existsSync(folder)) {
    const partial = `${folder}.partial`;
    mkdirSync(cache, { recursive: true });
    removeStale(cache, prefix, name);
    // Of a run that was broken off.
    rmSync(partial, { recursive: true, force: true });
    declare(partial);
    await fill({ kind: 'sqlite', path: join(partial, 'huiju.db') }, count);
    renameSync(partial, folder);
  }
  const path = join(folder, 'huiju.db');
  return { store: `sqlite:${path}`, location: { kind: 'sqlite', path }, collections: join(folder, 'collections') };
}

async function dropDatabase(url: string): Promise<void> {
  const client = await new MongoClient(url).connect();
  await client.db().dropDatabase();
  await client.close();
}

/** A store of one run, with the one user. `end` removes it. */
export async function createPlace(server: string | undefined): Promise<Place & { end(): Promise<void> }> {
  const folder = join(usualCache, `run-${process.pid}-${Date.now()}`);
  const url = server === undefined ? undefined : withDatabase(server, `huiju_bench_run_${process.pid}_${Date.now()}`);
  const path = join(folder, 'huiju.db');
  const location: StoreLocation = url === undefined ? { kind: 'sqlite', path } : { kind: 'mongodb', url };
  const collections = declare(folder);
  const store = await openStore(location);
  await createUser(store, user, password, []);
  await store.close();
  const end = async (): Promise<void> => {
    if (url !== undefined) await dropDatabase(url);
    rmSync(folder, { recursive: true, force: true });
  };
  return { store: url ?? `sqlite:${path}`, location, collections, end };
}

async function openMongoSet(server: string, count: number, cache: string): Promise<Place> {
  const url = withDatabase(server, `huiju_bench_${count}_${currentForm()}`);
  const location = { kind: 'mongodb', url } as const;
  if ((await findFacts(location)) === undefined) {
    await dropDatabase(url);
    await fill(location, count);
  }
  return { store: url, location, collections: declare(join(cache, 'mongodb')) };
}

/**
 * A store with so many versions of objects, a fifth of which replace an earlier one: an SQLite file, or a database of the
 * MongoDB server with this URL.
 */
export async function openDataSet(
  count: number,
  server: string | undefined,
  cache: string = usualCache,
): Promise<DataSet> {
  const place = await (server === undefined ? openSqliteSet(count, cache) : openMongoSet(server, count, cache));
  const facts = await findFacts(place.location);
  if (facts === undefined) throw new Error(`${place.store} is no data set of this bench: remove it`);
  return { ...place, count, facts };
}
