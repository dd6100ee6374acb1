/**
 * The check that every object passes before it is stored: its text, the schema of its type, the rules in code. One call
 * for one object; nothing is kept between calls.
 */

import { contentDigest } from './canonical.ts';
import type { Issue } from './issue.ts';
import { isObject, listOf } from './json-value.ts';
import { strictestTlp, type TlpLevel } from './markings.ts';
import { maxDepth, readObject } from './object-text.ts';
import { findObjectType, hasExtensionOf, type StixObject, schemaNameOf } from './object-types.ts';
import { pointerTo, quoted, shortened } from './pointer.ts';
import type { Policy, Report } from './rule.ts';
import { rulesFor } from './rules.ts';
import { schemaIssues } from './schema-issues.ts';
import { findVersionKey } from './timestamp.ts';
import { spec, strict, type Validator } from './validators.generated.js';

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

const maxIssues = 20;
const validators: Readonly<Record<Policy, ReadonlyMap<string, Validator>>> = { spec, strict };

/** Collects issues, and knows when there are enough. */
class Findings {
  readonly errors: Issue[] = [];
  readonly warnings: Issue[] = [];
  /** Path of what is being checked within the document. */
  prefix = '';

  isFull(level: 'error' | 'warning'): boolean {
    return (level === 'error' ? this.errors : this.warnings).length > maxIssues;
  }

  add(level: 'error' | 'warning', { code, path, message }: Issue): void {
    const issues = level === 'error' ? this.errors : this.warnings;
    const isKnown = issues.some(
      (issue) => issue.code === code && issue.path === `${this.prefix}${path}` && issue.message === message,
    );
    if (issues.length > maxIssues || isKnown) return;
    const more = { code: 'more', path: '', message: `There is more; only the first ${maxIssues} are listed.` };
    issues.push(issues.length === maxIssues ? more : { code, path: `${this.prefix}${path}`, message });
  }
}

/** STIX 2.0 has no spec_version on objects; 2.1 requires it on all but observables (design: 2.0 is refused). */
function findOtherVersion(object: StixObject, type: string): Issue | undefined {
  const { spec_version: version } = object;
  if (version === '2.1' || (version === undefined && mayOmitVersion(object, type))) return undefined;
  const found = version === undefined ? 'There is no "spec_version"' : `The "spec_version" is ${quoted(version)}`;
  const message = `${found}; objects must be of STIX 2.1 and say "spec_version": "2.1".`;
  return { code: 'STIX-3.2-spec-version', path: '', message };
}

// An object of a custom type without it is an observable only if an extension says so; else it may be STIX 2.0.
function mayOmitVersion(object: StixObject, type: string): boolean {
  const kind = findObjectType(type)?.kind;
  return kind === undefined ? hasExtensionOf(object, 'new-sco') : kind === 'sco';
}

function checkSchema(object: StixObject, type: string, policy: Policy, findings: Findings): void {
  const validate = validators[policy].get(schemaNameOf(object, type));
  if (validate === undefined || validate(object)) return;
  for (const issue of schemaIssues(validate.errors ?? [])) findings.add('error', issue);
  // The validator keeps its last errors, and with them the object.
  validate.errors = null;
}

function checkRules(object: StixObject, type: string, policy: Policy, now: number, findings: Findings): void {
  for (const { code, level, check: checkRule } of rulesFor(type, policy)) {
    const report: Report = (path, message) => {
      if (!findings.isFull(level)) findings.add(level, { code, path: pointerTo(path), message });
    };
    checkRule(object, report, { now });
  }
}

const nestedBundle: Issue = {
  code: 'STIX-8-nested-bundle',
  path: '/type',
  message: 'A bundle cannot stand among objects; publish its members.',
};
const noType: Issue = {
  code: 'STIX-3.2-required',
  path: '',
  message: 'The required property "type" is missing or not a string.',
};
const noObject: Issue = { code: 'STIX-2-object', path: '', message: 'This is not an object.' };

/** What makes every further check pointless. */
function findBasicFault(value: unknown): Issue | undefined {
  if (!isObject(value)) return noObject;
  if (typeof value.type !== 'string') return noType;
  return value.type === 'bundle' ? nestedBundle : findOtherVersion(value, value.type);
}

function checkValue(value: unknown, policy: Policy, now: number, findings: Findings): void {
  const fault = findBasicFault(value);
  if (fault !== undefined) findings.add('error', fault);
  else if (isObject(value)) checkFully(value, String(value.type), policy, now, findings);
}

function checkFully(object: StixObject, type: string, policy: Policy, now: number, findings: Findings): void {
  checkSchema(object, type, policy, findings);
  checkRules(object, type, policy, now, findings);
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? shortened(value) : null;
}

/** The version that the object names, if any is a timestamp; else, to name a wrong object by, what is written there. */
function versionOf(object: StixObject, isValid: boolean): Pick<CheckedObject, 'version' | 'versionKey'> {
  const candidates = [object.modified, object.created].filter((value) => typeof value === 'string');
  for (const version of candidates) {
    const versionKey = findVersionKey(version);
    if (versionKey !== undefined) return { version: isValid ? version : shortened(version), versionKey };
  }
  return { version: isValid ? null : stringOrNull(candidates[0]), versionKey: null };
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
function check(text: string, depth: number, checkRead: (value: unknown, findings: Findings) => void): CheckedObject {
  const findings = new Findings();
  const { value, issues } = readObject(text, depth);
  for (const issue of issues) findings.add('error', issue);
  if (issues.length === 0) checkRead(value, findings);
  return conclude(text, value, findings);
}

/** Checks the text of one object. Never throws, whatever the text. */
export function checkObject(text: string, policy: Policy, now: number = Date.now()): CheckedObject {
  return check(text, maxDepth, (value, findings) => checkValue(value, policy, now, findings));
}

function checkHead(bundle: StixObject, policy: Policy, now: number, findings: Findings): void {
  const { spec_version: version, objects: _members, ...head } = bundle;
  if (version === undefined || version === '2.1') checkFully(head, 'bundle', policy, now, findings);
  else {
    const message = `The bundle says "spec_version": ${quoted(version)}; a bundle of STIX 2.1 has none.`;
    findings.add('error', { code: 'STIX-8-spec-version', path: '/spec_version', message });
  }
}

const noMembers: Issue = {
  code: 'STIX-8-objects',
  path: '/objects',
  message: 'The members of a bundle are a list of at least one object; leave the property out if there are none.',
};

function checkMembers(members: unknown, policy: Policy, now: number, findings: Findings): void {
  const objects = listOf(members);
  if (objects.length === 0) findings.add('error', noMembers);
  for (const [index, member] of objects.entries()) {
    if (findings.isFull('error')) return;
    findings.prefix = `/objects/${index}`;
    checkValue(member, policy, now, findings);
  }
}

/**
 * Checks one document of a file: an object, or a bundle, which is judged as a whole: its own members and all its
 * objects, whose paths begin with `/objects/N`.
 */
export function checkDocument(text: string, policy: Policy, now: number = Date.now()): CheckedObject {
  return check(text, maxDepth + 2, (value, findings) => {
    if (!isObject(value) || value.type !== 'bundle') return checkValue(value, policy, now, findings);
    checkHead(value, policy, now, findings);
    if (value.objects !== undefined) checkMembers(value.objects, policy, now, findings);
  });
}

/** Checks the bundle itself, given its text without `objects`: for files that are read member by member. */
export function checkBundleHead(text: string, policy: Policy, now: number = Date.now()): CheckedObject {
  return check(text, maxDepth, (value, findings) => {
    if (isObject(value) && value.type === 'bundle') return checkHead(value, policy, now, findings);
    findings.add('error', {
      code: 'STIX-8-bundle',
      path: '/type',
      message: 'This is no bundle: its "type" must be "bundle".',
    });
  });
}
