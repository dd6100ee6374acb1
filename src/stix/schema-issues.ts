/** Turns what the compiled schemas find into issues that a publisher can act on. */

import type { Issue } from './issue.ts';
import { pointerTo, quoted, shortened } from './pointer.ts';
import { emptyListMessage, nullMessage } from './rules-content.ts';
import type { SchemaError } from './validators.generated.js';

type Schema = SchemaError['parentSchema'];
type Found = readonly [code: string, message: string];

// Errors within alternatives and conditions are part of the error that the alternative or condition itself reports.
const partOfAnother = /\/(?:anyOf|oneOf|contains|if)\//;
const nullFound: Found = ['STIX-3.1-null', nullMessage];
const severalAtOnePlace = new Set(['required', 'dependentRequired', 'anyOf', 'oneOf']);
const typeSections: Readonly<Record<string, string>> = {
  string: '2.15-string',
  boolean: '2.2-boolean',
  integer: '2.10-integer',
  number: '2.6-float',
  array: '2.12-list',
  object: '2.3-dictionary',
};

function textOf(schema: Schema, key: string): string | undefined {
  const value = schema[key];
  return typeof value === 'string' ? value : undefined;
}

/** The code of a schema that names its rule: its section from `$comment`, its `title`. */
function codeOf(schema: Schema, fallback: string): string {
  const section = /^STIX 2\.1 §([\d.]*\d)/.exec(textOf(schema, '$comment') ?? '')?.[1];
  const title = textOf(schema, 'title');
  return section === undefined || title === undefined ? fallback : `STIX-${section}-${title}`;
}

function list(names: readonly unknown[], word: string): string {
  const texts = names.map((name) => `"${String(name)}"`);
  const last = texts.pop() ?? '';
  return texts.length === 0 ? last : `${texts.join(', ')} ${word} ${last}`;
}

/** The types a pattern such as ^(?:file|artifact)-- allows, or with ?! forbids. */
function referenceTypes(pattern: string): { types: string; forbidden: boolean } {
  const names = pattern.replaceAll(/[^a-z0-9|-]/g, '').replace(/--$/, '');
  return { types: list(names.split('|'), 'or'), forbidden: pattern.startsWith('^(?!') };
}

function patternIssue({ data, params, parentSchema, instancePath }: SchemaError): Found {
  const description = textOf(parentSchema, 'description');
  if (textOf(parentSchema, 'title') !== undefined && !String(parentSchema.$ref).endsWith('/identifier.json')) {
    const hint = description ?? `It must match ${String(params.pattern)}`;
    return [codeOf(parentSchema, 'STIX-3.1-pattern'), `${quoted(data)} is not right. Expected: ${hint}`];
  }
  const { types, forbidden } = referenceTypes(String(params.pattern));
  if (instancePath === '/id')
    return ['STIX-2.9-id-prefix', `The id ${quoted(data)} must begin with ${types} and two hyphens.`];
  const verb = forbidden ? 'must not name an object of type' : 'must name an object of type';
  return ['STIX-2.9-ref-type', `${quoted(data)} ${verb} ${types}.`];
}

function typeIssue({ data, params, parentSchema }: SchemaError): Found {
  const expected = String(params.type);
  const word = expected === 'array' ? 'list' : expected === 'object' ? 'dictionary' : expected;
  const code = codeOf(parentSchema, `STIX-${typeSections[expected] ?? '2-type'}`);
  return [code, `Expected a value of type ${word.replace(',', ' or ')}, found ${quoted(data)}.`];
}

/** The alternatives of anyOf and oneOf are lists of required properties. */
function alternatives(schema: Schema, keyword: string): string {
  const options = Array.isArray(schema[keyword]) ? (schema[keyword] as { required?: unknown[] }[]) : [];
  return options.map(({ required = [] }) => list(required, 'with')).join(', ');
}

function choiceIssue({ keyword, parentSchema }: SchemaError): Found {
  const count = keyword === 'oneOf' ? 'exactly' : 'at least';
  const code = keyword === 'oneOf' ? 'STIX-3.2-exactly-one' : 'STIX-3.2-at-least-one';
  return [code, `The object needs ${count} one of: ${alternatives(parentSchema, keyword)}.`];
}

function forbiddenIssue({ data, parentSchema }: SchemaError): Found {
  if (textOf(parentSchema, 'title') === 'property-name') {
    return ['STIX-3.8-reserved-name', `The property name ${quoted(data)} is reserved; choose another.`];
  }
  return ['STIX-3.2-not-allowed', `The property is not allowed here. ${textOf(parentSchema, '$comment') ?? ''}`.trim()];
}

function constIssue({ data, params, parentSchema }: SchemaError): Found {
  return [codeOf(parentSchema, 'STIX-3.2-constant'), `${quoted(data)} must be ${quoted(params.allowedValue)}.`];
}

function rangeIssue({ data, parentSchema }: SchemaError): Found {
  const { minimum = '-(2^53)+1', maximum = '2^53-1' } = parentSchema;
  return ['STIX-2.10-range', `${quoted(data)} must be between ${String(minimum)} and ${String(maximum)}.`];
}

const translations: Readonly<Record<string, (error: SchemaError) => Found>> = {
  required: ({ params }) => [
    'STIX-3.2-required',
    `The required property ${quoted(params.missingProperty)} is missing.`,
  ],
  dependentRequired: ({ params }) => [
    'STIX-3.2-dependent',
    `The property ${quoted(params.property)} needs ${quoted(params.missingProperty)} beside it.`,
  ],
  type: typeIssue,
  pattern: patternIssue,
  enum: ({ data, params, parentSchema }) => [
    codeOf(parentSchema, 'STIX-2.4-enum'),
    `${quoted(data)} must be one of ${list(params.allowedValues as unknown[], 'or')}.`,
  ],
  const: constIssue,
  minimum: rangeIssue,
  maximum: rangeIssue,
  minProperties: ({ params }) => [
    'STIX-2.3-empty',
    params.limit === 1
      ? 'At least one property is needed here.'
      : `At least ${String(params.limit)} properties are needed here.`,
  ],
  minItems: () => ['STIX-2.12-empty-list', emptyListMessage],
  anyOf: choiceIssue,
  oneOf: choiceIssue,
  contains: ({ parentSchema }) => [
    codeOf(parentSchema, 'STIX-4.14-needs-observable'),
    textOf(parentSchema, 'title') === undefined
      ? 'The list must name at least one cyber-observable object.'
      : 'The property extension_properties needs "toplevel-property-extension" in extension_types.',
  ],
  not: forbiddenIssue,
  additionalProperties: ({ params }) => [
    'STIX-7.3-extension-key',
    `${quoted(params.additionalProperty)} is neither the id of an extension definition nor a name that may stand here.`,
  ],
  unevaluatedProperties: ({ params }) => [
    'STIX-11.1-custom-property',
    `The standard has no property ${quoted(params.unevaluatedProperty)} here, and custom properties are not taken.`,
  ],
};

// What is wrong with a name is said of the object that has it; the error around it knows the name.
function faultyNames(errors: readonly SchemaError[]): Set<string> {
  const ofNames = errors.filter(({ keyword }) => keyword === 'propertyNames');
  return new Set(ofNames.map(({ instancePath, params }) => `${instancePath} ${String(params.propertyName)}`));
}

/** Where the fault is: a name at fault is part of the path; the path of a missing property is its owner's. */
function pathOf({ instancePath, params, data }: SchemaError, names: ReadonlySet<string>): string {
  const { additionalProperty, unevaluatedProperty } = params;
  const isName = typeof data === 'string' && names.has(`${instancePath} ${data}`);
  const name = isName ? data : (additionalProperty ?? unevaluatedProperty);
  return shortened(typeof name === 'string' ? instancePath + pointerTo([name]) : instancePath, 1024);
}

/**
 * The issues behind the errors of a validator, in the order of the schema: the first for each value at fault, and one
 * for each property that is missing.
 */
export function schemaIssues(errors: readonly SchemaError[]): Issue[] {
  const names = faultyNames(errors);
  const issues = new Map<string, Issue>();
  for (const error of errors) {
    const translate = translations[error.keyword];
    if (translate === undefined || partOfAnother.test(error.schemaPath)) continue;
    const [code, message] = error.data === null ? nullFound : translate(error);
    const path = pathOf(error, names);
    const key = severalAtOnePlace.has(error.keyword) ? `${path} ${message}` : path;
    if (!issues.has(key)) issues.set(key, { code, path, message });
  }
  return [...issues.values()];
}
