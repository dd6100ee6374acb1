/** Open vocabularies: values that are not listed are legal, and seldom meant (STIX 2.1 §2.14, §10). */

import { findNearest } from '../nearest.ts';
import { isObject } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import { type Place, placeOf, propertiesOf, type Visit, visitPlace } from './places.ts';
import type { Report, Rule, Text } from './rule.ts';
import { type Vocabulary, vocabularies } from './vocabularies.ts';

/** Where a vocabulary's values stand, by type. */
type Uses = Readonly<Record<string, readonly string[]>>;

const uses: Readonly<Record<string, Uses>> = {
  'account-type-ov': { 'user-account': ['account_type'] },
  'attack-motivation-ov': {
    'intrusion-set': ['primary_motivation', 'secondary_motivations/*'],
    'threat-actor': ['primary_motivation', 'secondary_motivations/*', 'personal_motivations/*'],
  },
  'attack-resource-level-ov': { 'intrusion-set': ['resource_level'], 'threat-actor': ['resource_level'] },
  'grouping-context-ov': { grouping: ['context'] },
  'identity-class-ov': { identity: ['identity_class'] },
  'implementation-language-ov': { malware: ['implementation_languages/*'] },
  'indicator-type-ov': { indicator: ['indicator_types/*'] },
  'industry-sector-ov': { identity: ['sectors/*'] },
  'infrastructure-type-ov': { infrastructure: ['infrastructure_types/*'] },
  'malware-capabilities-ov': { malware: ['capabilities/*'] },
  'malware-result-ov': { 'malware-analysis': ['result'] },
  'malware-type-ov': { malware: ['malware_types/*'] },
  'pattern-type-ov': { indicator: ['pattern_type'] },
  'processor-architecture-ov': { malware: ['architecture_execution_envs/*'] },
  'region-ov': { location: ['region'] },
  'report-type-ov': { report: ['report_types/*'] },
  'threat-actor-type-ov': { 'threat-actor': ['threat_actor_types/*'] },
  'threat-actor-role-ov': { 'threat-actor': ['roles/*'] },
  'threat-actor-sophistication-ov': { 'threat-actor': ['sophistication'] },
  'tool-type-ov': { tool: ['tool_types/*'] },
  'windows-pebinary-type-ov': { file: ['extensions/windows-pebinary-ext/pe_type'] },
};

// A verdict shows fewer, and to look for the nearest value costs.
const mostReports = 21;
// Longer than every listed value.
const longestMistyped = 50;
const longestList = 120;

/** The values as a sentence lists them: all of a short vocabulary, the first ones of a long one. */
function listed(values: readonly string[]): string {
  const shown: string[] = [];
  let length = 0;
  for (const value of values) {
    length += value.length + 2;
    if (length > longestList) return `${shown.join(', ')}, …`;
    shown.push(value);
  }
  return shown.join(', ');
}

function unlistedText({ name, values }: Vocabulary): Text {
  return {
    en: `Not in the vocabulary ${name} (${listed(values)}): use a listed value if one fits, else lower-case words joined by hyphens.`,
    zh: `不在词表 ${name}（${listed(values)}）中：有合适的列出值时请使用，否则请用以连字符连接的小写单词。`,
  };
}

/** What to say of a value that is not listed. */
function describeUnlisted({ name, values }: Vocabulary, unlisted: Text, value: string): Text {
  const nearest = value.length > longestMistyped ? undefined : findNearest(value, values);
  if (nearest === undefined) return unlisted;
  return {
    en: `Not in the vocabulary ${name}; did you mean "${nearest}"?`,
    zh: `不在词表 ${name} 中；是否应为 "${nearest}"？`,
  };
}

const rememberedTexts = 256;

/** Says it of each value; feeds repeat theirs on every object, and to look for the nearest costs. */
function remembering(describe: (value: string) => Text): (value: string) => Text {
  const texts = new Map<string, Text>();
  return (value) => {
    const known = texts.get(value);
    if (known !== undefined || value.length > longestMistyped) return known ?? describe(value);
    if (texts.size === rememberedTexts) texts.clear();
    const text = describe(value);
    texts.set(value, text);
    return text;
  };
}

function checkValues(
  object: StixObject,
  places: readonly Place[],
  isListed: (value: string) => boolean,
  say: (value: string) => Text,
  report: Report,
): void {
  let reports = 0;
  const visit: Visit = (value, path) => {
    if (reports === mostReports || typeof value !== 'string' || isListed(value)) return;
    reports += 1;
    report(path, say(value));
  };
  for (const place of places) visitPlace(object, place, visit);
}

function vocabularyRule(vocabulary: Vocabulary, used: Uses): Rule {
  const { name, section, values } = vocabulary;
  const listedValues = new Set(values);
  const places = new Map(Object.entries(used).map(([type, texts]) => [type, texts.map(placeOf)]));
  const unlisted = unlistedText(vocabulary);
  const isListed = (value: string): boolean => listedValues.has(value);
  const say = remembering((value) => describeUnlisted(vocabulary, unlisted, value));
  return {
    code: `STIX-${section}-${name}`,
    section: `STIX 2.1 §${section}`,
    level: 'warning',
    types: [...places.keys()],
    needs: propertiesOf([...places.values()].flat()),
    check: (object, report) => checkValues(object, places.get(String(object.type)) ?? [], isListed, say, report),
  };
}

// Keys, unlike the values of all other vocabularies.
const hashPlaces = `hashes external_references/*/hashes extensions/ntfs-ext/alternate_data_streams/*/hashes
  extensions/windows-pebinary-ext/file_header_hashes extensions/windows-pebinary-ext/optional_header/hashes
  extensions/windows-pebinary-ext/sections/*/hashes`
  .split(/\s+/)
  .map(placeOf);

/** Names that begin with `x_` are deliberate: the standard's own example of another algorithm has one (§2.7). */
function hashRule(vocabulary: Vocabulary): Rule {
  const { name, section, values } = vocabulary;
  const known = new Set(values);
  const unlisted = unlistedText(vocabulary);
  const say = remembering((value) => describeUnlisted(vocabulary, unlisted, value));
  const check = (object: StixObject, report: Report): void => {
    let reports = 0;
    const visit: Visit = (hashes, path) => {
      if (!isObject(hashes)) return;
      for (const key in hashes) {
        if (reports === mostReports || known.has(key) || key.startsWith('x_')) continue;
        reports += 1;
        report([...path, key], say(key));
      }
    };
    for (const place of hashPlaces) visitPlace(object, place, visit);
  };
  const code = `STIX-${section}-${name}`;
  return { code, section: `STIX 2.1 §${section}`, level: 'warning', needs: propertiesOf(hashPlaces), check };
}

/** One rule for each open vocabulary. */
export const vocabularyRules: readonly Rule[] = vocabularies.map((vocabulary) =>
  vocabulary.name === 'hash-algorithm-ov'
    ? hashRule(vocabulary)
    : vocabularyRule(vocabulary, uses[vocabulary.name] ?? {}),
);
