/**
 * JSON Schemas that operators register for extensions: compiled when they are needed, judged within bounds. Nothing is
 * ever fetched, no schema and no value takes unbounded time, and what goes wrong is a SchemaMistake.
 */

import { createRequire } from 'node:module';
import type { Ajv, Options, ValidateFunction } from 'ajv';
import { messageOf } from '../errors.ts';
import { boundLoops } from './bound-loops.ts';
import { isObject } from './json-value.ts';
import { createLinearPattern, PatternError, type Spend } from './linear-pattern.ts';
import { shortened } from './pointer.ts';
import { type Cost, costOf } from './schema-cost.ts';
import type { SchemaError } from './validators.generated.js';

export type JsonSchema = boolean | Readonly<Record<string, unknown>>;

/** Why a text is no schema that can be registered; the message names the place and what would work. */
export class SchemaMistake extends Error {}

/** What a schema finds wrong with a value, at most some hundred; undefined when judging it would take too long. */
export type JudgeValue = (value: unknown) => readonly SchemaError[] | undefined;

const maxSubschemas = 10_000;
const maxErrors = 64;
/** Steps that judging one value may take: of schemas, of patterns, of comparisons. Well below a second. */
const maxSteps = 2_000_000;

const defaultDialect = 'https://json-schema.org/draft/2020-12/schema';
const dialects: Readonly<Record<string, { readonly module: string; readonly name: string }>> = {
  [defaultDialect]: { module: 'ajv/dist/2020.js', name: 'Ajv2020' },
  'https://json-schema.org/draft/2019-09/schema': { module: 'ajv/dist/2019.js', name: 'Ajv2019' },
  'http://json-schema.org/draft-07/schema': { module: 'ajv', name: 'Ajv' },
};

// By what their values are: one schema, a list of schemas, or schemas by name.
const schemaKeywords = new Set(
  'additionalItems additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems unevaluatedProperties'.split(
    ' ',
  ),
);
const listKeywords = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items']);
const namedKeywords = new Set([
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependencies',
  'patternProperties',
  'properties',
]);
const stepKeyword = 'huiju-step';

/**
 * The schema with a step in each of its subschemas, which names its cost by number, and without what is ajv's own: it
 * would answer with promises.
 */
function withSteps(schema: unknown, costs: Cost[]): unknown {
  if (!isObject(schema)) return schema;
  const step = costs.push(costOf(schema)) - 1;
  if (costs.length > maxSubschemas) throw new SchemaMistake(`it has more than ${maxSubschemas} subschemas`);
  const own = Object.entries(schema).filter(([keyword]) => keyword !== '$async');
  const members = own.map(([keyword, value]) => {
    if (Array.isArray(value) && listKeywords.has(keyword)) return [keyword, value.map((one) => withSteps(one, costs))];
    if (isObject(value) && namedKeywords.has(keyword)) {
      return [keyword, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withSteps(one, costs)]))];
    }
    return [keyword, schemaKeywords.has(keyword) ? withSteps(value, costs) : value];
  });
  return Object.fromEntries([...members, [stepKeyword, step]]);
}

/** JSON that is equal for equal values, whatever the order of their members. */
function canonical(value: unknown, spend: Spend): string {
  spend(typeof value === 'string' ? 1 + value.length / 16 : 1);
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one, spend)).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name], spend)}`).join()}}`;
}

function findRepeated(list: readonly unknown[], spend: Spend): number | undefined {
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) if (seen.size === seen.add(canonical(item, spend)).size) return index;
  return undefined;
}

class Exhausted extends Error {}

/** Steps left for the value that is being judged. */
function createBudget() {
  let left = 0;
  return {
    refill: () => {
      left = maxSteps;
    },
    spend: (units: number) => {
      left -= units;
      if (left < 0) throw new Exhausted();
    },
  };
}

function addKeywords(ajv: Ajv, costs: readonly Cost[], spend: Spend): void {
  ajv.addKeyword({
    keyword: stepKeyword,
    errors: false,
    validate: (step: number, value: unknown) => {
      spend(costs[step]?.(value) ?? 1);
      return true;
    },
  });
  // ajv's own compares each with each.
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    errors: false,
    validate: (isAsked: boolean, list: readonly unknown[]) => !isAsked || findRepeated(list, spend) === undefined,
  });
}

function dialectOf(schema: JsonSchema): { readonly module: string; readonly name: string } {
  const named = isObject(schema) ? (schema.$schema ?? defaultDialect) : defaultDialect;
  const dialect = dialects[String(named).replace(/#$/, '')];
  if (dialect !== undefined) return dialect;
  throw new SchemaMistake(
    `/$schema: the dialect ${JSON.stringify(named)} is not known; use one of ${Object.keys(dialects).join(', ')}`,
  );
}

// Loaded when the first schema is compiled: most processes never need it.
const require = createRequire(import.meta.url);

function createAjv(schema: JsonSchema, costs: readonly Cost[], spend: Spend): Ajv {
  const { module, name } = dialectOf(schema);
  const Dialect = (require(module) as Readonly<Record<string, new (options: Options) => Ajv>>)[name];
  if (Dialect === undefined) throw new Error(`ajv has no ${name}`);
  const linear = (source: string) => {
    const pattern = createLinearPattern(source, spend);
    // ajv knows patterns by their text.
    return { test: (text: string) => pattern.test(text), toString: () => source };
  };
  const ajv = new Dialect({
    // JSON Schema ignores keywords that it does not know, and `format` is for readers.
    strict: false,
    validateFormats: false,
    // 19.99 is a multiple of 0.01, which floating point does not hold exactly.
    multipleOfPrecision: 8,
    logger: false,
    allErrors: true,
    verbose: true,
    messages: false,
    validateSchema: false,
    code: { regExp: Object.assign(linear, { code: 'linear' }), process: (code) => boundLoops(code, maxErrors) },
  });
  addKeywords(ajv, costs, spend);
  return ajv;
}

/** What ajv throws when it compiles, as a mistake of the schema. */
function mistakeOf(error: unknown): SchemaMistake {
  if (error instanceof SchemaMistake) return error;
  if (error instanceof PatternError)
    return new SchemaMistake(`a regular expression in it cannot be used: ${error.message}`);
  if (isObject(error) && typeof error.missingRef === 'string') {
    const ref = JSON.stringify(shortened(error.missingRef, 200));
    return new SchemaMistake(
      `it refers to ${ref}, which is not in it, and nothing is ever fetched; put what is meant under "$defs" and refer to it there`,
    );
  }
  return new SchemaMistake(isOverflow(error) ? 'it is nested too deeply' : shortened(messageOf(error), 500));
}

// By name: the error may come from another context of the engine, which has classes of its own.
function isOverflow(error: unknown): boolean {
  return isObject(error) && error.name === 'RangeError';
}

function judgeWith(validate: ValidateFunction, refill: () => void, value: unknown): readonly SchemaError[] | undefined {
  refill();
  try {
    return validate(value) ? [] : ((validate.errors ?? []) as readonly SchemaError[]);
  } catch (error) {
    if (error instanceof Exhausted || isOverflow(error)) return undefined;
    throw error;
  } finally {
    // It would keep the value.
    validate.errors = null;
  }
}

function assertDialect(ajv: Ajv, schema: JsonSchema): void {
  if (ajv.validateSchema(schema) === true) return;
  const { instancePath = '', keyword = '' } = ajv.errors?.[0] ?? {};
  throw new SchemaMistake(
    `${instancePath === '' ? 'the whole' : instancePath}: this is not what its dialect of JSON Schema allows there ("${keyword}")`,
  );
}

function compile(schema: JsonSchema, isChecked: boolean): JudgeValue {
  const { refill, spend } = createBudget();
  try {
    const costs: Cost[] = [];
    const ajv = createAjv(schema, costs, spend);
    refill();
    if (!isChecked) assertDialect(ajv, schema);
    const validate = ajv.compile(withSteps(schema, costs) as JsonSchema);
    return (value) => judgeWith(validate, refill, value);
  } catch (error) {
    throw mistakeOf(error);
  }
}

/** Compiles a schema that `assertSchema` has passed. Throws SchemaMistake all the same when it is not good. */
export function compileSchema(schema: JsonSchema): JudgeValue {
  return compile(schema, true);
}

// One of each kind: a schema that refers to itself without going into the value never ends on some of them.
const samples: readonly unknown[] = [{}, [], '', 0, true, null];

/** Throws SchemaMistake unless this is a schema that can be registered. */
export function assertSchema(schema: JsonSchema): void {
  const judge = compile(schema, false);
  if (samples.some((sample) => judge(sample) === undefined)) {
    throw new SchemaMistake(
      'it refers to itself without end; a "$ref" to a schema around it must lead into a property or an item',
    );
  }
}
