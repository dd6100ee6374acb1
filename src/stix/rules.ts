/**
 * The rules that a schema can't state, in the order they are checked. Rules see objects that may have failed their
 * schema: they take nothing for granted and leave to the schema what it reports.
 */

import { customProperty, type Policy, type Rule } from './rule.ts';
import { contentRules } from './rules-content.ts';
import { customRules } from './rules-custom.ts';
import { extensionRules } from './rules-extension.ts';
import { languageRules } from './rules-language.ts';
import { markingRules, selectorRules } from './rules-marking.ts';
import { nameRules } from './rules-names.ts';
import { patternRules } from './rules-pattern.ts';
import { patternLanguageRules } from './rules-pattern-languages.ts';
import { recommendedRules } from './rules-recommended.ts';
import { relationshipRules } from './rules-relationship.ts';
import { scoIdRules } from './rules-sco-id.ts';
import { timeRules } from './rules-time.ts';
import { valueRules } from './rules-value.ts';
import { vocabularyRules } from './rules-vocabulary.ts';
import { type ObjectType, types } from './validators.generated.js';

export const rules: readonly Rule[] = [
  ...contentRules,
  ...timeRules,
  ...valueRules,
  ...patternRules,
  ...patternLanguageRules,
  ...markingRules,
  ...languageRules,
  ...scoIdRules,
  ...relationshipRules,
  ...vocabularyRules,
  ...recommendedRules,
  ...customRules,
  ...selectorRules,
  ...extensionRules,
  ...nameRules,
];

/** A rule in a plan; all are of one shape, unlike those that are written out. */
export interface PlannedRule extends Pick<Rule, 'code' | 'level' | 'check'> {
  /** Of the properties that it needs; 0 when it is always asked. */
  readonly bits: number;
}

interface PlannedProperty {
  readonly isCustom: boolean;
  /** Those of rules that need it. */
  readonly bits: number;
}

/** What is asked about the objects of a type, and what of an object decides it. */
export interface RulePlan {
  readonly rules: readonly PlannedRule[];
  /** The properties of the standard, and others that rules need. The rest is custom and `anyCustom` has its bits. */
  readonly properties: ReadonlyMap<string, PlannedProperty>;
  readonly anyCustom: PlannedProperty;
}

/** A bit for each property that rules need. Should there be more of them than bits, some rules are asked in vain. */
function assignBits(selected: readonly Rule[]): Map<string, number> {
  const needed = new Set(selected.flatMap(({ needs = [] }) => needs));
  return new Map([...needed].map((name, index) => [name, 2 ** (index % 31)]));
}

function plan(policy: Policy, type: ObjectType): RulePlan {
  const isStandard = type.kind !== 'custom';
  const selected = rules.filter(
    (rule) =>
      (rule.policy === undefined || rule.policy === policy) &&
      (rule.types === undefined || rule.types.includes(type.type)) &&
      (rule.isForStandard === undefined || rule.isForStandard === isStandard),
  );
  const bits = assignBits(selected);
  const bitsOf = (names: readonly string[]): number => names.reduce((sum, name) => sum | (bits.get(name) ?? 0), 0);
  const anyCustom = { isCustom: true, bits: bitsOf([customProperty]) };
  const needed = [...bits.keys()].map((name) => ({ name, isCustom: true, bits: anyCustom.bits | bitsOf([name]) }));
  const known = type.properties.map((name) => ({ name, isCustom: false, bits: bitsOf([name]) }));
  return {
    rules: selected.map(({ code, level, check, needs = [] }) => ({ code, level, check, bits: bitsOf(needs) })),
    properties: new Map([...needed, ...known].map(({ name, ...property }) => [name, property])),
    anyCustom,
  };
}

function plans(policy: Policy): ReadonlyMap<string, RulePlan> {
  return new Map(types.map((type) => [type.type, plan(policy, type)]));
}
const byPolicy = { spec: plans('spec'), strict: plans('strict') };

/** The plan for objects that this schema judges. */
export function findPlan(schemaName: string, policy: Policy): RulePlan | undefined {
  return byPolicy[policy].get(schemaName);
}
