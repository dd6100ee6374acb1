import { describe, expect, test } from '@jest/globals';
import { createScanner, ScanError, type ScanResult } from '../../src/stix/scan.ts';

interface Scanned extends ScanResult {
  readonly elements: string[];
  readonly tooLong: boolean[];
  readonly lines: number[];
}

function scan(text: string | Buffer, chunkLength = Number.POSITIVE_INFINITY, maxObjectLength = 1_000_000): Scanned {
  const bytes = Buffer.from(text as string);
  const elements: string[] = [];
  const tooLong: boolean[] = [];
  const lines: number[] = [];
  const scanner = createScanner({
    maxObjectLength,
    onObject: (object) => {
      elements.push(object.text.toString());
      tooLong.push(object.tooLong);
      lines.push(object.line);
    },
  });
  const step = Math.min(chunkLength, Math.max(bytes.length, 1));
  for (let from = 0; from < bytes.length; from += step) scanner.push(bytes.subarray(from, from + step));
  return { ...scanner.end(), elements, tooLong, lines };
}

function failure(text: string | Buffer, chunkLength?: number): ScanError {
  try {
    scan(text, chunkLength);
  } catch (error) {
    if (error instanceof ScanError) return error;
    throw error;
  }
  throw new Error('the text was accepted');
}

const rich = `{
  "type" : "bundle",
  "x_numbers": [ 0, -0, 1.50, 1e+9, -12.5E-3, 123456789012345678901234567890 ],
  "objects": [
    { "id": "a--1", "name": "汇聚 \\u6c47 😀 \\"quoted\\" \\\\", "n": { "deep": [ [ ], { } , true, false, null ] } },
    null, 17, "text", [ 1 , 2 ],
    {"objects":[1],"__proto__":{"a":9007199254740993}}
  ],
  "id": "bundle--1"
}
`;

describe('scanning an envelope', () => {
  test.each([1, 2, 3, 7, 64, Number.POSITIVE_INFINITY])(
    'in chunks of %d bytes hands out each element once, compact',
    (size) => {
      const { elements, root, objects, count, lines } = scan(rich, size);
      expect(elements).toEqual([
        '{"id":"a--1","name":"汇聚 \\u6c47 😀 \\"quoted\\" \\\\","n":{"deep":[[],{},true,false,null]}}',
        'null',
        '17',
        '"text"',
        '[1,2]',
        '{"objects":[1],"__proto__":{"a":9007199254740993}}',
      ]);
      expect(root).toBe(
        '{"type":"bundle","x_numbers":[0,-0,1.50,1e+9,-12.5E-3,123456789012345678901234567890],"objects":[],"id":"bundle--1"}',
      );
      expect({ objects, count }).toEqual({ objects: 'list', count: 6 });
      expect(lines).toEqual([5, 6, 6, 6, 6, 7]);
    },
  );

  test('keeps a root without a list under objects whole', () => {
    const text = '{"type":"observed-data","objects":{"0":{"type":"file"}}}';
    expect(scan(text)).toMatchObject({ root: text, objects: 'other', elements: [] });
    expect(scan('{}')).toMatchObject({ root: '{}', objects: 'absent', elements: [] });
    expect(scan('{"objects":[]}')).toMatchObject({ root: '{"objects":[]}', objects: 'list', elements: [] });
  });

  test('knows the member objects by its value, however it is spelled', () => {
    expect(scan('{"obj\\u0065cts":[1]}').elements).toEqual(['1']);
    expect(scan('{"x":{"objects":[1]},"y":[{"objects":[2]}]}').objects).toBe('absent');
  });

  test('passes over a byte order mark', () => {
    expect(scan('\ufeff{"objects":[1]}', 1)).toMatchObject({ root: '{"objects":[]}', elements: ['1'] });
  });

  test('says which object is too long and keeps its beginning', () => {
    const long = `{"id":"a--1","x":"${'y'.repeat(10_000)}"}`;
    const scanned = scan(`{"objects":[{"a":1},${long},{"b":2}]}`, 100, 9000);
    expect(scanned.tooLong).toEqual([false, true, false]);
    expect(scanned.elements[1]).toBe(long.slice(0, 4096));
    expect(scanned.elements[2]).toBe('{"b":2}');
  });

  test('measures an object without its white space', () => {
    expect(scan(`{"objects":[{${' '.repeat(100_000)}"a":1}]}`, 1000, 100).tooLong).toEqual([false]);
  });
});

describe('refusing a text', () => {
  test.each([
    '',
    '   ',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,}',
    '{"a" 1}',
    '{a:1}',
    "{'a':1}",
    '{"objects":[1,]}',
    '{"objects":[,1]}',
    '{"objects":[1 2]}',
    '{"objects":[1}',
    '{"objects":[1]]',
    '{"objects":[01]}',
    '{"objects":[+1]}',
    '{"objects":[.5]}',
    '{"objects":[1.]}',
    '{"objects":[1e]}',
    '{"objects":[1e+]}',
    '{"objects":[-]}',
    '{"objects":[0x10]}',
    '{"objects":[NaN]}',
    '{"objects":[Infinity]}',
    '{"objects":[tru]}',
    '{"objects":[nulll]}',
    '{"objects":["\t"]}',
    '{"objects":["\\x"]}',
    '{"objects":["\\u12g4"]}',
    '{"objects":["open]}',
    '{"objects":[1]}x',
    '{"objects":[1]}{"objects":[2]}',
    '{} []',
    '// {}\n{}',
    '\u00a0{}',
    '~foo',
    '<html>',
    '{"a":\f1}',
  ])('%j is not JSON, in any chunks', (text) => {
    expect(failure(text).kind).toBe('syntax');
    expect(failure(text, 1).message).toBe(failure(text).message);
  });

  test.each(['[]', '"x"', '1', '-1', 'true', 'null', ' [1'])('%j is no object', (text) => {
    expect(failure(text).kind).toBe('shape');
  });

  test.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong three-byte form', [0xe0, 0x80, 0x80]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a code point past U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a truncated sequence', [0xe6, 0xb1]],
    ['byte 0xFF', [0xff]],
  ])('%s is not UTF-8', (_what, bytes) => {
    const text = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expect(failure(text)).toMatchObject({ kind: 'syntax', message: expect.stringContaining('UTF-8') });
    expect(failure(text, 1).kind).toBe('syntax');
  });

  test('names the place', () => {
    expect(failure('{\n  "a": 1,\n  "b": tru\n}').message).toBe(
      'expected true, found byte 0x0a at line 3, column 11 (byte 22)',
    );
  });

  test('a member that occurs twice in the root has no one meaning', () => {
    expect(failure('{"objects":[1],"objects":[2]}')).toMatchObject({ kind: 'shape' });
    expect(failure('{"type":"bundle","t\\u0079pe":"x"}')).toMatchObject({ kind: 'shape' });
  });

  test('a member name of the root has a bounded length', () => {
    expect(failure(`{"${'n'.repeat(2001)}":1}`, 100)).toMatchObject({ kind: 'shape' });
    expect(failure(`{"${'\\u0041'.repeat(400)}":1}`, 7)).toMatchObject({ kind: 'shape' });
  });

  test('brackets without end cost bounded memory', () => {
    const scanner = createScanner({ maxObjectLength: 1000, onObject: () => undefined });
    const brackets = Buffer.alloc(100_000, '[');
    scanner.push(Buffer.from('{"objects":'));
    expect(() => {
      for (let chunk = 0; chunk < 20; chunk += 1) scanner.push(brackets);
    }).toThrow('brackets are open');
  });
});

describe('against JSON.parse', () => {
  // A small generator with a fixed seed: texts near JSON, so that both answers occur often.
  let seed = 42;
  function random(below: number): number {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  }
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"b"',
    '1',
    '-0.5e3',
    'true',
    'null',
    ' ',
    '\n',
    '""',
    '"\\n"',
    '"汇"',
  ];

  test('accepts the same texts', () => {
    let accepted = 0;
    for (let round = 0; round < 60_000; round += 1) {
      let inner = '';
      for (let piece = random(7); piece >= 0; piece -= 1) inner += pieces[random(pieces.length)];
      const text = `{"objects":[${inner}]}`;
      let expected: unknown[] | undefined;
      try {
        expected = (JSON.parse(text) as { objects: unknown[] }).objects;
      } catch {
        expected = undefined;
      }
      let found: unknown[] | undefined;
      try {
        found = scan(text, 1 + random(5)).elements.map((element) => JSON.parse(element) as unknown);
      } catch (error) {
        expect(error).toBeInstanceOf(ScanError);
        if (error instanceof ScanError && error.kind === 'shape') continue;
      }
      if (expected === undefined || found === undefined) expect([text, found]).toEqual([text, expected]);
      else accepted += 1;
      expect(found).toEqual(expected);
    }
    expect(accepted).toBeGreaterThan(1000);
  });
});
