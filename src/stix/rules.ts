/**
 * The rules that a schema can't state, in the order they are checked. Rules see objects that may have failed their
 * schema: they take nothing for granted and leave to the schema what it reports.
 */

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

function select(policy: Policy, type: string | undefined): readonly Rule[] {
  return rules.filter(
    (rule) =>
      (rule.policy === undefined || rule.policy === policy) &&
      (rule.types === undefined || (type !== undefined && rule.types.includes(type))),
  );
}

const typesWithRules = new Set(rules.flatMap(({ types }) => types ?? []));
function index(policy: Policy): { byType: Map<string, readonly Rule[]>; others: readonly Rule[] } {
  return {
    byType: new Map([...typesWithRules].map((type) => [type, select(policy, type)])),
    others: select(policy, undefined),
  };
}
const indices = { spec: index('spec'), strict: index('strict') };

/** The rules that an object of this type must keep under this policy, in their order. */
export function rulesFor(type: string, policy: Policy): readonly Rule[] {
  return indices[policy].byType.get(type) ?? indices[policy].others;
}
