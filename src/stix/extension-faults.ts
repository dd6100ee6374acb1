/** Turns what the schema of a registered extension finds into sentences. Its author chose the schema; the words are ours. */

import type { Text } from './issue.ts';
import { pointerTo, quoted, shortened } from './pointer.ts';
import { wordOfType } from './type-words.ts';
import type { SchemaError } from './validators.generated.js';

/** A fault in a value, its path as from the value. */
export interface ContentFault {
  readonly path: string;
  readonly text: Text;
}

type Sentence = (error: SchemaError) => Text;

function typeText({ params }: SchemaError): Text {
  const words = [params.type].flat().map((type) => wordOfType(String(type)));
  return {
    en: `Expected ${words.map(({ en }) => en).join(' or ')}.`,
    zh: `应为${words.map(({ zh }) => zh).join('或')}。`,
  };
}

function enumText({ params }: SchemaError): Text {
  const allowed = Array.isArray(params.allowedValues) ? params.allowedValues : [];
  const list = shortened(allowed.map(quoted).join(', '), 400);
  return { en: `It must be one of ${list}.`, zh: `须为以下之一：${list}。` };
}

/** A sentence about a limit, which stands in the parameters. */
function limit(en: string, zh: string): Sentence {
  return ({ params }) => {
    const value = String(params.limit ?? params.multipleOf ?? params.minContains ?? '');
    return { en: en.replace('N', value), zh: zh.replace('N', value) };
  };
}

function always(en: string, zh: string): Sentence {
  return () => ({ en, zh });
}

function missingText({ params }: SchemaError): Text {
  const name = quoted(params.missingProperty);
  if (params.property === undefined)
    return { en: `The required property ${name} is missing.`, zh: `缺少必需属性 ${name}。` };
  const beside = quoted(params.property);
  return { en: `The property ${beside} needs ${name} beside it.`, zh: `有属性 ${beside} 时须同时有 ${name}。` };
}

function patternText({ params }: SchemaError): Text {
  const pattern = shortened(String(params.pattern), 200);
  return { en: `It must match ${pattern}`, zh: `须匹配 ${pattern}` };
}

function rangeText({ params }: SchemaError): Text {
  const bound = `${String(params.comparison)} ${String(params.limit)}`;
  return { en: `It must be ${bound}.`, zh: `须 ${bound}。` };
}

const unknownProperty = always('The extension has no such property here.', '该扩展在此处没有这个属性。');
const tooManyItems = limit('At most N items are allowed here.', '此处最多 N 项。');
const fewerItems = limit('At least N items are needed here.', '此处至少需要 N 项。');

const sentences: Readonly<Record<string, Sentence>> = {
  type: typeText,
  enum: enumText,
  const: ({ params }) => ({
    en: `It must be ${quoted(params.allowedValue)}.`,
    zh: `须为 ${quoted(params.allowedValue)}。`,
  }),
  required: missingText,
  dependentRequired: missingText,
  dependencies: missingText,
  pattern: patternText,
  minimum: rangeText,
  maximum: rangeText,
  exclusiveMinimum: rangeText,
  exclusiveMaximum: rangeText,
  multipleOf: limit('It must be a multiple of N.', '须为 N 的倍数。'),
  minLength: limit('It must have at least N characters.', '至少需要 N 个字符。'),
  maxLength: limit('It must have at most N characters.', '最多 N 个字符。'),
  minItems: fewerItems,
  maxItems: tooManyItems,
  items: tooManyItems,
  additionalItems: tooManyItems,
  unevaluatedItems: tooManyItems,
  uniqueItems: always('No item may stand here twice.', '各项不得重复。'),
  contains: limit(
    'At least N items must be of the kind that the extension asks for.',
    '至少须有 N 项符合该扩展的要求。',
  ),
  minProperties: limit('At least N properties are needed here.', '此处至少需要 N 个属性。'),
  maxProperties: limit('At most N properties are allowed here.', '此处最多 N 个属性。'),
  additionalProperties: unknownProperty,
  unevaluatedProperties: unknownProperty,
  'false schema': unknownProperty,
  anyOf: always('It fits none of the forms that the extension allows here.', '不符合该扩展在此处允许的任何一种形式。'),
  oneOf: always(
    'It must fit exactly one of the forms that the extension allows here.',
    '须恰好符合该扩展在此处允许的一种形式。',
  ),
  not: always('The extension forbids this form here.', '该扩展在此处禁止这种形式。'),
};

const named = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas', 'dependencies']);
const alternatives = new Set(['anyOf', 'oneOf', 'contains', 'not', 'if']);

/** Whether the error lies within an alternative or a condition, which reports for all that is in it. */
function isPart({ schemaPath }: SchemaError): boolean {
  const steps = schemaPath.split('/').slice(0, -1);
  for (let at = 0; at < steps.length; at += 1) {
    if (named.has(steps[at] as string)) at += 1;
    else if (alternatives.has(steps[at] as string)) return true;
  }
  return false;
}

/** The name that the extension does not have, or that is wrong itself, is part of the path. */
function pathOf({ instancePath, params, schemaPath, data }: SchemaError): string {
  const name = params.additionalProperty ?? params.unevaluatedProperty;
  if (typeof name === 'string') return instancePath + pointerTo([name]);
  const isName = typeof data === 'string' && schemaPath.includes('/propertyNames/');
  return isName ? instancePath + pointerTo([data]) : instancePath;
}

/** The faults behind the errors, in the order of the schema. */
export function contentFaults(errors: readonly SchemaError[]): ContentFault[] {
  return errors.flatMap((error) => {
    const sentence = sentences[error.keyword];
    return sentence === undefined || isPart(error) ? [] : [{ path: pathOf(error), text: sentence(error) }];
  });
}
