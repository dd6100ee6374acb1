import { hash, randomUUID } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { type BackupPart, decodeBackup, encodeBackup } from '../../src/store/backup-file.ts';
import type { SnapshotPart } from '../../src/store/store.ts';

const collection = randomUUID();
const texts = ['{"id":"x--1","big":123456789012345678901234567890,"s":"\\u2028 汇聚"}', '{"id":"x--2"}'];
const objects = texts.map(
  (text, n): SnapshotPart => ({
    ...{ part: 'object', seq: n + 1, collection, dateAdded: 1_700_000_000_000_001 + n, isFirst: true, isLast: true },
    ...{ submitter: 'ann', id: `x--${n}`, type: 'x', specVersion: '2.1', version: 'v', versionKey: 'k' },
    ...{ digest: null, text },
  }),
);
const bytes = Buffer.byteLength(texts.join(''));
const whole: readonly BackupPart[] = [
  { part: 'file', name: 'hub.json', content: Buffer.from([0xef, 0xbb, 0xbf, 0xff]).toString('base64') },
  { part: 'sequence', last: 9 },
  { part: 'collection', collection, highWater: 1_700_000_000_000_009, generation: 4, versions: 2, bytes },
  ...objects,
  { part: 'record', kind: 'user', id: 'ann', revision: 3, document: { a: [null] }, keys: { team: 'red' } },
];

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

async function encode(parts: Iterable<BackupPart>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of encodeBackup('2026-01-02T03:04:05.678Z', each(parts), () => {})) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function decode(packed: Buffer, chunk = packed.length) {
  const chunks = Array.from({ length: Math.ceil(packed.length / chunk) }, (_, n) =>
    packed.subarray(n * chunk, (n + 1) * chunk),
  );
  const decoded = decodeBackup(each(chunks));
  const parts: BackupPart[] = [];
  for (;;) {
    const next = await decoded.next();
    if (next.done === true) return { ...next.value, parts };
    parts.push(next.value);
  }
}

const pack = async (parts: Iterable<BackupPart>) => gzipSync(await encode(parts));

describe('a backup', () => {
  test.each([1, 7, 100_000])('comes back part by part when it arrives in chunks of %i bytes', async (chunk) => {
    const { createdAt, counts, parts } = await decode(await pack(whole), chunk);
    expect(parts).toEqual(whole);
    expect(createdAt).toBe('2026-01-02T03:04:05.678Z');
    expect(counts).toMatchObject({ file: 1, collection: 1, object: 2, record: 1, tombstone: 0 });
  });

  test('is lines of JSON that begin with what it is', async () => {
    const lines = (await encode(whole)).toString().trimEnd().split('\n');
    expect(lines).toHaveLength(whole.length + 2);
    expect(JSON.parse(lines[0] ?? '')).toEqual({ huiju_backup: 2, created_at: '2026-01-02T03:04:05.678Z' });
  });

  test('of before there were origins is read as well as one with them', async () => {
    const withOrigins = whole.map((part) => (part.part === 'object' ? { ...part, origin: 'feed mitre' } : part));
    expect((await decode(await pack(withOrigins))).parts).toEqual(withOrigins);
    const lines = (await encode(whole)).toString().trimEnd().split('\n');
    const old = [lines[0]?.replace('"huiju_backup":2', '"huiju_backup":1'), ...lines.slice(1, -1)].join('\n');
    const end = { ...JSON.parse(lines.at(-1) ?? '').end, sha256: hash('sha256', `${old}\n`) };
    const packed = gzipSync(`${old}\n${JSON.stringify({ end })}\n`);
    expect((await decode(packed)).parts).toEqual(whole);
  });

  test('cut anywhere is refused', async () => {
    const packed = await pack(whole);
    for (let length = 1; length < packed.length; length += 1) {
      await expect(decode(packed.subarray(0, length))).rejects.toThrow(/damaged|not a backup/);
    }
    const lines = (await encode(whole)).toString().split('\n');
    for (let count = 1; count <= whole.length + 1; count += 1) {
      const cut = gzipSync(`${lines.slice(0, count).join('\n')}\n`);
      await expect(decode(cut)).rejects.toThrow('it ends too early');
    }
  });

  test.each<[string, (text: string) => string, RegExp]>([
    [
      'a changed digit',
      (text) => text.replace('"revision":3', '"revision":4'),
      /the checksum at its end is that of other lines/,
    ],
    ['a line left out', (text) => text.replace(/\{"part":"record".*\n/, ''), /the checksum at its end/],
    ['a wrong count', (text) => text.replace('"object":2', '"object":3'), /another number of parts object/],
    ['an unknown part', (text) => text.replace('"part":"record"', '"part":"rumour"'), /line 7 of its text is broken/],
    ['a part without a field', (text) => text.replace('"revision":3,', ''), /line 7 of its text is broken/],
    ['a file with a path', (text) => text.replace('"hub.json"', '"../hub.json"'), /line 2 of its text is broken/],
    ['something behind its end', (text) => `${text}{}\n`, /something follows its end/],
    ['another kind of file', () => '{"type":"bundle"}\n', /not a backup of Huiju/],
    ['no JSON', () => 'hello\n', /not a backup of Huiju/],
    ['nothing', () => '', /it is empty/],
    ['a newer form', (text) => text.replace('"huiju_backup":2', '"huiju_backup":3'), /newer Huiju \(form 3; .* 2\)/],
  ])('with %s is refused', async (_case, change, reason) => {
    const text = (await encode(whole)).toString();
    await expect(decode(gzipSync(change(text)))).rejects.toMatchObject({ name: 'OperatorError', message: reason });
  });

  test('that is not gzip, or broken gzip, is refused', async () => {
    await expect(decode(await encode(whole))).rejects.toThrow('it is not a backup of Huiju');
    const packed = await pack(whole);
    packed[packed.length - 6] = (packed[packed.length - 6] ?? 0) ^ 0xff;
    await expect(decode(packed)).rejects.toThrow('the checksum of its gzip data is wrong');
  });

  test('with any byte flipped is whole all the same, or refused with what is wrong and where', async () => {
    const packed = await pack(whole);
    const reasons =
      /^it is damaged: (?:line \d+ of its text is broken|.* at about byte \d+|the checksum|it ends too early|something follows its end)/;
    let refused = 0;
    // Gzip has bytes that mean nothing to us: the time, the operating system, padding.
    for (let at = 10; at < packed.length; at += 1) {
      const flipped = Buffer.from(packed);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      const outcome = await decode(flipped).catch((error: Error) => error.message);
      if (typeof outcome === 'string') expect(outcome).toMatch(reasons);
      else expect(outcome.parts).toEqual(whole);
      refused += Number(typeof outcome === 'string');
    }
    expect(refused).toBeGreaterThan(packed.length - 20);
  });

  test('with a line that is longer than any may be is refused for that, before the line is kept in memory', async () => {
    const [head = ''] = (await encode(whole)).toString().split('\n');
    const packed = gzipSync(`${head}\n${'x'.repeat(300_000)}`);
    await expect(decodeBackup(each([packed]), 100_000).next()).rejects.toThrow('line 2 is longer than any of a backup');
    await expect(decodeBackup(each([packed])).next()).rejects.toThrow('line 2 of its text is broken');
  });

  test('of a store in which objects are missing is refused', async () => {
    const incomplete = whole.filter((part) => part !== objects[1]);
    await expect(decode(await pack(incomplete))).rejects.toThrow(`objects of the collection ${collection} are missing`);
  });

  test('passes on why its source failed', async () => {
    const failing = async function* () {
      yield gunzipSync(await pack([])).subarray(0, 0);
      throw new Error('no such disk');
    };
    await expect(decodeBackup(failing()).next()).rejects.toThrow('no such disk');
  });
});
