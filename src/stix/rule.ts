/** What a rule in code is; `rules.ts` has them all. */

import type { Extensions } from './extensions.ts';
import type { Text } from './issue.ts';
import type { StixObject } from './object-types.ts';

export type { Text } from './issue.ts';

/** `spec` takes everything the standard allows; `strict` no custom content and no unregistered extension. */
export type Policy = 'spec' | 'strict';

export interface RuleContext {
  /** The registered extensions. */
  readonly extensions: Extensions;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether the text that is checked has a null anywhere: nearly none has, and then nobody need look for it. */
  readonly holdsNull: boolean;
  readonly holdsEmptyList: boolean;
  /** Names of the object's properties that the standard does not give its type. */
  readonly customProperties: readonly string[];
}

/**
 * Reports a fault: the names and indices that lead to it, and what is expected there. The text need not repeat the
 * value at the path, which a verdict shows before it.
 */
export type Report = (path: readonly (string | number)[], text: Text) => void;

/** Among the needs of a rule: any property that the standard does not give the type. No property can have the name. */
export const customProperty = '*';

export interface Rule {
  /** Names the rule and its section. Stable. */
  readonly code: string;
  /** Where the rule comes from: `STIX 2.1 §2.9`. */
  readonly section: string;
  readonly level: 'error' | 'warning';
  /** The types it is for; absent: every type. */
  readonly types?: readonly string[];
  /** Whether it is for types of the standard alone (true) or for custom types alone (false); absent: all. */
  readonly isForStandard?: boolean;
  /** It is not asked about an object that has none of these properties, since it has nothing to say then. */
  readonly needs?: readonly string[];
  /** The policy it belongs to; absent: both. */
  readonly policy?: Policy;
  check(object: StixObject, report: Report, context: RuleContext): void;
}
