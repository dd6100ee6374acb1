/** TAXII 2.1 §3.7: the envelope, and that objects leave it as they entered. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newAddress, newMarking, newVersioned, oneOfEachType, type StixObject } from '../support/stix-objects.ts';
import { newIdentity, startTaxiiServer } from '../support/taxii-server.ts';
import { type Lab, type Page, startLab } from './lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.close());

describe('TAXII 2.1 §3.7 envelope', () => {
  test('T-160, T-161, T-165: an envelope has more, next and objects, of their types, and nothing else', async () => {
    const collection = lab.newCollection();
    const object = newIdentity();
    await lab.add(collection, object, newAddress(), newMarking());
    await lab.add(collection, { ...object, modified: '2025-01-01T00:00:00.000Z' });
    for (const path of [`${collection}objects/`, `${collection}objects/${object.id}/`]) {
      const partial = (await lab.get(`${path}?match[version]=all&limit=1`)).json();
      expect(partial).toEqual({
        more: true,
        next: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
        objects: [expect.anything()],
      });
      const whole = (await lab.get(`${path}?match[version]=all`)).json();
      expect(whole).toEqual({ more: false, objects: expect.any(Array) });
    }
  });

  test('T-160: what was published as a bundle comes back in an envelope, without the bundle', async () => {
    const collection = lab.newCollection();
    const object = newIdentity();
    const bundle = { type: 'bundle', id: 'bundle--3f2504e0-4f89-41d3-9a0c-0305e82c3301', objects: [object] };
    const answer = await lab.get(`${collection}objects/`, { body: bundle });
    expect(answer.status).toBe(202);
    expect((await lab.get(`${collection}objects/`)).json()).toEqual({ more: false, objects: [object] });
  });

  test('T-163: without an object the envelope is {"more":false}', async () => {
    const empty = lab.newCollection();
    const collection = lab.newCollection();
    const object = newIdentity();
    await lab.add(collection, object);
    const paths = [
      `${empty}objects/`,
      `${empty}manifest/`,
      `${collection}objects/?match[type]=tool`,
      `${collection}objects/?added_after=2999-01-01T00:00:00Z`,
      `${collection}objects/${object.id}/?match[version]=1999-01-01T00:00:00Z`,
      `${collection}objects/${object.id}/?match[spec_version]=2.0`,
      `${collection}objects/${object.id}/versions/?match[spec_version]=2.0`,
    ];
    for (const path of paths) {
      const { status, text } = await lab.get(path);
      expect([path, status, text]).toEqual([path, 200, '{"more":false}']);
    }
  });

  test('T-163: an API root for clients that fail on it can be told to write an empty list', async () => {
    const server = await startTaxiiServer();
    try {
      const { text } = await server.get('/small/collections/small/objects/');
      expect(text).toBe('{"more":false,"objects":[]}');
    } finally {
      await server.close();
    }
  });

  test('T-164: every member is a STIX object', async () => {
    const collection = lab.newCollection();
    await lab.add(collection, ...oneOfEachType());
    const { objects = [] } = (await lab.get(`${collection}objects/`)).json<{ objects?: StixObject[] }>();
    expect(objects).toHaveLength(42);
    for (const { id, type } of objects) {
      expect(id.startsWith(`${type}--`)).toBe(true);
      expect(type).not.toBe('bundle');
    }
  });
});

/** Objects whose every property must come back: nine kinds, custom ones and unusual text among them. */
function preciousObjects(): readonly object[] {
  const text =
    'Grüße, 汇聚, 🦊, \u{10FFFF}, "quoted", back\\slash, /slash, tab\t, line\n, \u2028, \u007f, é and e\u0301';
  return [
    newIdentity({ name: text, x_acme_rank: 1, x_acme_tree: { a: [{ b: false }, [], {}, ''], c: 1e-7 } }),
    newVersioned('indicator', {
      pattern: "[file:name = 'a\\\\b']",
      pattern_type: 'stix',
      valid_from: '2016-01-01T00:00:00.123456789Z',
      created: '2016-01-01T00:00:00.123456Z',
      modified: '2016-01-01T00:00:00.123456Z',
    }),
    newVersioned('relationship', {
      relationship_type: 'related-to',
      source_ref: newIdentity().id,
      target_ref: newIdentity().id,
      description: text,
    }),
    newVersioned('sighting', { sighting_of_ref: newVersioned('indicator').id, count: 999_999_999 }),
    newAddress({ value: '203.0.113.1', x_acme_seen: 9_007_199_254_740_991 }),
    newMarking({ definition: { statement: text } }),
    newVersioned('language-content', { object_ref: newIdentity().id, contents: { zh: { name: '汇聚' } } }),
    newVersioned('x-acme-widget', {
      name: 'Widget',
      constructor: 'x',
      x_acme_keys: { $ref: '#', 'dotted.key': true, toString: 1 },
    }),
    newVersioned('extension-definition', {
      created_by_ref: newIdentity().id,
      name: text,
      schema: 'https://example.com/s.json',
      version: '1.0.0',
      extension_types: ['toplevel-property-extension'],
    }),
  ];
}

describe('TAXII 2.1 §3.7 content', () => {
  test.each([
    ['an envelope', (objects: readonly object[]) => JSON.stringify({ objects })],
    ['an indented envelope', (objects: readonly object[]) => JSON.stringify({ objects }, null, 2)],
    // The same characters, each beyond ASCII written as an escape.
    ['an escaped envelope', (objects: readonly object[]) => escapeAll(JSON.stringify({ objects }))],
  ])('T-166, T-007: objects come back as they were sent in %s', async (_form, format) => {
    const collection = lab.newCollection();
    const objects = preciousObjects();
    const answer = await lab.get(`${collection}objects/`, { body: format(objects) });
    expect(answer.json().failures).toBeUndefined();
    expect((await lab.get(`${collection}objects/`)).json()).toEqual({ more: false, objects });
    for (const object of objects as readonly StixObject[]) {
      expect((await lab.get(`${collection}objects/${object.id}/`)).json<Page>()).toEqual({
        more: false,
        objects: [object],
      });
    }
  });

  test('T-166: numbers and strings keep their spelling', async () => {
    const collection = lab.newCollection();
    const { id, ...rest } = newIdentity();
    const tail = '"x_a":1.0,"x_b":1E+2,"x_c":12345678901234567890,"x_d":-0,"x_e":"\\u00e9\\/\\ud83e\\udd8a","x_f":0.10';
    const text = `{"id":"${id}",${JSON.stringify(rest).slice(1, -1)},${tail}}`;
    expect((await lab.get(`${collection}objects/`, { body: `{"objects":[${text}]}` })).status).toBe(202);
    expect((await lab.get(`${collection}objects/`)).text).toBe(`{"more":false,"objects":[${text}]}`);
  });
});

function escapeAll(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
