/** Turns what the compiled schemas find into faults that a publisher can act on. */

import type { Fault, Text } from './issue.ts';
import { isObject } from './json-value.ts';
import { pointerTo, quoted, shortened } from './pointer.ts';
import { emptyListText, nullText } from './rules-content.ts';
import { wordOfType } from './type-words.ts';
import type { SchemaError } from './validators.generated.js';

type Schema = SchemaError['parentSchema'];
type Found = readonly [code: string, text: Text];

// Errors within alternatives and conditions are part of the error that the alternative or condition itself reports.
const partOfAnother = /\/(?:anyOf|oneOf|contains|if)\//;
const nullFound: Found = ['STIX-3.1-null', nullText];
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

function list(names: readonly unknown[], word: string, comma = ', '): string {
  const texts = names.map((name) => `"${String(name)}"`);
  const last = texts.pop() ?? '';
  return texts.length === 0 ? last : `${texts.join(comma)}${word}${last}`;
}

function listed(names: readonly unknown[], relation: 'or' | 'with'): Text {
  return {
    en: list(names, ` ${relation} `),
    zh: list(names, relation === 'or' ? ' 或 ' : ' 和 ', '、'),
  };
}

/** The types a pattern such as ^(?:file|artifact)-- allows, or with ?! forbids. */
function referenceTypes(pattern: string): { types: Text; forbidden: boolean } {
  const names = pattern.replaceAll(/[^a-z0-9|-]/g, '').replace(/--$/, '');
  return { types: listed(names.split('|'), 'or'), forbidden: pattern.startsWith('^(?!') };
}

/** What the `description` of a schema says, by the schema's `title`. */
const chineseHints: Readonly<Record<string, string>> = {
  binary: 'base64 编码的字节（RFC 4648 §4）',
  'dictionary-key': '字母、数字、连字符和下划线，最多 250 个字符',
  'hash-name': '散列算法名称：3 至 250 个字母、数字、连字符和下划线',
  'hash-md5': '32 位十六进制数字',
  'hash-sha-1': '40 位十六进制数字',
  'hash-sha-256': '64 位十六进制数字',
  'hash-sha-512': '128 位十六进制数字',
  'hash-sha3-256': '64 位十六进制数字',
  'hash-sha3-512': '128 位十六进制数字',
  'hash-ssdeep': '最多 160 个字符的模糊散列',
  'hash-tlsh': '70 位十六进制数字，前面可带 T1',
  hex: '偶数个十六进制数字',
  identifier: '对象类型、两个连字符和 RFC 4122 的 UUID',
  'language-tag': 'RFC 5646 语言标签：以连字符连接的子标签，每个最多八个字母或数字',
  'observable-type': '可观察对象的类型，例如 "file"',
  'property-name': '小写字母、数字和下划线，3 至 250 个字符，且不是保留名称（§3.8）',
  timestamp: 'RFC 3339 的 UTC 时间，T 和 Z 大写，例如 2016-01-20T12:31:12.123Z，且日期真实存在',
  'timestamp-millis': '精确到毫秒或更细的时间',
  'type-name': '小写字母、数字和单个连字符，3 至 250 个字符',
  url: '符合 RFC 3986 的 URL：协议名、冒号，以及 URL 允许的字符；其他字符须百分号编码',
  'relationship-type': '小写字母、数字和连字符',
  'media-type': 'IANA 登记的媒体类型，例如 "application/zip"',
  'registry-key': '完整的注册表根键名，例如 HKEY_LOCAL_MACHINE，而非 HKLM',
};

function hintText(schema: Schema, pattern: unknown): Text {
  const en = textOf(schema, 'description') ?? `It must match ${String(pattern)}`;
  const zh = chineseHints[textOf(schema, 'title') ?? ''] ?? `须匹配 ${String(pattern)}`;
  return { en: `Expected: ${en}`, zh: `应为：${zh}。` };
}

function patternFault({ params, parentSchema, instancePath }: SchemaError): Found {
  if (textOf(parentSchema, 'title') !== undefined && !String(parentSchema.$ref).endsWith('/identifier.json')) {
    return [codeOf(parentSchema, 'STIX-3.1-pattern'), hintText(parentSchema, params.pattern)];
  }
  const { types, forbidden } = referenceTypes(String(params.pattern));
  if (instancePath === '/id') {
    const text = {
      en: `The id must begin with ${types.en} and two hyphens.`,
      zh: `id 须以 ${types.zh} 和两个连字符开头。`,
    };
    return ['STIX-2.9-id-prefix', text];
  }
  const text = {
    en: `It must ${forbidden ? 'not ' : ''}name an object of type ${types.en}.`,
    zh: `${forbidden ? '不得引用' : '须引用'}类型为 ${types.zh} 的对象。`,
  };
  return ['STIX-2.9-ref-type', text];
}

const fraction: Text = { en: 'a fraction', zh: '小数' };

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

function typeFault({ data, params, parentSchema }: SchemaError): Found {
  const expected = String(params.type);
  const words = expected.split(',').map(wordOfType);
  const isFraction = expected === 'integer' && typeof data === 'number';
  const found = isFraction ? fraction : wordOfType(kindOf(data));
  const text = {
    en: `Expected ${words.map(({ en }) => en).join(' or ')}, found ${found.en}.`,
    zh: `应为${words.map(({ zh }) => zh).join('或')}，实为${found.zh}。`,
  };
  return [codeOf(parentSchema, `STIX-${typeSections[expected] ?? '2-type'}`), text];
}

/** The alternatives of anyOf and oneOf are lists of required properties. */
function alternatives(schema: Schema, keyword: string): Text {
  const options = Array.isArray(schema[keyword]) ? (schema[keyword] as { required?: unknown[] }[]) : [];
  const texts = options.map(({ required = [] }) => listed(required, 'with'));
  return { en: texts.map(({ en }) => en).join(', '), zh: texts.map(({ zh }) => zh).join('、') };
}

function choiceFault({ keyword, parentSchema }: SchemaError): Found {
  const isExact = keyword === 'oneOf';
  const { en, zh } = alternatives(parentSchema, keyword);
  const text = {
    en: `The object needs ${isExact ? 'exactly' : 'at least'} one of: ${en}.`,
    zh: `对象须${isExact ? '恰好有' : '至少有'}以下之一：${zh}。`,
  };
  return [isExact ? 'STIX-3.2-exactly-one' : 'STIX-3.2-at-least-one', text];
}

function forbiddenFault({ parentSchema }: SchemaError): Found {
  if (textOf(parentSchema, 'title') === 'property-name') {
    return [
      'STIX-3.8-reserved-name',
      { en: 'This name is reserved; choose another.', zh: '该名称是保留名称，请另选。' },
    ];
  }
  const text = {
    en: `The property is not allowed here. ${textOf(parentSchema, '$comment') ?? ''}`.trim(),
    zh: '此处不允许该属性，请删去。',
  };
  return ['STIX-3.2-not-allowed', text];
}

function constFault({ params, parentSchema }: SchemaError): Found {
  const value = quoted(params.allowedValue);
  return [codeOf(parentSchema, 'STIX-3.2-constant'), { en: `It must be ${value}.`, zh: `须为 ${value}。` }];
}

function rangeFault({ parentSchema }: SchemaError): Found {
  const { minimum = '-(2^53)+1', maximum = '2^53-1' } = parentSchema;
  const text = {
    en: `It must be between ${String(minimum)} and ${String(maximum)}.`,
    zh: `须在 ${String(minimum)} 与 ${String(maximum)} 之间。`,
  };
  return ['STIX-2.10-range', text];
}

function containsFault({ parentSchema }: SchemaError): Found {
  const isAboutExtensions = textOf(parentSchema, 'title') !== undefined;
  const text = isAboutExtensions
    ? {
        en: 'The property extension_properties needs "toplevel-property-extension" in extension_types.',
        zh: '有 extension_properties 时，extension_types 须含 "toplevel-property-extension"。',
      }
    : {
        en: 'The list must name at least one cyber-observable object.',
        zh: '列表须至少引用一个可观察对象（SCO）。',
      };
  return [codeOf(parentSchema, 'STIX-4.14-needs-observable'), text];
}

function missing(code: string, name: unknown, beside?: unknown): Found {
  if (beside === undefined) {
    const text = { en: `The required property ${quoted(name)} is missing.`, zh: `缺少必需属性 ${quoted(name)}。` };
    return [code, text];
  }
  const text = {
    en: `The property ${quoted(beside)} needs ${quoted(name)} beside it.`,
    zh: `有属性 ${quoted(beside)} 时须同时有 ${quoted(name)}。`,
  };
  return [code, text];
}

function countFault({ params }: SchemaError): Found {
  const count = Number(params.limit);
  const text = {
    en: count === 1 ? 'At least one property is needed here.' : `At least ${count} properties are needed here.`,
    zh: `此处至少需要 ${count} 个属性。`,
  };
  return ['STIX-2.3-empty', text];
}

function enumFault({ params, parentSchema }: SchemaError): Found {
  const { en, zh } = listed(params.allowedValues as unknown[], 'or');
  return [codeOf(parentSchema, 'STIX-2.4-enum'), { en: `It must be one of ${en}.`, zh: `须为以下之一：${zh}。` }];
}

const translations: Readonly<Record<string, (error: SchemaError) => Found>> = {
  required: ({ params }) => missing('STIX-3.2-required', params.missingProperty),
  dependentRequired: ({ params }) => missing('STIX-3.2-dependent', params.missingProperty, params.property),
  type: typeFault,
  pattern: patternFault,
  enum: enumFault,
  const: constFault,
  minimum: rangeFault,
  maximum: rangeFault,
  minProperties: countFault,
  minItems: () => ['STIX-2.12-empty-list', emptyListText],
  anyOf: choiceFault,
  oneOf: choiceFault,
  contains: containsFault,
  not: forbiddenFault,
  additionalProperties: () => [
    'STIX-7.3-extension-key',
    {
      en: 'The key is neither the id of an extension definition nor a name that may stand here.',
      zh: '该键既不是 extension-definition 的 id，也不是此处允许的名称。',
    },
  ],
  unevaluatedProperties: () => [
    'STIX-11.1-custom-property',
    {
      en: 'The standard has no such property here, and custom properties are not taken.',
      zh: '标准在此处没有该属性，且不接受自定义属性。',
    },
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

// What is no object has all the alternatives; that it is none is said by another error.
function isAside({ keyword, data }: SchemaError): boolean {
  return keyword === 'oneOf' && !isObject(data);
}

/**
 * The faults behind the errors of a validator, in the order of the schema: the first for each value at fault, and one
 * for each property that is missing.
 */
export function schemaFaults(errors: readonly SchemaError[]): Fault[] {
  const names = faultyNames(errors);
  const faults = new Map<string, Fault>();
  for (const error of errors) {
    const translate = translations[error.keyword];
    if (translate === undefined || partOfAnother.test(error.schemaPath) || isAside(error)) continue;
    const [code, text] = error.data === null ? nullFound : translate(error);
    const path = pathOf(error, names);
    const key = severalAtOnePlace.has(error.keyword) ? `${path} ${text.en}` : path;
    if (!faults.has(key)) faults.set(key, { code, path, text });
  }
  return [...faults.values()];
}
