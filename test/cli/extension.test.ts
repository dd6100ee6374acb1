import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { newVersioned, type StixObject } from '../support/stix-objects.ts';
import { useHuiju } from './use-huiju.ts';

const { huiju, pathOf } = useHuiju();

function write(name: string, value: unknown): string {
  const path = pathOf(name);
  writeFileSync(path, JSON.stringify(value));
  return path;
}

function newDefinition(properties: Readonly<Record<string, unknown>> = {}): StixObject {
  return newVersioned('extension-definition', {
    created_by_ref: `identity--${randomUUID()}`,
    name: 'Rank',
    schema: 'https://hub.example/rank.json',
    version: '1.0.0',
    extension_types: ['property-extension'],
    ...properties,
  });
}

const schema = { required: ['rank'], properties: { rank: { type: 'integer', description: 'From 1.', minimum: 1 } } };

function ranked(id: string, rank: unknown): StixObject {
  return newVersioned('campaign', {
    name: 'Green winter',
    extensions: { [id]: { extension_type: 'property-extension', rank } },
  });
}

describe('huiju extension', () => {
  test('adds from a definition and a schema, lists, shows and removes', async () => {
    const definition = newDefinition();
    const files = [write('definition.json', definition), '--schema', write('schema.json', schema)];
    const added = await huiju(['extension', 'add', ...files]);
    expect([added.code, added.stdout]).toEqual([0, `Extension ${definition.id} (Rank) added.\n`]);
    const table = (await huiju(['extension', 'list'])).stdout;
    expect(table).toMatch(/^ID +NAME +VERSION +TYPES +ORIGIN +SINCE\n/);
    expect(table).toMatch(/TLP 2\.0 +1\.0\.0 +property-extension +shipped +-/);
    const listed = JSON.parse((await huiju(['extension', 'list', '--json'])).stdout);
    expect(listed).toContainEqual({
      id: definition.id,
      name: 'Rank',
      version: '1.0.0',
      types: ['property-extension'],
      origin: 'registered',
      since: expect.stringMatching(/^20.*Z$/),
    });
    const shown = (await huiju(['extension', 'show', definition.id])).stdout;
    expect(JSON.parse(shown)).toEqual({ definition, schema });
    const again = await huiju(['extension', 'add', write('shown.json', JSON.parse(shown))]);
    expect(again.stdout).toBe(`Extension ${definition.id} (Rank) replaced.\n`);
    expect((await huiju(['extension', 'remove', definition.id])).stdout).toBe(`Extension ${definition.id} removed.\n`);
    expect(await huiju(['extension', 'remove', definition.id])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no extension'),
    });
  });

  test('shows no control characters of a definition on the terminal', async () => {
    const definition = newDefinition({ name: 'a\u001b[2Jb', extension_types: ['property-extension', 'new-sdo'] });
    const file = write('control.json', { definition, schema });
    expect((await huiju(['extension', 'add', file])).stdout).toBe(`Extension ${definition.id} (a?[2Jb) added.\n`);
    const table = (await huiju(['extension', 'list'])).stdout;
    expect(table).toMatch(/a\?\[2Jb +1\.0\.0 +property-extension,new-sdo +registered/);
  });

  test('names what is wrong with a file', async () => {
    const path = write('elsewhere.json', newDefinition());
    expect(await huiju(['extension', 'add', path])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`${path}: no JSON Schema is in it`),
    });
    expect(await huiju(['extension', 'add', pathOf('none.json')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no such file'),
    });
  });
});

describe('huiju validate', () => {
  test('judges by what is registered in the store, and by --extension', async () => {
    const [kept, given] = [newDefinition(), newDefinition()];
    await huiju(['extension', 'add', write('kept.json', { definition: kept, schema })]);
    const file = write('given.json', { definition: given, schema });
    const objects = [ranked(kept.id, 1), ranked(kept.id, 0), ranked(given.id, 0), ranked(given.id, 2)];
    const all = write('all.json', { type: 'bundle', id: `bundle--${randomUUID()}`, objects });
    const verdicts = async (...args: string[]) => {
      const { stdout } = await huiju(['validate', all, '--format', 'json', ...args]);
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).valid);
    };
    expect(await verdicts()).toEqual([true, false, true, true]);
    expect(await verdicts('--extension', file)).toEqual([true, false, false, true]);
    expect(await verdicts('--policy', 'strict')).toEqual([true, false, false, false]);
    expect(await verdicts('--policy', 'strict', '--extension', file)).toEqual([true, false, false, true]);
  });

  test('makes no store', async () => {
    const env = { HUIJU_STORE: `sqlite:${pathOf('nowhere/huiju.db')}` };
    const { code } = await huiju(['validate', write('one.json', ranked(newDefinition().id, 1))], { env });
    expect([code, existsSync(pathOf('nowhere'))]).toEqual([0, false]);
  });
});

describe('a running server', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer();
  });
  afterAll(() => server.stop());

  async function publish(...objects: object[]): Promise<{ success_count: number; failures?: { message: string }[] }> {
    const answer = await fetch(`${server.url}/hub/collections/indicators/objects/`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`admin:${server.adminPassword}`).toString('base64')}`,
        accept: 'application/taxii+json;version=2.1',
        'content-type': 'application/taxii+json;version=2.1',
      },
      body: JSON.stringify({ objects }),
    });
    return (await answer.json()) as { success_count: number; failures?: { message: string }[] };
  }

  test('judges by what was registered or removed meanwhile from its next publication on; so does an import', async () => {
    const definition = newDefinition();
    expect(await publish(ranked(definition.id, 0))).toMatchObject({ success_count: 1 });
    const file = write('meanwhile.json', { definition, schema });
    expect(await server.huiju(['extension', 'add', file])).toMatchObject({ code: 0 });
    const status = await publish(ranked(definition.id, 0), ranked(definition.id, 1));
    expect(status.success_count).toBe(1);
    const place = `STIX-7.3-extension-content at /extensions/${definition.id}/rank`;
    expect(status.failures?.map(({ message }) => message)).toEqual([expect.stringContaining(place)]);
    // Every thread has heard of it, not only the one that was asked first.
    const many = Array.from({ length: 3000 }, () => ranked(definition.id, 0));
    expect((await publish(...many)).success_count).toBe(0);
    const one = write('import.json', ranked(definition.id, 0));
    expect(await server.huiju(['import', one, '--collection', 'hub/indicators'])).toMatchObject({ code: 1 });
    expect(await server.huiju(['extension', 'remove', definition.id])).toMatchObject({ code: 0 });
    expect(await publish(ranked(definition.id, 0))).toMatchObject({ success_count: 1 });
  });
});
