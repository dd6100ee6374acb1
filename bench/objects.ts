/** Objects to measure with: made from a seed, valid, with types and sizes as real collections have them. */

import { findVersionKey } from '../src/stix/timestamp.ts';
import type { NewVersion } from '../src/store/store.ts';

type StixObject = Readonly<Record<string, unknown>>;

/** Types of which there are many, and one of which there are ten objects however large the collection is. */
export const types = {
  common: 'indicator',
  several: ['malware', 'identity', 'tool'],
  rare: 'grouping',
  absent: 'opinion',
} as const;

const mix = ['indicator', 'relationship', 'indicator', 'malware', 'indicator', 'identity', 'indicator', 'tool'];

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

function idOf(type: string, number: number): string {
  return `${type}--5e0c1d2a-7b41-4f6e-8a3d-${number.toString(16).padStart(12, '0')}`;
}

function timeOf(number: number): string {
  return new Date(Date.UTC(2024, 0, 1) + number * 1000).toISOString();
}

const words = `actor uses infrastructure to deliver a loader which collects credentials and leaves through web services
 victims report that messages with archives arrive from accounts taken over earlier the payload waits for days before it
 asks its controller for tasks encrypted configuration names mutex domains and a campaign number`.split(/\s+/);

function prose(random: () => number, length: number): string {
  let text = '';
  while (text.length < length) text += `${words[Math.floor(random() * words.length)]} `;
  return text.trimEnd();
}

function partsOf(type: string, number: number): StixObject {
  const sha256 = number.toString(16).padStart(64, 'a');
  const parts: Readonly<Record<string, StixObject>> = {
    indicator: {
      pattern: `[file:hashes.'SHA-256' = '${sha256}']`,
      pattern_type: 'stix',
      valid_from: timeOf(number),
    },
    relationship: {
      relationship_type: 'indicates',
      source_ref: idOf('indicator', number - 1),
      target_ref: idOf('malware', number + 2),
    },
    malware: { is_family: false, malware_types: ['trojan'] },
    grouping: { context: 'unspecified', object_refs: [idOf('tool', 7)] },
    identity: { identity_class: 'organization' },
  };
  return parts[type] ?? {};
}

/** An object of 850 bytes on average, some much longer. */
export function makeObject(type: string, number: number, version: number, random: () => number): StixObject {
  return {
    type,
    spec_version: '2.1',
    id: idOf(type, number),
    created: timeOf(number),
    modified: timeOf(number + version * 50_000_000),
    ...(type !== 'relationship' && { name: `${type} ${number}` }),
    description: prose(random, 120 + Math.floor(1300 * random() ** 2)),
    ...partsOf(type, number),
  };
}

/** The objects of a collection of so many versions. Every fifth replaces the only version that an earlier one had. */
export function* makeCollection(count: number): Generator<StixObject> {
  const random = createRandom(count);
  const rareEvery = Math.max(Math.floor((count * 0.8) / 10), 1);
  const typeOf = (number: number): string =>
    number % rareEvery === rareEvery - 1 ? types.rare : (mix[number % mix.length] ?? types.common);
  for (let place = 0; place < count; place += 1) {
    const group = Math.floor(place / 5);
    const isNew = place % 5 < 4;
    const number = isNew ? group * 4 + (place % 5) : replacedBy(group);
    yield makeObject(typeOf(number), number, isNew ? 0 : 1, random);
  }
}

/** Which object the last of five replaces: one of a thousand groups before, of which there may be none yet. */
function replacedBy(group: number): number {
  // Not a multiple of four: what was replaced without the distance is another object of its group.
  const distance = 1001;
  return (group < distance ? group : group - distance) * 4 + (group % 4);
}

function reference(random: () => number, number: number): StixObject {
  const year = 2010 + Math.floor(random() * 15);
  return {
    source_name: `Report ${number} of ${year}`,
    description: `${prose(random, 60)} (${year}). ${prose(random, 40)}.`,
    url: `https://reports.example.org/${year}/${number}.pdf`,
  };
}

const author = 'identity--c0ffee00-1d2a-4b41-8f6e-5a3d00000001';

/**
 * An object as the large public catalogues of techniques have them: three of four are relationships of 900 bytes, the
 * others have long descriptions, references and custom properties.
 */
export function makeCatalogueObject(number: number, random: () => number): StixObject {
  const type = ['relationship', 'relationship', 'relationship', number % 8 < 4 ? 'attack-pattern' : 'malware'][
    number % 4
  ] as string;
  const { description: _, ...base } = makeObject(type, number, 0, () => 0);
  const isLink = type === 'relationship';
  return {
    ...base,
    created_by_ref: author,
    revoked: false,
    external_references: Array.from({ length: isLink ? 1 : 4 }, (_one, place) => reference(random, number + place)),
    description: prose(random, isLink ? 100 + random() * 250 : 500 + random() * 1400),
    ...(type === 'attack-pattern' && {
      kill_chain_phases: [{ kill_chain_name: 'example-catalogue', phase_name: 'lateral-movement' }],
    }),
    ...(isLink && { relationship_type: 'related-to' }),
    x_catalogue_modified_by_ref: author,
    x_catalogue_deprecated: false,
    x_catalogue_domains: ['enterprise'],
    x_catalogue_version: '3.2.0',
  };
}

/** A checked object as a store takes it. */
export function toNewVersion(object: StixObject): NewVersion {
  const given = object.modified ?? object.created;
  const version = typeof given === 'string' ? given : null;
  return {
    text: JSON.stringify(object),
    id: String(object.id),
    type: String(object.type),
    specVersion: '2.1',
    version,
    versionKey: version === null ? null : (findVersionKey(version) ?? null),
    digest: null,
  };
}
