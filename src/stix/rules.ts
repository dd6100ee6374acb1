/**
 * The rules that a schema can't state, in the order they are checked. Rules see objects that may have failed their
 * schema: they take nothing for granted and leave to the schema what it reports.
 */

import { findObjectType, standardTypes } from './object-types.ts';
import type { Policy, Rule } from './rule.ts';
import { contentRules } from './rules-content.ts';
import { customRules } from './rules-custom.ts';
import { extensionRules } from './rules-extension.ts';
import { languageRules } from './rules-language.ts';
import { markingRules } from './rules-marking.ts';
import { nameRules } from './rules-names.ts';
import { patternRules } from './rules-pattern.ts';
import { patternLanguageRules } from './rules-pattern-languages.ts';
import { recommendedRules } from './rules-recommended.ts';
import { relationshipRules } from './rules-relationship.ts';
import { scoIdRules } from './rules-sco-id.ts';
import { timeRules } from './rules-time.ts';
import { valueRules } from './rules-value.ts';
import { vocabularyRules } from './rules-vocabulary.ts';

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
  ...nameRules,
  ...customRules,
  ...extensionRules,
];

/** The rules for a type: those that are always asked, and those that are when an object has a property. */
export interface RulePlan {
  readonly always: readonly Rule[];
  readonly whenPresent: readonly (readonly [property: string, rules: readonly Rule[]])[];
}

function plan(policy: Policy, type: string | undefined, isStandard: boolean): RulePlan {
  const selected = rules.filter(
    (rule) =>
      (rule.policy === undefined || rule.policy === policy) &&
      (rule.types === undefined || (type !== undefined && rule.types.includes(type))) &&
      (rule.isForStandard === undefined || rule.isForStandard === isStandard),
  );
  const needs = new Set(selected.flatMap((rule) => rule.needs ?? []));
  return {
    always: selected.filter((rule) => rule.needs === undefined),
    whenPresent: [...needs].map((name) => [name, selected.filter((rule) => rule.needs === name)]),
  };
}

function index(policy: Policy): { byType: Map<string, RulePlan>; custom: RulePlan } {
  const types = new Set(['bundle', ...rules.flatMap(({ types: named }) => named ?? []), ...standardTypes]);
  return {
    byType: new Map([...types].map((type) => [type, plan(policy, type, findObjectType(type) !== undefined)])),
    custom: plan(policy, undefined, false),
  };
}
const indices = { spec: index('spec'), strict: index('strict') };

/** The rules that an object of this type must keep under this policy, in their order. */
export function rulesFor(type: string, policy: Policy): RulePlan {
  return indices[policy].byType.get(type) ?? indices[policy].custom;
}
