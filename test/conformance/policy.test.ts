import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tlp1Markings, tlp2Markings } from '../../src/stix/markings.ts';
import { newAddress } from '../support/stix-objects.ts';
import { newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { at, idsOf, type Status, statusOf } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const green = '/small/collections/green/objects/';
const strict = '/small/collections/strict/objects/';

async function publish(path: string, ...objects: readonly unknown[]): Promise<Status> {
  return statusOf(await server.publish(objects, path));
}

function marked(
  value: string,
  properties: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> & { id: string } {
  const id = [...tlp1Markings, ...tlp2Markings].find((marking) => marking.value === value)?.id;
  return newIdentity({ object_marking_refs: [id], ...properties });
}

describe('TAXII 2.1 §4.3.1 a collection with a ceiling', () => {
  test('T-332: what is marked more strictly than the ceiling fails, the rest is stored', async () => {
    const allowed = [newIdentity(), newAddress(), ...['white', 'clear', 'green'].map((value) => marked(value))];
    const refused = ['amber', 'amber+strict', 'red'].map((value) => marked(value));
    const status = await publish(green, ...allowed, ...refused);
    expect(status.successes?.map(({ id }) => id)).toEqual(allowed.map(({ id }) => id));
    expect(status.failures?.map(({ id }) => id)).toEqual(refused.map(({ id }) => id));
    for (const { message } of status.failures ?? []) expect(message).toContain('tlp-ceiling at /object_marking_refs');
    expect(idsOf(await server.get(green))).toEqual(allowed.map(({ id }) => id));
  });

  test('T-332: the strictest marking counts, and that of a part of the object too', async () => {
    const [greenId, redId] = ['green', 'red'].map(
      (value) => tlp1Markings.find((marking) => marking.value === value)?.id,
    );
    const both = newIdentity({ object_marking_refs: [greenId, redId] });
    const granular = newIdentity({ granular_markings: [{ marking_ref: redId, selectors: ['name'] }] });
    const status = await publish(green, both, granular);
    expect([status.success_count, status.failures?.map(({ id }) => id)]).toEqual([0, [both.id, granular.id]]);
    expect((await publish(`${at.rw}/objects/`, both, granular)).success_count).toBe(2);
  });
});

describe('TAXII 2.1 §4.3.1 a collection with strict validation', () => {
  test('T-332: custom content and unregistered extensions fail there, and are taken elsewhere', async () => {
    const key = `extension-definition--${randomUUID()}`;
    const customType = { ...newIdentity(), type: 'x-thing', id: `x-thing--${randomUUID()}` };
    const extended = newIdentity({ extensions: { [key]: { extension_type: 'property-extension', rank: 5 } } });
    const customProperty = newIdentity({ x_rank: 5 });
    const custom = [customType, extended, customProperty];
    const plain = newIdentity();
    const status = await publish(strict, ...custom, plain);
    expect(status.failures?.map(({ id }) => id)).toEqual(custom.map(({ id }) => id));
    expect(status.successes?.map(({ id }) => id)).toEqual([plain.id]);
    expect(idsOf(await server.get(strict))).toEqual([plain.id]);
    expect(await publish(`${at.rw}/objects/`, ...custom)).toMatchObject({ success_count: 3, failure_count: 0 });
  });
});
