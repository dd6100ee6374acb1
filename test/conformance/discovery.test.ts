import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ask, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { expectError } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const urlsOf = (...names: readonly string[]): string[] => names.map((name) => `${server.url}/${name}/`);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

describe('TAXII 2.1 §4.1 discovery', () => {
  test('T-180, T-181, T-182, T-183, T-186: /taxii2/ says title, description, contact and the API roots', async () => {
    const answer = await server.get('/taxii2/');
    expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
    expect(answer.json()).toEqual({
      title: 'Main root',
      description: 'Every combination of rights',
      contact: 'ops@example.com',
      default: `${server.url}/main/`,
      api_roots: urlsOf('empty', 'main', 'open', 'small'),
    });
  });

  test('T-180: discovery refuses a failed login with 401 and another version with 406', async () => {
    expectError(await server.get('/taxii2/', { authorization: 'Basic bWVtYmVyOndyb25n' }), 401, 'login-required');
    expectError(await server.get('/taxii2/', { accept: `${taxii.replace('2.1', '9.9')}` }), 406, 'not-acceptable');
  });

  test('T-185, T-187, T-201: roots are absolute URLs with a slash at the end, each once; default is one of them', async () => {
    const { default: preferred, api_roots: roots } = (await server.get('/taxii2/')).json<{
      default: string;
      api_roots: string[];
    }>();
    expect(roots).toContain(preferred);
    expect(new Set(roots).size).toBe(roots.length);
    for (const root of roots) expect(root).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[a-z]+\/$/);
  });

  test('T-187: a Host header is believed when it names loopback, never otherwise', async () => {
    const port = new URL(server.url).port;
    const rootFor = async (host: string): Promise<unknown> =>
      (await server.get('/taxii2/', { headers: { Host: host } })).json().default;
    expect(await rootFor(`localhost:${port}`)).toBe(`http://localhost:${port}/main/`);
    for (const host of [
      'evil.example',
      'evil.example:80',
      `127.0.0.1.evil.example:${port}`,
      `localhost@evil.example`,
    ]) {
      expect(await rootFor(host)).toBe(`${server.url}/main/`);
    }
  });

  test('T-185, T-187: with a public URL every root begins with it', async () => {
    const port = await freePort();
    const published = await startTaxiiServer({
      HUIJU_PORT: String(port),
      HUIJU_PUBLIC_URL: 'https://taxii.example.org',
    });
    try {
      const answer = await ask(`http://127.0.0.1:${port}`, '/taxii2/', { as: null });
      expect(answer.json()).toMatchObject({
        default: 'https://taxii.example.org/open/',
        api_roots: ['https://taxii.example.org/open/'],
      });
    } finally {
      await published.close();
    }
  });

  test('T-188: each caller sees the roots in which something is theirs', async () => {
    const seenBy = async (as: string | null): Promise<unknown> =>
      (await server.get('/taxii2/', { as })).json().api_roots;
    expect(await seenBy(null)).toEqual(urlsOf('open'));
    expect(await seenBy('feeder')).toEqual(urlsOf('closed', 'empty', 'main', 'open', 'small'));
    expect(await seenBy('boss')).toEqual(urlsOf('closed', 'empty', 'main', 'open', 'small'));
  });

  test('T-189: discovery is open where something is public, and needs a login where nothing is', async () => {
    expect((await server.get('/taxii2/', { as: null })).status).toBe(200);
    const closed = await startTaxiiServer({}, [
      {
        api_root: 'club',
        title: 'Club',
        collections: [
          { id: 'b2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a01', title: 'One', read: ['members'], write: ['members'] },
        ],
      } as { api_root: string },
    ]);
    try {
      expectError(await closed.get('/taxii2/', { as: null }), 401, 'login-required');
      expect((await closed.get('/taxii2/')).json()).toEqual({
        title: 'Club',
        default: `${closed.url}/club/`,
        api_roots: [`${closed.url}/club/`],
      });
    } finally {
      await closed.close();
    }
  });

  test('T-190, T-191: every advertised root answers, also to twelve requests at once', async () => {
    const { api_roots: roots } = (await server.get('/taxii2/')).json<{ api_roots: string[] }>();
    for (const root of roots) expect((await server.get(new URL(root).pathname)).status).toBe(200);
    expect(roots).toContain(`${server.url}/main/`);
    const answers = await Promise.all(Array.from({ length: 12 }, () => server.get('/main/')));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });
});

describe('TAXII 2.1 §4.2 API root', () => {
  test('T-200, T-202, T-204, T-205, T-206: title, description, versions and max_content_length in octets', async () => {
    const answer = await server.get('/main/');
    expect([answer.status, answer.headers['content-type']]).toEqual([200, taxii]);
    expect(answer.json()).toEqual({
      title: 'Main root',
      description: 'Every combination of rights',
      versions: ['application/taxii+json;version=2.1'],
      max_content_length: 104_857_600,
    });
    expect((await server.get('/small/')).json()).toEqual({
      title: 'Small bodies',
      versions: ['application/taxii+json;version=2.1'],
      max_content_length: 4096,
    });
  });

  test('T-206: max_content_length is the limit that the server was configured with', async () => {
    const limited = await startTaxiiServer({ HUIJU_MAX_CONTENT_LENGTH: '5000' });
    try {
      expect((await limited.get('/main/')).json().max_content_length).toBe(5000);
      expect((await limited.get('/small/')).json().max_content_length).toBe(4096);
      const body = `{"objects":[]}${' '.repeat(5000)}`;
      expectError(await limited.get('/main/collections/rw/objects/', { body }), 413, 'content-too-large');
    } finally {
      await limited.close();
    }
  });

  test('T-208: an unknown API root is 404 with everything below it, 401 without a login', async () => {
    const id = 'a2f8a4b1-8ad0-4b0c-9b3b-1f6c7a3f0a01';
    const below = ['', 'collections/', `collections/${id}/`, `collections/${id}/objects/`, `status/${id}/`];
    for (const path of below) {
      expectError(await server.get(`/nowhere/${path}`), 404, 'not-found');
      expectError(await server.get(`/nowhere/${path}`, { as: null }), 401, 'login-required');
    }
    expectError(await server.get('/MAIN/'), 404, 'not-found');
  });

  test('T-209: a root with a public collection needs no login, the others do', async () => {
    expect((await server.get('/open/', { as: null })).status).toBe(200);
    for (const root of ['main', 'empty', 'small', 'closed']) {
      expectError(await server.get(`/${root}/`, { as: null }), 401, 'login-required');
    }
    expectError(await server.get('/closed/'), 404, 'not-found');
    expect((await server.get('/closed/', { as: 'feeder' })).status).toBe(200);
  });
});
