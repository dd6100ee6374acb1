/** Valid STIX objects for tests, each with an id of its own. */

import { randomUUID } from 'node:crypto';

export type StixObject = Record<string, unknown> & { id: string; type: string };

const created = '2024-05-06T07:08:09.123Z';
const later = '2024-05-06T08:00:00.000Z';

/** An observable: without created and modified, so its version is the server's choice. */
export function newAddress(properties: Readonly<Record<string, unknown>> = {}): StixObject {
  const id = `ipv4-addr--${randomUUID()}`;
  return { type: 'ipv4-addr', spec_version: '2.1', id, value: '198.51.100.7', ...properties };
}

/** A marking: it has created and no modified. */
export function newMarking(properties: Readonly<Record<string, unknown>> = {}): StixObject {
  const id = `marking-definition--${randomUUID()}`;
  const definition = { statement: 'Copyright 2024, ACME' };
  return {
    type: 'marking-definition',
    spec_version: '2.1',
    id,
    created,
    definition_type: 'statement',
    definition,
    ...properties,
  };
}

/** An object with created and modified. */
export function newVersioned(type: string, properties: Readonly<Record<string, unknown>> = {}): StixObject {
  return { type, spec_version: '2.1', id: `${type}--${randomUUID()}`, created, modified: created, ...properties };
}

function newObservable(type: string, properties: Readonly<Record<string, unknown>>): StixObject {
  return { type, spec_version: '2.1', id: `${type}--${randomUUID()}`, ...properties };
}

const refs = (): string[] => [`indicator--${randomUUID()}`];
const hashes = { 'SHA-256': 'fe90a7e910cb3a4739bed9180e807e93fa70c90f25a8915476f5e4bfbac681db' };

const domainObjects: Readonly<Record<string, () => Record<string, unknown>>> = {
  'attack-pattern': () => ({ name: 'Spear phishing' }),
  campaign: () => ({ name: 'Green group' }),
  'course-of-action': () => ({ name: 'Block port 445' }),
  grouping: () => ({ context: 'suspicious-activity', object_refs: refs() }),
  identity: () => ({ name: 'ACME' }),
  incident: () => ({ name: 'Incident 43' }),
  indicator: () => ({
    pattern: "[ipv4-addr:value = '198.51.100.7']",
    pattern_type: 'stix',
    valid_from: created,
    indicator_types: ['malicious-activity'],
  }),
  infrastructure: () => ({ name: 'Command and control' }),
  'intrusion-set': () => ({ name: 'Bobcat' }),
  location: () => ({ country: 'cn' }),
  malware: () => ({ is_family: false, name: 'Cryptolocker' }),
  'malware-analysis': () => ({ product: 'microsoft', result: 'malicious' }),
  note: () => ({ content: 'Seen twice', object_refs: refs() }),
  'observed-data': () => ({
    first_observed: created,
    last_observed: later,
    number_observed: 50,
    object_refs: [`ipv4-addr--${randomUUID()}`],
  }),
  opinion: () => ({ opinion: 'strongly-disagree', object_refs: refs() }),
  report: () => ({ name: 'The Black Vine', published: created, object_refs: refs() }),
  'threat-actor': () => ({ name: 'Evil Org' }),
  tool: () => ({ name: 'VNC' }),
  vulnerability: () => ({ name: 'CVE-2016-1234' }),
  relationship: () => ({
    relationship_type: 'indicates',
    source_ref: `indicator--${randomUUID()}`,
    target_ref: `malware--${randomUUID()}`,
  }),
  sighting: () => ({ sighting_of_ref: `indicator--${randomUUID()}` }),
  'language-content': () => ({
    object_ref: `campaign--${randomUUID()}`,
    contents: { de: { name: 'Bankangriff' } },
  }),
  'extension-definition': () => ({
    created_by_ref: `identity--${randomUUID()}`,
    name: 'Ranks',
    schema: 'https://example.com/schema.json',
    version: '1.2.1',
    extension_types: ['property-extension'],
  }),
};

const observables: Readonly<Record<string, () => Record<string, unknown>>> = {
  artifact: () => ({ mime_type: 'image/jpeg', payload_bin: 'iVBORw0KGgo=' }),
  'autonomous-system': () => ({ number: 15139 }),
  directory: () => ({ path: '/usr/home' }),
  'domain-name': () => ({ value: 'example.com' }),
  'email-addr': () => ({ value: 'john@example.com' }),
  'email-message': () => ({ is_multipart: false, subject: 'Hello' }),
  file: () => ({ hashes, name: 'foo.dll', size: 25536 }),
  'ipv4-addr': () => ({ value: '198.51.100.3' }),
  'ipv6-addr': () => ({ value: '2001:db8::1' }),
  'mac-addr': () => ({ value: 'd2:fb:49:24:37:18' }),
  mutex: () => ({ name: '__CLEANSWEEP__' }),
  'network-traffic': () => ({ src_ref: `ipv4-addr--${randomUUID()}`, protocols: ['tcp'] }),
  process: () => ({ pid: 1221 }),
  software: () => ({ name: 'Word' }),
  url: () => ({ value: 'https://example.com/research/index.html' }),
  'user-account': () => ({ user_id: '1001' }),
  'windows-registry-key': () => ({ key: 'HKEY_LOCAL_MACHINE\\System\\Foo' }),
  'x509-certificate': () => ({ serial_number: '36:f7:d4:32:f4:ab:70:ea' }),
};

/** One valid object of every type that STIX 2.1 defines. */
export function oneOfEachType(): StixObject[] {
  return [
    ...Object.entries(domainObjects).map(([type, properties]) => newVersioned(type, properties())),
    ...Object.entries(observables).map(([type, properties]) => newObservable(type, properties())),
    newMarking(),
  ];
}
