/**
 * The check that every object passes before it is stored: its text, the schema of its type, the rules in code. One call
 * for one object; nothing is kept between calls.
 */

import { contentDigest } from './canonical.ts';
import { defaultExtensions, type Extensions, withoutDefined } from './extensions.ts';
import type { Fault, Issue, Language, Text } from './issue.ts';
import { isObject, listOf } from './json-value.ts';
import { strictestTlp, type TlpLevel } from './markings.ts';
import { maxDepth, readObject } from './object-text.ts';
import { findObjectType, hasExtensionOf, type StixObject, schemaNameOf } from './object-types.ts';
import { pointerTo, shortened, valueAt } from './pointer.ts';
import { isIdentifier, isPropertyName } from './quick-patterns.ts';
import type { Policy, Report, RuleContext } from './rule.ts';
import { findPlan, type PlannedRule, type RulePlan } from './rules.ts';
import { schemaFaults } from './schema-faults.ts';
import { findVersionKey } from './timestamp.ts';
import { createPredicates, spec, strict, type Validator } from './validators.generated.js';

export type { Policy } from './rule.ts';

export interface CheckedObject {
  /** Null when the object has none that is a string; shortened to 256 characters, as `type` and `version` are. */
  readonly id: string | null;
  readonly type: string | null;
  /** `modified`, else `created`, as spelled; given for objects with errors too, to name them by. */
  readonly version: string | null;
  /** `version` as it orders and identifies versions; null when there is none. */
  readonly versionKey: string | null;
  /** Equal for equal content; only for valid objects without a version, else null. */
  readonly digest: string | null;
  readonly tlp: TlpLevel | null;
  /** Empty if and only if the object is valid. At most 20, and a last one that says so when there are more. */
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
}

/** What a check depends on beside the object and the policy. */
export interface CheckOptions {
  /** Of the messages; English when absent. */
  readonly language?: Language;
  /** Milliseconds since the epoch; when absent, the clock. */
  readonly now?: number;
  /** The extensions that are registered; the shipped ones when absent. */
  readonly extensions?: Extensions;
}

const maxIssues = 20;
const more: Text = {
  en: `There is more; only the first ${maxIssues} are listed.`,
  zh: `还有其他问题，此处只列出前 ${maxIssues} 个。`,
};
const validators: Readonly<Record<Policy, ReadonlyMap<string, Validator>>> = { spec, strict };
const predicates = createPredicates({ isIdentifier, isPropertyName });

/** Collects issues, and knows when there are enough. */
class Findings implements RuleContext {
  readonly errors: Issue[] = [];
  readonly warnings: Issue[] = [];
  readonly now: number;
  readonly extensions: Extensions;
  holdsNull = false;
  holdsEmptyList = false;
  customProperties: readonly string[] = [];
  /** Path of what is being checked within the document. */
  prefix = '';
  readonly policy: Policy;
  readonly language: Language;

  constructor(policy: Policy, { language = 'en', now = Date.now(), extensions = defaultExtensions }: CheckOptions) {
    this.policy = policy;
    this.language = language;
    this.now = now;
    this.extensions = extensions;
  }

  isFull(level: 'error' | 'warning'): boolean {
    return (level === 'error' ? this.errors : this.warnings).length > maxIssues;
  }

  /** Adds what is not yet there. The fault's path begins at `object`. */
  add(level: 'error' | 'warning', { code, path, text }: Fault, object: unknown): void {
    const issues = level === 'error' ? this.errors : this.warnings;
    const place = `${this.prefix}${path}`;
    const message = text[this.language];
    const isKnown = issues.some((known) => known.code === code && known.path === place && known.message === message);
    if (issues.length > maxIssues || isKnown) return;
    if (issues.length === maxIssues) issues.push({ code: 'more', path: '', message: more[this.language] });
    else {
      const value = valueAt(object, path);
      issues.push(value === undefined ? { code, path: place, message } : { code, path: place, value, message });
    }
  }
}

/** STIX 2.0 has no spec_version on objects; 2.1 requires it on all but observables (design: 2.0 is refused). */
function findOtherVersion(object: StixObject, type: string): Fault | undefined {
  const { spec_version: version } = object;
  if (version === '2.1' || (version === undefined && mayOmitVersion(object, type))) return undefined;
  const text: Text = {
    en: 'Only objects of STIX 2.1 are taken; they say "spec_version": "2.1".',
    zh: '只接受 STIX 2.1 的对象，须写明 "spec_version": "2.1"。',
  };
  return { code: 'STIX-3.2-spec-version', path: version === undefined ? '' : '/spec_version', text };
}

// An object of a custom type without it is an observable only if an extension says so; else it may be STIX 2.0.
function mayOmitVersion(object: StixObject, type: string): boolean {
  const kind = findObjectType(type)?.kind;
  return kind === undefined ? hasExtensionOf(object, 'new-sco') : kind === 'sco';
}

/** Judges `part`, which is the object or most of it, by the schema of this name. */
function applySchema(policy: Policy, object: StixObject, part: StixObject, name: string, findings: Findings): void {
  // Nearly every object is valid, and to know that is much cheaper than to know what is wrong.
  if (predicates[policy].get(name)?.(part) === true) return;
  const validate = validators[policy].get(name);
  if (validate === undefined || validate(part)) return;
  for (const fault of schemaFaults(validate.errors ?? [])) findings.add('error', fault, object);
  // The validator keeps its last errors, and with them the object.
  validate.errors = null;
}

function checkSchema(object: StixObject, type: string, name: string, findings: Findings): void {
  const { policy, extensions } = findings;
  const part = policy === 'strict' ? withoutDefined(object, type, extensions) : object;
  // Properties that an extension defines keep to what the standard allows, in their names for example.
  if (part !== object) applySchema('spec', object, object, name, findings);
  applySchema(policy, object, part, name, findings);
}

/** Notes the object's custom properties, and tells which rules its properties call for. */
function surveyProperties(object: StixObject, { properties, anyCustom }: RulePlan, findings: Findings): number {
  const customProperties: string[] = [];
  let present = 0;
  for (const name in object) {
    const { isCustom, bits } = properties.get(name) ?? anyCustom;
    if (isCustom) customProperties.push(name);
    present |= bits;
  }
  findings.customProperties = customProperties;
  return present;
}

function checkRules(object: StixObject, schemaName: string, findings: Findings): void {
  const plan = findPlan(schemaName, findings.policy);
  if (plan === undefined) return;
  const present = surveyProperties(object, plan, findings);
  let current: PlannedRule | undefined;
  const report: Report = (path, text) => {
    if (current === undefined || findings.isFull(current.level)) return;
    findings.add(current.level, { code: current.code, path: pointerTo(path), text }, object);
  };
  for (const rule of plan.rules) {
    if (rule.bits !== 0 && (rule.bits & present) === 0) continue;
    current = rule;
    rule.check(object, report, findings);
  }
}

const nestedBundle: Fault = {
  code: 'STIX-8-nested-bundle',
  path: '/type',
  text: {
    en: 'A bundle cannot stand among objects; publish its members.',
    zh: 'bundle 不能作为对象，请发布其成员。',
  },
};
const noType: Fault = {
  code: 'STIX-3.2-required',
  path: '',
  text: {
    en: 'The required property "type" is missing or not a string.',
    zh: '缺少必需属性 "type"，或其值不是字符串。',
  },
};
const noObject: Fault = {
  code: 'STIX-2-object',
  path: '',
  text: { en: 'This is not an object.', zh: '这不是 JSON 对象。' },
};

/** What makes every further check pointless. */
function findBasicFault(value: unknown): Fault | undefined {
  if (!isObject(value)) return noObject;
  if (typeof value.type !== 'string') return noType;
  return value.type === 'bundle' ? nestedBundle : findOtherVersion(value, value.type);
}

function checkValue(value: unknown, findings: Findings): void {
  const fault = findBasicFault(value);
  if (fault !== undefined) findings.add('error', fault, value);
  else if (isObject(value)) checkFully(value, String(value.type), findings);
}

function checkFully(object: StixObject, type: string, findings: Findings): void {
  const schemaName = schemaNameOf(object, type);
  checkSchema(object, type, schemaName, findings);
  checkRules(object, schemaName, findings);
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? shortened(value) : null;
}

function keyOf(time: unknown): string | undefined {
  return typeof time === 'string' ? findVersionKey(time) : undefined;
}

type Version = Pick<CheckedObject, 'version' | 'versionKey'>;

/** The version that the object names, if any is a timestamp; else, to name a wrong object by, what is written there. */
function versionOf({ modified, created }: StixObject, isValid: boolean): Version {
  const modifiedKey = keyOf(modified);
  const version = modifiedKey === undefined ? created : modified;
  const versionKey = modifiedKey ?? keyOf(created);
  if (typeof version !== 'string' || versionKey === undefined) {
    return {
      version: isValid ? null : stringOrNull(typeof modified === 'string' ? modified : created),
      versionKey: null,
    };
  }
  return { version: isValid ? version : shortened(version), versionKey };
}

function conclude(text: string, value: unknown, { errors, warnings }: Findings): CheckedObject {
  const object = isObject(value) ? value : {};
  const isValid = errors.length === 0;
  const { version, versionKey } = versionOf(object, isValid);
  const digest = isValid && versionKey === null && object.type !== 'bundle' ? contentDigest(text) : null;
  const [id, type] = [stringOrNull(object.id), stringOrNull(object.type)];
  return { id, type, version, versionKey, digest, tlp: strictestTlp(object), errors, warnings };
}

/** Reads the text, and checks what was read unless its text is at fault. */
function check(text: string, depth: number, findings: Findings, checkRead: (value: unknown) => void): CheckedObject {
  const { value, faults, holdsNull, holdsEmptyList } = readObject(text, depth);
  for (const fault of faults) findings.add('error', fault, undefined);
  findings.holdsNull = holdsNull;
  findings.holdsEmptyList = holdsEmptyList;
  if (faults.length === 0) checkRead(value);
  return conclude(text, value, findings);
}

/** Checks the text of one object. Never throws, whatever the text. */
export function checkObject(text: string, policy: Policy, options: CheckOptions = {}): CheckedObject {
  const findings = new Findings(policy, options);
  return check(text, maxDepth, findings, (value) => checkValue(value, findings));
}

const versionedBundle: Fault = {
  code: 'STIX-8-spec-version',
  path: '/spec_version',
  text: {
    en: 'A bundle of STIX 2.1 has no "spec_version"; leave it out.',
    zh: 'STIX 2.1 的 bundle 没有 "spec_version"，请删去。',
  },
};

function checkHead(bundle: StixObject, findings: Findings): void {
  const { spec_version: version, objects: _members, ...head } = bundle;
  if (version === undefined || version === '2.1') checkFully(head, 'bundle', findings);
  else findings.add('error', versionedBundle, bundle);
}

const noMembers: Fault = {
  code: 'STIX-8-objects',
  path: '/objects',
  text: {
    en: 'The members of a bundle are a list of at least one object; leave the property out if there are none.',
    zh: 'bundle 的成员是至少含一个对象的列表；没有成员时请删去该属性。',
  },
};

function checkMembers(members: unknown, findings: Findings): void {
  const objects = listOf(members);
  if (objects.length === 0) findings.add('error', noMembers, { objects: members });
  for (const [index, member] of objects.entries()) {
    if (findings.isFull('error')) return;
    findings.prefix = `/objects/${index}`;
    checkValue(member, findings);
  }
}

/**
 * Checks one document of a file: an object, or a bundle, which is judged as a whole: its own members and all its
 * objects, whose paths begin with `/objects/N`.
 */
export function checkDocument(text: string, policy: Policy, options: CheckOptions = {}): CheckedObject {
  const findings = new Findings(policy, options);
  return check(text, maxDepth + 2, findings, (value) => {
    if (!isObject(value) || value.type !== 'bundle') return checkValue(value, findings);
    checkHead(value, findings);
    if (value.objects !== undefined) checkMembers(value.objects, findings);
  });
}

const noBundle: Fault = {
  code: 'STIX-8-bundle',
  path: '/type',
  text: { en: 'This is no bundle: its "type" must be "bundle".', zh: '这不是 bundle："type" 须为 "bundle"。' },
};

/** Checks the bundle itself, given its text without `objects`: for files that are read member by member. */
export function checkBundleHead(text: string, policy: Policy, options: CheckOptions = {}): CheckedObject {
  const findings = new Findings(policy, options);
  return check(text, maxDepth, findings, (value) => {
    if (isObject(value) && value.type === 'bundle') checkHead(value, findings);
    else findings.add('error', noBundle, value);
  });
}
