/** TAXII 2.1 §3.1: endpoints, their methods, and the media types of requests and answers. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openConnection, type RawAnswer, rawRequest, sendRaw } from '../support/raw-http.ts';
import { type Answer, type Ask, basic, newIdentity, taxii } from '../support/taxii-server.ts';
import { expectError } from './answers.ts';
import { idsOf, type Lab, type Page, startLab } from './lab.ts';

let lab: Lab;
let collection: string;
let object: string;
let status: string;
beforeAll(async () => {
  lab = await startLab();
  collection = lab.newCollection();
  const identity = newIdentity();
  object = identity.id;
  const answer = await lab.publish([identity], `${collection}objects/`);
  status = `/lab/status/${answer.json().id}/`;
});
afterAll(() => lab.close());

/** The eight endpoints that answer GET, with the list or property by which their resource is known. */
function readable(): Readonly<Record<string, string>> {
  return {
    '/taxii2/': 'api_roots',
    '/lab/': 'versions',
    [status]: 'total_count',
    '/lab/collections/': 'collections',
    [collection]: 'can_read',
    [`${collection}manifest/`]: 'objects',
    [`${collection}objects/`]: 'objects',
    [`${collection}objects/${object}/`]: 'objects',
    [`${collection}objects/${object}/versions/`]: 'versions',
  };
}

async function publish(
  options: Ask = {},
  path = `${collection}objects/`,
): Promise<{ answer: Answer; isStored: boolean }> {
  const identity = newIdentity();
  const answer = await lab.publish([identity], path, options);
  const found = await lab.page(`${collection}objects/?match[id]=${identity.id}`);
  return { answer, isStored: idsOf(found).length === 1 };
}

/** Publishes an object and deletes it with these options. */
async function remove(options: Ask): Promise<{ answer: Answer; isGone: boolean }> {
  const identity = newIdentity();
  await lab.add(collection, identity);
  const answer = await lab.get(`${collection}objects/${identity.id}/`, { method: 'DELETE', ...options });
  const found = await lab.page(`${collection}objects/?match[id]=${identity.id}`);
  return { answer, isGone: idsOf(found).length === 0 };
}

function expectResource(answer: Answer, key: string): void {
  expect([answer.status, answer.headers['content-type'], answer.headers.location]).toEqual([200, taxii, undefined]);
  expect(answer.json()).toHaveProperty(key);
}

describe('TAXII 2.1 §3.1 endpoints', () => {
  test('T-020: without its last slash, or with doubled ones, a path is the same resource, never a redirect', async () => {
    for (const [path, key] of Object.entries(readable())) {
      const { text } = await lab.get(path);
      for (const spelled of [path.slice(0, -1), path.replaceAll('/', '//'), `/${path}`, `${path}/`]) {
        const answer = await lab.get(spelled);
        expectResource(answer, key);
        expect(answer.text).toBe(text);
        expectResource(await lab.get(`${spelled}?limit=5`), key);
      }
    }
    for (const spelled of [`${collection}objects`, `/${collection}/objects//`]) {
      const { answer, isStored } = await publish({}, spelled);
      expect([answer.status, isStored]).toEqual([202, true]);
    }
    const identity = newIdentity();
    await lab.add(collection, identity);
    expect((await lab.get(`${collection}objects/${identity.id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await lab.get(`${collection}objects/${identity.id}`)).status).toBe(404);
  });

  test('T-021, T-025, T-044: every success has its resource, as exactly application/taxii+json;version=2.1', async () => {
    for (const [path, key] of Object.entries(readable())) expectResource(await lab.get(path), key);
    const { answer } = await publish();
    expect([answer.status, answer.headers['content-type']]).toEqual([202, 'application/taxii+json;version=2.1']);
    expect(answer.json()).toHaveProperty('total_count', 1);
    const deleted = await remove({});
    expect([deleted.answer.status, deleted.answer.headers['content-type']]).toEqual([200, taxii]);
  });

  test('T-022: an error has the TAXII error message as its body', async () => {
    expectError(await lab.get('/nowhere/'), 404, 'not-found');
    expectError(await lab.get(`${collection}objects/?limit=0`), 400, 'malformed-parameter');
  });

  test('T-040: every endpoint has the methods of the tables, and says so', async () => {
    const allowed: Readonly<Record<string, string>> = {
      [`${collection}objects/`]: 'GET, HEAD, POST, OPTIONS',
      [`${collection}objects/${object}/`]: 'GET, HEAD, DELETE, OPTIONS',
    };
    for (const path of Object.keys(readable())) {
      const answer = await lab.get(path, { method: 'OPTIONS' });
      expect([path, answer.status, answer.text]).toEqual([path, 204, '']);
      expect(answer.headers.allow).toBe(allowed[path] ?? 'GET, HEAD, OPTIONS');
    }
  });

  test('T-041: a method that an endpoint has not is a 405 with Allow, and changes nothing', async () => {
    const before = await lab.get(`${collection}manifest/`);
    for (const path of Object.keys(readable())) {
      const allow = String((await lab.get(path, { method: 'OPTIONS' })).headers.allow);
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'PURGE']) {
        if (allow.includes(method)) continue;
        // Node's client frames no body of the other methods.
        const hasBody = ['POST', 'PUT', 'PATCH'].includes(method);
        const answer = await lab.get(path, { method, ...(hasBody && { body: { objects: [newIdentity()] } }) });
        expectError(answer, 405, 'method-not-allowed');
        expect(answer.headers.allow).toBe(allow);
      }
    }
    expect((await lab.get(`${collection}manifest/`)).text).toBe(before.text);
  });

  test('T-041: a method that HTTP does not know is refused too, and the server goes on', async () => {
    for (const method of ['FOO', 'get', 'GETT']) {
      const answer = await sendRaw(lab.url, rawRequest(`${method} ${collection}objects/`));
      expect([answer.status, answer.headers.get('content-type')]).toEqual([405, taxii]);
      expect(answer.headers.get('allow')).toContain('GET');
    }
    expect((await lab.get('/taxii2/')).status).toBe(200);
  });

  test('T-042: HEAD answers as GET does, without a body', async () => {
    const connection = openConnection(lab.url);
    for (const path of [...Object.keys(readable()), '/nowhere/', `${collection}objects/?limit=0`]) {
      const answer = await lab.get(path);
      const headers = { Host: new URL(lab.url).host, Authorization: basic('member'), Accept: taxii };
      connection.send(rawRequest(`HEAD ${path}`, headers));
      const head = (await connection.next({ noBody: true })) as RawAnswer;
      // The error_id differs, but not its length.
      expect([path, head.status, head.headers.get('content-type')]).toEqual([path, answer.status, taxii]);
      expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(answer.text)));
      expect(head.headers.get('x-taxii-date-added-last')).toBe(answer.headers['x-taxii-date-added-last']);
    }
    connection.close();
  });
});

describe('TAXII 2.1 §3.1 Accept', () => {
  const taxiiTypes = [taxii, 'application/taxii+json'];
  test('T-026, T-027, T-028: the media type, with version and without, is never a 406', async () => {
    for (const accept of taxiiTypes) {
      for (const [path, key] of Object.entries(readable())) expectResource(await lab.get(path, { accept }), key);
      expect((await publish({ accept })).answer.status).toBe(202);
      expect((await remove({ accept })).answer.status).toBe(200);
    }
  });

  const spellings = [
    'application/taxii+json; version=2.1',
    'application/taxii+json ;version=2.1',
    'application/taxii+json\t;\tversion=2.1',
    'Application/TAXII+JSON;Version=2.1',
    'APPLICATION/TAXII+JSON',
    'application/taxii+json;version="2.1"',
    'application/taxii+json; version="2.\\1"',
    'application/taxii+json;version=2.1;q=0.5',
    'application/taxii+json;version=2.1; Q=0.001',
    'application/taxii+json;version=2.1;charset=utf-8',
    'application/taxii+json;version=2.1,application/json',
    'text/html, application/xhtml+xml, application/taxii+json;version=2.1;q=0.1',
    'application/taxii+json;version=2.0, application/taxii+json;version=2.1',
    'application/taxii+json;version=2.0;q=1.0,application/taxii+json;version=2.1;q=0.5',
    'application/vnd.oasis.taxii+json; version=2.0, application/taxii+json; version=2.1',
    ',application/taxii+json;version=2.1',
    'application/json,, ,application/taxii+json;version=2.1,',
    '  application/taxii+json;version=2.1  ',
    'application/json;q=0, application/taxii+json',
    'text/plain;note="a,b;c=\\"d", application/taxii+json;version=2.1',
    'application/taxii+json;q=0.0, application/taxii+json;version=2.1',
  ];
  test.each(spellings)('T-033: Accept: %s is a list that names us', async (accept) => {
    for (const [path, key] of Object.entries(readable())) expectResource(await lab.get(path, { accept }), key);
  });

  test('T-033: several Accept lines are one list', async () => {
    const lines = [
      ['application/json', taxii],
      ['application/taxii+json;version=2.0', taxii],
      [taxii, 'application/stix+json;version=2.1'],
      ['', taxii],
    ];
    for (const [path] of Object.entries(readable())) {
      for (const [first, second] of lines) {
        const text = rawRequest(`GET ${path}`, {
          Authorization: basic('member'),
          Accept: `${first}\r\naccept: ${second}`,
        });
        const answer = await sendRaw(lab.url, text);
        expect([path, first, answer.status, answer.headers.get('content-type')]).toEqual([path, first, 200, taxii]);
      }
    }
  });

  test('T-039: what the tables of manifest and objects name beside it is served', async () => {
    const both = 'application/taxii+json;version=2.1,application/stix+json;version=2.1';
    for (const accept of [
      both,
      both.split(',').reverse().join(', '),
      'application/stix+json;version=2.1',
      'application/stix+json',
    ]) {
      for (const path of ['manifest/', 'objects/', `objects/${object}/`, `objects/${object}/versions/`]) {
        expect((await lab.get(`${collection}${path}`, { accept })).headers['content-type']).toBe(taxii);
        expect((await lab.get(`${collection}${path}`, { accept })).status).toBe(200);
      }
    }
  });

  const foreign = [
    null,
    '',
    ',',
    '*/*',
    'application/*',
    '*/*;q=0.1',
    'application/json, text/plain, */*',
    'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2',
    'application/json',
    'text/html',
    'text/*',
    'nonsense',
    'application',
    '/',
    'a/b/c;;==;"',
    'application/taxii+xml',
    '"',
    ';q=1',
  ];
  test.each(foreign)('T-031, T-034, T-035: Accept: %p, a wildcard, foreign or no list, is served', async (accept) => {
    for (const [path, key] of Object.entries(readable())) expectResource(await lab.get(path, { accept }), key);
  });

  const refused = [
    'application/taxii+json;version=9.9',
    'application/taxii+json;version=2.0',
    'application/taxii+json; version="2.0"',
    'application/taxii+json;version=',
    'application/taxii+json;version=2.10',
    'application/taxii+json;version=9.9, application/taxii+json;version=2.0',
    'application/vnd.oasis.taxii+json',
    'application/vnd.oasis.taxii+json; version=2.0',
    'application/vnd.oasis.stix+json; version=2.0',
    'application/stix+json;version=2.0',
    'Application/Taxii+Json;VERSION=9.9',
  ];
  const excluded = [
    'application/taxii+json;version=2.1;q=0',
    'application/taxii+json;q=0',
    'application/taxii+json; version=2.1; q=0.000',
    'application/taxii+json;version=2.1;q=0, */*',
    '*/*;q=0',
    'application/*;q=0',
  ];
  test.each([...refused, ...excluded])(
    'T-037, T-038: Accept: %s excludes us: 406, and nothing happens',
    async (accept) => {
      for (const path of Object.keys(readable())) {
        const answer = await lab.get(path, { accept });
        expectError(answer, 406, 'not-acceptable');
        expect(answer.json().description).toContain(taxii);
      }
      const posted = await publish({ accept });
      expectError(posted.answer, 406, 'not-acceptable');
      expect(posted.isStored).toBe(false);
      const deleted = await remove({ accept });
      expectError(deleted.answer, 406, 'not-acceptable');
      expect(deleted.isGone).toBe(false);
    },
  );
});

describe('TAXII 2.1 §3.1 Content-Type', () => {
  const taken = [
    // RFC 9110 §8.3: a list is an error, but whichever of it counts, it is taken here.
    'application/taxii+json, application/taxii+json;version=2.1',
    'application/taxii+json;version=2.1',
    'application/taxii+json; version=2.1',
    'application/taxii+json ; version=2.1',
    'application/taxii+json\t;\tversion=2.1 ',
    'Application/Taxii+JSON; Version=2.1',
    'application/taxii+json;version="2.1"',
    'application/taxii+json; charset=utf-8; version=2.1',
    'application/taxii+json;version=2.1;charset=UTF-8',
    'application/taxii+json;version=2.1;charset="utf-8"',
    'application/taxii+json',
    'application/taxii+json;',
    'application/stix+json;version=2.1',
    'application/stix+json; version=2.1',
    'application/stix+json',
  ];
  test.each(taken)('T-029, T-030: Content-Type: %s is taken', async (type) => {
    const { answer, isStored } = await publish({ type });
    expect([answer.status, isStored]).toEqual([202, true]);
  });

  const notTaken = [
    null,
    '',
    'text/plain',
    'application/json',
    'application/xml',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/taxii+json;version=2.0',
    'application/taxii+json;version=9.9',
    'application/vnd.oasis.taxii+json;version=2.0',
    'application/vnd.oasis.stix+json;version=2.0',
    'application/taxii+json;version=2.1;charset=utf-16',
    'application/taxii+json;version=2.1, application/json',
    'nonsense',
    '*/*',
    ';',
  ];
  test.each(notTaken)('T-032, T-036: Content-Type: %p is a 415, and nothing is stored', async (type) => {
    const { answer, isStored } = await publish({ type });
    expectError(answer, 415, 'unsupported-media-type');
    expect(answer.json().description).toContain('Content-Type');
    expect(isStored).toBe(false);
  });

  test('T-032: a refused body leaves the connection in order or closes it', async () => {
    const connection = openConnection(lab.url);
    const body = JSON.stringify({ objects: [newIdentity()] });
    const headers = {
      Authorization: basic('member'),
      'Content-Type': 'text/plain',
      'Content-Length': String(body.length),
    };
    connection.send(rawRequest(`POST ${collection}objects/`, headers, body));
    expect((await connection.next())?.status).toBe(415);
    connection.send(rawRequest('GET /taxii2/', { Authorization: basic('member') }));
    const second = await connection.next();
    connection.close();
    expect([undefined, 200]).toContain(second?.status);
    const { objects = [] } = JSON.parse((await lab.get(`${collection}objects/?match[id]=${object}`)).text) as Page;
    expect(objects).toHaveLength(1);
  });
});
