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
  readonly errors: readonly { code: string; path: string; message: string }[];
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
    expect(lines[1]?.errors).toEqual([
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
        errors: [{ code: 'malformed-json', path: '', message: expect.stringContaining('line 2, column 2') }],
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

  test('text names file, object and rule, and counts', async () => {
    const file = write('text.json', JSON.stringify({ ...bundle, objects: [good, bad] }));
    const { code, stdout } = await huiju(['validate', file]);
    expect(code).toBe(1);
    expect(stdout).toContain(`${file}: object 1, ${bad.id}\n  error `);
    expect(stdout).toMatch(/2 objects checked, 1 invalid\n$/);
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
