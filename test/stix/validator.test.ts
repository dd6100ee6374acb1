import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { JsonSchema } from '../../src/stix/extensions.ts';
import { createValidator, type RegisteredExtension, type ValidatorOptions } from '../../src/stix/validator.ts';
import { newVersioned } from '../support/stix-objects.ts';

function newExtension(schema: JsonSchema): RegisteredExtension {
  const definition = newVersioned('extension-definition', {
    created_by_ref: `identity--${randomUUID()}`,
    name: 'Rank',
    schema: 'beside',
    version: '1.0.0',
    extension_types: ['property-extension'],
  });
  return { definition, schema };
}

describe('values that are no JSON are a TypeError that says why', () => {
  const { validate } = createValidator();
  const circle: Record<string, unknown> = { type: 'malware' };
  circle.self = circle;
  const throwing = {
    get type(): string {
      throw new Error('not today');
    },
  };

  test.each<[name: string, value: unknown, reason: string]>([
    ['a circle', circle, 'circular'],
    ['a BigInt', { type: 'malware', size: 1n }, 'BigInt'],
    ['a getter that throws', throwing, 'not today'],
    ['undefined', undefined, 'type undefined'],
    ['a function', () => 1, 'type function'],
    ['what writes itself as nothing', { toJSON: () => undefined }, 'type object'],
  ])('%s', (_name, value, reason) => {
    expect(() => validate(value as object)).toThrow(TypeError);
    expect(() => validate(value as object)).toThrow(reason);
  });

  test('other values are judged as they are written', () => {
    for (const value of [new Date(0), [], new String('text')]) {
      expect(validate(value).errors.map(({ code }) => code)).toEqual(['STIX-2-object']);
    }
    expect(validate(new Map()).errors.map(({ code }) => code)).toEqual(['STIX-3.2-required']);
    const named = { toJSON: () => newVersioned('campaign', { name: 'Green winter' }) };
    expect(validate(named).valid).toBe(true);
  });
});

describe('options that are none are a TypeError that says what would be right', () => {
  const notValid = { ...newExtension(true), definition: { id: 'x' } };
  test.each<[name: string, options: object, reason: string]>([
    ['a policy', { policy: 'lax' }, '"policy" is "lax"; it must be "spec" or "strict"'],
    ['a language', { language: 'fr' }, '"language" is "fr"; it must be "en" or "zh"'],
    [
      'a schema that refers to what is not in it',
      { extensions: [newExtension({ $ref: '#/a' })] },
      'extensions[0].schema',
    ],
    ['a schema that is none', { extensions: [newExtension({ type: 'text' })] }, 'extensions[0].schema'],
    ['a definition that is not valid', { extensions: [notValid] }, 'extensions[0].definition'],
    [
      'an object of another type',
      { extensions: [{ schema: true, definition: newVersioned('campaign', { name: 'a' }) }] },
      'extensions[0].definition',
    ],
  ])('%s', (_name, options, reason) => {
    expect(() => createValidator(options as ValidatorOptions)).toThrow(TypeError);
    expect(() => createValidator(options as ValidatorOptions)).toThrow(reason);
  });
});

test('validators with other extensions do not disturb each other', () => {
  const lax = newExtension({ properties: { rank: { maximum: 9 } } });
  const tight = { ...lax, schema: { properties: { rank: { maximum: 3 } } } };
  const validators = [lax, tight].map((extension) => createValidator({ policy: 'strict', extensions: [extension] }));
  const campaign = (rank: number) =>
    newVersioned('campaign', {
      name: 'Green winter',
      extensions: { [lax.definition.id]: { extension_type: 'property-extension', rank } },
    });
  const verdicts = [1, 5, 10, 5, 1].map((rank) => validators.map(({ validate }) => validate(campaign(rank)).valid));
  expect(verdicts).toEqual([
    [true, true],
    [true, false],
    [false, false],
    [true, false],
    [true, true],
  ]);
  expect(createValidator({ policy: 'strict' }).validate(campaign(1)).valid).toBe(false);
});
