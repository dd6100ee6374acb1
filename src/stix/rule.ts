/** What a rule in code is; `rules.ts` has them all. */

import type { StixObject } from './object-types.ts';

/** `spec` takes everything the standard allows; `strict` no custom content and no unregistered extension. */
export type Policy = 'spec' | 'strict';

export interface RuleContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Reports a fault: the names and indices that lead to it, and one sentence. */
export type Report = (path: readonly (string | number)[], message: string) => void;

export interface Rule {
  /** Names the rule and its section. Stable. */
  readonly code: string;
  readonly level: 'error' | 'warning';
  /** The types it is for; absent: every type. */
  readonly types?: readonly string[];
  /** The policy it belongs to; absent: both. */
  readonly policy?: Policy;
  check(object: StixObject, report: Report, context: RuleContext): void;
}
