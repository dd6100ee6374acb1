/**
 * The library: `import { createValidator } from 'huiju/stix'`. The check that Huiju makes of every object before it
 * stores it, for programs of others; nothing of the server is loaded with it.
 */

import { messageOf } from '../errors.ts';
import { type CheckOptions, checkDocument, type Policy } from './check-object.ts';
import { assertSchema } from './extension-schema.ts';
import { createExtensions, type RegisteredExtension } from './extensions.ts';
import { formatIssue, type Issue, type Language, languages } from './issue.ts';
import type { Pattern, PatternFault } from './pattern.ts';
import type { Sought } from './pattern-summary.ts';

// biome-ignore lint/performance/noBarrelFile: the entry point of the library; nothing in the project imports from it.
export { deterministicId } from './deterministic-id.ts';
export { formatIssue } from './issue.ts';
export { parsePattern } from './pattern.ts';
export { summarisePattern } from './pattern-summary.ts';
export type { Issue, Language, Pattern, PatternFault, Policy, RegisteredExtension, Sought };

const policies: readonly Policy[] = ['spec', 'strict'];

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

/** The text of a value, which a getter or `toJSON` within it may keep from being written. */
function textOf(value: unknown): string {
  try {
    const text: unknown = JSON.stringify(value);
    if (typeof text === 'string') return text;
  } catch (cause) {
    throw new TypeError(`This value cannot be written as JSON: ${messageOf(cause)}`, { cause });
  }
  throw new TypeError(`A value of type ${typeof value} is no JSON; give an object, or a text.`);
}

function assertChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  const list = choices.map((choice) => JSON.stringify(choice)).join(' or ');
  throw new TypeError(`The option "${option}" is ${JSON.stringify(value)}; it must be ${list}.`);
}

function assertExtension({ definition, schema }: RegisteredExtension, index: number): void {
  const place = `extensions[${index}]`;
  const { valid, errors } = judge(JSON.stringify(definition) ?? '', {});
  const [fault] = errors;
  if (!valid || definition.type !== 'extension-definition') {
    const why = fault === undefined ? 'it is of another type' : formatIssue(fault);
    throw new TypeError(`${place}.definition is no valid extension-definition object: ${why}`);
  }
  try {
    assertSchema(schema);
  } catch (cause) {
    throw new TypeError(`${place}.schema cannot be used: ${messageOf(cause)}`, { cause });
  }
}

function judge(text: string, options: CheckOptions, policy: Policy = 'spec'): ObjectVerdict {
  const { id, type, errors, warnings } = checkDocument(text, policy, options);
  return { valid: errors.length === 0, id, type, errors, warnings };
}

/**
 * Throws TypeError for an option that is none, and for an extension whose definition is not valid or whose schema is
 * none, refers to what is not in it, or cannot be used otherwise.
 */
export function createValidator(options: ValidatorOptions = {}): Validator {
  const { policy = 'spec', language = 'en', extensions = [], now = Date.now } = options;
  assertChoice('policy', policy, policies);
  assertChoice('language', language, languages);
  extensions.forEach(assertExtension);
  const registered = createExtensions(extensions);
  return {
    validate: (object) => {
      const text = typeof object === 'string' ? object : textOf(object);
      return judge(text, { language, now: now(), extensions: registered }, policy);
    },
  };
}
