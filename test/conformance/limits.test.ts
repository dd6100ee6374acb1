import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { at, type Envelope, expectError, idsOf, type Manifest, statusOf } from './answers.ts';

const pageBytes = 2000;
let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer({
    HUIJU_PAGE_BYTES: String(pageBytes),
    HUIJU_PAGE_SIZE: '20',
    HUIJU_PAGE_MAX: '40',
    HUIJU_MAX_OBJECT_LENGTH: '10000',
  });
});
afterAll(() => server.close());

const path = `${at.rw}/objects/`;

/** Every page of a walk, from the first to the last. */
async function walk(query: string): Promise<Envelope[]> {
  const pages: Envelope[] = [];
  let next: string | undefined;
  do {
    const answer = await server.get(`${path}?${query}${next === undefined ? '' : `&next=${next}`}`);
    const page = answer.json<Envelope>();
    pages.push(page);
    next = page.next;
  } while (next !== undefined);
  return pages;
}

const bytesOf = ({ objects = [] }: Envelope): number =>
  Buffer.byteLength(objects.map((one) => JSON.stringify(one)).join());

describe('TAXII 2.1 §3.4, §3.5 pages are bounded', () => {
  test('T-094, T-130, T-148: a page ends before it is too long, holds one object at least and says more', async () => {
    const objects = [300, 300, 300, 5000, 300, 3000, 3000, 300].map((length) =>
      newIdentity({ description: 'd'.repeat(length) }),
    );
    expect(statusOf(await server.publish(objects)).success_count).toBe(8);
    const ids = objects.map(({ id }) => id);
    const pages = await walk(`match[id]=${ids.join(',')}&limit=40`);
    expect(pages.flatMap(({ objects: found = [] }) => found.map(({ id }) => id))).toEqual(ids);
    expect(pages.map(({ objects: found = [] }) => found.length)).toEqual([3, 1, 1, 1, 1, 1]);
    for (const page of pages) {
      expect(page.objects?.length === 1 || bytesOf(page) <= pageBytes).toBe(true);
      expect(page.more).toBe(page !== pages.at(-1));
    }
  });

  test('T-094, T-148: without a limit a page has HUIJU_PAGE_SIZE records, with any limit HUIJU_PAGE_MAX at most', async () => {
    await server.publish(Array.from({ length: 50 }, () => newIdentity()));
    const countFor = async (query: string): Promise<unknown> => {
      const { objects = [], more } = (await server.get(`${at.rw}/manifest/?${query}`)).json<Manifest>();
      return [objects.length, more];
    };
    expect(await countFor('')).toEqual([20, true]);
    for (const limit of ['41', '1000000', '2147483648', '9007199254740991', '9'.repeat(30)]) {
      expect(await countFor(`limit=${limit}`)).toEqual([40, true]);
    }
  });
});

describe('TAXII 2.1 §4.3.1, §5.5 large bodies', () => {
  test('T-332: an object that is too long fails alone, and is named', async () => {
    const [before, long, after] = [newIdentity(), newIdentity({ description: 'd'.repeat(10_000) }), newIdentity()];
    const status = statusOf(await server.publish([before, long, after]));
    expect(status.successes?.map(({ id }) => id)).toEqual([before.id, after.id]);
    expect(status.failures).toEqual([
      { id: long.id, version: long.modified, message: expect.stringContaining('object-too-long') },
    ]);
    expectError(await server.get(`${path}${long.id}/`), 404, 'not-found');
  });

  test('T-226, T-230, T-231: up to 5000 successes are listed, above they are left out and counted, failures always listed', async () => {
    const bad = { ...newIdentity(), name: 1 };
    const objects = Array.from({ length: 5000 }, () => newIdentity());
    const whole = statusOf(await server.publish([...objects, bad]));
    expect(whole).toMatchObject({ total_count: 5001, success_count: 5000, failure_count: 1, pending_count: 0 });
    expect(whole.successes?.map(({ id }) => id)).toEqual(objects.map(({ id }) => id));

    const posted = await server.publish([bad, ...objects, newIdentity(), bad]);
    const status = statusOf(posted);
    expect(status).toMatchObject({ total_count: 5003, success_count: 5001, failure_count: 2, pending_count: 0 });
    expect(status).not.toHaveProperty('successes');
    expect(status.failures?.map(({ id }) => id)).toEqual([bad.id, bad.id]);
    expect((await server.get(`/main/status/${status.id}/`)).text).toBe(posted.text);
  });

  test('T-231: a status has every failure, however many; those beyond its room are told in short', async () => {
    const names = Array.from({ length: 21 }, (_, index) => `${'k'.repeat(220)}${index}`);
    const bad = { type: 'tool', spec_version: '2.1', ...Object.fromEntries(names.map((name) => [name, null])) };
    const objects = Array.from({ length: 6000 }, (_, index) => ({ ...bad, id: `tool--${index}` }));
    const posted = await server.publish(objects);
    const { failures = [], failure_count } = statusOf(posted);
    expect(failure_count).toBe(6000);
    expect(failures.map(({ id }) => id)).toEqual(objects.map(({ id }) => id));
    expect(posted.text.length).toBeLessThan(24 * 1024 * 1024);
    const message = failures.at(-1)?.message ?? '';
    expect(message.length).toBeGreaterThan(0);
    expect(message.length).toBeLessThan(failures[0]?.message?.length ?? 0);
  });

  test('T-334, T-147: a body larger than what is kept in memory is stored whole and in order', async () => {
    const objects = Array.from({ length: 400 }, () => newIdentity({ description: '界'.repeat(2000) }));
    const to = '/main/collections/ro/objects/';
    expect(statusOf(await server.publish(objects, to, { as: 'feeder' })).success_count).toBe(400);
    const manifest = '/main/collections/ro/manifest/?limit=40';
    const seen: string[] = [];
    let next = '';
    do {
      const answer = await server.get(manifest + next);
      seen.push(...idsOf(answer));
      const cursor = answer.json<Manifest>().next;
      next = cursor === undefined ? '' : `&next=${cursor}`;
    } while (next !== '');
    expect(seen).toEqual(objects.map(({ id }) => id));
    const [last] = objects.slice(-1);
    expect((await server.get(`${to}${last?.id}/`)).json().objects).toEqual([last]);
  });
});
