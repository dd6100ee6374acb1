import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  getExtension,
  listExtensions,
  parseExtension,
  registerExtension,
  removeExtension,
} from '../../src/hub/extensions.ts';
import { watchExtensions } from '../../src/hub/registered-extensions.ts';
import type { JsonSchema } from '../../src/stix/extensions.ts';
import { tlp2Extension } from '../../src/stix/markings.ts';
import { microsNow } from '../../src/stix/timestamp.ts';
import { newVersioned } from '../support/stix-objects.ts';
import { useStore } from './use-store.ts';

const { store, another } = useStore();

function newDefinition(properties: Readonly<Record<string, unknown>> = {}) {
  return newVersioned('extension-definition', {
    created_by_ref: `identity--${randomUUID()}`,
    name: 'Rank',
    schema: 'https://hub.example/rank.json',
    version: '1.0.0',
    extension_types: ['property-extension'],
    ...properties,
  });
}

const schema = { properties: { rank: { type: 'integer' } } };
const text = (value: unknown) => ({ name: 'a.json', text: JSON.stringify(value) });

describe('a file with an extension', () => {
  const definition = newDefinition();

  test.each([
    ['the definition, the schema in a second file', text(definition), text(schema)],
    [
      'a bundle with one, the schema in a second file',
      text({ type: 'bundle', id: 'b', objects: [{ type: 'identity' }, definition] }),
      text(schema),
    ],
    ['our own form', text({ definition, schema }), undefined],
  ])('%s', (_name, file, schemaFile) => {
    expect(parseExtension(file, schemaFile)).toEqual({ definition, schema });
  });

  test('the schema may be the text of the definition itself', () => {
    const whole = newDefinition({ schema: JSON.stringify(schema) });
    expect(parseExtension(text(whole))).toEqual({ definition: whole, schema });
  });

  test.each([
    ['no JSON', { name: 'a.json', text: '{' }, undefined, 'a.json: this is not JSON'],
    [
      'a member twice',
      { name: 'a.json', text: '{"a":1,"a":2}' },
      undefined,
      'a.json: The name "a" occurs more than once',
    ],
    ['something else', text([]), undefined, 'this is no extension'],
    ['another object', text(newVersioned('campaign')), undefined, 'this is no extension'],
    [
      'a bundle with two',
      text({ type: 'bundle', objects: [definition, definition] }),
      undefined,
      'has 2 extension definitions',
    ],
    [
      'a definition that breaks the standard',
      text({ definition: { ...definition, version: 1 }, schema }),
      undefined,
      'not valid STIX: STIX-',
    ],
    [
      'another object as definition',
      text({ definition: newVersioned('campaign', { name: 'C' }), schema }),
      undefined,
      'no extension-definition',
    ],
    [
      'a definition that was revoked',
      text({ definition: { ...definition, revoked: true }, schema }),
      undefined,
      'revoked',
    ],
    [
      'a schema that is elsewhere',
      text(definition),
      undefined,
      '"https://hub.example/rank.json", and nothing is ever fetched',
    ],
    ['a schema that is none', text(definition), text('x'), 'a JSON Schema is an object'],
    [
      'a schema that refers elsewhere',
      text(definition),
      text({ $ref: 'http://hub.example/a' }),
      'a.json: the schema cannot be used: it refers to',
    ],
    [
      'a schema of more than 1 MiB',
      text(definition),
      text({ description: 'x'.repeat(1024 * 1024) }),
      'longer than 1048576 bytes',
    ],
    [
      'a schema that is too deep',
      text(definition),
      { name: 'a.json', text: `${'{"not":'.repeat(200)}{}${'}'.repeat(200)}` },
      'nested deeper than',
    ],
  ])('%s is refused', (_name, file, schemaFile, reason) => {
    expect(() => parseExtension(file, schemaFile)).toThrow(reason);
  });
});

describe('registered extensions', () => {
  test('are listed among the shipped ones, and shown by their id', async () => {
    const definition = newDefinition();
    const now = microsNow();
    expect(await registerExtension(store(), { definition, schema }, now)).toBe('added');
    const listed = await listExtensions(store());
    expect(listed.map(({ definition: { id } }) => id)).toEqual(expect.arrayContaining([tlp2Extension, definition.id]));
    expect(await getExtension(store(), definition.id)).toMatchObject({ definition, schema, since: expect.any(String) });
    expect(await getExtension(store(), tlp2Extension)).toMatchObject({ since: null });
    const near = `${definition.id.slice(0, -1)}x`;
    await expect(getExtension(store(), near)).rejects.toThrow(`did you mean ${definition.id}?`);
  });

  test('give way to a newer definition or another schema, and not to an older or another definition', async () => {
    const definition = newDefinition();
    const newer = { ...definition, modified: '2025-01-01T00:00:00.000Z', version: '1.1.0' };
    const register = (one: typeof definition, judge: JsonSchema = schema) =>
      registerExtension(store(), { definition: one, schema: judge }, microsNow());
    await register(definition);
    expect(await register(definition, { title: 'other' })).toBe('replaced');
    expect(await register(newer)).toBe('replaced');
    await expect(register(definition)).rejects.toThrow('a newer version');
    await expect(register({ ...newer, name: 'Other' })).rejects.toThrow('another definition is registered');
    expect(await getExtension(store(), definition.id)).toMatchObject({ definition: newer, schema });
  });

  test('that are shipped can be neither replaced nor removed', async () => {
    const tlp = (await getExtension(store(), tlp2Extension)).definition;
    await expect(registerExtension(store(), { definition: tlp, schema: true }, microsNow())).rejects.toThrow('shipped');
    await expect(removeExtension(store(), tlp2Extension)).rejects.toThrow('shipped');
  });

  test('are bounded in number and in length', async () => {
    const full = await another('full');
    const large = { description: 'x'.repeat(1000 * 1024) };
    const register = () => registerExtension(full, { definition: newDefinition(), schema: large }, microsNow());
    for (let count = 0; count < 16; count += 1) await register();
    await expect(register()).rejects.toThrow('huiju extension remove');
    const many = await another('many');
    const small = () => registerExtension(many, { definition: newDefinition(), schema }, microsNow());
    const document = { definition: newDefinition(), schema, registered_at: '2024-01-01T00:00:00.000000Z' };
    await Promise.all(
      Array.from({ length: 499 }, (_, index) => many.putRecord('extension', `e${index}`, 0, document, {})),
    );
    await small();
    await expect(small()).rejects.toThrow('501 extensions');
  });

  test('are noticed when they change, and cost one small read when they do not', async () => {
    const watched = await another('watched');
    let queries = 0;
    const counted = {
      findRecord: watched.findRecord,
      queryRecords: (...args: Parameters<typeof watched.queryRecords>) => {
        queries += 1;
        return watched.queryRecords(...args);
      },
    };
    const current = watchExtensions(counted);
    const none = await current();
    expect(none).toEqual({ revision: 0, extensions: [] });
    expect(queries).toBe(0);
    const definition = newDefinition();
    await registerExtension(watched, { definition, schema }, microsNow());
    const one = await current();
    expect(one.extensions).toEqual([{ definition, schema }]);
    const before = queries;
    expect(await current()).toBe(one);
    expect(queries).toBe(before);
    await removeExtension(watched, definition.id);
    const after = await current();
    expect(after.extensions).toEqual([]);
    expect(new Set([none, one, after].map(({ revision }) => revision)).size).toBe(3);
    await expect(removeExtension(watched, definition.id)).rejects.toThrow('there is no extension');
  });
});
