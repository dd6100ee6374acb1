/**
 * The relationships that the standard defines (STIX 2.1 §5.1.1, appendix B) and those that all objects share (§3.7).
 * Others are legal, and only those who agreed on them understand them: so each is a warning. Of types that the standard
 * does not define, it defines no relationships either: who defined the type says what holds.
 */

import { findObjectType, type StixObject } from './object-types.ts';
import type { Report, Rule, Text } from './rule.ts';

// Source, relationship type, targets; `*` is every cyber-observable. STIX 2.1 of 2021 has analysis-of where the
// errata have av-analysis-of.
const table = `
attack-pattern delivers malware
attack-pattern targets identity location vulnerability
attack-pattern uses malware tool
campaign attributed-to intrusion-set threat-actor
campaign compromises infrastructure
campaign originates-from location
campaign targets identity location vulnerability
campaign uses attack-pattern infrastructure malware tool
course-of-action investigates indicator
course-of-action mitigates attack-pattern indicator malware tool vulnerability
course-of-action remediates malware vulnerability
domain-name resolves-to domain-name ipv4-addr ipv6-addr
identity located-at location
indicator indicates attack-pattern campaign infrastructure intrusion-set malware threat-actor tool
indicator based-on observed-data
infrastructure communicates-with infrastructure ipv4-addr ipv6-addr domain-name url
infrastructure consists-of infrastructure observed-data *
infrastructure controls infrastructure malware
infrastructure delivers malware
infrastructure has vulnerability
infrastructure hosts tool malware
infrastructure located-at location
infrastructure uses infrastructure
intrusion-set attributed-to threat-actor
intrusion-set compromises infrastructure
intrusion-set hosts infrastructure
intrusion-set originates-from location
intrusion-set owns infrastructure
intrusion-set targets identity location vulnerability
intrusion-set uses attack-pattern infrastructure malware tool
ipv4-addr belongs-to autonomous-system
ipv4-addr resolves-to mac-addr
ipv6-addr belongs-to autonomous-system
ipv6-addr resolves-to mac-addr
malware authored-by threat-actor intrusion-set
malware beacons-to infrastructure
malware communicates-with ipv4-addr ipv6-addr domain-name url
malware controls malware
malware downloads malware tool file
malware drops malware tool file
malware exfiltrates-to infrastructure
malware exploits vulnerability
malware originates-from location
malware targets identity infrastructure location vulnerability
malware uses attack-pattern infrastructure malware tool
malware variant-of malware
malware-analysis analysis-of malware
malware-analysis av-analysis-of malware
malware-analysis characterizes malware
malware-analysis dynamic-analysis-of malware
malware-analysis static-analysis-of malware
threat-actor attributed-to identity
threat-actor compromises infrastructure
threat-actor hosts infrastructure
threat-actor impersonates identity
threat-actor located-at location
threat-actor owns infrastructure
threat-actor targets identity location vulnerability
threat-actor uses attack-pattern infrastructure malware tool
tool delivers malware
tool drops malware
tool has vulnerability
tool targets identity infrastructure location vulnerability
tool uses infrastructure`;

type Targets = ReadonlySet<string>;

const defined = new Map<string, Map<string, Targets>>();
for (const row of table.trim().split('\n')) {
  const [source = '', relationshipType = '', ...targets] = row.split(' ');
  const ofSource = defined.get(source) ?? new Map<string, Targets>();
  defined.set(source, ofSource.set(relationshipType, new Set(targets)));
}

const common = new Set(['related-to', 'derived-from', 'duplicate-of']);

function allows(targets: Targets | undefined, target: string): boolean {
  if (targets === undefined) return false;
  return targets.has(target) || (targets.has('*') && findObjectType(target)?.kind === 'sco');
}

function quotedList(names: Iterable<string>, word: string): string {
  const texts = Array.from(names, (name) => (name === '*' ? 'any cyber-observable' : `"${name}"`));
  const last = texts.pop() ?? '';
  return texts.length === 0 ? last : `${texts.join(', ')} ${word} ${last}`;
}

function quotedListZh(names: Iterable<string>): string {
  return Array.from(names, (name) => (name === '*' ? '任何可观察对象' : `"${name}"`)).join('、');
}

function typeOfRef(ref: unknown): string | undefined {
  const end = typeof ref === 'string' ? ref.indexOf('--') : -1;
  return end > 0 ? String(ref).slice(0, end) : undefined;
}

function checkDefined(object: StixObject, report: Report): void {
  const { relationship_type: relationshipType } = object;
  if (typeof relationshipType !== 'string' || common.has(relationshipType)) return;
  const [source, target] = [typeOfRef(object.source_ref), typeOfRef(object.target_ref)];
  if (source === undefined || target === undefined) return;
  const ofSource = defined.get(source);
  const targets = ofSource?.get(relationshipType);
  if (allows(targets, target)) return;
  if (findObjectType(source) === undefined || findObjectType(target) === undefined) return;
  if (targets !== undefined) report(['target_ref'], targetsText(source, relationshipType, targets));
  else if (allows(defined.get(target)?.get(relationshipType), source)) {
    report(['relationship_type'], reversedText(source, target));
  } else report(['relationship_type'], typesText(source, ofSource));
}

function reversedText(source: string, target: string): Text {
  return {
    en: `It goes from "${target}" to "${source}"; exchange "source_ref" and "target_ref".`,
    zh: `方向应为从 "${target}" 到 "${source}"；请交换 "source_ref" 与 "target_ref"。`,
  };
}

function describeTypes(source: string, ofSource: ReadonlyMap<string, Targets> | undefined): Text {
  if (ofSource === undefined) {
    return {
      en: `The standard defines no relationships from "${source}" but "related-to", "derived-from" and "duplicate-of".`,
      zh: `对于 "${source}"，标准只定义了 "related-to"、"derived-from" 和 "duplicate-of"。`,
    };
  }
  return {
    en: `Relationships from "${source}" are ${quotedList(ofSource.keys(), 'and')}; use one of these if it fits, else "related-to".`,
    zh: `"${source}" 的关系有 ${quotedListZh(ofSource.keys())}；有合适的请使用，否则请用 "related-to"。`,
  };
}

// One for each type of the standard at the most.
const typesTexts = new Map<string, Text>();

function typesText(source: string, ofSource: ReadonlyMap<string, Targets> | undefined): Text {
  const known = typesTexts.get(source) ?? describeTypes(source, ofSource);
  typesTexts.set(source, known);
  return known;
}

function targetsText(source: string, relationshipType: string, targets: Targets): Text {
  return {
    en: `"${relationshipType}" goes from "${source}" to ${quotedList(targets, 'or')}; else use "related-to".`,
    zh: `从 "${source}" 出发的 "${relationshipType}" 应指向 ${quotedListZh(targets)}；否则请用 "related-to"。`,
  };
}

// §3.7: both ends are of one type.
function checkSameType(object: StixObject, report: Report): void {
  const { relationship_type: relationshipType } = object;
  if (relationshipType !== 'derived-from' && relationshipType !== 'duplicate-of') return;
  const [source, target] = [typeOfRef(object.source_ref), typeOfRef(object.target_ref)];
  if (source === undefined || target === undefined || source === target) return;
  report(['target_ref'], {
    en: `"${relationshipType}" joins two objects of one type, here "${source}"; else use "related-to".`,
    zh: `"${relationshipType}" 连接两个同类型的对象，此处为 "${source}"；否则请用 "related-to"。`,
  });
}

const types = ['relationship'];

export const relationshipRules: readonly Rule[] = [
  {
    code: 'STIX-5.1-defined-relationship',
    section: 'STIX 2.1 §5.1.1',
    level: 'warning',
    types,
    check: checkDefined,
  },
  { code: 'STIX-3.7-same-type', section: 'STIX 2.1 §3.7', level: 'warning', types, check: checkSameType },
];
