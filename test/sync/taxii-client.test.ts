import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHttpClient, type HttpClient, type Login } from '../../src/sync/http-client.ts';
import { createTaxiiClient, type TaxiiClient } from '../../src/sync/taxii-client.ts';
import type { Discovered } from '../../src/sync/taxii-discovery.ts';
import { createTaxiiSource } from '../../src/sync/taxii-source.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';
import { ids, newIdentity, password, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';

const never = new AbortController().signal;
const clients: HttpClient[] = [];
let scripted: ScriptedServer;
let real: TestServer;

beforeAll(async () => {
  scripted = await startScriptedServer(() => ({ status: 404 }));
  real = await startTaxiiServer();
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await scripted.close();
  await real.close();
});

function openHttp(url: string, login?: Login): HttpClient {
  const http = createHttpClient({ home: new URL(url), allowPrivate: true, ...(login !== undefined && { login }) });
  clients.push(http);
  return http;
}

function open(url: string, login?: Login): TaxiiClient {
  return createTaxiiClient({ http: openHttp(url, login) });
}

function loginOf(user: string): Login {
  return { kind: 'basic', user, password };
}

describe('on another Huiju', () => {
  test('discovery tells roots and collections, and which can be read, from whatever URL', async () => {
    for (const path of ['', '/', '/taxii2', '/taxii2/']) {
      const { title, contact, roots } = await open(real.url, loginOf('member')).discover(
        new URL(real.url + path),
        never,
      );
      expect([title, contact]).toEqual(['Main root', 'ops@example.com']);
      const main = roots.find(({ isDefault }) => isDefault);
      expect(main?.url.href).toBe(`${real.url}/main/`);
      expect(main?.collections.map(({ title: name, canRead, canWrite }) => [name, canRead, canWrite])).toEqual([
        ['Read and write', true, true],
        ['Read only', true, false],
        ['Write only', false, true],
      ]);
    }
  });

  test('discovery of an API root tells of this one', async () => {
    const { title, roots } = await open(real.url, loginOf('member')).discover(new URL('/small', real.url), never);
    expect(title).toBe('Small bodies');
    expect(roots).toHaveLength(1);
    expect(roots[0]).toMatchObject({ maxContentLength: 4096, fault: undefined });
    expect(roots[0]?.collections.map(({ alias }) => alias)).toEqual(['small', 'green', 'strict']);
  });

  test('a wrong login says so', async () => {
    const client = open(real.url, { kind: 'basic', user: 'member', password: 'wrong password' });
    await expect(client.discover(new URL(real.url), never)).rejects.toMatchObject({ status: 401, retry: 'never' });
  });

  test('objects are published, their status is read, and a source gives them back', async () => {
    const client = open(real.url, loginOf('member'));
    const root = new URL('/main', real.url);
    const good = newIdentity();
    const bad = newIdentity({ created: 'yesterday' });
    const place = { root, collection: ids.rw };
    const status = await client.addObjects(place, JSON.stringify({ objects: [good, bad] }), never);
    expect(status).toMatchObject({
      status: 'complete',
      totalCount: 2,
      successCount: 1,
      failureCount: 1,
      pendingCount: 0,
    });
    expect(status.failures).toEqual([{ id: bad.id, version: expect.any(String), message: expect.any(String) }]);
    expect(await client.getStatus(root, status.id, never)).toEqual(status);
    const source = createTaxiiSource({
      http: openHttp(real.url, loginOf('member')),
      root,
      collection: 'rw',
      maxObjectLength: 10_000,
    });
    const texts: string[] = [];
    for await (const piece of source.walk(undefined, never)) if ('objects' in piece) texts.push(...piece.objects);
    expect(texts).toEqual([JSON.stringify(good)]);
    for await (const entries of source.list?.(never) ?? []) expect(entries.map(({ id }) => id)).toEqual([good.id]);
  });

  test('what is wrong with a post is told in words', async () => {
    const client = open(real.url, loginOf('reader'));
    const asked = client.addObjects(
      { root: new URL('/main/', real.url), collection: ids.ro },
      '{"objects":[{}]}',
      never,
    );
    await expect(asked).rejects.toMatchObject({ status: 403, retry: 'never' });
  });

  test('a collection is found by id, alias and title; others are named', async () => {
    const client = open(real.url, loginOf('member'));
    const root = new URL('/main/', real.url);
    for (const name of [ids.rw, ids.rw.toUpperCase(), 'rw', 'Read and write']) {
      expect((await client.findCollection(root, name, never)).id).toBe(ids.rw);
    }
    expect(await client.getCollection({ root, collection: 'rw' }, never)).toMatchObject({
      canRead: true,
      canWrite: true,
    });
    expect(await client.getRoot(root, never)).toMatchObject({
      title: 'Main root',
      maxContentLength: expect.any(Number),
    });
    await expect(client.findCollection(root, 'wr', never)).rejects.toThrow(
      /has no collection "wr": there are rw \(Read and write\)/,
    );
  });
});

describe('discovery of other servers', () => {
  const root = { title: 'Root', versions: ['application/taxii+json;version=2.1'], max_content_length: 1000 };
  const one = {
    id: 'c1',
    title: 'One',
    can_read: true,
    can_write: false,
    media_types: ['application/stix+json;version=2.1'],
  };

  /** A server whose discovery names these roots, and which has this one at `/api/`. */
  function serverWith(roots: readonly string[], more: object = {}): Script {
    return ({ path }) => {
      if (path === '/taxii2/') return { body: { title: 'Server', api_roots: roots, ...more } };
      if (path === '/api/') return { body: root };
      if (path === '/api/collections/') return { body: { collections: [one] } };
      return { status: 404 };
    };
  }

  function discover(script: Script, path = '/', login?: Login): Promise<Discovered> {
    scripted.play(script);
    return open(scripted.url, login).discover(new URL(path, scripted.url), never);
  }

  test.each([['/api/'], ['/api'], ['api/../../api/']])('the relative root %j is found', async (advertised) => {
    const { roots } = await discover(serverWith([advertised], { default: advertised }));
    expect(roots).toEqual([
      {
        url: new URL('/api/', scripted.url),
        title: 'Root',
        isDefault: true,
        maxContentLength: 1000,
        collections: [{ id: 'c1', title: 'One', canRead: true, canWrite: false, mediaTypes: one.media_types }],
        fault: undefined,
      },
    ]);
  });

  test('a root under the name that the server has behind its proxy is found on the host that was asked', async () => {
    const { roots } = await discover(serverWith(['http://taxii.internal.invalid:5000/api/']));
    expect(roots[0]).toMatchObject({ url: new URL('/api/', scripted.url), fault: undefined });
  });

  test('a root on another server is read there, without the login', async () => {
    const other = await startScriptedServer(serverWith([]));
    try {
      const script: Script = ({ path }) =>
        path === '/taxii2/' ? { body: { title: 'S', api_roots: [`${other.url}/api/`] } } : { status: 404 };
      const { roots } = await discover(script, '/', loginOf('member'));
      expect(roots[0]).toMatchObject({ url: new URL('/api/', other.url), fault: undefined });
      expect(other.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    } finally {
      await other.close();
    }
  });

  test('roots and collections that cannot be read are told with the reason, beside the others', async () => {
    const { roots } = await discover(serverWith(['/gone/', '/api/', 'ftp://x/', 'http://[']));
    expect(roots.map(({ url, fault }) => [url.pathname, fault])).toEqual([
      ['/gone/', expect.stringContaining('(404)')],
      ['/api/', undefined],
    ]);
    const closed = await discover((asked) =>
      asked.path === '/api/collections/' ? { status: 403 } : serverWith(['/api/'])(asked, {} as never),
    );
    expect(closed.roots[0]).toMatchObject({ title: 'Root', collections: [], fault: expect.stringContaining('(403)') });
  });

  test('a hundred roots are looked at, however many a server names', async () => {
    const before = scripted.asked.length;
    const { roots } = await discover(serverWith(Array.from({ length: 150 }, (_, index) => `/r${index}/`)));
    expect([roots.length, scripted.asked.length - before]).toEqual([100, 101]);
  });

  test.each<[string, Script]>([
    ['answers 406', () => ({ status: 406 })],
    [
      'answers in the media type of 2.0',
      () => ({ headers: { 'content-type': 'application/vnd.oasis.taxii+json; version=2.0' }, body: { title: 'Old' } }),
    ],
    ['has its discovery where 2.0 has it', ({ path }) => ({ status: path === '/taxii/' ? 200 : 404 })],
  ])('a server that speaks 2.0 only is told apart: it %s', async (_how, script) => {
    await expect(discover(script)).rejects.toMatchObject({
      name: expect.stringContaining(''),
      retry: 'never',
      message: expect.stringContaining('TAXII 2.0'),
    });
  });

  test.each([
    ['<html>Log in</html>', 'a web page'],
    ['{"title":', 'broken JSON'],
    ['[]', 'no TAXII resource'],
  ])('an answer that is no resource is told: %s', async (body, words) => {
    await expect(discover(() => ({ body }))).rejects.toThrow(words);
  });

  test('a resource that does not end is cut', async () => {
    const script: Script = (_asked, { response }) => {
      response.writeHead(200);
      const fill = (): void => {
        while (response.write('"'.padEnd(1_000_000)));
        response.once('drain', fill);
      };
      fill();
      return undefined;
    };
    await expect(discover(script)).rejects.toMatchObject({ isTooLong: true });
  });

  test('texts without end in resources are as if they were not there', async () => {
    const long = 'x'.repeat(1_000_000);
    const failures = [{ id: 'identity--1', version: long, message: long }];
    scripted.play(({ path }) =>
      path.includes('/status/')
        ? { body: { id: 's', status: 'complete', failure_count: 1, failures } }
        : {
            body: {
              collections: [
                { id: 'c1', title: long },
                { id: long, title: 'Two' },
              ],
            },
          },
    );
    const root = new URL('/api/', scripted.url);
    const client = open(scripted.url);
    expect(await client.listCollections(root, never)).toMatchObject([{ id: 'c1', title: 'c1' }]);
    expect((await client.getStatus(root, 's', never)).failures).toEqual([
      { id: 'identity--1', version: '', message: '' },
    ]);
  });

  test('a status that is none is told', async () => {
    scripted.play(() => ({ status: 202, body: { id: 7 } }));
    const client = open(scripted.url);
    const place = { root: new URL('/api/', scripted.url), collection: 'c1' };
    await expect(client.addObjects(place, '{"objects":[{}]}', never)).rejects.toThrow(/something else than a status/);
    expect(scripted.asked.at(-1)).toMatchObject({
      method: 'POST',
      path: '/api/collections/c1/objects/',
      body: '{"objects":[{}]}',
      headers: { 'content-type': 'application/taxii+json;version=2.1', accept: 'application/taxii+json;version=2.1' },
    });
  });

  test('an alias that no list shows is found by its path', async () => {
    scripted.play(({ path }) => {
      if (path === '/api/collections/') return { body: {} };
      return path === '/api/collections/hidden/' ? { body: one } : { status: 404 };
    });
    const api = new URL('/api', scripted.url);
    expect((await open(scripted.url).findCollection(api, 'hidden', never)).id).toBe('c1');
    await expect(open(scripted.url).findCollection(api, 'other', never)).rejects.toThrow(
      /there is none that this login/,
    );
  });

  test('names in paths are escaped', async () => {
    scripted.play(() => ({ body: one }));
    await open(scripted.url).getCollection({ root: new URL('/api', scripted.url), collection: '../x?y' }, never);
    expect(scripted.asked.at(-1)?.target).toBe('/api/collections/..%2Fx%3Fy/');
  });
});
