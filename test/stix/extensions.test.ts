import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { checkObject, type Policy } from '../../src/stix/check-object.ts';
import { assertSchema, compileSchema, SchemaMistake } from '../../src/stix/extension-schema.ts';
import { createExtensions, type JsonSchema, type RegisteredExtension } from '../../src/stix/extensions.ts';
import { newVersioned } from '../support/stix-objects.ts';

function newExtension(
  schema: JsonSchema,
  types: readonly string[],
  properties: Readonly<Record<string, unknown>> = {},
): RegisteredExtension & { readonly id: string } {
  const definition = newVersioned('extension-definition', {
    created_by_ref: `identity--${randomUUID()}`,
    name: 'Test',
    schema: 'beside',
    version: '1.0.0',
    extension_types: types,
    ...properties,
  });
  return { id: definition.id, definition, schema };
}

/** Codes and paths of the errors; of an object with these extensions registered. */
function errorsOf(object: object, policy: Policy, ...registered: readonly RegisteredExtension[]): string[][] {
  const options = { extensions: createExtensions(registered) };
  return checkObject(JSON.stringify(object), policy, options).errors.map(({ code, path }) => [code, path]);
}

const both: Policy[] = ['spec', 'strict'];
const content = 'STIX-7.3-extension-content';

describe.each(both)('STIX 2.1 §7.3 registered extensions, policy %s', (policy) => {
  test('a property-extension is judged by what stands under its id', () => {
    const rank = newExtension({ required: ['rank'], properties: { rank: { type: 'integer', maximum: 5 } } }, [
      'property-extension',
    ]);
    const campaign = (value: object, key = rank.id) =>
      newVersioned('campaign', {
        name: 'Green winter',
        extensions: { [key]: { extension_type: 'property-extension', ...value } },
      });
    expect(errorsOf(campaign({ rank: 5 }), policy, rank)).toEqual([]);
    expect(errorsOf(campaign({ rank: 6 }), policy, rank)).toEqual([[content, `/extensions/${rank.id}/rank`]]);
    expect(errorsOf(campaign({}), policy, rank)).toEqual([[content, `/extensions/${rank.id}`]]);
    const upper = rank.id.replace(/--.*/, (uuid) => uuid.toUpperCase());
    expect(errorsOf(campaign({ rank: 6 }, upper), policy, rank)).toEqual([[content, `/extensions/${upper}/rank`]]);
  });

  test('a toplevel-property-extension is judged by the properties that it names', () => {
    const schema = {
      required: ['sector'],
      properties: { sector: { enum: ['gas', 'water'] } },
      additionalProperties: false,
    };
    const sector = newExtension(schema, ['toplevel-property-extension'], { extension_properties: ['sector'] });
    const campaign = (properties: object) =>
      newVersioned('campaign', {
        name: 'Green winter',
        extensions: { [sector.id]: { extension_type: 'toplevel-property-extension' } },
        ...properties,
      });
    expect(errorsOf(campaign({ sector: 'gas' }), policy, sector)).toEqual([]);
    expect(errorsOf(campaign({ sector: 'oil' }), policy, sector)).toEqual([[content, '/sector']]);
    expect(errorsOf(campaign({}), policy, sector)).toEqual([[content, '']]);
    const others = errorsOf(campaign({ sector: 'gas', x_other: 1 }), policy, sector);
    expect(others).toEqual(policy === 'spec' ? [] : [['STIX-11.1-custom-property', '/x_other']]);
  });

  test('a toplevel-property-extension that names no properties is judged by the whole object', () => {
    const sector = newExtension({ required: ['name'], properties: { sector: { type: 'string' } } }, [
      'toplevel-property-extension',
    ]);
    const campaign = (value: unknown) =>
      newVersioned('campaign', {
        name: 'Green winter',
        sector: value,
        extensions: { [sector.id]: { extension_type: 'toplevel-property-extension' } },
      });
    expect(errorsOf(campaign('gas'), policy, sector)).toEqual([]);
    expect(errorsOf(campaign(5), policy, sector)).toEqual([[content, '/sector']]);
  });

  test.each(['new-sdo', 'new-sro', 'new-sco'])('%s is judged by the whole object', (type) => {
    const thing = newExtension(
      { properties: { type: { const: 'thing' }, weight: { minimum: 0 } }, required: ['weight'] },
      [type],
    );
    const extensions = { [thing.id]: { extension_type: type } };
    const { created: _created, modified: _modified, ...observable } = newVersioned('thing', { extensions });
    const object = type === 'new-sco' ? observable : newVersioned('thing', { extensions });
    expect(errorsOf({ ...object, weight: 3 }, policy, thing)).toEqual([]);
    expect(errorsOf({ ...object, weight: -3 }, policy, thing)).toEqual([[content, '/weight']]);
    expect(errorsOf(object, policy, thing)).toEqual([[content, '']]);
    // Its names are still for the standard to judge.
    expect(errorsOf({ ...object, weight: 3, 'Not a name': 1 }, policy, thing)).toEqual([
      [expect.any(String), '/Not a name'],
    ]);
  });

  test('the object may claim only the types of the definition', () => {
    const rank = newExtension({ required: ['rank'] }, ['property-extension']);
    const object = newVersioned('campaign', {
      name: 'Green winter',
      extensions: { [rank.id]: { extension_type: 'toplevel-property-extension' } },
    });
    const place = `/extensions/${rank.id}/extension_type`;
    expect(errorsOf(object, policy, rank)).toEqual([['STIX-7.3-extension-type', place]]);
  });

  test('what is wrong is said in both languages', () => {
    const rank = newExtension({ properties: { rank: { type: 'integer' } } }, ['property-extension']);
    const object = newVersioned('campaign', {
      name: 'Green winter',
      extensions: { [rank.id]: { extension_type: 'property-extension', rank: 'high' } },
    });
    const said = (language: 'en' | 'zh') =>
      checkObject(JSON.stringify(object), policy, { language, extensions: createExtensions([rank]) }).errors[0];
    expect(said('en')).toMatchObject({ value: '"high"', message: 'Expected a whole number.' });
    expect(said('zh')).toMatchObject({ value: '"high"', message: '应为整数。' });
  });
});

describe('an extension that is not registered', () => {
  const id = `extension-definition--${randomUUID()}`;
  const object = (type: string, properties: object = {}) =>
    newVersioned('campaign', { name: 'Green winter', extensions: { [id]: { extension_type: type } }, ...properties });

  test('passes under spec and not under strict, with all that it brings', () => {
    const top = object('toplevel-property-extension', { sector: 'gas' });
    const unregistered = ['STIX-7.3-unregistered-extension', `/extensions/${id}`];
    expect(errorsOf(top, 'spec')).toEqual([]);
    expect(errorsOf(top, 'strict')).toEqual([['STIX-11.1-custom-property', '/sector'], unregistered]);
    const thing = newVersioned('thing', { weight: 3, extensions: { [id]: { extension_type: 'new-sdo' } } });
    expect(errorsOf(thing, 'spec')).toEqual([]);
    expect(errorsOf(thing, 'strict')).toContainEqual(['STIX-11.2-custom-object', '/type']);
  });

  test('does not pass under strict for being beside one that is registered', () => {
    const rank = newExtension(true, ['property-extension']);
    const extensions = { [id]: { extension_type: 'new-sdo' }, [rank.id]: { extension_type: 'property-extension' } };
    const thing = newVersioned('thing', { weight: 3, extensions });
    const codes = errorsOf(thing, 'strict', rank).map(([code]) => code);
    expect(codes).toEqual(expect.arrayContaining(['STIX-11.2-custom-object', 'STIX-7.3-unregistered-extension']));
  });
});

describe('what the schema says', () => {
  const judged: [name: string, schema: JsonSchema, value: unknown, path: string, message: string][] = [
    ['enum', { enum: ['a', 2] }, 'b', '', 'one of "a", 2'],
    ['const', { const: true }, 1, '', 'must be true'],
    ['pattern', { pattern: '^a+$' }, 'ab', '', 'match ^a+$'],
    ['minimum', { minimum: 3 }, 2, '', '>= 3'],
    ['exclusiveMaximum', { exclusiveMaximum: 3 }, 3, '', '< 3'],
    ['multipleOf', { multipleOf: 4 }, 3, '', 'multiple of 4'],
    ['minLength', { minLength: 2 }, 'a', '', 'at least 2 characters'],
    ['maxLength', { maxLength: 2 }, 'abc', '', 'at most 2 characters'],
    ['minItems', { minItems: 2 }, [1], '', 'At least 2 items'],
    ['maxItems', { maxItems: 1 }, [1, 2], '', 'At most 1 items'],
    ['items false', { prefixItems: [true], items: false }, [1, 2], '', 'At most 1 items'],
    [
      'uniqueItems',
      { uniqueItems: true },
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      '',
      'twice',
    ],
    ['contains', { contains: { const: 5 } }, [1], '', 'At least 1 items'],
    ['minProperties', { minProperties: 2 }, { a: 1 }, '', 'At least 2 properties'],
    ['maxProperties', { maxProperties: 1 }, { a: 1, b: 2 }, '', 'At most 1 properties'],
    ['dependentRequired', { dependentRequired: { a: ['b'] } }, { a: 1 }, '', '"a" needs "b"'],
    [
      'additionalProperties',
      { properties: { a: true }, additionalProperties: false },
      { 'b/c': 1 },
      '/b~1c',
      'no such property',
    ],
    [
      'unevaluatedProperties',
      { properties: { a: true }, unevaluatedProperties: false },
      { b: 1 },
      '/b',
      'no such property',
    ],
    ['propertyNames', { propertyNames: { pattern: '^a' } }, { b: 1 }, '/b', 'match ^a'],
    ['anyOf', { anyOf: [{ type: 'string' }, { minimum: 5 }] }, 3, '', 'none of the forms'],
    ['oneOf', { oneOf: [{ minimum: 1 }, { minimum: 2 }] }, 3, '', 'exactly one'],
    ['not', { not: { const: 3 } }, 3, '', 'forbids'],
    ['then', JSON.parse('{"if":{"minimum":3},"then":{"maximum":1}}'), 3, '', '<= 1'],
    ['false', false, 3, '', 'no such property'],
    ['$ref', { $ref: '#/properties/held/$defs/small', $defs: { small: { maximum: 1 } } }, 3, '', '<= 1'],
    ['a property named as a keyword', { properties: { if: { maximum: 1 } } }, { if: 3 }, '/if', '<= 1'],
  ];
  test.each(judged)('%s', (_name, schema, value, path, message) => {
    const type = 'property-extension';
    const held = newExtension({ properties: { held: schema } }, [type]);
    const object = newVersioned('campaign', {
      name: 'Green',
      extensions: { [held.id]: { extension_type: type, held: value } },
    });
    const { errors } = checkObject(JSON.stringify(object), 'spec', { extensions: createExtensions([held]) });
    expect(errors).toMatchObject([
      { code: content, path: `/extensions/${held.id}/held${path}`, message: expect.stringContaining(message) },
    ]);
    expect(() => assertSchema({ properties: { held: schema } })).not.toThrow();
  });

  test.each([
    [0.01, 19.99, true],
    [0.1, 0.3, true],
    [0.01, 19.995, false],
  ])('a multiple of %d: %d (%s)', (multipleOf, value, isOne) => {
    expect(compileSchema({ multipleOf })(value)).toHaveLength(isOne ? 0 : 1);
  });

  test.each([
    ['draft-07', { $schema: 'http://json-schema.org/draft-07/schema#', dependencies: { a: ['b'] }, definitions: {} }],
    ['2019-09', { $schema: 'https://json-schema.org/draft/2019-09/schema', items: [{ type: 'string' }] }],
    ['2020-12', { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] }],
  ])('the dialect %s is understood', (_name, schema) => {
    expect(() => assertSchema(schema)).not.toThrow();
  });
});

describe('schemas that cannot be registered', () => {
  test.each<[name: string, schema: JsonSchema, reason: string]>([
    ['a dialect that is not known', { $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema: the dialect'],
    ['a reference to the network', { $ref: 'https://hub.example/a.json' }, 'refers to "https://hub.example/a.json"'],
    ['a reference to nothing', { $ref: '#/$defs/none' }, 'refers to "#/$defs/none"'],
    ['a type that there is not', { properties: { a: { type: 'text' } } }, '/properties/a/type'],
    ['a loop of references', { $ref: '#' }, 'refers to itself'],
    [
      'a longer loop',
      { $defs: { a: { $ref: '#/$defs/b' }, b: { allOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' },
      'refers to itself',
    ],
    ['a pattern that looks ahead', { pattern: '^(?!a)' }, 'looks ahead'],
    ['a pattern that is none', { patternProperties: { '(': true } }, 'regular expression'],
    ['too many subschemas', { anyOf: Array.from({ length: 10_001 }, () => ({})) }, 'subschemas'],
  ])('%s', (_name, schema, reason) => {
    expect(() => assertSchema(schema)).toThrow(SchemaMistake);
    expect(() => assertSchema(schema)).toThrow(reason);
  });
});

describe('no schema and no content makes the check slow', () => {
  const type = 'property-extension';
  function judge(schema: JsonSchema, value: unknown): readonly { code: string; message: string }[] {
    assertSchema({ properties: { held: schema } });
    const held = newExtension({ properties: { held: schema } }, [type]);
    const object = newVersioned('campaign', {
      name: 'Green',
      extensions: { [held.id]: { extension_type: type, held: value } },
    });
    return checkObject(JSON.stringify(object), 'spec', { extensions: createExtensions([held]) }).errors;
  }
  const tooLong = [{ code: content, message: expect.stringContaining('fails or takes too long') }];

  test('each level of the value doubles the work', () => {
    const twice = [{ $ref: '#' }, { $ref: '#' }];
    const schema = { properties: { held: { allOf: twice } } };
    let value: unknown = 1;
    for (let depth = 0; depth < 60; depth += 1) value = { held: value };
    assertSchema(schema);
    const held = newExtension(schema, [type]);
    const object = newVersioned('campaign', {
      name: 'Green',
      extensions: { [held.id]: { extension_type: type, held: value } },
    });
    const { errors } = checkObject(JSON.stringify(object), 'spec', { extensions: createExtensions([held]) });
    expect(errors).toMatchObject(tooLong);
  });

  test('a schema that never ends, registered in spite of it', () => {
    const held = newExtension({ $ref: '#' }, [type]);
    const extensions = { [held.id]: { extension_type: type } };
    const object = newVersioned('campaign', { name: 'Green', extensions });
    expect(errorsOf(object, 'spec', held)).toEqual([[content, `/extensions/${held.id}`]]);
    const broken = { ...held, schema: { $ref: '#/$defs/none' } };
    expect(errorsOf(object, 'spec', broken)).toEqual([[content, `/extensions/${held.id}`]]);
  });

  test('a pattern that backtracks', () => {
    expect(judge({ pattern: '^(a+)+$' }, `${'a'.repeat(100_000)}!`)).toHaveLength(1);
  });

  test('a list whose items are compared, and one with a fault in each', () => {
    const many = Array.from({ length: 100_000 }, (_, index) => ({ index }));
    expect(judge({ uniqueItems: true }, many)).toEqual([]);
    expect(judge({ items: { type: 'string' } }, many)).toHaveLength(21);
  });

  test.each<[name: string, schema: JsonSchema]>([
    ['list', { items: { type: 'string' } }],
    ['dictionary', { additionalProperties: false }],
    ['dictionary of names', { propertyNames: false }],
    ['dictionary of what is left', { unevaluatedProperties: false }],
  ])('no more errors than so many are made of a %s', (name, schema) => {
    const list = Array.from({ length: 1000 }, (_, index) => index);
    const errors = compileSchema(schema)(
      name === 'list' ? list : Object.fromEntries(list.map((one) => [`k${one}`, one])),
    );
    expect(errors?.length).toBeGreaterThan(20);
    expect(errors?.length).toBeLessThan(200);
  });

  test('what is a promise to ajv is a verdict like others', () => {
    expect(compileSchema({ $async: true, type: 'string' })(5)).toHaveLength(1);
  });

  const many = (count: number, make: (index: number) => unknown) => Array.from({ length: count }, (_, at) => make(at));
  const names = (count: number) => many(count, (index) => `p${index}`) as string[];
  const each = (count: number, make: (index: number) => unknown) =>
    Object.fromEntries(many(count, (index) => [`p${index}`, make(index)]) as [string, unknown][]);

  test.each<[name: string, schema: JsonSchema, value: unknown]>([
    ['names that are required', { items: { anyOf: [{ required: names(50_000) }, true] } }, many(100_000, () => ({}))],
    ['names of properties', { items: { properties: each(2000, () => ({})) } }, many(100_000, () => ({}))],
    ['names that need others', { items: { dependentRequired: each(1000, () => ['q']) } }, many(100_000, () => ({}))],
    ['the length of a long text', { allOf: many(300, () => ({ maxLength: 9_000_000 })) }, 'a'.repeat(2_000_000)],
    ['the number of many names', { allOf: many(300, () => ({ maxProperties: 1e9 })) }, each(100_000, () => 1)],
    [
      'a long constant',
      { $defs: { long: { const: names(50_000) } }, allOf: many(400, () => ({ $ref: '#/$defs/long' })) },
      names(50_000),
    ],
    [
      'a long list of what is allowed',
      { items: { anyOf: [{ enum: many(20_000, (a) => ({ a })) }, true] } },
      many(5000, (b) => ({ b })),
    ],
    ['a long text in a list', { allOf: many(300, () => ({ uniqueItems: true })) }, ['a'.repeat(2_000_000), 'b']],
    [
      'a pattern that learns each character anew',
      { pattern: `^(?:(?:${many(1300, (index) => String.fromCharCode(0x4e00 + index)).join('|')}|[^x])x)*y` },
      many(20_000, (index) => `${String.fromCharCode(0x100 + index)}x`).join(''),
    ],
  ])('%s, looked at again and again, use up what a value may take', (_name, schema, value) => {
    expect(compileSchema(schema)(value)).toBeUndefined();
  });

  test('what is asked of a few values costs little', () => {
    const schema = { required: names(50), properties: each(50, () => ({ enum: names(250) })), maxProperties: 60 };
    expect(compileSchema({ items: schema })(many(200, () => each(50, () => 'p9')))).toEqual([]);
  });

  test('a list of required names is not gone through for more errors than are kept', () => {
    const errors = compileSchema({ properties: { a: { required: names(5000) } } })({ a: {} });
    expect(errors).toHaveLength(64);
    const within = { anyOf: [{ required: ['q'] }, { required: names(5000) }] };
    expect(compileSchema(within)({})?.length).toBeLessThan(200);
  });

  test('a dictionary with a fault under each name', () => {
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, index]));
    expect(judge({ additionalProperties: false }, many)).toHaveLength(21);
  });
});
