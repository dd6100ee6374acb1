/** Sources that are files: on the web, in a folder, on standard input. */

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { appendFile, mkdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createFolderSource, type FolderSourceOptions } from '../../src/sync/folder-source.ts';
import { createHttpClient, type HttpClient } from '../../src/sync/http-client.ts';
import { type Batch, type Position, type Source, SourceError, type Unreadable } from '../../src/sync/source.ts';
import { createStreamSource } from '../../src/sync/stream-source.ts';
import { createWebSource } from '../../src/sync/web-source.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const never = new AbortController().signal;
const maxObjectLength = 10_000;

function object(name: string): string {
  return `{"type":"x-one","id":"x-one--${name}","n":1.0}`;
}

function bundle(...names: string[]): string {
  return `{"type":"bundle","id":"bundle--1","objects":[${names.map(object).join(',')}]}`;
}

/** What an open file of this process is; empty when it was closed meanwhile. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

interface Walked {
  readonly objects: readonly string[];
  readonly batches: readonly Batch[];
  readonly unreadable: readonly Unreadable[];
  readonly position: Position | undefined;
  readonly error: SourceError | undefined;
}

async function walk(source: Source, from?: Position): Promise<Walked> {
  const batches: Batch[] = [];
  const unreadable: Unreadable[] = [];
  let error: SourceError | undefined;
  try {
    for await (const piece of source.walk(from, never)) {
      if ('code' in piece) unreadable.push(piece);
      else batches.push(piece);
    }
  } catch (reason) {
    if (!(reason instanceof SourceError)) throw reason;
    error = reason;
  }
  const objects = batches.flatMap((batch) => batch.objects);
  return { objects, batches, unreadable, position: batches.at(-1)?.position ?? from, error };
}

async function* chunksOf(text: string | Buffer, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function streamOf(text: string | Buffer, size?: number): Source {
  return createStreamSource({ chunks: chunksOf(text, size), name: 'standard input', maxObjectLength });
}

describe('what comes in', () => {
  const both = [object('a'), object('b')];

  test.each([
    ['a bundle', bundle('a', 'b')],
    [
      'a bundle over many lines',
      JSON.stringify(JSON.parse(bundle('a', 'b')), null, 2).replaceAll('"n": 1', '"n": 1.0'),
    ],
    ['a bundle and a line feed', `${bundle('a', 'b')}\n`],
    ['an envelope', `{"objects":[${both.join(',')}],"more":false}`],
    ['NDJSON', `${both.join('\n')}\n`],
    ['NDJSON with blank lines and carriage returns', `\n${both.join('\r\n \r\n')}\r\n`],
    ['NDJSON of bundles', `${bundle('a')}\n${bundle('b')}`],
    ['a packed bundle', gzipSync(bundle('a', 'b'))],
    ['packed NDJSON', gzipSync(both.join('\n'))],
    ['a bundle with a byte order mark', `\uFEFF${bundle('a', 'b')}`],
  ])('can be %s', async (_name, text) => {
    for (const size of [1, 7, 100_000]) {
      const { objects, unreadable, error } = await walk(streamOf(text, size));
      expect([objects, unreadable, error]).toEqual([both, [], undefined]);
    }
  });

  test('can be a single object, or nothing', async () => {
    expect((await walk(streamOf(object('a')))).objects).toEqual([object('a')]);
    expect(await walk(streamOf(' \n'))).toMatchObject({ objects: [], error: undefined });
  });

  test('in broken lines does not hinder the others', async () => {
    const long = `{"type":"x-long","text":"${'x'.repeat(20_000)}"}`;
    const lines = [object('a'), '{"type":', '[1]', long, object('b')];
    const { objects, unreadable, error } = await walk(streamOf(lines.join('\n'), 100));
    expect([objects, error]).toEqual([[object('a'), object('b')], undefined]);
    expect(unreadable.map(({ code, message }) => [code, /line (\d)/.exec(message)?.[1]])).toEqual([
      ['JSON-syntax', '2'],
      ['no-objects', undefined],
      ['no-objects', undefined],
    ]);
    for (const { text } of unreadable) expect(text.length).toBeLessThan(5000);
  });

  test('in lines of which the first is broken gives the others; two of them are one broken document', async () => {
    for (const size of [1, 7, 100_000]) {
      const lines = await walk(streamOf(`{"id":1,}\n\n${both.join('\n')}\n{"id":\n`, size));
      expect([lines.objects, lines.unreadable.length, lines.error]).toEqual([both, 2, undefined]);
      for (const text of ['<html>\n<body>\n', '{"objects":[}', `{"id":1,}\n{"id":2,}\n${object('a')}`]) {
        const { objects, unreadable, error } = await walk(streamOf(text, size));
        expect([objects, unreadable.length, error?.message]).toEqual([[], 1, expect.stringContaining('line 1')]);
      }
    }
  });

  test('and breaks gives what was whole', async () => {
    const { objects, unreadable, error } = await walk(streamOf(`${bundle('a', 'b').slice(0, -10)}!`));
    expect(objects).toEqual([object('a')]);
    expect(unreadable).toEqual([
      { code: 'JSON-syntax', message: expect.any(String), text: expect.stringContaining('!') },
    ]);
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('standard input is broken') });
  });

  test('comes a thousand objects at a time', async () => {
    const text = Array.from({ length: 2500 }, (_, index) => object(`n${index}`)).join('\n');
    const { batches } = await walk(streamOf(text, 65_536));
    expect(batches.map(({ objects }) => objects.length)).toEqual([1000, 1000, 500]);
    expect(batches[2]?.bytes).toBe(Buffer.byteLength(text.split('\n').slice(2000).join('')));
  });

  test('is given when the writer pauses: it cannot be read again', async () => {
    let isOver = false;
    async function* pausing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`${object('a')}\n${object('b')}\n${object('c').slice(0, 5)}`);
      isOver = true;
      yield Buffer.from(object('c').slice(5));
    }
    const given: (readonly string[])[] = [];
    const source = createStreamSource({ chunks: pausing(), name: 'standard input', maxObjectLength });
    for await (const piece of source.walk(undefined, never)) {
      if ('code' in piece) throw new Error(piece.message);
      if (given.length === 0) expect(isOver).toBe(false);
      given.push(piece.objects);
    }
    expect(given).toEqual([[object('a'), object('b')], [object('c')]]);
  });

  test('ends when the run is stopped', async () => {
    const controller = new AbortController();
    const reason = new Error('paused');
    controller.abort(reason);
    const reading = (async () => {
      for await (const _ of streamOf(object('a')).walk(undefined, controller.signal)) throw new Error('it went on');
    })();
    await expect(reading).rejects.toBe(reason);
  });
});

describe('a file on the web', () => {
  let server: ScriptedServer;
  const clients: HttpClient[] = [];

  beforeAll(async () => {
    server = await startScriptedServer(() => ({ status: 404 }));
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(() => server.close());

  function open(path = '/feed.json', mostUnpacked?: number): Source {
    const http = createHttpClient({ home: new URL(server.url), allowPrivate: true });
    clients.push(http);
    return createWebSource({
      http,
      url: new URL(path, server.url),
      maxObjectLength,
      ...(mostUnpacked !== undefined && { mostUnpacked }),
    });
  }

  test('is read whole, and again when it has changed, as ETag and Last-Modified tell', async () => {
    server.play(({ headers }) => {
      if (headers['if-none-match'] === '"1"' && headers['if-modified-since'] === 'yesterday') return { status: 304 };
      return { headers: { etag: '"1"', 'last-modified': 'yesterday' }, body: bundle('a') };
    });
    const first = await walk(open());
    expect([first.objects, first.error]).toEqual([[object('a')], undefined]);
    expect(await walk(open(), first.position)).toMatchObject({
      objects: [],
      error: undefined,
      position: first.position,
    });
    // What is known of one file says nothing of another.
    expect((await walk(open('/other.json'), first.position)).objects).toEqual([object('a')]);
    server.play(() => ({ headers: { etag: '"2"' }, body: bundle('a', 'b') }));
    const second = await walk(open(), first.position);
    expect(second.objects).toEqual([object('a'), object('b')]);
    expect(second.position).toMatchObject({ etag: '"2"', lastModified: null });
  });

  test('counts as read only when all of it was read', async () => {
    server.play(() => ({ headers: { etag: '"1"' }, body: `${bundle('a', 'b').slice(0, -10)}!` }));
    const { objects, position, error } = await walk(open());
    expect([objects, position?.etag]).toEqual([[object('a')], undefined]);
    expect(error).toMatchObject({ retry: 'later', message: expect.stringContaining('/feed.json is broken') });
  });

  test.each([
    ['/feed.ndjson', {}],
    ['/feed.jsonl.gz', {}],
    ['/feed', { 'content-type': 'application/x-ndjson' }],
  ])('is NDJSON by its name or type: %s %j', async (path, headers) => {
    server.play(() => ({ headers, body: gzipSync(`{"broken"\n${object('a')}`) }));
    const { objects, unreadable, error } = await walk(open(path));
    expect([objects, unreadable.length, error]).toEqual([[object('a')], 1, undefined]);
  });

  test('that is packed, and unpacked without end, is given up', async () => {
    server.play(() => ({ body: gzipSync(`${object('a')}\n${' '.repeat(100_000)}`) }));
    const { error } = await walk(open('/feed.ndjson', 100_000));
    expect(error).toMatchObject({ retry: 'never', message: expect.stringContaining('unpacked longer than') });
    expect((await walk(open('/feed.ndjson', 200_000))).objects).toEqual([object('a')]);
  });

  test('that is not there is an error', async () => {
    server.play(() => ({ status: 404 }));
    expect((await walk(open())).error).toMatchObject({ retry: 'never', status: 404 });
  });
});

describe('a folder', () => {
  const inTemp = useTempFolder();
  let count = 0;

  /** An empty folder, a source of it, and what puts files into it. */
  async function make(options: Partial<FolderSourceOptions> = {}) {
    count += 1;
    const folder = inTemp(`watched${count}`);
    await mkdir(folder);
    const open = () =>
      createFolderSource({ folder, maxObjectLength, settled: 0, now: () => Date.now() + 1000, ...options });
    return { folder, open, put: (name: string, text: string | Buffer) => writeFile(join(folder, name), text) };
  }

  test('gives the objects of new files, of every form, once', async () => {
    const { folder, open, put } = await make();
    await put('a.json', bundle('a'));
    await put('b.ndjson.gz', gzipSync(object('b')));
    await mkdir(join(folder, 'below'));
    await put('below/c.jsonl', object('c'));
    for (const other of ['notes.txt', '.hidden.json', 'd.json.part']) await put(other, bundle('no'));
    const first = await walk(open());
    expect([[...first.objects].sort(), first.error]).toEqual([[object('a'), object('b'), object('c')], undefined]);
    const second = await walk(open(), first.position);
    expect([second.objects, second.position]).toEqual([[], first.position]);
    await put('e.json', bundle('e'));
    expect((await walk(open(), first.position)).objects).toEqual([object('e')]);
  });

  test('does not read again what was moved or got another name, but what was rewritten', async () => {
    const { folder, open, put } = await make();
    await put('a.json', bundle('a'));
    await put('b.json', bundle('b'));
    const { position } = await walk(open());
    await mkdir(join(folder, 'done'));
    await rename(join(folder, 'a.json'), join(folder, 'done', 'a-read.json'));
    expect((await walk(open(), position)).objects).toEqual([]);
    await put('b.json', bundle('b', 'more'));
    const { objects, position: later } = await walk(open(), position);
    expect(objects).toEqual([object('b'), object('more')]);
    // Of the same length, and with the time it had before: by its other content it is known no less.
    const { mtime } = await stat(join(folder, 'b.json'));
    await rm(join(folder, 'b.json'));
    await put('c.json', bundle('b', 'mare'));
    await utimes(join(folder, 'c.json'), mtime, new Date(mtime.getTime() + 1));
    expect((await walk(open(), later)).objects).toEqual([object('b'), object('mare')]);
  });

  test('reads again what has grown, even when its time was set back', async () => {
    const { folder, open, put } = await make();
    const path = join(folder, 'a.ndjson');
    const time = new Date('2024-01-01T00:00:00Z');
    await put('a.ndjson', object('a'));
    await utimes(path, time, time);
    const { position } = await walk(open());
    await appendFile(path, `\n${object('b')}`);
    await utimes(path, time, time);
    expect((await walk(open(), position)).objects).toEqual([object('a'), object('b')]);
  });

  test('with too many files is an error that says what to do', async () => {
    const { folder, open } = await make();
    for (let index = 0; index <= 10_000; index += 1) writeFileSync(join(folder, `${index}.json`), '{}');
    const { batches, error } = await walk(open());
    expect([batches, error?.retry, error?.message]).toEqual([[], 'never', expect.stringContaining('move those away')]);
  });

  test('waits for files that are still being written', async () => {
    let now = 0;
    const { folder, open, put } = await make({ settled: 2000, now: () => now });
    await put('a.json', bundle('a').slice(0, 40));
    now = Date.now() + 1000;
    const first = await walk(open());
    expect([first.objects, first.unreadable]).toEqual([[], []]);
    await appendFile(join(folder, 'a.json'), bundle('a').slice(40));
    now = Date.now() + 3000;
    expect((await walk(open(), first.position)).objects).toEqual([object('a')]);
  });

  test('reads a file again that changed while it was read', async () => {
    const { folder, open, put } = await make();
    await put('a.json', Array.from({ length: 3000 }, (_, index) => object(`n${index}`)).join('\n'));
    let position: Position | undefined;
    let objects = 0;
    for await (const piece of open().walk(undefined, never)) {
      if ('code' in piece) throw new Error(piece.message);
      if (objects === 0) await appendFile(join(folder, 'a.json'), `\n${object('late')}`);
      objects += piece.objects.length;
      position = piece.position;
    }
    const again = await walk(open(), position);
    expect(again.objects).toContain(object('late'));
    expect((await walk(open(), again.position)).objects).toEqual([]);
  });

  test('goes on past a broken file, and reads it again when it was mended', async () => {
    const { open, put } = await make();
    await put('a.json', `${bundle('a', 'b').slice(0, -10)}!`);
    await put('b.json', bundle('c'));
    const first = await walk(open());
    expect([[...first.objects].sort(), first.error]).toEqual([[object('a'), object('c')], undefined]);
    expect(first.unreadable).toMatchObject([{ code: 'JSON-syntax' }]);
    expect((await walk(open(), first.position)).unreadable).toEqual([]);
    await put('a.json', bundle('a', 'b'));
    expect((await walk(open(), first.position)).objects).toEqual([object('a'), object('b')]);
  });

  test('goes on past a packed file that is cut off', async () => {
    const { open, put } = await make();
    await put('a.json.gz', gzipSync(bundle('a')).subarray(0, -9));
    await put('b.json', bundle('b'));
    const { objects, unreadable, error, position } = await walk(open());
    expect([objects.at(-1), error]).toEqual([object('b'), undefined]);
    expect(unreadable[0]?.message).toContain('a.json.gz');
    // Once: it stays what it is until it is written anew.
    expect((await walk(open(), position)).unreadable).toEqual([]);
  });

  test('follows links to files in it, not to files elsewhere and not to folders', async () => {
    const { folder, open, put } = await make();
    const outside = await make();
    await outside.put('a.json', bundle('a'));
    await mkdir(join(folder, '.data'));
    await put('.data/b.json', bundle('b'));
    await symlink(join(outside.folder, 'a.json'), join(folder, 'elsewhere.json'));
    await symlink(join('..', basename(outside.folder), 'a.json'), join(folder, 'elsewhere-too.json'));
    await symlink(outside.folder, join(folder, 'loop'));
    await symlink(join('.data', 'b.json'), join(folder, 'link.json'));
    expect((await walk(open())).objects).toEqual([object('b')]);
  });

  test('passes over pipes and devices, and over what is put into the place of a file', async () => {
    const { folder, put } = await make();
    const outside = await make();
    await outside.put('secret.json', bundle('secret'));
    const pipe = (name: string) => execFileSync('mkfifo', [join(folder, name)]);
    pipe('pipe.json');
    await symlink('/dev/zero', join(folder, 'zero.json'));
    for (const name of ['a.json', 'b.json', 'c.json']) await put(name, bundle(name[0] ?? ''));
    let isDone = false;
    // Called after the files were listed and before they are read.
    const now = (): number => {
      if (!isDone) {
        for (const name of ['a.json', 'b.json']) renameSync(join(folder, name), join(outside.folder, name));
        pipe('a.json');
        symlinkSync(join(outside.folder, 'secret.json'), join(folder, 'b.json'));
      }
      isDone = true;
      return Date.now() + 1000;
    };
    const { objects, unreadable } = await walk(createFolderSource({ folder, maxObjectLength, settled: 0, now }));
    expect([objects, unreadable.map(({ code }) => code)]).toEqual([
      [object('c')],
      ['file-unreadable', 'file-unreadable'],
    ]);
  });

  test('counts a packed file that is too long unpacked as read', async () => {
    const { open, put } = await make({ mostUnpacked: 1000 });
    await put('a.json.gz', gzipSync(' '.repeat(1001)));
    await put('b.json.gz', gzipSync(bundle('b').padEnd(1000)));
    const { objects, unreadable, position } = await walk(open());
    expect([objects, unreadable]).toEqual([
      [object('b')],
      [{ code: 'file-unreadable', message: expect.stringContaining('unpacked longer than 1000 B'), text: '' }],
    ]);
    expect((await walk(open(), position)).unreadable).toEqual([]);
  });

  test('puts many small files into one batch', async () => {
    const { open, put } = await make();
    for (let index = 0; index < 30; index += 1) await put(`${index}.json`, object(`n${index}`));
    const { batches } = await walk(open());
    expect(batches.map(({ objects }) => objects.length)).toEqual([30]);
  });

  test('left in the middle of a file leaves it closed', async () => {
    const { folder, open, put } = await make();
    const lines = Array.from({ length: 60_000 }, (_, index) => object(`n${index}`)).join('\n');
    for (const [name, text] of [['a.ndjson', lines] as const, ['b.json.gz', gzipSync(lines)] as const]) {
      await put(name, text);
      for await (const piece of open().walk(undefined, never)) {
        expect(piece).toHaveProperty('objects');
        break;
      }
      await rm(join(folder, name));
      const held = existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').map(targetOf) : [];
      expect(held.filter((target) => target.includes(folder))).toEqual([]);
    }
  });

  test('is gone on with after a kill at any batch', async () => {
    const { open, put } = await make();
    const names: string[] = [];
    for (const file of ['a', 'b', 'c']) {
      const lines = Array.from({ length: 700 }, (_, index) => object(`${file}${index}`));
      names.push(...lines);
      await put(`${file}.ndjson`, lines.join('\n'));
    }
    for (let most = 1; most <= 3; most += 1) {
      const found: string[] = [];
      let position: Position | undefined;
      let left = most;
      for await (const piece of open().walk(undefined, never)) {
        if ('code' in piece) throw new Error(piece.message);
        expect(piece.objects.length).toBeLessThanOrEqual(1000);
        found.push(...piece.objects);
        position = piece.position;
        left -= 1;
        if (left === 0) break;
      }
      const rest = await walk(open(), position);
      expect(new Set([...found, ...rest.objects])).toEqual(new Set(names));
    }
  });

  test('that is not there, or is no folder, is an error', async () => {
    const source = createFolderSource({ folder: inTemp('missing'), maxObjectLength });
    expect((await walk(source)).error).toMatchObject({
      retry: 'never',
      message: expect.stringContaining('no such file or folder'),
    });
    const { folder, put } = await make();
    await put('a.json', '{}');
    const file = createFolderSource({ folder: join(folder, 'a.json'), maxObjectLength });
    expect((await walk(file)).error).toMatchObject({ retry: 'never' });
  });

  test('a file that cannot be read is told, and read when it can be', async () => {
    const { folder, open, put } = await make();
    await put('b.json', bundle('b'));
    await put('a.json', bundle('a'));
    const path = join(folder, 'a.json');
    // Between the listing and the reading somebody puts a folder in the place of the file, and later the file back.
    const now = (): number => {
      if (!existsSync(`${path}.away`)) {
        renameSync(path, `${path}.away`);
        mkdirSync(path);
      }
      return Date.now() + 1000;
    };
    const first = await walk(createFolderSource({ folder, maxObjectLength, settled: 0, now }));
    expect([first.objects, first.error]).toEqual([[object('b')], undefined]);
    expect(first.unreadable).toEqual([{ code: 'file-unreadable', message: expect.stringContaining(path), text: '' }]);
    await rm(path, { recursive: true });
    await rename(`${path}.away`, path);
    expect((await walk(open(), first.position)).objects).toEqual([object('a')]);
  });

  test('passes over links that lead nowhere or in a circle, and over files that have gone', async () => {
    const { folder, put } = await make();
    await symlink('loop.json', join(folder, 'loop.json'));
    await symlink('missing.json', join(folder, 'nowhere.json'));
    await put('a.json', bundle('a'));
    const now = (): number => {
      rmSync(join(folder, 'a.json'));
      return Date.now() + 1000;
    };
    const source = createFolderSource({ folder, maxObjectLength, settled: 0, now });
    expect(await walk(source)).toMatchObject({ objects: [], unreadable: [], error: undefined });
  });
});
