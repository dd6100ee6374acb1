/**
 * The library: `import { createValidator } from 'huiju/stix'`. The check that Huiju makes of every object before it
 * stores it, for programs of others; nothing of the server is loaded with it.
 */

import { type CheckOptions, checkDocument, type Policy } from './check-object.ts';
import { createExtensions, type RegisteredExtension, shippedExtensions } from './extensions.ts';
import type { Issue, Language } from './issue.ts';
import type { Pattern, PatternFault } from './pattern.ts';
import type { Sought } from './pattern-summary.ts';

// biome-ignore lint/performance/noBarrelFile: the entry point of the library; nothing in the project imports from it.
export { deterministicId } from './deterministic-id.ts';
export { formatIssue } from './issue.ts';
export { parsePattern } from './pattern.ts';
export { summarisePattern } from './pattern-summary.ts';
export type { Issue, Language, Pattern, PatternFault, Policy, RegisteredExtension, Sought };

export interface ValidatorOptions {
  /** `spec` (when absent) takes all that STIX 2.1 allows, with warnings; `strict` only what is registered of custom content. */
  readonly policy?: Policy;
  /** Of the messages: `en` (when absent) or `zh`. */
  readonly language?: Language;
  /** Extension definitions with their JSON Schemas, beside those that come with Huiju. Schemas are never fetched. */
  readonly extensions?: readonly RegisteredExtension[];
  /** Milliseconds since the epoch, for the warning about versions in the future; the clock when absent. */
  readonly now?: () => number;
}

export interface ObjectVerdict {
  /** Whether there are no errors. */
  readonly valid: boolean;
  /** Null where the object has none that is a string; shortened to 256 characters. */
  readonly id: string | null;
  readonly type: string | null;
  /** At most 20, and a last one with the code `more` when there are more. */
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
}

export interface Validator {
  /**
   * Judges one object, or a bundle as a whole with paths such as `/objects/3/name`. Given as text, the text is judged
   * too (duplicate names, depth, numbers as they are written); a value is judged as `JSON.stringify` writes it. Never
   * throws for what is in a text; throws TypeError for a value that is no JSON.
   */
  validate(object: string | object): ObjectVerdict;
}

/** Throws for an extension whose schema is none, or refers to what is not in it. */
export function createValidator(options: ValidatorOptions = {}): Validator {
  const { policy = 'spec', language = 'en', extensions = [], now = Date.now } = options;
  const registered = createExtensions([...shippedExtensions, ...extensions]);
  return {
    validate: (object) => {
      const text = typeof object === 'string' ? object : JSON.stringify(object);
      const checkOptions: CheckOptions = { language, now: now(), extensions: registered };
      const { id, type, errors, warnings } = checkDocument(text, policy, checkOptions);
      return { valid: errors.length === 0, id, type, errors, warnings };
    },
  };
}
