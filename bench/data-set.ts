/** Stores full of generated objects, made once and kept outside the repository. */

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUser } from '../src/hub/users.ts';
import { findVersionKey } from '../src/stix/timestamp.ts';
import { openStore } from '../src/store/open-store.ts';
import type { NewVersion } from '../src/store/store.ts';
import { showProgress } from './measure.ts';

export const user = 'bench';
export const password = 'a password for measuring';
export const collection = '7f2d7b0a-5d3c-4a57-9c1e-3a0b5f1f0a11';
/** Common types, and one of which there are ten objects. */
export const types = {
  common: 'indicator',
  several: ['malware', 'identity', 'tool'],
  rare: 'grouping',
  absent: 'opinion',
};

const root = {
  api_root: 'bench',
  title: 'Measuring',
  collections: [{ id: collection, title: 'Objects', read: ['members'], write: ['members'] }],
};
/** Of the objects that came before; they stay as superseded versions. */
const superseding = 0.2;
const batch = 1000;
// Part of the name, so that a data set made by other rules is not used.
const form = 1;

/** Numbers that are the same in each run: mulberry32. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function uuidOf(number: number): string {
  const hex = number.toString(16).padStart(12, '0');
  return `5e0c1d2a-7b41-4f6e-8a3d-${hex}`;
}

function timeOf(number: number): string {
  return new Date(Date.UTC(2024, 0, 1) + number * 1000).toISOString();
}

const words =
  'actor uses infrastructure to deliver a loader which collects credentials and leaves through web services'.split(' ');

function prose(random: () => number, length: number): string {
  let text = '';
  while (text.length < length) text += `${words[Math.floor(random() * words.length)]} `;
  return text.trimEnd();
}

/** An object of about 850 bytes. */
export function makeObject(number: number, version: number, random: () => number): Record<string, unknown> {
  const type =
    number % 100_000 === 7 ? types.rare : ['indicator', 'indicator', 'malware', 'identity', 'tool'][number % 5];
  const common = {
    type,
    spec_version: '2.1',
    id: `${type}--${uuidOf(number)}`,
    created: timeOf(number),
    modified: timeOf(number + version * 50_000_000),
    name: `${type} ${number}`,
    description: prose(random, 350 + Math.floor(random() * 300)),
  };
  if (type === 'malware') return { ...common, is_family: false, malware_types: ['trojan'] };
  if (type === 'grouping') return { ...common, context: 'unspecified', object_refs: [`tool--${uuidOf(4)}`] };
  if (type !== 'indicator') return common;
  const pattern = `[file:hashes.'SHA-256' = '${number.toString(16).padStart(64, 'a')}']`;
  return { ...common, pattern, pattern_type: 'stix', valid_from: timeOf(number) };
}

export function toNewVersion(object: Record<string, unknown>): NewVersion {
  const version = String(object.modified);
  return {
    text: JSON.stringify(object),
    id: String(object.id),
    type: String(object.type),
    specVersion: '2.1',
    version,
    versionKey: findVersionKey(version) ?? null,
    digest: null,
  };
}

export interface DataSet {
  readonly store: string;
  readonly collections: string;
}

async function fill(path: string, count: number): Promise<void> {
  const store = await openStore({ kind: 'sqlite', path });
  const random = createRandom(count);
  await createUser(store, user, password, []);
  const firsts = Math.ceil(count / (1 + superseding));
  for (let done = 0; done < count; done += batch) {
    const numbers = Array.from({ length: Math.min(batch, count - done) }, (_, place) => done + place);
    const versions = numbers.map((number) =>
      toNewVersion(number < firsts ? makeObject(number, 0, random) : makeObject((number - firsts) * 5, 1, random)),
    );
    await store.addObjects(collection, user, versions);
    showProgress(`making ${count.toLocaleString('en')} objects: ${Math.floor((done / count) * 100)} %`);
  }
  showProgress('');
  await store.close();
}

/** A store with so many versions of objects, a fifth of which replace an earlier one. */
export async function openDataSet(count: number): Promise<DataSet> {
  const folder = join(tmpdir(), 'huiju-bench', `objects-${count}-form-${form}`);
  const data = { store: join(folder, 'huiju.db'), collections: join(folder, 'collections') };
  if (existsSync(folder)) return data;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(partial, 'collections'), { recursive: true });
  writeFileSync(join(partial, 'collections', 'bench.json'), JSON.stringify(root));
  await fill(join(partial, 'huiju.db'), count);
  renameSync(partial, folder);
  return data;
}
