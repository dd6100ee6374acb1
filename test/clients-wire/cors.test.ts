/** Clients in browsers: what a browser asks before a script's request, and what it must find in the answers. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { examineConfig } from '../../src/config.ts';
import { sendRaw } from '../support/raw-http.ts';
import { ids, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';

const site = 'https://attack.example.org';
const objects = `/main/collections/${ids.rw}/objects/`;
const preflight = {
  Origin: site,
  'Access-Control-Request-Method': 'GET',
  'Access-Control-Request-Headers': 'accept,authorization,version',
};

function list(value: unknown): string[] {
  return String(value ?? '')
    .toLowerCase()
    .split(', ');
}

describe('without HUIJU_CORS_ORIGINS', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTaxiiServer();
  });
  afterAll(() => server.close());

  test('no answer allows a web site anything', async () => {
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await server.get(objects, { method, headers: preflight });
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });
});

describe('with web sites in HUIJU_CORS_ORIGINS', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTaxiiServer({ HUIJU_CORS_ORIGINS: `http://localhost:4200, ${site}` });
  });
  afterAll(() => server.close());

  test('a preflight needs no login, wherever it goes, and allows what clients send', async () => {
    for (const path of ['/taxii2/', objects, '/nowhere/']) {
      const { status, headers, text } = await server.get(path, { method: 'OPTIONS', as: null, headers: preflight });
      expect([status, text]).toEqual([204, '']);
      expect(headers['access-control-allow-origin']).toBe(site);
      expect(headers['access-control-allow-credentials']).toBe('true');
      expect(list(headers['access-control-allow-methods'])).toEqual(['get', 'head', 'post', 'delete']);
      const sent = ['accept', 'authorization', 'content-type', 'version', 'x-api-key'];
      expect(list(headers['access-control-allow-headers'])).toEqual(expect.arrayContaining(sent));
      expect(list(headers.vary)).toContain('origin');
    }
  });

  test('answers and errors can be read by the site, the dates of a page too', async () => {
    for (const options of [{}, { as: null }, { accept: 'application/taxii+json;version=9.9' }]) {
      const { headers } = await server.get(objects, { ...options, headers: { Origin: site } });
      expect(headers['content-type']).toBe(taxii);
      expect(headers['access-control-allow-origin']).toBe(site);
      const exposed = list(headers['access-control-expose-headers']);
      expect(exposed).toEqual(expect.arrayContaining(['x-taxii-date-added-first', 'x-taxii-date-added-last']));
      expect(list(headers.vary).sort()).toEqual(['accept-encoding', 'origin']);
    }
  });

  test('probes and what is refused before it is a request can be read by the site too', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const { headers } = await server.get(path, { as: null, headers: { Origin: site } });
      expect([headers['access-control-allow-origin'], list(headers.vary)]).toEqual([site, ['origin']]);
    }
    const headerLines = `Host: a\r\nOrigin: ${site}\r\n`;
    for (const [bytes, status] of [
      [`BREW / HTTP/1.1\r\n${headerLines}\r\n`, 405],
      [`GET / HTTP/1.1\r\n${headerLines}X y\r\n\r\n`, 400],
      [`CONNECT a:1 HTTP/1.1\r\n${headerLines}\r\n`, 405],
    ] as const) {
      const answer = await sendRaw(server.url, bytes);
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, site]);
      expect(answer.headers.get('vary')).toBe('Origin');
      const other = await sendRaw(server.url, bytes.replace(site, 'https://evil.example.org'));
      expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([status, undefined]);
    }
  });

  test.each([
    'https://evil.example.org',
    `${site}.evil.example`,
    'https://attack.example.org:444',
    'null',
    site.toUpperCase(),
  ])('the site %s gets nothing', async (origin) => {
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await server.get('/taxii2/', { method, headers: { ...preflight, Origin: origin } });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
      expect(list(headers.vary)).toContain('origin');
    }
  });

  test('OPTIONS that is no preflight is answered as for everybody', async () => {
    const { status, headers } = await server.get(objects, { method: 'OPTIONS', headers: { Origin: site } });
    expect([status, headers.allow]).toEqual([204, 'GET, HEAD, POST, OPTIONS']);
  });
});

test('* allows every site, without credentials of the browser', async () => {
  const server = await startTaxiiServer({ HUIJU_CORS_ORIGINS: '*' });
  for (const method of ['GET', 'OPTIONS']) {
    const { headers } = await server.get('/taxii2/', { method, headers: preflight });
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  }
  await server.close();
});

test.each([
  'attack.example.org',
  `${site}/`,
  `${site}/path`,
  'https://Attack.example.org',
  `*, ${site}`,
  'ftp://a.example',
])('HUIJU_CORS_ORIGINS=%s is a mistake that says how to write it', (text) => {
  const { mistakes } = examineConfig({ HUIJU_CORS_ORIGINS: text });
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toMatch(/^HUIJU_CORS_ORIGINS .*https:\/\/soc\.example\.org/);
});
