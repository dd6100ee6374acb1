/** Every fault of a TAXII server that is known, one by one: nothing may be lost, and no walk may go on for ever. */

import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHttpClient, type HttpClient, type HttpClientLimits } from '../../src/sync/http-client.ts';
import { type Batch, type Position, type Source, SourceError, type Unreadable } from '../../src/sync/source.ts';
import { createTaxiiSource, type TaxiiSourceOptions } from '../../src/sync/taxii-source.ts';
import {
  type Asked,
  type Reply,
  type Script,
  type ScriptedServer,
  startScriptedServer,
} from '../support/scripted-server.ts';

const never = new AbortController().signal;
const collection = '91a7b528-80eb-42ed-a74d-c6fbd5a26116';
const objectsPath = `/api/collections/${collection}/objects/`;
const manifestPath = `/api/collections/${collection}/manifest/`;

let server: ScriptedServer;
const clients: HttpClient[] = [];

beforeAll(async () => {
  server = await startScriptedServer(() => ({ status: 500 }));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(() => server.close());

/** An object of the upstream: its text, and when it was added, in microseconds after a day's beginning. */
interface Kept {
  readonly name: string;
  readonly at: number;
}

const day = Date.parse('2020-03-04T00:00:00Z') * 1000;
let kept: Kept[] = [];

function textOf(name: string): string {
  return `{"type":"identity","id":"identity--${name}","name":"${name}"}`;
}

/** A date as a server writes it, with so many digits. */
function formatDate(at: number, digits = 6): string {
  const [seconds = ''] = new Date(Math.floor((day + at) / 1000)).toISOString().split('.');
  const fraction = String((day + at) % 1_000_000)
    .padStart(6, '0')
    .slice(0, digits);
  return `${seconds}${digits === 0 ? '' : `.${fraction}`}Z`;
}

function parseDate(text: string): number {
  const [, seconds = '', fraction = ''] = /^([^.Z]+)(?:\.(\d+))?Z$/.exec(text) ?? [];
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6)) - day;
}

/** What a server that keeps to the standard would answer with; `most` objects at a time. */
function pageOf({ query }: Asked, most = 1000): { objects: Kept[]; more: boolean; next: string } {
  const after = query.get('added_after');
  const from = after === null ? 0 : kept.findIndex(({ at }) => at > parseDate(after));
  const begin = query.has('next') ? Number(query.get('next')) : from < 0 ? kept.length : from;
  const end = begin + Math.min(Number(query.get('limit') ?? most), most);
  return { objects: kept.slice(begin, end), more: end < kept.length, next: String(end) };
}

interface Form {
  readonly most?: number;
  /** Members of the envelope besides its objects. */
  readonly members?: (page: { more: boolean; next: string }) => object;
  /** Digits of the dates in headers; `none`: no headers. */
  readonly digits?: number | 'none';
}

function dateHeaders(objects: readonly Kept[], digits: number | 'none' = 6): Record<string, string> {
  const [first, last] = [objects[0], objects.at(-1)];
  if (first === undefined || last === undefined || digits === 'none') return {};
  return {
    'X-TAXII-Date-Added-First': formatDate(first.at, digits),
    'X-TAXII-Date-Added-Last': formatDate(last.at, digits),
  };
}

function envelopeOf(objects: readonly Kept[], members: object): string {
  const [rest = ''] = [JSON.stringify(members).slice(1, -1)];
  const list = objects.length === 0 ? [] : [`"objects":[${objects.map(({ name }) => textOf(name)).join(',')}]`];
  return `{${[rest, ...list].filter((part) => part !== '').join(',')}}`;
}

/** An answer to a question for objects. */
function answer(asked: Asked, { most, members, digits }: Form = {}): Reply {
  const page = pageOf(asked, most);
  const given = members?.(page) ?? { more: page.more, ...(page.more && { next: page.next }) };
  return { headers: dateHeaders(page.objects, digits), body: envelopeOf(page.objects, given) };
}

function manifest(asked: Asked): Reply {
  const { objects, more, next } = pageOf(asked);
  const entries = objects.map(({ name, at }) => ({
    id: `identity--${name}`,
    date_added: formatDate(at),
    version: formatDate(at),
    media_type: 'application/stix+json;version=2.1',
  }));
  return { body: { more, ...(more && { next }), ...(entries.length > 0 && { objects: entries }) } };
}

/** So many objects with dates a second apart, or so many microseconds. */
function keep(count: number, apart = 1_000_000): void {
  kept = Array.from({ length: count }, (_, index) => ({ name: `n${index}`, at: (index + 1) * apart + 7 }));
}

function names(): string[] {
  return kept.map(({ name }) => name);
}

function open(options: Partial<TaxiiSourceOptions> = {}, limits: Partial<HttpClientLimits> = {}): Source {
  const http = createHttpClient({ home: new URL(server.url), allowPrivate: true, limits });
  clients.push(http);
  return createTaxiiSource({
    http,
    root: new URL('/api/', server.url),
    collection,
    maxObjectLength: 10_000,
    ...options,
  });
}

interface Walked {
  readonly names: string[];
  readonly batches: readonly Batch[];
  readonly unreadable: readonly Unreadable[];
  /** Where a run would go on. */
  readonly position: Position | undefined;
  readonly error: SourceError | undefined;
}

function nameIn(text: string): string {
  return /"name":"(\w*)"/.exec(text)?.[1] ?? text;
}

/** Walks as a run does: to the end, to an error, or until so many batches are stored. */
async function walk(source: Source, from?: Position, most = 1000): Promise<Walked> {
  const batches: Batch[] = [];
  const unreadable: Unreadable[] = [];
  let error: SourceError | undefined;
  try {
    for await (const piece of source.walk(from, never)) {
      if ('code' in piece) unreadable.push(piece);
      else batches.push(piece);
      if (batches.length >= most) break;
    }
  } catch (reason) {
    if (!(reason instanceof SourceError)) throw reason;
    error = reason;
  }
  const found = batches.flatMap(({ objects }) => objects.map(nameIn));
  return { names: found, batches, unreadable, position: batches.at(-1)?.position ?? from, error };
}

/** Without repetitions, in the order in which they came first. */
function once(list: readonly string[]): string[] {
  return [...new Set(list)];
}

/** What was asked for since the beginning of the test: the queries for objects. */
let askedBefore = 0;
function queries(path = objectsPath): Record<string, string>[] {
  return server.asked
    .slice(askedBefore)
    .filter((asked) => asked.path === path)
    .map(({ query }) => Object.fromEntries(query));
}

beforeEach(() => {
  askedBefore = server.asked.length;
});

function play(script: Script): void {
  server.play(script);
}

/** Only objects are asked for. */
function playObjects(form: Form = {}): void {
  play((asked) => (asked.path === objectsPath ? answer(asked, form) : { status: 404 }));
}

describe('a server that keeps to the standard', () => {
  test('is walked by `next` with every filter, and polled after the newest date', async () => {
    keep(5);
    playObjects();
    const source = open({
      pageSize: 2,
      filters: { types: ['identity', 'malware'], ids: ['a', 'b'], specVersions: ['2.1'] },
    });
    const { names: found, position, error } = await walk(source);
    expect([found, error]).toEqual([names(), undefined]);
    const filters = {
      limit: '2',
      'match[type]': 'identity,malware',
      'match[id]': 'a,b',
      'match[version]': 'all',
      'match[spec_version]': '2.1',
    };
    expect(queries()).toEqual([filters, { ...filters, next: '2' }, { ...filters, next: '4' }]);
    kept.push({ name: 'late', at: 6_000_000 });
    expect((await walk(source, position)).names).toEqual(['n4', 'late']);
    expect(queries().at(-1)).toEqual({ ...filters, added_after: formatDate(5_000_007 - 1000) });
  });

  test('gives the texts as they are, with what it says of their dates', async () => {
    const text = '{"type":"x-big", "id":"x-big--1","z":1.10,"a":12345678901234567890,"__proto__":{"$":"\\u00e9"}}';
    play(() => ({
      headers: { 'X-TAXII-Date-Added-First': 'f', 'X-TAXII-Date-Added-Last': 'l' },
      body: `{"objects":[${text}]}`,
    }));
    const { batches } = await walk(open());
    expect(batches[0]).toMatchObject({
      objects: ['{"type":"x-big","id":"x-big--1","z":1.10,"a":12345678901234567890,"__proto__":{"$":"\\u00e9"}}'],
      dateAddedFirst: 'f',
      dateAddedLast: 'l',
    });
  });

  test('is gone on with after a kill at any batch, without loss', async () => {
    keep(9);
    playObjects();
    for (let most = 1; most <= 5; most += 1) {
      const first = await walk(open({ pageSize: 2 }), undefined, most);
      const second = await walk(open({ pageSize: 2 }), first.position);
      expect(once([...first.names, ...second.names])).toEqual(names());
    }
  });

  test('is begun anew when the filters are others', async () => {
    keep(3);
    playObjects();
    const { position } = await walk(open());
    expect((await walk(open({ filters: { types: ['identity'] } }), position)).names).toEqual(names());
  });

  test('large pages are handed out a thousand objects at a time, and the position moves behind the page with the last', async () => {
    keep(2500, 10);
    playObjects({ most: 5000 });
    const { batches } = await walk(open({ pageSize: 5000 }));
    expect(batches.map(({ objects }) => objects.length)).toEqual([1000, 1000, 500]);
    expect(batches.map(({ position }) => position.reached)).toEqual([null, null, formatDate(25_007)]);
  });

  test('is read from the time on that the feed asks for, and then goes on', async () => {
    keep(5);
    playObjects();
    const addedAfter = formatDate(3_000_007);
    const { names: read, position } = await walk(open({ addedAfter }));
    // A little of what was before is read again, as at the beginning of each walk.
    expect(read).toEqual(['n2', 'n3', 'n4']);
    expect((await walk(open({ addedAfter }), position)).names).toEqual(['n4']);
    expect((await walk(open({ addedAfter: formatDate(9_000_000) }))).names).toEqual([]);
  });

  test('lists its versions from the manifest', async () => {
    keep(3);
    play((asked) => (asked.path === manifestPath ? manifest(asked) : { status: 404 }));
    const listed: string[] = [];
    for await (const entries of open({ pageSize: 2 }).list?.(never) ?? []) listed.push(...entries.map(({ id }) => id));
    expect(listed).toEqual(names().map((name) => `identity--${name}`));
    expect(queries(manifestPath)[1]).toMatchObject({ next: '2', 'match[version]': 'all' });
  });

  test('a list that ends early is an error, not a short list', async () => {
    keep(3);
    play((asked) => (asked.query.has('next') ? { status: 503 } : manifest(asked)));
    const reading = (async () => {
      for await (const entries of open({ pageSize: 2 }).list?.(never) ?? []) expect(entries).toHaveLength(2);
    })();
    await expect(reading).rejects.toMatchObject({ retry: 'later' });
  });
});

describe('a list that says less than there is', () => {
  const entry = (name: string) => ({ id: `identity--${name}`, version: formatDate(1), date_added: formatDate(1) });
  const list = async (): Promise<string[]> => {
    const listed: string[] = [];
    for await (const some of open().list?.(never) ?? []) listed.push(...some.map(({ id }) => id));
    return listed;
  };

  test.each([
    ['an error with status 200', { title: 'Error', http_status: '500' }, 'no envelope'],
    ['an error in a form of its own', { error: 'try again' }, 'no envelope'],
    ['objects that are no list', { more: false, objects: { id: 'x' } }, 'no envelope'],
    ['an entry without version', { more: false, objects: [{ id: 'identity--b' }] }, 'an entry'],
  ])('is an error: %s', async (_what, second, words) => {
    play(({ query }) => ({ body: query.has('next') ? second : { more: true, next: '2', objects: [entry('a')] } }));
    await expect(list()).rejects.toThrow(words);
  });

  test.each([[{}], [{ more: false }], [{ more: false, objects: null }]])(
    'is whole when it is empty: %j',
    async (body) => {
      play(() => ({ body }));
      expect(await list()).toEqual([]);
    },
  );
});

test('a manifest that does not end is cut', async () => {
  play((_asked, { response }) => {
    response.writeHead(200);
    const part = ' '.repeat(1_000_000);
    const fill = (): void => {
      while (response.write(part));
      response.once('drain', fill);
    };
    fill();
    return undefined;
  });
  const reading = (async () => {
    for await (const _ of open().list?.(never) ?? []) throw new Error('it was read');
  })();
  await expect(reading).rejects.toMatchObject({ isTooLong: true, message: expect.stringContaining('64.0 MiB') });
});

describe('a server that pages otherwise', () => {
  test('by date only', async () => {
    keep(7);
    playObjects({ most: 3, members: ({ more }) => ({ more }) });
    const { names: found, error } = await walk(open());
    expect([once(found), error]).toEqual([names(), undefined]);
  });

  test('by date only, is gone on with after a kill at any batch', async () => {
    keep(7);
    playObjects({ most: 3, members: ({ more }) => ({ more }) });
    for (let most = 1; most <= 3; most += 1) {
      const first = await walk(open(), undefined, most);
      const second = await walk(open(), first.position);
      expect(once([...first.names, ...second.names])).toEqual(names());
    }
  });

  test('repeats the same `next` with the same page', async () => {
    keep(7);
    play((asked) => {
      const stuck = asked.query.has('next') ? { ...asked, query: new URLSearchParams({ next: '3' }) } : asked;
      const { objects } = pageOf(stuck, 3);
      const more = objects.at(-1) !== kept.at(-1);
      return { headers: dateHeaders(objects), body: envelopeOf(objects, { more, ...(more && { next: '3' }) }) };
    });
    const { names: found, error } = await walk(open({ pageSize: 3 }));
    expect([once(found), error]).toEqual([names(), undefined]);
    expect(queries().length).toBeLessThan(10);
  });

  test('knows its cursors by heart: one `next` for ever new pages', async () => {
    keep(7);
    let given = 0;
    play(() => {
      const objects = kept.slice(given, given + 3);
      given += 3;
      const more = given < kept.length;
      return { headers: dateHeaders(objects), body: envelopeOf(objects, { more, ...(more && { next: 'session' }) }) };
    });
    expect((await walk(open({ pageSize: 3 }))).names).toEqual(names());
    expect(queries().map(({ next }) => next)).toEqual([undefined, 'session', 'session']);
  });

  test('leads its cursors in a circle, and has no dates: an error, not a loop', async () => {
    keep(4);
    let turn = 0;
    play(() => {
      turn += 1;
      return {
        body: envelopeOf(kept.slice((turn % 2) * 2, (turn % 2) * 2 + 2), { more: true, next: String(turn % 2) }),
      };
    });
    const { error } = await walk(open());
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('neither') });
  });

  test('leaves out `more`, and answers `next` with the first page again', async () => {
    keep(7);
    play((asked) => {
      const query = new URLSearchParams(asked.query);
      query.delete('next');
      return answer({ ...asked, query }, { most: 3, members: ({ next }) => ({ next }) });
    });
    expect(once((await walk(open({ pageSize: 5 }))).names)).toEqual(names());
  });

  test('leaves out `more`, and gives `next`', async () => {
    keep(7);
    playObjects({ members: ({ more, next }) => (more ? { next } : {}) });
    expect(once((await walk(open({ pageSize: 3 }))).names)).toEqual(names());
  });

  test('leaves out `more`, and gives `next` on the last page too', async () => {
    keep(6);
    playObjects({ members: ({ next }) => ({ next }) });
    const { names: found, error } = await walk(open({ pageSize: 3 }));
    expect([found, error]).toEqual([names(), undefined]);
  });

  test('leaves out `more` and `next`', async () => {
    keep(7);
    playObjects({ members: () => ({}) });
    expect(once((await walk(open({ pageSize: 3 }))).names)).toEqual(names());
    playObjects({ most: 2, members: () => ({}) });
    expect(once((await walk(open({ pageSize: 3 }))).names)).toEqual(names());
  });

  test('gives a `next` that fits into no request: the pages are read by date', async () => {
    keep(6);
    playObjects({ most: 2, members: ({ more }) => ({ more, ...(more && { next: 'n'.repeat(9000) }) }) });
    const { names: read, batches, error } = await walk(open());
    expect([once(read), error]).toEqual([names(), undefined]);
    for (const { position } of batches) expect(JSON.stringify(position).length).toBeLessThan(1000);
  });

  test('gives `next` with `more: false` on its last page', async () => {
    keep(3);
    playObjects({ members: (page) => page });
    expect((await walk(open())).names).toEqual(names());
    expect(queries()).toHaveLength(1);
  });

  test('counts its pages: `next` is a number', async () => {
    keep(5);
    playObjects({ members: ({ more, next }) => ({ more, ...(more && { next: Number(next) }) }) });
    expect((await walk(open({ pageSize: 2 }))).names).toEqual(names());
  });

  test('promises more with empty pages', async () => {
    let turn = 0;
    play(() => {
      turn += 1;
      return { body: { more: true, next: String(turn) } };
    });
    const { error } = await walk(open());
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('are empty') });
  });

  test('has an empty page between others', async () => {
    keep(4);
    play((asked) => {
      if (asked.query.get('next') === '2') return { body: { more: true, next: '2b' } };
      const query = asked.query.get('next') === '2b' ? new URLSearchParams({ next: '2', limit: '2' }) : asked.query;
      return answer({ ...asked, query });
    });
    expect((await walk(open({ pageSize: 2 }))).names).toEqual(names());
  });
});

describe('dates', () => {
  test.each([0, 3, 6])('that are cut to %d digits lose nothing', async (digits) => {
    keep(9, 300_000);
    playObjects({ most: 4, digits, members: ({ more }) => ({ more }) });
    const first = await walk(open());
    expect([once(first.names), first.error]).toEqual([names(), undefined]);
    kept.push({ name: 'late', at: 2_700_100 });
    const second = await walk(open(), first.position);
    expect(second.names).toContain('late');
  });

  test('that are rounded up to seconds lose nothing', async () => {
    kept = [{ name: 'n0', at: 2_700_000 }];
    play((asked) => ({ ...answer(asked), headers: { 'X-TAXII-Date-Added-Last': formatDate(3_000_000) } }));
    const { position } = await walk(open());
    kept.push({ name: 'late', at: 2_800_000 });
    expect((await walk(open(), position)).names).toEqual(['n0', 'late']);
  });

  test('that many objects share are read again, with larger pages', async () => {
    kept = Array.from({ length: 30 }, (_, index) => ({ name: `n${index}`, at: index < 4 ? index : 1_000_000 }));
    playObjects({ members: ({ more }) => ({ more }) });
    const { names: found, error } = await walk(open({ pageSize: 3 }));
    expect([once(found), error]).toEqual([names(), undefined]);
    expect(Math.max(...queries().map(({ limit }) => Number(limit)))).toBeLessThanOrEqual(48);
  });

  test('that more objects share than a page can hold are an error that says so', async () => {
    kept = Array.from({ length: 30 }, (_, index) => ({ name: `n${index}`, at: 1_000_000 }));
    playObjects({ most: 10, members: ({ more }) => ({ more }) });
    const { error, position } = await walk(open());
    expect(error).toMatchObject({
      retry: 'never',
      message: expect.stringContaining(`more than 10 objects of the date ${formatDate(1_000_000)}`),
    });
    expect(queries().length).toBeLessThan(5);
    // Nothing is skipped when its operator has mended it.
    playObjects();
    expect(once((await walk(open(), position)).names)).toEqual(names());
  });

  test('close together in one second, more than a page holds, are got past', async () => {
    keep(40, 100);
    playObjects({ most: 10, members: ({ more }) => ({ more }) });
    const { names: found, error } = await walk(open());
    expect([once(found), error]).toEqual([names(), undefined]);
  });

  test('that an object gets late are read again as far back as the operator says', async () => {
    keep(3);
    playObjects();
    const { position } = await walk(open());
    kept.splice(2, 0, { name: 'late', at: 2_500_000 });
    expect((await walk(open({ overlap: 1000 }), position)).names).toEqual(['late', 'n2']);
  });

  test('that go backwards between pages are no reason to skip', async () => {
    kept = [5, 1, 4, 2, 3].map((at) => ({ name: `n${at}`, at: at * 1_000_000 }));
    let isExpired = false;
    play((asked) => {
      if (isExpired && asked.query.has('next')) return { status: 400 };
      const begin = Number(asked.query.get('next') ?? 0);
      const objects = kept.slice(begin, begin + 2);
      const more = begin + 2 < kept.length;
      return {
        headers: dateHeaders(objects),
        body: envelopeOf(objects, { more, ...(more && { next: String(begin + 2) }) }),
      };
    });
    const whole = await walk(open());
    expect([whole.names, whole.error]).toEqual([names(), undefined]);
    expect(whole.position).toMatchObject({ reached: formatDate(5_000_000) });
    // A cursor that is lost in the middle: the walk begins anew, since nothing is known of what is older.
    const first = await walk(open(), undefined, 2);
    isExpired = true;
    const before = queries().length;
    await walk(open(), first.position, 1);
    expect(queries()[before + 1]).not.toHaveProperty('added_after');
  });

  test('that go backwards where there is no `next` are an error', async () => {
    kept = [5, 1, 4].map((at) => ({ name: `n${at}`, at: at * 1_000_000 }));
    play(() => ({ headers: dateHeaders(kept), body: envelopeOf(kept.slice(0, 1), { more: true }) }));
    const { error } = await walk(open());
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('go backwards') });
  });

  test('that are missing come from the manifest', async () => {
    keep(5);
    play((asked) => (asked.path === manifestPath ? manifest(asked) : answer(asked, { digits: 'none' })));
    const first = await walk(open({ pageSize: 2 }));
    expect(once(first.names)).toEqual(names());
    expect(first.position).toMatchObject({ reached: formatDate(5_000_007) });
    kept.push({ name: 'late', at: 6_000_000 });
    expect(once((await walk(open({ pageSize: 2 }), first.position)).names)).toEqual(['n4', 'late']);
  });

  test('that are missing: what is added after the manifest was read is not skipped next time', async () => {
    keep(2);
    play((asked) => {
      if (asked.path !== manifestPath) return answer(asked, { digits: 'none' });
      const reply = manifest(asked);
      kept.push({ name: 'meanwhile', at: 9_000_000 });
      return reply;
    });
    const { position } = await walk(open());
    expect(position).toMatchObject({ reached: formatDate(2_000_007) });
  });

  test('that are missing: a kill in mid-walk begins anew', async () => {
    keep(5);
    play((asked) => (asked.path === manifestPath ? manifest(asked) : answer(asked, { digits: 'none' })));
    for (let most = 1; most <= 4; most += 1) {
      const first = await walk(open({ pageSize: 2 }), undefined, most);
      const second = await walk(open({ pageSize: 2 }), first.position);
      expect(once([...first.names, ...second.names])).toEqual(names());
    }
  });

  test('that are none count as missing', async () => {
    keep(2);
    play((asked) => {
      if (asked.path === manifestPath) return manifest(asked);
      const headers = { 'X-TAXII-Date-Added-First': 'undefined', 'X-TAXII-Date-Added-Last': 'undefined' };
      return { ...answer(asked, { digits: 'none' }), headers };
    });
    const { names: found, position } = await walk(open());
    expect([once(found), position?.reached]).toEqual([names(), formatDate(2_000_007)]);
  });

  test('of the future do not hide what comes next', async () => {
    keep(2);
    kept.push({ name: 'future', at: 60 * 1_000_000 });
    playObjects();
    const now = () => (day + 10_000_000) / 1000;
    const { position } = await walk(open({ now }));
    kept.splice(2, 0, { name: 'late', at: 11 * 1_000_000 });
    expect((await walk(open({ now }), position)).names).toEqual(['late', 'future']);
  });

  test('that are missing everywhere: each walk reads all', async () => {
    keep(3);
    play((asked) => (asked.path === manifestPath ? { status: 404 } : answer(asked, { digits: 'none' })));
    const first = await walk(open());
    const second = await walk(open(), first.position);
    expect([once(second.names), first.error, second.error]).toEqual([names(), undefined, undefined]);
  });

  test('that are missing, and a manifest that cannot be read now: later', async () => {
    keep(3);
    play((asked) => (asked.path === manifestPath ? { status: 503 } : answer(asked, { digits: 'none' })));
    expect((await walk(open())).error).toMatchObject({ retry: 'later', status: 503 });
  });

  test('that are missing: a walk that is gone on with ends at the date at which it began', async () => {
    keep(5);
    play((asked) => (asked.path === manifestPath ? manifest(asked) : answer(asked, { digits: 'none' })));
    const first = await walk(open({ pageSize: 2 }), undefined, 2);
    expect(first.position?.next).toBe('2');
    const before = kept.length;
    kept.push({ name: 'late', at: 9_000_000 });
    // What came later is not in the cursor's memory.
    play((asked) => {
      if (asked.path === manifestPath) return manifest(asked);
      const all = kept;
      kept = kept.slice(0, before);
      const reply = answer(asked, { digits: 'none' });
      kept = all;
      return reply;
    });
    const second = await walk(open({ pageSize: 2 }), first.position);
    expect(second.position).toMatchObject({ reached: formatDate(5_000_007) });
  });
});

describe('cursors', () => {
  test.each([400, 404, 410, 500])(
    'that a server answers with %d are given up for the date of the last page',
    async (status) => {
      keep(6);
      playObjects();
      const first = await walk(open({ pageSize: 2 }), undefined, 2);
      play((asked) => (asked.query.get('next') === '4' ? { status } : answer(asked)));
      const before = queries().length;
      const second = await walk(open({ pageSize: 2 }), first.position);
      expect([once([...first.names, ...second.names]), second.error]).toEqual([names(), undefined]);
      expect(queries()[before + 1]).toMatchObject({ added_after: formatDate(4_000_007 - 1000) });
    },
  );

  test('that expire at every page do not lead to a loop', async () => {
    keep(6);
    play((asked) => (asked.query.has('next') ? { status: 400 } : answer(asked)));
    const { names: found, error } = await walk(open({ pageSize: 3 }));
    expect([once(found), error]).toEqual([names(), undefined]);
    const small = await walk(open({ pageSize: 1 }));
    expect([once(small.names), small.error]).toEqual([names(), undefined]);
  });

  test('that expire at every page, on a server without dates, are an error', async () => {
    let turn = 0;
    play((asked) => {
      turn += 1;
      if (asked.query.has('next') || asked.path === manifestPath) return { status: 400 };
      return { body: envelopeOf([{ name: `n${turn}`, at: 0 }], { more: true, next: String(turn) }) };
    });
    const { error } = await walk(open());
    expect(error).toMatchObject({ status: 400 });
    expect(queries().length).toBeLessThan(10);
  });
});

describe('refusals', () => {
  test('429 in mid-walk keeps what was read, and the run goes on there when it may', async () => {
    keep(4);
    play((asked) => (asked.query.has('next') ? { status: 429, headers: { 'retry-after': '600' } } : answer(asked)));
    const first = await walk(open({ pageSize: 2 }));
    expect(first.names).toEqual(['n0', 'n1']);
    expect(first.error).toMatchObject({ retry: 'later', retryAfter: 600_000, status: 429 });
    playObjects();
    expect((await walk(open({ pageSize: 2 }), first.position)).names).toEqual(['n2', 'n3']);
  });

  test.each([429, 500, 502, 503])('%d without Retry-After is for later', async (status) => {
    keep(4);
    play((asked) => (asked.query.has('next') ? { status } : answer(asked)));
    const { names: found, error } = await walk(open({ pageSize: 2 }));
    expect([found, error?.retry, error?.retryAfter, error?.status]).toEqual([['n0', 'n1'], 'later', undefined, status]);
  });

  test('a collection that has vanished is an error that names it', async () => {
    keep(4);
    playObjects();
    const first = await walk(open({ pageSize: 2 }), undefined, 1);
    play(() => ({ status: 404, body: { title: 'Collection not found' } }));
    for (const position of [first.position, undefined]) {
      const { error } = await walk(open({ pageSize: 2 }), position);
      expect(error).toMatchObject({ retry: 'never', status: 404 });
      expect(error?.message).toContain(collection);
      expect(error?.message).toContain('Collection not found');
    }
  });

  test.each([
    [{ status: 406 }],
    [{ status: 415 }],
    [
      {
        headers: { 'content-type': 'application/vnd.oasis.stix+json; version=2.0' },
        body: { type: 'bundle', objects: [] },
      },
    ],
  ])('a server that speaks TAXII 2.0 only is told apart: %j', async (reply) => {
    play(() => reply);
    const { error } = await walk(open());
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('TAXII 2.0') });
  });

  test('redirects are followed', async () => {
    keep(2);
    play((asked) => {
      if (asked.path !== objectsPath) return answer(asked);
      return { status: 308, headers: { location: `/moved/?${asked.query}` } };
    });
    expect((await walk(open())).names).toEqual(names());
  });
});

describe('pages', () => {
  test.each(['application/json', 'text/html; charset=utf-8', 'application/stix+json;version=2.1', ''])(
    'of the wrong Content-Type %j are read',
    async (type) => {
      keep(1);
      play((asked) => ({ ...answer(asked), headers: { 'content-type': type } }));
      expect(once((await walk(open())).names)).toEqual(['n0']);
    },
  );

  test.each([
    ['{}'],
    ['{"more":false}'],
    ['{"objects":[]}'],
    ['{"more":false,"objects":[]}'],
    ['{"more":false,"objects":null}'],
    ['{"type":"bundle","id":"bundle--1"}'],
    [''],
  ])('%j is empty, and leaves the position where it was', async (body) => {
    keep(1);
    playObjects();
    const { position } = await walk(open());
    play(() => ({ body }));
    expect(await walk(open(), position)).toMatchObject({ names: [], error: undefined, position });
  });

  test('with status 206 are read, and so is what is packed', async () => {
    keep(2);
    play((asked) => {
      const { headers = {}, body = '' } = answer(asked);
      return { status: 206, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(String(body)) };
    });
    expect((await walk(open())).names).toEqual(names());
    expect(server.asked.at(-1)?.headers['accept-encoding']).toContain('gzip');
  });

  test('that are bundles are read', async () => {
    play(() => ({ body: `{"type":"bundle","id":"bundle--1","objects":[${textOf('a')}]}` }));
    expect(once((await walk(open())).names)).toEqual(['a']);
  });

  test.each([
    ['never', '{"title":"Some root","versions":[]}'],
    ['never', '{"collections":[]}'],
    ['later', '{"objects":{}}'],
    ['later', '{"title":"Error","http_status":"500"}'],
    ['later', '{"error":"the database is away"}'],
  ])('that are none are an error, %s to be right: %s', async (retry, body) => {
    keep(1);
    playObjects();
    const { position } = await walk(open());
    play(() => ({ body }));
    const walked = await walk(open(), position);
    expect(walked.error).toMatchObject({ retry, message: expect.stringContaining('no envelope') });
    expect(walked.position).toEqual(position);
  });

  test('that begin with a byte order mark are read, and so are other resources', async () => {
    keep(1);
    const mark = '\uFEFF';
    play((asked) => ({ body: `${mark}${String(answer(asked, { digits: 'none' }).body)}` }));
    expect(await walk(open())).toMatchObject({ names: ['n0', 'n0'], error: undefined });
  });

  test('that break in the middle give what was whole, and the position stays before them', async () => {
    keep(4);
    play((asked) => {
      const { headers = {}, body } = answer(asked);
      const broken = String(body).replace('"name":"n3"', '"name":n3');
      return { headers, body: broken };
    });
    const first = await walk(open({ pageSize: 2 }));
    expect(first.names).toEqual(['n0', 'n1', 'n2']);
    expect(first.unreadable).toEqual([
      {
        code: 'JSON-syntax',
        message: expect.stringContaining('line 1, column'),
        text: expect.stringContaining('"name":n3'),
      },
    ]);
    expect(first.error).toMatchObject({ retry: 'later', message: expect.stringContaining('broken') });
    playObjects();
    expect((await walk(open({ pageSize: 2 }), first.position)).names).toEqual(['n2', 'n3']);
  });

  test('that are cut in the middle give what was whole, and are asked for again', async () => {
    keep(4);
    play((asked, { response }) => {
      const { headers, body } = answer(asked);
      if (!asked.query.has('next')) return { headers: headers ?? {}, body: body ?? '' };
      response.writeHead(200, { ...headers, 'content-length': '10000' });
      response.write(String(body).slice(0, -30), () => response.destroy());
      return undefined;
    });
    const first = await walk(open({ pageSize: 2 }));
    expect([first.names, first.unreadable]).toEqual([['n0', 'n1', 'n2'], []]);
    expect(first.error).toMatchObject({ retry: 'later', message: expect.stringContaining('cut the connection') });
    playObjects();
    expect((await walk(open({ pageSize: 2 }), first.position)).names).toEqual(['n2', 'n3']);
  });

  test('that drip are given up, with what was whole', async () => {
    keep(2);
    play((asked, { response }) => {
      const { headers, body } = answer(asked);
      response.writeHead(200, { ...headers });
      response.write(String(body).slice(0, -30));
      return undefined;
    });
    const { names: found, error } = await walk(open({}, { idleTime: 100 }));
    expect(found).toEqual(['n0']);
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('too slow') });
  });

  test('that are huge are asked for in smaller parts', async () => {
    keep(40);
    playObjects();
    const { names: found, error } = await walk(open({ pageSize: 40 }, { bodyLength: 1000 }));
    expect([once(found), error]).toEqual([names(), undefined]);
  });

  test('that are huge in one place only are asked for in larger parts again behind it', async () => {
    keep(40);
    kept = kept.map(({ name, at }, index) => ({ name: index === 9 ? name.padEnd(500, 'x') : name, at }));
    playObjects({ members: ({ more }) => ({ more }) });
    const { names: found, error } = await walk(open({ pageSize: 16 }, { bodyLength: 1200 }));
    expect([new Set(found), error]).toEqual([new Set(names()), undefined]);
    expect(queries().map(({ limit }) => limit)).toContain('2');
    expect(queries().at(-1)).toMatchObject({ limit: '16' });
  });

  test('that are huge, on a server whose `next` counts pages, are never skipped', async () => {
    keep(40);
    // As many bytes as a page may have only in the middle.
    kept = kept.map(({ name, at }, index) => ({ name: index >= 8 && index < 16 ? name.padEnd(200, 'x') : name, at }));
    play(({ query }) => {
      const limit = Number(query.get('limit'));
      const begin = Number(query.get('next') ?? 0) * limit;
      const objects = kept.slice(begin, begin + limit);
      const more = begin + limit < kept.length;
      const next = String(Number(query.get('next') ?? 0) + 1);
      return { headers: dateHeaders(objects), body: envelopeOf(objects, { more, ...(more && { next }) }) };
    });
    const limits = { bodyLength: 1000 };
    const whole = await walk(open({ pageSize: 8 }, limits));
    expect([new Set(whole.names), whole.error]).toEqual([new Set(names()), undefined]);
    for (let most = 2; most <= 12; most += 1) {
      const first = await walk(open({ pageSize: 8 }, limits), undefined, most);
      const second = await walk(open({ pageSize: 8 }, limits), first.position);
      expect(new Set([...first.names, ...second.names])).toEqual(new Set(names()));
    }
  });

  test('that are huge with a single object are an error', async () => {
    keep(3);
    playObjects();
    const { error } = await walk(open({ pageSize: 40 }, { bodyLength: 80 }));
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('more than 80 B') });
    expect(queries().at(-1)).toMatchObject({ limit: '1' });
  });

  test('with an object that is too long give the others', async () => {
    const long = `{"type":"x-long","id":"x-long--1","text":"${'x'.repeat(20_000)}"}`;
    play(() => ({ body: `{"objects":[${textOf('a')},${long},${textOf('b')}]}` }));
    const { names: found, unreadable, error } = await walk(open());
    expect([once(found), error]).toEqual([['a', 'b'], undefined]);
    expect(unreadable[0]).toMatchObject({ code: 'object-too-long', text: expect.stringContaining('x-long--1') });
    expect(unreadable[0]?.text.length).toBeLessThan(5000);
  });

  test('with what is nested without end do not hurt', async () => {
    play(() => ({ body: `{"objects":[${textOf('a')},${'['.repeat(4000)}${']'.repeat(4000)}]}` }));
    const { batches, error } = await walk(open());
    expect([batches[0]?.objects.length, error]).toEqual([2, undefined]);
  });
});

test('a walk that is left in the middle of a page leaves no connection behind', async () => {
  kept = Array.from({ length: 3000 }, (_, index) => ({ name: `n${index}`, at: index }));
  const closed = new Promise<void>((resolve) => {
    play((asked, { response }) => {
      response.once('close', resolve);
      response.writeHead(200);
      // Never ends.
      response.write(String(answer(asked, { most: 5000 }).body).slice(0, -2));
      return undefined;
    });
  });
  expect((await walk(open({ pageSize: 5000 }), undefined, 1)).names).toHaveLength(1000);
  await closed;
});

test('the walk ends when the run is stopped', async () => {
  keep(4);
  const controller = new AbortController();
  const reason = new Error('paused');
  play((asked) => {
    if (asked.query.has('next')) controller.abort(reason);
    return answer(asked);
  });
  const reading = (async () => {
    for await (const piece of open({ pageSize: 2 }).walk(undefined, controller.signal))
      expect(piece).toHaveProperty('objects');
  })();
  await expect(reading).rejects.toBe(reason);
});
