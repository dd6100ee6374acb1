/** What the schemas leave to the rules, or say in ways that no generator of strings understands. */

import fc from 'fast-check';
import { types } from '../../src/stix/validators.generated.js';
import { createPatterns, type Expression, print } from './pattern-generator.ts';
import type { Json } from './schema-files.ts';

type Make = fc.Arbitrary<Json>;

const withoutNul = (text: string) => text.replaceAll('\0', '');

/** Any text: no member of an object is held to ASCII. */
export const freeText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).map(withoutNul),
  fc.string({ maxLength: 24 }),
  fc.constantFrom('', '汇聚', '__proto__', '$where', 'a.b[0]', '<script>', "'; --", '\u202e\u0007'),
);

/** Any value but null and empty lists, which the standard has nowhere. */
export const free: Make = fc.letrec<{ value: Json; leaf: Json }>((tie) => ({
  leaf: fc.oneof(freeText, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { minLength: 1, maxLength: 3 }),
    fc.array(fc.tuple(freeText, tie('value')), { maxLength: 3 }).map(Object.fromEntries),
  ),
})).value;

/** Names that begin so are custom properties. */
export const customPrefix = 'x_unit_';
export const customName = fc.stringMatching(/^[a-z0-9_]{1,12}$/).map((rest) => customPrefix + rest);

const uuid = fc.stringMatching(
  /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$/,
);
// Nothing refers to a bundle.
const typeNames = [
  ...types.filter(({ kind }) => kind !== 'custom' && kind !== 'bundle').map(({ type }) => type),
  'x-unit-case',
];

function identifier(patterns: readonly RegExp[]): Make {
  const sample = '--2d25ea91-3f5c-4e0b-b2a1-6f0d8a4c7e13';
  const fitting = typeNames.filter((type) => patterns.every((pattern) => pattern.test(type + sample)));
  return fc.tuple(fc.constantFrom(...fitting), uuid).map(([type, rest]) => `${type}--${rest}`);
}

// Any precision, any year of four digits, leap seconds.
function timestamp(patterns: readonly RegExp[]): Make {
  const [min, max] = [new Date('0000-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')];
  return fc
    .tuple(fc.date({ min, max, noInvalidDate: true }), fc.stringMatching(/^(?:\.[0-9]{1,12})?$/), fc.nat(20))
    .map(([date, fraction, leap]) => {
      const seconds = date.toISOString().slice(0, 19);
      return `${leap === 0 ? seconds.replace(/..$/, '60') : seconds}${fraction}Z`;
    })
    .map((text) => (patterns.every((pattern) => pattern.test(text)) ? text : text.replace(/(?:\.[0-9]*)?Z$/, '.000Z')));
}

const url = fc.stringMatching(
  /^[A-Za-z][A-Za-z0-9+.-]{0,8}:(?:[A-Za-z0-9!#$&()*+,./:;=?@[\]_~'-]|%[0-9A-Fa-f]{2}){1,30}$/,
);
const languageTag = fc.constantFrom(
  'en',
  'zh-Hans',
  'zh-Hant-TW',
  'de-AT',
  'es-419',
  'sl-rozaj-biske',
  'x-unit',
  'yue',
);
const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
const domainName = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
  fc.domain(),
  fc.constantFrom('例子.测试', 'example.com.'),
);

function withPrefix(address: fc.Arbitrary<string>, bits: number): Make {
  return fc.oneof(
    address,
    fc.tuple(address, fc.nat(bits)).map(([each, prefix]) => `${each}/${prefix}`),
  );
}

const charset = fc.constantFrom('UTF-8', 'ISO-8859-1', 'GB18030', 'Big5', 'windows-1252');
const cpePart = fc.stringMatching(/^(?:[a-z0-9._-]{1,8}|\*|-|a\\:b)$/);
const cpe = fc
  .tuple(fc.constantFrom('a', 'h', 'o'), fc.array(cpePart, { minLength: 10, maxLength: 10 }))
  .map(([part, others]) => ['cpe:2.3', part, ...others].join(':'));
const registryKey = fc
  .tuple(fc.constantFrom('HKEY_LOCAL_MACHINE', 'hkey_current_user', 'HKEY_USERS'), fc.array(label, { maxLength: 3 }))
  .map((parts) => parts.flat().join('\\'));

/** An embedded container whose references lead to its own keys. */
const container = fc
  .array(freeText, { minLength: 1, maxLength: 3 })
  .map((names) =>
    Object.fromEntries([
      ...names.map((name, index) => [String(index), { type: 'file', name, parent_directory_ref: 'd' }]),
      ['d', { type: 'directory', path: '/', contains_refs: names.map((_name, index) => String(index)) }],
    ]),
  );

/** Values by the file of their schema, given the patterns that they have to match. */
export const ownByFile: ReadonlyMap<string, (patterns: readonly RegExp[]) => Make> = new Map<
  string,
  (patterns: readonly RegExp[]) => Make
>([
  ['common/identifier.json', identifier],
  ['common/timestamp.json', timestamp],
  ['common/url.json', () => url],
  ['common/language-tag.json', () => languageTag],
  ['common/type-name.json', () => fc.stringMatching(/^x-unit(?:-[a-z0-9]{1,6}){1,3}$/)],
  ['common/property-name.json', () => customName],
  ['common/observable-container.json', () => container],
]);

/** Values by the file and the property. Selectors are numbers at first: what they name is known when all is there. */
export const ownByProperty: ReadonlyMap<string, Make> = new Map<string, Make>([
  ['common/granular-marking.json selectors', fc.array(fc.nat(), { minLength: 1, maxLength: 3 })],
  ['sco/artifact.json mime_type', fc.stringMatching(/^(?:application|image|x-[a-z0-9-]{1,9})\/[!-.0-~]{1,12}$/)],
  ['sco/directory.json path_enc', charset],
  ['sco/file.json name_enc', charset],
  ['sco/domain-name.json value', domainName],
  ['sco/email-addr.json value', fc.emailAddress()],
  ['sco/ipv4-addr.json value', withPrefix(fc.ipV4(), 32)],
  ['sco/ipv6-addr.json value', withPrefix(fc.ipV6(), 128)],
  ['sco/mac-addr.json value', fc.stringMatching(/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/)],
  ['sco/url.json value', url],
  ['sco/software.json cpe', cpe],
  ['sco/windows-registry-key.json key', registryKey],
]);

const rightValues: Readonly<Record<string, { readonly type: 'string'; readonly value: string }>> = {
  MATCHES: { type: 'string', value: '^a.*\\d$' },
  ISSUBSET: { type: 'string', value: '192.0.2.0/24' },
  ISSUPERSET: { type: 'string', value: '2001:db8::/32' },
};
const start = { type: 'timestamp', value: '2024-02-29T23:59:60.123456789Z' } as const;
const stop = { type: 'timestamp', value: '2024-03-01T08:00:00Z' } as const;

/** The tree with names and values that the text of the standard allows beyond its grammar. */
function legal(node: Expression): Expression {
  if (node.kind === 'observation') return { ...node, expression: legal(node.expression) };
  if (node.kind === 'qualified') {
    const qualifiers = node.qualifiers.map((each) => (each.kind === 'START' ? { ...each, start, stop } : each));
    return { ...node, expression: legal(node.expression), qualifiers };
  }
  if (node.kind !== 'comparison') return { ...node, operands: node.operands.map(legal) };
  const right = rightValues[node.operator];
  const [, ...steps] = node.path.steps;
  const path = { objectType: 'x-unit-device', steps: [{ name: 'value' }, ...steps] };
  return { ...node, path, values: right === undefined ? node.values : [right] };
}

function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export const stixPattern = fc.nat().map((seed) => print(legal(createPatterns(createRandom(seed))())));

/** A language and a pattern in it. */
export const languagePattern = fc.constantFrom(
  ['pcre', '^(?:GET|POST) /[a-z]+$'],
  ['yara', 'rule a { strings: $a = "x" condition: $a }'],
  ['snort', 'alert tcp any any -> any 80 (msg:"a"; sid:1; rev:1;)'],
  ['suricata', 'alert http any any -> any any (msg:"a"; sid:1; rev:1;)'],
  ['sigma', 'title: a\nlogsource:\n  product: windows\ndetection:\n  selection:\n    a: b\n  condition: selection\n'],
  ['x-unit-language', 'anything'],
);
