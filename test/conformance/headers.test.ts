/** TAXII 2.1 §3.2: the header fields of answers. */

import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rawRequest, sendRaw } from '../support/raw-http.ts';
import { newAddress, newMarking } from '../support/stix-objects.ts';
import { type Answer, basic, newIdentity, taxii } from '../support/taxii-server.ts';
import { taxiiTimestamp } from './answers.ts';
import { type Lab, type Page, query, startLab } from './lab.ts';

let lab: Lab;
/** Three objects; the identity has two versions. */
let collection: string;
const identity = newIdentity();
/** date_added of a version, by `id version`. */
const dateAdded = new Map<string, string>();

beforeAll(async () => {
  lab = await startLab();
  collection = lab.newCollection();
  await lab.add(collection, identity, newAddress());
  await lab.add(collection, newMarking(), { ...identity, modified: '2025-01-01T00:00:00.000Z' });
  const { objects = [] } = await lab.page(`${collection}manifest/?match[version]=all`);
  for (const { id, version, date_added: added = '' } of objects) dateAdded.set(`${id} ${version}`, added);
});
afterAll(() => lab.close());

const first = 'x-taxii-date-added-first';
const last = 'x-taxii-date-added-last';

function datesOf(answer: Answer): readonly unknown[] {
  expect(answer.status).toBe(200);
  return [answer.headers[first], answer.headers[last]];
}

/** Every page of a walk, as an answer. */
async function walk(path: string, parameters: Readonly<Record<string, string>>): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let next: string | undefined; answers.length === 0 || next !== undefined; ) {
    const answer = await lab.get(`${path}${query({ ...parameters, ...(next !== undefined && { next }) })}`);
    answers.push(answer);
    next = answer.json<Page>().next;
  }
  return answers;
}

/** What the headers of the page must say, from the manifest of the collection. */
function expectedDates({ objects = [], versions = [] }: Page): readonly unknown[] {
  const keys = [...versions.map((version) => `${identity.id} ${version}`), ...objects.map(keyOf)];
  return [dateAdded.get(keys[0] ?? ''), dateAdded.get(keys.at(-1) ?? '')];
}

// An address has no modified; it is the only one of its type here.
function keyOf(object: NonNullable<Page['objects']>[number] & { readonly created?: string }): string {
  const version = object.version ?? object.modified ?? object.created;
  const known = [...dateAdded.keys()].find((key) => key.startsWith(`${object.id} `));
  return version === undefined ? (known ?? '') : `${object.id} ${version}`;
}

describe('TAXII 2.1 §3.2 X-TAXII-Date-Added-First and -Last', () => {
  test.each([
    ['T-050, T-057: of the manifest', 'manifest/'],
    ['T-051, T-056: of objects', 'objects/'],
    ['T-052, T-056: of one object', `objects/${identity.id}/`],
    ['T-053: of versions', `objects/${identity.id}/versions/`],
  ])('%s are date_added of the first and last on the page', async (_title, endpoint) => {
    for (const limit of ['1', '2', '3', '100']) {
      for (const selector of ['all', 'last', 'first']) {
        const answers = await walk(`${collection}${endpoint}`, { limit, 'match[version]': selector });
        for (const answer of answers) {
          const dates = datesOf(answer);
          expect(dates).toEqual(expectedDates(answer.json<Page>()));
          for (const date of dates) expect(date).toMatch(taxiiTimestamp);
          expect(String(dates[0]) <= String(dates[1])).toBe(true);
        }
      }
    }
  });

  test('T-054: later pages have them too, and the pages do not overlap', async () => {
    for (const endpoint of ['objects/', 'manifest/']) {
      const answers = await walk(`${collection}${endpoint}`, { limit: '1', 'match[version]': 'all' });
      expect(answers.map(datesOf)).toEqual([...dateAdded.values()].map((date) => [date, date]));
    }
  });

  test('T-054: they are spelled as the standard does', async () => {
    const { rawHeaders } = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { Authorization: basic('member') };
      get(`${lab.url}${collection}objects/`, { headers, agent: false }, resolve).on('error', reject);
    });
    expect(rawHeaders).toEqual(expect.arrayContaining(['X-TAXII-Date-Added-First', 'X-TAXII-Date-Added-Last']));
  });

  test('T-059: an empty answer has neither', async () => {
    const empty = lab.newCollection();
    const paths = [
      `${empty}objects/`,
      `${empty}manifest/`,
      `${collection}objects/?added_after=2999-01-01T00:00:00Z`,
      `${collection}manifest/?match[type]=tool`,
      `${collection}objects/${identity.id}/?match[version]=1999-01-01T00:00:00Z`,
      `${collection}objects/${identity.id}/versions/?added_after=2999-01-01T00:00:00Z`,
      `${collection}objects/?match[spec_version]=2.0`,
    ];
    for (const path of paths) expect([path, ...datesOf(await lab.get(path))]).toEqual([path, undefined, undefined]);
  });

  test('T-059: resources that are no pages, and errors, have neither', async () => {
    const paths = ['/taxii2/', '/lab/', '/lab/collections/', collection, '/nowhere/', `${collection}objects/?limit=0`];
    for (const path of paths) {
      const { headers } = await lab.get(path);
      expect([path, headers[first], headers[last]]).toEqual([path, undefined, undefined]);
    }
  });
});

describe('TAXII 2.1 §3.4 and §8.2: other header fields', () => {
  test('T-060: Date is the time of the answer, and no earlier than what was added before', async () => {
    const answer = await lab.get(`${collection}objects/`);
    const date = Date.parse(String(answer.headers.date));
    expect(Math.abs(Date.now() - date)).toBeLessThan(60_000);
    // Date has whole seconds.
    expect(date + 1000).toBeGreaterThan(Date.parse(String(answer.headers[last])));
    expect((await lab.get('/nowhere/')).headers.date).toMatch(/ GMT$/);
  });

  test('T-061, T-062: a request without User-Agent is served', async () => {
    const login = { Authorization: basic('member'), Accept: taxii };
    for (const path of ['/taxii2/', '/lab/', '/lab/collections/', `${collection}objects/`, `${collection}manifest/`]) {
      expect((await sendRaw(lab.url, rawRequest(`GET ${path}`, login))).status).toBe(200);
    }
    const body = JSON.stringify({ objects: [newIdentity()] });
    const headers = { ...login, 'Content-Type': taxii, 'Content-Length': String(Buffer.byteLength(body)) };
    expect((await sendRaw(lab.url, rawRequest(`POST ${lab.newCollection()}objects/`, headers, body))).status).toBe(202);
  });
});
