import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Answer, type Ask, ids, newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { at, expectError, idsOf, statusOf } from './answers.ts';

let server: TestServer;
const kept = newIdentity();
/** As long as the hidden one, so that lengths can be compared too. */
const absent = 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0aff';
const closed = 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a09';

beforeAll(async () => {
  server = await startTaxiiServer();
  const asFeeder = { as: 'feeder' };
  statusOf(await server.publish([kept], `${at.hidden}/objects/`, asFeeder));
  statusOf(await server.publish([kept], `/closed/collections/${closed}/objects/`, asFeeder));
});
afterAll(() => server.close());

const object = `objects/${kept.id}/`;
const large = `{"objects":[]}${' '.repeat(5000)}`;

/** What can be asked below a collection: every endpoint, well and badly. */
const requests: readonly [path: string, options: Ask][] = [
  ['', {}],
  ['manifest/', {}],
  ['objects/', {}],
  [object, {}],
  [`${object}versions/`, {}],
  ['objects/', { body: { objects: [newIdentity()] } }],
  ['objects/', { body: { objects: [kept] } }],
  [object, { method: 'DELETE' }],
  ['objects/', { method: 'HEAD' }],
  ['', { method: 'PUT', body: '{}' }],
  ['objects/', { method: 'OPTIONS' }],
  ['objects/?limit=0', {}],
  [`objects/?match[id]=${kept.id}`, {}],
  ['objects/?next=x', {}],
  ['manifest/', { accept: 'application/taxii+json;version=9.9' }],
  ['objects/', { body: '{', type: 'text/plain' }],
  ['objects/', { body: large }],
  ['objects/', { body: '{', headers: { 'Content-Encoding': 'br' } }],
  ['objects/identity--0/', {}],
  ['nothing/', {}],
];

/** An answer without what changes with every one of them and without the name that was asked for. */
function comparable({ status, headers, text }: Answer, name: string): unknown {
  const { date, ...others } = headers;
  const body = text.replace(/"error_id":"[^"]+"/, '').replaceAll(name, 'NAME');
  return { status, headers: others, body, length: text.length, date: typeof date };
}

async function answersAt(path: string, name: string, as: string | null): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const [below, options] of requests) {
    answers.push(comparable(await server.get(`${path}/${below}`, { ...options, as }), name));
  }
  return answers;
}

describe('TAXII 2.1 §5 and appendix B: who may not, learns nothing', () => {
  test.each(['member', 'curator', 'reader'])(
    'T-426: to %s a hidden and an absent collection are the same',
    async (as) => {
      const hidden = await answersAt(`/main/collections/${ids.hidden}`, ids.hidden, as);
      expect(hidden).toEqual(await answersAt(`/main/collections/${absent}`, absent, as));
      expectError(await server.get(`${at.hidden}/${object}`, { as }), 404, 'not-found');
      expect((await server.get(`${at.hidden}/${object}`, { as: 'feeder' })).status).toBe(200);
    },
  );

  test('T-426: without a login everything that is not public is the same, existing or not', async () => {
    const expected = await answersAt(`/main/collections/${absent}`, absent, null);
    for (const id of [ids.rw, ids.ro, ids.wo, ids.hidden]) {
      expect(await answersAt(`/main/collections/${id}`, id, null)).toEqual(expected);
    }
    expect(await answersAt(`/closed/collections/${closed}`, closed, null)).toEqual(expected);
    expect(await answersAt(`/nowhere/collections/${absent}`, absent, null)).toEqual(expected);
    expect(await answersAt(`/open/collections/${absent}`, absent, null)).toEqual(expected);
    for (const [path, options] of requests) {
      if (['PUT', 'OPTIONS'].includes(options.method ?? '')) continue;
      expect((await server.get(`${at.rw}/${path}`, { ...options, as: null })).status).toBe(401);
    }
  });

  test('T-426: a closed and an absent API root are the same', async () => {
    for (const as of ['member', null]) {
      for (const path of ['', 'collections/', `status/${absent}/`, `collections/${closed}/objects/`, 'nothing/']) {
        const there = comparable(await server.get(`/closed/${path}`, { as }), 'closed');
        expect(there).toEqual(comparable(await server.get(`/abcdef/${path}`, { as }), 'abcdef'));
      }
    }
    expect((await server.get('/closed/', { as: 'feeder' })).status).toBe(200);
  });

  test('T-426, T-429: a hidden collection is in no list', async () => {
    for (const [path, as] of [
      ['/main/collections/', 'member'],
      ['/taxii2/', 'member'],
      ['/taxii2/', null],
    ] as const) {
      const { text } = await server.get(path, { as });
      expect(text).not.toMatch(/Hidden|Closed|closed/);
      expect(text).not.toContain(ids.hidden);
    }
  });

  test('T-426: to who may only write, what is stored and what is not are the same', async () => {
    await server.publish([kept], `${at.wo}/objects/`);
    const other = newIdentity().id;
    for (const path of ['objects/ID/', 'objects/ID/versions/', 'objects/?match[id]=ID', 'manifest/?match[id]=ID']) {
      const there = await server.get(`${at.wo}/${path.replace('ID', kept.id)}`);
      const missing = await server.get(`${at.wo}/${path.replace('ID', other)}`);
      expect(there.status).toBe(403);
      expect(comparable(there, kept.id)).toEqual(comparable(missing, other));
    }
  });

  test('T-143, T-426: a cursor of a collection opens nothing to who may not read it', async () => {
    const [before, after] = [newIdentity(), newIdentity()];
    const small = '/small/collections/small/objects/';
    await server.publish([before], small);
    await server.publish([newIdentity(), newIdentity()], `${at.hidden}/objects/`, { as: 'feeder' });
    await server.publish([after], small);
    const page = await server.get(`${at.hidden}/objects/?limit=2`, { as: 'feeder' });
    const { next } = page.json();
    expect(next).toEqual(expect.any(String));
    expectError(await server.get(`${at.hidden}/objects/?next=${next}`), 404, 'not-found');
    // Elsewhere it is a position that means nothing: that collection begins at its beginning.
    expect(idsOf(await server.get(`${small}?next=${next}&limit=9`))).toEqual([before.id, after.id]);
  });
});
