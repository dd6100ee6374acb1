import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Ask, ids, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { at, expectError, idsOf, type Manifest, uuid4 } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

interface Collection {
  readonly id: string;
  readonly title: string;
  readonly description?: string;
  readonly alias?: string;
  readonly can_read: boolean;
  readonly can_write: boolean;
  readonly media_types: readonly string[];
}

async function collectionsOf(root: string, as: string | null = 'member'): Promise<readonly Collection[]> {
  const answer = await server.get(`/${root}/collections/`, { as });
  expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
  return answer.json<{ collections?: Collection[] }>().collections ?? [];
}

/** Every endpoint that has a collection in its path. */
function endpointsOf(collection: string, object: string): readonly [path: string, options: Ask][] {
  return [
    [`${collection}/`, {}],
    [`${collection}/manifest/`, {}],
    [`${collection}/objects/`, {}],
    [`${collection}/objects/${object}/`, {}],
    [`${collection}/objects/${object}/versions/`, {}],
    [`${collection}/objects/`, { body: { objects: [newIdentity()] } }],
    [`${collection}/objects/${object}/`, { method: 'DELETE' }],
    [`${collection}/objects/`, { method: 'HEAD' }],
  ];
}

const mediaTypes = ['application/stix+json;version=2.1'];

describe('TAXII 2.1 §5.1 collections', () => {
  test('T-250: a root without a visible collection answers an empty object', async () => {
    const answer = await server.get('/empty/collections/');
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([200, taxii, '{}']);
  });

  test('T-252: without a login, or with a wrong one, collections are 401', async () => {
    for (const path of ['/main/collections/', `${at.rw}/`]) {
      for (const login of [{ as: null }, { authorization: 'Basic bWVtYmVyOndyb25n' }]) {
        const answer = await server.get(path, login);
        expectError(answer, 401, 'login-required');
        expect(answer.headers['www-authenticate']).toContain('Basic realm="huiju"');
      }
    }
  });

  test('T-253, T-254, T-255, T-256, T-257, T-258, T-259, T-260: every property, as declared, in the order declared', async () => {
    const media_types = mediaTypes;
    expect(await collectionsOf('main')).toEqual([
      {
        id: ids.rw,
        title: 'Read and write',
        description: 'Both',
        alias: 'rw',
        can_read: true,
        can_write: true,
        media_types,
      },
      { id: ids.ro, title: 'Read only', alias: 'ro', can_read: true, can_write: false, media_types },
      { id: ids.wo, title: 'Write only', alias: 'wo', can_read: false, can_write: true, media_types },
    ]);
  });

  test('T-253, T-256: ids are UUIDs of version 4, aliases are unique within a root', async () => {
    for (const root of ['main', 'small', 'open']) {
      const collections = await collectionsOf(root, 'boss');
      for (const { id } of collections) expect(id).toMatch(uuid4);
      const aliases = collections.flatMap(({ alias }) => alias ?? []);
      expect(aliases.length).toBeGreaterThan(0);
      expect(new Set(aliases).size).toBe(aliases.length);
    }
  });

  test('T-257, T-258, T-266: the flags are those of who asks', async () => {
    const flagsOf = async (as: string | null, root = 'main'): Promise<unknown> =>
      (await collectionsOf(root, as)).map(({ id, can_read, can_write }) => [id, can_read, can_write]);
    expect(await flagsOf('reader')).toEqual([
      [ids.rw, true, false],
      [ids.ro, true, false],
    ]);
    expect(await flagsOf('feeder')).toEqual([
      [ids.rw, true, false],
      [ids.ro, true, true],
      [ids.wo, true, false],
      [ids.hidden, true, true],
    ]);
    expect(await flagsOf('boss')).toEqual([ids.rw, ids.ro, ids.wo, ids.hidden].map((id) => [id, true, true]));
    expect(await flagsOf(null, 'open')).toEqual([[ids.open, true, false]]);
    expect(await flagsOf('feeder', 'open')).toEqual([[ids.open, true, true]]);
  });

  test('T-266: what a flag says is what happens', async () => {
    for (const as of ['member', 'reader', 'feeder', 'boss']) {
      for (const { id, can_read, can_write } of await collectionsOf('main', as)) {
        const path = `/main/collections/${id}`;
        const read = await server.get(`${path}/objects/`, { as });
        const written = await server.publish([newIdentity()], `${path}/objects/`, { as });
        expect([as, id, read.status, written.status]).toEqual([as, id, can_read ? 200 : 403, can_write ? 202 : 403]);
      }
    }
  });
});

describe('TAXII 2.1 §5.2 a collection', () => {
  test('T-262: a collection by its id is the resource of the list', async () => {
    for (const [root, as] of [
      ['main', 'member'],
      ['main', 'boss'],
      ['open', null],
    ] as const) {
      for (const collection of await collectionsOf(root, as)) {
        const answer = await server.get(`/${root}/collections/${collection.id}/`, { as });
        expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
        expect(answer.json()).toEqual(collection);
      }
    }
  });

  test('T-263: an alias stands for the id on every endpoint', async () => {
    const object = newIdentity();
    const posted = await server.publish([object], '/main/collections/rw/objects/');
    expect(posted.json().success_count).toBe(1);
    for (const path of ['', 'manifest/', 'objects/', `objects/${object.id}/`, `objects/${object.id}/versions/`]) {
      const byAlias = await server.get(`/main/collections/rw/${path}`);
      expect([byAlias.status, byAlias.text]).toEqual([200, (await server.get(`${at.rw}/${path}`)).text]);
    }
    const gone = await server.get(`/main/collections/rw/objects/${object.id}/`, { method: 'DELETE' });
    expect(gone.status).toBe(200);
    expectError(await server.get(`${at.rw}/objects/${object.id}/`), 404, 'not-found');
  });

  test('T-263: an alias counts in its own root only, and as it is spelled', async () => {
    for (const path of ['/main/collections/open/', '/small/collections/rw/', '/main/collections/RW/']) {
      expectError(await server.get(path), 404, 'not-found');
    }
  });

  test('T-264, T-333: an unknown collection is 404 on every endpoint, for every caller who is logged in', async () => {
    const object = newIdentity();
    await server.publish([object]);
    const unknown = [randomUUID(), 'no-such-alias', ids.open];
    for (const id of unknown) {
      for (const [path, options] of endpointsOf(`/main/collections/${id}`, object.id)) {
        const answer = await server.get(path, options);
        expect([path, answer.status]).toEqual([path, 404]);
        if (options.method !== 'HEAD') expectError(answer, 404, 'not-found');
      }
    }
  });

  test('T-265: a percent-encoded collection id is the same collection', async () => {
    const encoded = ids.rw.replaceAll('-', '%2D').replace('a2', '%61%32');
    const answer = await server.get(`/main/collections/${encoded}/`);
    expect([answer.status, answer.text]).toEqual([200, (await server.get(`${at.rw}/`)).text]);
  });

  test('T-260, T-285: media_types has the media type of everything in the manifest', async () => {
    await server.publish([newIdentity()]);
    const { objects = [] } = (await server.get(`${at.rw}/manifest/`)).json<Manifest>();
    expect(objects.length).toBeGreaterThan(0);
    for (const { media_type } of objects) expect(mediaTypes).toContain(media_type);
    expect(idsOf(await server.get(`${at.rw}/objects/`))).toEqual(objects.map(({ id }) => id));
  });
});
