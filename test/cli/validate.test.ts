import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { newIdentity } from '../support/taxii-server.ts';
import { useHuiju } from './use-huiju.ts';

const { huiju, pathOf } = useHuiju();

interface Line {
  readonly index: number;
  readonly id: string | null;
  readonly type: string | null;
  readonly valid: boolean;
  readonly errors: readonly { code: string; path: string; message: string; line?: number; column?: number }[];
  readonly warnings: readonly unknown[];
}

function write(name: string, content: string | Buffer): string {
  const path = pathOf(name);
  writeFileSync(path, content);
  return path;
}

async function verdicts(path: string, ...args: readonly string[]): Promise<{ code: number | null; lines: Line[] }> {
  const { code, stdout } = await huiju(['validate', path, '--format', 'json', ...args]);
  const texts = stdout.split('\n').filter((line) => line !== '');
  return { code, lines: texts.map((line) => JSON.parse(line) as Line) };
}

const good = newIdentity();
const bad = newIdentity({ modified: '2020-01-01T00:00:00.000Z' });
const bundle = { type: 'bundle', id: 'bundle--0c1d2a4e-6a31-4a36-b2f8-0c7d1a2b3c4d' };

describe('huiju validate', () => {
  test('a bundle gets a verdict for each member, in order', async () => {
    const file = write('bundle.json', JSON.stringify({ ...bundle, objects: [good, bad, 5, {}] }, null, 2));
    const { code, lines } = await verdicts(file);
    expect(code).toBe(1);
    expect(lines.map(({ index, id, type, valid }) => ({ index, id, type, valid }))).toEqual([
      { index: 0, id: good.id, type: 'identity', valid: true },
      { index: 1, id: bad.id, type: 'identity', valid: false },
      { index: 2, id: null, type: null, valid: false },
      { index: 3, id: null, type: null, valid: false },
    ]);
    expect(lines[1]?.errors).toMatchObject([
      { code: expect.any(String), path: '/modified', message: expect.stringContaining('created') },
    ]);
    expect(lines[0]).toEqual({ index: 0, id: good.id, type: 'identity', valid: true, errors: [], warnings: [] });
  });

  test('a bundle that is wrong itself gets one more verdict, under index -1', async () => {
    const { code, lines } = await verdicts(write('head.json', JSON.stringify({ type: 'bundle', objects: [good] })));
    expect(code).toBe(1);
    expect(lines.map(({ index, valid }) => [index, valid])).toEqual([
      [0, true],
      [-1, false],
    ]);
  });

  test('a text that is no JSON gets a verdict that names the place', async () => {
    const { code, lines } = await verdicts(write('broken.json', '{"objects":[\n{]'));
    expect(code).toBe(1);
    expect(lines).toEqual([
      {
        index: -1,
        id: null,
        type: null,
        valid: false,
        warnings: [],
        errors: [
          {
            code: 'malformed-json',
            path: '',
            message: expect.stringContaining('line 2, column 2'),
            line: 2,
            column: 2,
          },
        ],
      },
    ]);
  });

  test('NDJSON gets exactly one verdict for each line; a bundle on a line is judged whole', async () => {
    const whole = { ...bundle, objects: [good, bad] };
    const lines = [good, bad, { ...bundle, objects: [good] }, whole].map((value) => JSON.stringify(value));
    const file = write('mixed.ndjson', `${lines.join('\n')}\n{"type":\n[]\n"x"\n{"a":1,"a":2}\n`);
    const result = await verdicts(file);
    expect(result.lines.map(({ index, valid, type }) => [index, valid, type])).toEqual([
      [0, true, 'identity'],
      [1, false, 'identity'],
      [2, true, 'bundle'],
      [3, false, 'bundle'],
      [4, false, null],
      [5, false, null],
      [6, false, null],
      [7, false, null],
    ]);
    expect(result.lines[3]?.errors[0]?.path).toBe('/objects/1/modified');
  });

  test('an envelope, a single object, gzip and standard input are read too', async () => {
    expect((await verdicts(write('envelope.json', JSON.stringify({ objects: [good, good] })))).lines).toHaveLength(2);
    expect((await verdicts(write('single.json', JSON.stringify(good, null, 1)))).lines).toHaveLength(1);
    expect((await verdicts(write('packed.gz', gzipSync(JSON.stringify(good))))).code).toBe(0);
    const { code, stdout } = await huiju(['validate', '-', '--format', 'json'], { input: JSON.stringify(bad) });
    expect([code, (JSON.parse(stdout) as Line).id]).toEqual([1, bad.id]);
  });

  test('strict refuses what is custom, spec does not', async () => {
    const file = write('custom.json', JSON.stringify(newIdentity({ x_acme_rank: 1 })));
    expect((await verdicts(file)).code).toBe(0);
    expect((await verdicts(file, '--policy', 'strict')).code).toBe(1);
  });

  test('text names file, object, place, rule and value, and counts', async () => {
    const warned = newIdentity({ x_acme_rank: 1 });
    const file = write('text.json', JSON.stringify({ ...bundle, objects: [good, bad, warned] }, null, 2));
    const { code, stdout } = await huiju(['validate', file]);
    expect(code).toBe(1);
    const lines = JSON.stringify({ ...bundle, objects: [good, bad] }, null, 2).split('\n');
    const line = lines.findIndex((text) => text.includes('"modified": "2020-')) + 1;
    const column = '      "modified": "'.length;
    expect(stdout).toContain(
      `${file}: object 1, ${bad.id}\n  ${file}:${line}:${column}: error STIX-3.2-modified-order at /modified ("2020-01-01T00:00:00.000Z"): `,
    );
    expect(stdout).toMatch(/\n3 objects, 1 invalid, 1 warning\n$/);
  });

  test('a place in a bundle on one line is counted in characters, behind a byte order mark too', async () => {
    const named = newIdentity({ name: '汇聚𝕏', modified: '2020-01-01T00:00:00.000Z' });
    const text = JSON.stringify({ ...bundle, x_note: '汇聚𝕏é', objects: [good, named] });
    const column = [...text.slice(0, text.indexOf('"2020-01'))].length + 1;
    const { lines } = await verdicts(write('one-line.json', `\ufeff${text}`));
    expect(lines[1]?.errors).toMatchObject([{ path: '/modified', line: 1, column }]);
  });

  test('what is missing is shown where its owner begins, a fault of the bundle in its head', async () => {
    const text = `{\n "type": "bundle",\n "id": "bundle--x",\n "objects": [\n  {"type": "tool"},\n   {}]}`;
    const { lines } = await verdicts(write('owner.json', text));
    expect(lines.map(({ index, errors }) => [index, errors[0]])).toMatchObject([
      [0, { line: 5, column: 3 }],
      [1, { line: 6, column: 4 }],
      [-1, { path: '/id', line: 3, column: 8 }],
    ]);
  });

  test('a single object is shown with its places', async () => {
    const { lines } = await verdicts(write('single-bad.json', JSON.stringify(bad, null, 1)));
    expect(lines[0]?.errors).toMatchObject([{ path: '/modified', column: ' "modified": "'.length }]);
  });

  test('NDJSON is shown with lines of the file, blank ones counted', async () => {
    const whole = { ...bundle, objects: [good, bad] };
    const text = `${JSON.stringify(good)}\r\n\n{"type":}\n${JSON.stringify(whole)}\n "汇"\n`;
    const { lines } = await verdicts(write('places.ndjson', text));
    expect(lines.map(({ errors }) => errors[0])).toMatchObject([
      {},
      { line: 3, column: 9, message: expect.stringMatching(/line 3, column 9 \(byte \d+\)$/) },
      { line: 4, column: JSON.stringify(whole).indexOf('"2020-01') + 1, path: '/objects/1/modified' },
      { line: 5, column: 2 },
    ]);
    const byte = Number(/byte (\d+)/.exec(lines[1]?.errors[0]?.message ?? '')?.[1]);
    expect(text[byte]).toBe('}');
  });

  test('broken gzip and bytes that are no UTF-8 are said of their file, and the next file has its turn', async () => {
    const random = Array.from({ length: 3000 }, (_, index) => JSON.stringify(newIdentity({ name: `Unit ${index}` })));
    const packed = gzipSync(random.join('\n'));
    const cut = write('cut.ndjson.gz', packed.subarray(0, packed.length / 2));
    const latin = write('latin.json', Buffer.from('{"type":"tool",\n"name":"caf\xe9"}', 'latin1'));
    const { code, stdout } = await huiju(['validate', cut, latin, write('fine.json', JSON.stringify(good))]);
    expect(code).toBe(1);
    expect(stdout).toContain(
      `  ${cut}: error malformed-json: the gzip data ends too early (after byte ${packed.length >> 1} of the file)`,
    );
    expect(stdout).toMatch(new RegExp(`  ${latin}:2:12: error malformed-json: invalid UTF-8 .*\\(byte 28\\)`));
    expect(stdout).toMatch(/ objects, 2 invalid, 0 warnings\n$/);
    const piped = await huiju(['validate', '-'], { input: packed.subarray(0, packed.length / 2) });
    expect([piped.code, piped.stdout]).toEqual([1, expect.stringContaining('the gzip data ends too early')]);
  });

  test('messages are given in Chinese when that is asked for', async () => {
    const { lines } = await verdicts(write('zh.json', JSON.stringify(bad)), '--lang', 'zh');
    expect(lines[0]?.errors[0]?.message).toMatch(/[一-鿿]/);
  });

  test.each([
    ['a list that is none', { ...bundle, objects: { a: 1 } }],
    ['an empty list', { ...bundle, objects: [] }],
    ['an empty envelope', { objects: [] }],
  ])('%s is wrong as a whole', async (_what, document) => {
    const { code, lines } = await verdicts(write('list.json', JSON.stringify(document)));
    expect([code, lines.map(({ index, valid }) => [index, valid])]).toEqual([1, [[-1, false]]]);
  });

  test('what is wrong with a bundle itself is one verdict', async () => {
    const { lines } = await verdicts(write('both.json', '{"type":"bundle","id":"bundle--x","objects":[]}'));
    expect(lines.map(({ index, type, errors }) => [index, type, errors.length])).toEqual([[-1, 'bundle', 2]]);
  });

  test('a bundle without the member objects is valid, since the standard allows it', async () => {
    expect(await verdicts(write('bare.json', JSON.stringify(bundle)))).toEqual({ code: 0, lines: [] });
  });

  test('an object that is too long to publish is wrong, in a document and on a line', async () => {
    const long = JSON.stringify(newIdentity({ x_acme_text: 'x'.repeat(3000) }));
    const files = [write('long.ndjson', `${long}\n`), write('long.json', `{"objects":[${long}]}`)];
    for (const file of files) {
      const { stdout } = await huiju(['validate', file, '--format', 'json'], {
        env: { HUIJU_MAX_OBJECT_LENGTH: '2000' },
      });
      expect(JSON.parse(stdout)).toMatchObject({ index: 0, valid: false, errors: [{ code: 'object-too-long' }] });
    }
  });

  test('neither makes a store nor needs one', async () => {
    const { code } = await huiju(['validate', write('alone.json', JSON.stringify(good))], {
      env: { HUIJU_STORE: 'sqlite:/nonexistent/folder/huiju.db' },
    });
    expect(code).toBe(0);
  });

  test('a file that is not there is an error of one line', async () => {
    const { code, stderr } = await huiju(['validate', pathOf('absent.json')]);
    expect([code, stderr.trim().split('\n')]).toEqual([1, [expect.stringContaining('there is no such file')]]);
  });
});
