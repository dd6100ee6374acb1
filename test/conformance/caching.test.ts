/** RFC 9110 §8.8.3, §12.5.3, §13.1.2, §15.4.5: pages that a client has already, and packed ones. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Answer, type Ask, basic, ids, newIdentity, startTaxiiServer, taxii } from '../support/taxii-server.ts';
import { type Lab, startLab } from './lab.ts';

let lab: Lab;
let collection: string;
const identity = newIdentity();

beforeAll(async () => {
  lab = await startLab();
  collection = lab.newCollection();
  await lab.add(collection, identity, ...Array.from({ length: 7 }, () => newIdentity()));
});
afterAll(() => lab.close());

/** The resources with pages, below a collection. */
const paged = ['objects/?limit=2', 'manifest/', `objects/${identity.id}/`, `objects/${identity.id}/versions/`];
const noOne = 'objects/?added_after=2100-01-01T00:00:00Z';

function tagOf({ headers }: Answer): string {
  expect(headers.etag).toMatch(/^"[A-Za-z0-9_-]{20,40}"$/);
  return headers.etag ?? '';
}

function listOf(value: string | undefined): string[] {
  return (value ?? '').toLowerCase().split(/, */);
}

function askIf(path: string, held: string, options: Ask = {}): Promise<Answer> {
  return lab.get(path, { ...options, headers: { 'If-None-Match': held, ...options.headers } });
}

describe('ETag and If-None-Match', () => {
  test.each([...paged, noOne])('%s: who has the page is told so, with the fields it would have had', async (path) => {
    const first = await lab.get(`${collection}${path}`);
    const tag = tagOf(first);
    expect(first.headers['cache-control']).toBe('private, no-cache');
    expect(listOf(first.headers.vary)).toContain('accept-encoding');
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, text } = await askIf(`${collection}${path}`, tag, { method });
      expect([status, text, headers.etag]).toEqual([304, '', tag]);
      for (const name of ['cache-control', 'vary', 'x-taxii-date-added-first', 'x-taxii-date-added-last']) {
        expect(headers[name]).toBe(first.headers[name]);
      }
      // §15.4.5: nothing that describes a body.
      expect([headers['content-type'], headers['content-length'], headers['transfer-encoding']]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }
  });

  test.each([
    ['weak', (tag: string) => `W/${tag}`],
    ['in a list', (tag: string) => `"other", W/"a,b" ,${tag},"more"`],
    ['a list of its own spelling', (tag: string) => `,,${tag},`],
    ['*', () => '*'],
  ])('a tag that is %s says the same', async (_how, spell) => {
    const path = `${collection}objects/`;
    const tag = tagOf(await lab.get(path));
    expect(await askIf(path, spell(tag))).toMatchObject({ status: 304, headers: { etag: tag } });
  });

  test.each(['"other"', '""', 'other', '', '"', '"*"', 'W/'])('%j is another page: the whole is sent', async (held) => {
    const answer = await askIf(`${collection}objects/`, held);
    expect(answer.status).toBe(200);
    expect(answer.json<{ objects: unknown[] }>().objects).toHaveLength(8);
  });

  test('a tag without its quotation marks, or the beginning of one, is another', async () => {
    const tag = tagOf(await lab.get(`${collection}objects/`));
    for (const held of [tag.slice(1, -1), `${tag.slice(0, -3)}"`, tag.toLowerCase()]) {
      expect((await askIf(`${collection}objects/`, held)).status).toBe(200);
    }
  });

  test('tags are those of the page: other pages have others, a page that stays as it is keeps its own', async () => {
    const own = lab.newCollection();
    await lab.add(own, identity, newIdentity());
    const path = `${own}objects/?limit=1`;
    const before = await lab.get(path);
    await lab.add(own, newIdentity());
    expect(await askIf(path, tagOf(before))).toMatchObject({ status: 304 });
    const second = await lab.get(`${path}&next=${before.json<{ next: string }>().next}`);
    expect(tagOf(second)).not.toBe(tagOf(before));
    const manifest = await lab.get(`${own}manifest/?limit=1`);
    expect(tagOf(manifest)).not.toBe(tagOf(before));
  });

  test('what was added, superseded or deleted is sent at once to who had the page before', async () => {
    const own = lab.newCollection();
    await lab.add(own, identity);
    const change = [
      () => lab.add(own, newIdentity()),
      () => lab.add(own, { ...identity, modified: '2030-01-01T00:00:00.000Z' }),
      () => lab.get(`${own}objects/${identity.id}/?match[version]=last`, { method: 'DELETE' }),
    ];
    for (const step of change) {
      for (const path of [`${own}objects/`, `${own}manifest/`, `${own}objects/${identity.id}/`]) {
        for (let round = 0; round < 3; round += 1) await lab.get(path);
      }
      const held = await lab.get(`${own}objects/`);
      await step();
      const now = await askIf(`${own}objects/`, tagOf(held));
      expect(now.status).toBe(200);
      expect(now.text).not.toBe(held.text);
      expect(await askIf(`${own}objects/`, tagOf(now))).toMatchObject({ status: 304 });
    }
  });

  test('other resources and errors are not to be kept, and have no tag', async () => {
    const paths = ['/taxii2/', '/lab/', '/lab/collections/', collection, `${collection}nothing/`, '/lab/nothing/'];
    for (const path of [...paths, `${collection}objects/?limit=0`, `${collection}objects/identity--unknown/`]) {
      const { status, headers } = await askIf(path, '*');
      expect(status).not.toBe(304);
      expect([headers['cache-control'], headers.etag]).toEqual(['no-store', undefined]);
    }
  });

  test('rights come first: a tag tells nobody anything, nor does what another has read', async () => {
    const hidden = `/main/collections/${ids.hidden}/objects/`;
    const main = await startTaxiiServer();
    try {
      for (let round = 0; round < 3; round += 1) expect((await main.get(hidden, { as: 'feeder' })).status).toBe(200);
      const tag = tagOf(await main.get(hidden, { as: 'feeder' }));
      for (const held of [tag, '*']) {
        const headers = { 'If-None-Match': held };
        const answers = await Promise.all(['member', 'reader', null].map((as) => main.get(hidden, { as, headers })));
        expect(answers.map(({ status }) => status)).toEqual([404, 404, 401]);
        expect(answers.map(({ headers: fields }) => fields.etag)).toEqual([undefined, undefined, undefined]);
      }
      const writeOnly = `/main/collections/${ids.wo}/objects/`;
      await main.get(writeOnly, { as: 'feeder' });
      expect((await main.get(writeOnly, { as: 'other', headers: { 'If-None-Match': '*' } })).status).toBe(403);
    } finally {
      await main.close();
    }
  });
});

describe('codings', () => {
  const fetchCoded = async (path: string, coding: string, held?: string) => {
    const headers = { Authorization: basic('member'), Accept: taxii, 'Accept-Encoding': coding };
    const answer = await fetch(`${lab.url}${path}`, {
      headers: { ...headers, ...(held !== undefined && { 'If-None-Match': held }) },
    });
    const text = await answer.text();
    return {
      status: answer.status,
      coding: answer.headers.get('content-encoding'),
      tag: answer.headers.get('etag'),
      text,
    };
  };

  test('a packed page has the same text and a tag of its own, again and again', async () => {
    const path = `${collection}objects/`;
    const plain = await fetchCoded(path, 'identity');
    for (const coding of ['gzip', 'br']) {
      for (let round = 0; round < 3; round += 1) {
        const packed = await fetchCoded(path, coding);
        expect(packed).toEqual({ status: 200, coding, tag: plain.tag?.replace(/"$/, `-${coding}"`), text: plain.text });
        expect(await fetchCoded(path, coding, packed.tag ?? '')).toMatchObject({ status: 304, tag: packed.tag });
      }
    }
  });

  test('a tag holds for those who take its coding, and for no others', async () => {
    const path = `${collection}objects/`;
    const { tag: plain } = await fetchCoded(path, 'identity');
    const { tag: zipped } = await fetchCoded(path, 'gzip');
    expect(await fetchCoded(path, 'gzip, br', plain ?? '')).toMatchObject({ status: 304, tag: plain });
    expect(await fetchCoded(path, 'gzip, br', zipped ?? '')).toMatchObject({ status: 304, tag: zipped });
    expect(await fetchCoded(path, 'br', zipped ?? '')).toMatchObject({ status: 200, coding: 'br' });
    expect(await fetchCoded(path, 'gzip, identity;q=0', plain ?? '')).toMatchObject({ status: 200, coding: 'gzip' });
  });

  test('a short page is packed only for who takes nothing else', async () => {
    const path = `${collection}${noOne}`;
    expect(await fetchCoded(path, 'gzip, br')).toMatchObject({ coding: null, text: '{"more":false}' });
    expect(await fetchCoded(path, 'gzip, identity;q=0')).toMatchObject({ coding: 'gzip', text: '{"more":false}' });
    expect(await fetchCoded('/lab/', 'identity;q=0, br')).toMatchObject({ status: 200, coding: 'br', tag: null });
  });
});
