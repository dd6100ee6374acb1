/**
 * For every code of an error a change that breaks this rule alone. The objects that are changed are generated, so a
 * change names all that matters to it; granular markings are taken away first, since their selectors would lead nowhere.
 */

import { tlp1Markings, tlp2Extension, tlp2Markings } from '../../src/stix/markings.ts';
import type { Json } from './schema-files.ts';
import type { StixObject } from './valid-object.ts';

/** Properties that are set, or with `undefined` taken away; or the text that takes the place of the object's. */
export type Change = Readonly<Record<string, Json | undefined>> | ((object: StixObject) => string);

export interface Mutation {
  readonly code: string;
  /** The type of the objects that are changed. */
  readonly type: string;
  readonly change: Change;
  /** How the result is checked; an object under `spec` when absent. */
  readonly as?: 'strict' | 'document' | 'head';
}

const uuid = '5c1e0001-2b7d-4e6a-9c33-1f0a6d8e4b57';
const marking = (selectors: Json): Json => [{ marking_ref: `marking-definition--${uuid}`, selectors }];
const withExtension = (name: string, value: Json) => ({ extensions: { [name]: value } });
const peBinary = (more: StixObject) => withExtension('windows-pebinary-ext', { pe_type: 'exe', ...more });
const hash = (name: string) => ({ name: 'a', hashes: { [name]: 'not?' } });
const bundle = (more: StixObject) => () => JSON.stringify({ type: 'bundle', id: `bundle--${uuid}`, ...more });
const withMember = (member: string) => (object: StixObject) => `${JSON.stringify(object).slice(0, -1)},${member}}`;
const stixPattern = (pattern: string) => ({ pattern_type: 'stix', pattern, pattern_version: undefined });
const inLanguage = (pattern_type: string, pattern: string) => ({ pattern_type, pattern });
const times = (earlier: string, later: string) => ({
  [earlier]: '2024-03-02T08:00:00.000Z',
  [later]: '2024-03-01T08:00:00.000Z',
});
const [white] = tlp1Markings;
const clear = tlp2Markings[0];

function markingOf(content: StixObject, fixed: { id: string; created: string; name: string } | undefined): Change {
  const { id = `marking-definition--${uuid}`, created = '2024-03-01T08:00:00Z', name = 'a' } = fixed ?? {};
  const none = { definition: undefined, definition_type: undefined, extensions: undefined };
  return { ...none, object_marking_refs: undefined, id, created, name, ...content };
}

type Row = readonly [code: string, type: string, change: Change, as?: Mutation['as']];

const texts: readonly Row[] = [
  ['JSON-syntax', 'campaign', (object) => JSON.stringify(object).slice(0, -1)],
  ['JSON-depth', 'campaign', withMember(`"x_unit_deep":${'['.repeat(100)}1${']'.repeat(100)}`)],
  ['JSON-duplicate-name', 'campaign', withMember('"name":"a"')],
  ['JSON-characters', 'campaign', withMember('"x_unit_half":"\\ud83c"')],
  ['STIX-2-object', 'campaign', (object) => JSON.stringify([object])],
];

const bundles: readonly Row[] = [
  ['STIX-8-bundle', 'campaign', {}, 'head'],
  ['STIX-8-nested-bundle', 'campaign', bundle({})],
  ['STIX-8-objects', 'campaign', bundle({ objects: [] }), 'document'],
  ['STIX-8-spec-version', 'campaign', bundle({ spec_version: '2.0' }), 'document'],
];

const dataTypes: readonly Row[] = [
  ['STIX-2.1-binary', 'artifact', { payload_bin: '?', url: undefined }],
  ['STIX-2.2-boolean', 'campaign', { revoked: 'no' }],
  ['STIX-2.3-dictionary', 'process', { environment_variables: 'PATH' }],
  ['STIX-2.3-dictionary-key', 'process', { environment_variables: { 'A B': 'x' } }],
  ['STIX-2.3-empty', 'file', { name: 'a', hashes: {} }],
  ['STIX-2.3-integer-or-string', 'network-traffic', { ipfix: { octets: true } }],
  ['STIX-2.5-external-reference', 'campaign', { external_references: ['https://a.example/'] }],
  ['STIX-2.5-url', 'campaign', { external_references: [{ source_name: 'a', url: 'no scheme' }] }],
  ['STIX-2.6-float', 'location', { latitude: '1', longitude: 1 }],
  ['STIX-2.7-hash-name', 'file', hash('MD')],
  ['STIX-2.7-hashes', 'file', { name: 'a', hashes: 'd41d8cd98f00b204e9800998ecf8427e' }],
  ['STIX-2.8-hex', 'file', { magic_number_hex: 'abc' }],
  ['STIX-2.9-identifier', 'campaign', { created_by_ref: 'identity--1' }],
  ['STIX-2.9-id-prefix', 'campaign', { id: `malware--${uuid}` }],
  ['STIX-2.9-ref-type', 'campaign', { created_by_ref: `malware--${uuid}` }],
  ['STIX-2.10-integer', 'campaign', { confidence: 1.5 }],
  ['STIX-2.10-range', 'campaign', { confidence: 101 }],
  ['STIX-2.11-kill-chain-phase', 'malware', { kill_chain_phases: ['initial-access'] }],
  ['STIX-2.12-list', 'campaign', { aliases: 'a' }],
  ['STIX-2.12-empty-list', 'campaign', { aliases: [] }],
  ['STIX-2.13-observable-container', 'observed-data', { objects: 'a', object_refs: undefined }],
  [
    'STIX-2.13-container-ref',
    'observed-data',
    { objects: { a: { type: 'directory', path: '/', contains_refs: ['b'] } }, object_refs: undefined },
  ],
  [
    'STIX-2.13-observable-type',
    'observed-data',
    { objects: { a: { type: 'malware', is_family: false } }, object_refs: undefined },
  ],
  ['STIX-2.15-string', 'campaign', { name: 7 }],
  ['STIX-2.16-timestamp', 'campaign', { first_seen: '2023-02-29T00:00:00Z' }],
];

const common: readonly Row[] = [
  ['STIX-3.1-charset', 'file', { name: 'a', name_enc: 'no-such-charset' }],
  ['STIX-3.1-null', 'campaign', { description: null }],
  ['STIX-3.1-property-name', 'campaign', { Xx_unit: 1 }],
  ['STIX-3.1-type-name', 'custom-sdo', { type: 'x--unit', id: `x--unit--${uuid}` }],
  ['STIX-3.2-at-least-one', 'campaign', { external_references: [{ source_name: 'a' }] }],
  ['STIX-3.2-dependent', 'artifact', { url: 'https://a.example/', payload_bin: undefined, hashes: undefined }],
  ['STIX-3.2-exactly-one', 'campaign', { granular_markings: [{ selectors: ['name'] }] }],
  ['STIX-3.2-language-tag', 'campaign', { lang: 'e n' }],
  ['STIX-3.2-language-subtag', 'campaign', { lang: 'xx' }],
  ['STIX-3.2-modified-order', 'campaign', times('created', 'modified')],
  ['STIX-3.2-not-allowed', 'campaign', { defanged: true }],
  ['STIX-3.2-required', 'campaign', { name: undefined }],
  ['STIX-3.2-spec-version', 'campaign', { spec_version: '2.0' }],
  ['STIX-3.2-timestamp-millis', 'campaign', { created: '2024-03-01T08:00:00Z', modified: '2024-03-01T08:00:00.000Z' }],
  ['STIX-3.8-reserved-name', 'campaign', { severity: 'high' }],
];

const objects: readonly Row[] = [
  ['STIX-4-seen-order', 'campaign', times('first_seen', 'last_seen')],
  ['STIX-4.1-capec', 'attack-pattern', { external_references: [{ source_name: 'capec', external_id: '163' }] }],
  ['STIX-4.7-pcre', 'indicator', inLanguage('pcre', '(')],
  ['STIX-4.7-sigma', 'indicator', inLanguage('sigma', 'no mapping')],
  ['STIX-4.7-snort', 'indicator', inLanguage('snort', 'no rule')],
  ['STIX-4.7-suricata', 'indicator', inLanguage('suricata', 'no rule')],
  ['STIX-4.7-yara', 'indicator', inLanguage('yara', 'rule {')],
  ['STIX-4.7-valid-order', 'indicator', { valid_from: '2024-03-01T08:00:00Z', valid_until: '2024-03-01T08:00:00.0Z' }],
  ['STIX-4.14-needs-observable', 'observed-data', { objects: undefined, object_refs: [`relationship--${uuid}`] }],
  ['STIX-4.14-observed-order', 'observed-data', times('first_observed', 'last_observed')],
  ['STIX-4.19-cve', 'vulnerability', { external_references: [{ source_name: 'cve', external_id: '2024-1' }] }],
  ['STIX-5.1-relationship-type', 'relationship', { relationship_type: 'Uses' }],
  ['STIX-5.1-time-order', 'relationship', times('start_time', 'stop_time')],
  ['STIX-6-sco-extensions', 'file', { extensions: 'none' }],
  ['STIX-6.1-media-type', 'artifact', { mime_type: 'picture/png' }],
  ['STIX-6.4-domain-name', 'domain-name', { value: 'https://a.example/', defanged: undefined }],
  ['STIX-6.5-email-address', 'email-addr', { value: 'Jane <jane@a.example>', defanged: undefined }],
  ['STIX-6.6.2-email-mime-part-type', 'email-message', { is_multipart: true, body: undefined, body_multipart: ['a'] }],
  ['STIX-6.8-ipv4-address', 'ipv4-addr', { value: '192.0.2.256', defanged: undefined }],
  ['STIX-6.9-ipv6-address', 'ipv6-addr', { value: '2001::db8::', defanged: undefined }],
  ['STIX-6.10-mac-address', 'mac-addr', { value: 'D2:FB:49:24:37:18', defanged: undefined }],
  ['STIX-6.12-time-order', 'network-traffic', { ...times('start', 'end'), is_active: false }],
  ['STIX-6.14-cpe', 'software', { cpe: 'cpe:/a:unit:case' }],
  ['STIX-6.15-url', 'url', { value: 'a.example', defanged: undefined }],
  ['STIX-6.17-registry-key', 'windows-registry-key', { key: 'HKLM\\Software' }],
  ['STIX-6.17.2-windows-registry-value-type', 'windows-registry-key', { values: ['a'] }],
  ['STIX-6.18.2-x509-v3-extensions-type', 'x509-certificate', { x509_v3_extensions: 'a' }],
  ['STIX-9-pattern', 'indicator', stixPattern("[file:name = 'a'")],
  ['STIX-8.2-bundle-ref', 'note', { object_refs: [`bundle--${uuid}`] }],
  ['STIX-10-encryption-algorithm-enum', 'artifact', { encryption_algorithm: 'rot13' }],
  ['STIX-10-opinion-enum', 'opinion', { opinion: 'unsure' }],
  ['STIX-10-windows-registry-datatype-enum', 'windows-registry-key', { values: [{ data_type: 'REG_NUMBER' }] }],
];

const observableExtensions: readonly Row[] = [
  [
    'STIX-6.7.3-alternate-data-stream-type',
    'file',
    withExtension('ntfs-ext', { alternate_data_streams: ['second.stream'] }),
  ],
  ['STIX-6.7.6-windows-pe-optional-header-type', 'file', peBinary({ optional_header: 'none' })],
  ['STIX-6.7.6-windows-pe-section-type', 'file', peBinary({ sections: ['.text'] })],
  [
    'STIX-10-network-socket-address-family-enum',
    'network-traffic',
    withExtension('socket-ext', { address_family: 'AF_UNIT' }),
  ],
  [
    'STIX-10-network-socket-type-enum',
    'network-traffic',
    withExtension('socket-ext', { address_family: 'AF_INET', socket_type: 'SOCK_UNIT' }),
  ],
  ['STIX-10-windows-integrity-level-enum', 'process', withExtension('windows-process-ext', { integrity_level: 'top' })],
  ...['start_type', 'service_status', 'service_type'].map(
    (name): Row => [
      `STIX-10-windows-${name.startsWith('service') ? '' : 'service-'}${name.replace('_', '-')}-enum`,
      'process',
      withExtension('windows-service-ext', { [name]: 'SERVICE_UNIT' }),
    ],
  ),
  ...['MD5', 'SHA-1', 'SHA-256', 'SHA-512', 'SHA3-256', 'SHA3-512', 'SSDEEP', 'TLSH'].map(
    (name): Row => [`STIX-10.7-hash-${name.toLowerCase()}`, 'file', hash(name)],
  ),
];

const meta: readonly Row[] = [
  ['STIX-7.1-contents', 'language-content', { contents: 'Grüner Winter' }],
  [
    'STIX-7.2-self-marking',
    'marking-definition',
    markingOf(
      {
        definition_type: 'statement',
        definition: { statement: 'a' },
        object_marking_refs: [`marking-definition--${uuid}`],
      },
      undefined,
    ),
  ],
  [
    'STIX-7.2.1-statement',
    'marking-definition',
    markingOf({ definition_type: 'statement', definition: { text: 'a' } }, undefined),
  ],
  [
    'STIX-7.2.1-tlp',
    'marking-definition',
    markingOf({ definition_type: 'tlp', definition: { tlp: 'white' } }, undefined),
  ],
  ['STIX-7.2.1-tlp', 'marking-definition', markingOf({ definition_type: 'tlp', definition: { tlp: 'clear' } }, white)],
  [
    'TLP-2.0-marking',
    'marking-definition',
    markingOf({ definition_type: 'statement', definition: { statement: 'a' } }, clear),
  ],
  ['STIX-7.2.3-granular-marking', 'campaign', { granular_markings: ['name'] }],
  ['STIX-7.2.3-selector', 'campaign', { granular_markings: marking(['labels.[99]']), labels: undefined }],
  ['STIX-7.3-extension', 'campaign', withExtension(`extension-definition--${uuid}`, 'none')],
  ['STIX-7.3-extension-key', 'campaign', withExtension('ntfs-ext', { sid: 'S-1-5' })],
  [
    'STIX-7.3-extension-properties',
    'extension-definition',
    { extension_types: ['new-sdo'], extension_properties: ['x_unit'] },
  ],
  ['STIX-7.3-extensions', 'campaign', { extensions: 'none' }],
  [
    'STIX-10-extension-type-enum',
    'campaign',
    withExtension(`extension-definition--${uuid}`, { extension_type: 'new' }),
  ],
  [
    'STIX-7.3-extension-content',
    'marking-definition',
    markingOf(withExtension(tlp2Extension, { extension_type: 'property-extension', tlp_2_0: 'purple' }), undefined),
  ],
  [
    'STIX-7.3-extension-type',
    'marking-definition',
    markingOf(withExtension(tlp2Extension, { extension_type: 'new-sdo', tlp_2_0: 'clear' }), clear),
  ],
];

const strict: readonly Row[] = [
  [
    'STIX-7.3-unregistered-extension',
    'campaign',
    withExtension(`extension-definition--${uuid}`, { extension_type: 'property-extension' }),
    'strict',
  ],
  ['STIX-11.1-custom-property', 'campaign', { x_unit: 1, extensions: undefined }, 'strict'],
  ['STIX-11.2-custom-object', 'custom-sdo', { extensions: undefined }, 'strict'],
];

export const mutations: readonly Mutation[] = [
  ...[texts, bundles, dataTypes, common, objects, observableExtensions, meta, strict]
    .flat()
    .map(([code, type, change, as]): Mutation => ({ code, type, change, ...(as !== undefined && { as }) })),
];

/** The text of the changed object. */
export function mutate(object: StixObject, { change }: Mutation): string {
  const { granular_markings: _selectors, ...rest } = object;
  if (typeof change === 'function') return change(rest);
  return JSON.stringify({ ...rest, ...change });
}
