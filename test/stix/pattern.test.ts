import { describe, expect, test } from '@jest/globals';
import { checkObject } from '../../src/stix/check-object.ts';
import { defaultExtensions } from '../../src/stix/extensions.ts';
import {
  maxPatternDepth,
  maxPatternLength,
  maxPatternTokens,
  type Pattern,
  type PatternFault,
  parsePattern,
} from '../../src/stix/pattern.ts';
import { maxExpressionLength } from '../../src/stix/regular-expression.ts';
import { patternRules } from '../../src/stix/rules-pattern.ts';
import { createRandom } from '../hostile/generator.ts';
import { createPatterns, type Expression, print } from './pattern-generator.ts';

function parsed(text: string): Pattern {
  const result = parsePattern(text);
  if ('fault' in result) throw new Error(`${text}: at ${result.fault.offset}: ${result.fault.text.en}`);
  return result.pattern;
}

function faultOf(text: string): PatternFault | undefined {
  const result = parsePattern(text);
  return 'fault' in result ? result.fault : undefined;
}

/** The tree without the positions in the text. */
function treeOf(text: string): Expression {
  const withoutOffsets = (key: string, value: unknown) => (key === 'offset' ? undefined : value);
  return JSON.parse(JSON.stringify(parsed(text).expression, withoutOffsets)) as Expression;
}

/** The pattern with every operator's operands in angle brackets, to see how it was read. */
function shape(text: string): string {
  const write = (node: Expression): string => {
    if (node.kind === 'comparison') return String(node.values[0]?.value);
    if (node.kind === 'observation') return `[${write(node.expression)}]`;
    if (node.kind === 'qualified')
      return `<${write(node.expression)} ${node.qualifiers.map(({ kind }) => kind).join(' ')}>`;
    return `<${node.operands.map(write).join(` ${node.kind} `)}>`;
  };
  return write(treeOf(text));
}

function constantOf(constant: string): { type: string; value: string } | undefined {
  const { type, value } = parsed(`[a:b = ${constant}]`).comparisons[0]?.values[0] ?? {};
  return type === undefined || value === undefined ? undefined : { type, value };
}

describe('constants (STIX 2.1 §9.2)', () => {
  test.each([
    ["'a'", 'string', 'a'],
    ["''", 'string', ''],
    [String.raw`'it\'s \\ it'`, 'string', String.raw`it's \ it`],
    ["'two\nlines, 恶意 𝕏'", 'string', 'two\nlines, 恶意 𝕏'],
    ['0', 'integer', '0'],
    ['-5', 'integer', '-5'],
    ['9007199254740991', 'integer', '9007199254740991'],
    ['-9007199254740991', 'integer', '-9007199254740991'],
    ['7.10', 'float', '7.10'],
    ['-0.5', 'float', '-0.5'],
    ['.5', 'float', '.5'],
    ['true', 'boolean', 'true'],
    ['false', 'boolean', 'false'],
    ["b'ABI='", 'binary', 'ABI='],
    ["b'AB\nI='", 'binary', 'AB\nI='],
    ["h'ffC3'", 'hex', 'ffC3'],
    ["t'2014-01-13T07:03:17Z'", 'timestamp', '2014-01-13T07:03:17Z'],
    ["t'2014-01-13T07:03:60.123456789Z'", 'timestamp', '2014-01-13T07:03:60.123456789Z'],
  ])('%s', (text, type, value) => {
    expect(constantOf(text)).toEqual({ type, value });
  });
});

describe('object paths (§9.7)', () => {
  test.each([
    ['file:size', 'file', [{ name: 'size' }]],
    ["file:hashes.'SHA-256'", 'file', [{ name: 'hashes' }, { name: 'SHA-256' }]],
    ['network-traffic:protocols[0]', 'network-traffic', [{ name: 'protocols' }, { index: 0 }]],
    ['a:b[*][1].c', 'a', [{ name: 'b' }, { index: '*' }, { index: 1 }, { name: 'c' }]],
    ["a:'*'", 'a', [{ name: '*' }]],
    ['a:AND.t', 'a', [{ name: 'AND' }, { name: 't' }]],
    [' a : b . c [ 2 ] ', 'a', [{ name: 'b' }, { name: 'c' }, { index: 2 }]],
  ])('%s', (path, objectType, steps) => {
    expect(parsed(`[${path} = 1]`).comparisons[0]?.path).toMatchObject({ objectType, steps });
  });
});

describe('comparison operators (§9.6.1)', () => {
  test.each([
    ['a:b == 1', '=', false],
    ['a:b <> 1', '!=', false],
    ['a:b NOT != 1', '!=', true],
    ['a:b<1', '<', false],
    ['a:b<=-1', '<=', false],
    ["a:b>'c'", '>', false],
    ["a:b >= t'2014-01-13T07:03:17Z'", '>=', false],
    ['a:b IN(1, 2.5)', 'IN', false],
    ['a:b NOT IN (true)', 'IN', true],
    ["a:b LIKE'%a_'", 'LIKE', false],
    ["a:b MATCHES '(a+)+$'", 'MATCHES', false],
    ["a:b ISSUBSET '::/0'", 'ISSUBSET', false],
    ["a:b NOT ISSUPERSET '::/0'", 'ISSUPERSET', true],
    ['EXISTS a:b', 'EXISTS', false],
    ['NOT EXISTS a:b', 'EXISTS', true],
  ])('%s', (text, operator, negated) => {
    expect(parsed(`[${text}]`).comparisons).toMatchObject([{ operator, negated }]);
  });

  test('what a pattern looks for is listed in the order of its text, each with its position', () => {
    const { comparisons } = parsed("([a:b = 1] OR [c:d IN ('x', 'y')]) WITHIN 5 SECONDS AND [EXISTS e:f]");
    expect(comparisons.map(({ path, values }) => [path.offset, ...values.map(({ offset }) => offset)])).toEqual([
      [2, 8],
      [15, 23, 28],
      [64],
    ]);
    expect(comparisons.flatMap(({ values }) => values.map(({ value }) => value))).toEqual(['1', 'x', 'y']);
  });
});

describe('precedence (§9.5.3)', () => {
  test.each([
    ['[a:b=1 OR a:b=2 AND a:b=3]', '[<1 OR <2 AND 3>>]'],
    ['[(a:b=1 OR a:b=2) AND a:b=3]', '[<<1 OR 2> AND 3>]'],
    ['[a:b=1 AND a:b=2 AND a:b=3]', '[<1 AND 2 AND 3>]'],
    ['[a:b=1 AND (a:b=2 AND a:b=3)]', '[<1 AND <2 AND 3>>]'],
    ['[a:b=1] FOLLOWEDBY [a:b=2] OR [a:b=3] AND [a:b=4]', '<[1] FOLLOWEDBY <[2] OR <[3] AND [4]>>>'],
    ['([a:b=1] FOLLOWEDBY [a:b=2]) OR [a:b=3]', '<<[1] FOLLOWEDBY [2]> OR [3]>'],
    ['[a:b=1] AND [a:b=2] REPEATS 5 TIMES', '<[1] AND <[2] REPEATS>>'],
    ['([a:b=1] AND [a:b=2]) REPEATS 5 TIMES WITHIN 9 SECONDS', '<<[1] AND [2]> REPEATS WITHIN>'],
    ['([a:b=1] REPEATS 2 TIMES) REPEATS 3 TIMES', '<<[1] REPEATS> REPEATS>'],
    ['((([((a:b=1))])))', '[1]'],
  ])('%s', (text, expected) => {
    expect(shape(text)).toBe(expected);
  });

  test('qualifiers keep their values', () => {
    expect(
      treeOf("[a:b=1] WITHIN 1.5 SECONDS REPEATS 2 TIMES START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'"),
    ).toMatchObject({
      qualifiers: [
        { kind: 'WITHIN', seconds: 1.5 },
        { kind: 'REPEATS', times: 2 },
        { kind: 'START', start: { value: '2024-01-01T00:00:00Z' }, stop: { value: '2024-01-02T00:00:00Z' } },
      ],
    });
  });

  test('white space is what Unicode calls so', () => {
    expect(shape('\u3000[a:b\u00a0=\u20281\u0085]\r\n')).toBe('[1]');
    expect(faultOf('[a:b\ufeff= 1]')).toMatchObject({ offset: 4 });
  });
});

test('comments are white space, as in the published grammar', () => {
  const plain = parsePattern("[file:name = 'a//b' AND file:size = 1] AND [url:value = '/*']");
  const commented = parsePattern(
    "/* [ */ [file:name /**/ = 'a//b' // one ] '\n AND file:size = 1]// two\r\n/* three\n */AND [url:value = '/*']//",
  );
  const withoutPlaces = (value: unknown): string => JSON.stringify(value).replaceAll(/"offset":\d+/g, '');
  expect(withoutPlaces(commented)).toBe(withoutPlaces(plain));
  expect(plain).toHaveProperty('pattern');
  expect(parsePattern("[file:name = 'a'] /* b")).toMatchObject({ fault: { offset: 18 } });
  expect(parsePattern("[file:name = 'a'] / b")).toMatchObject({ fault: { offset: 18 } });
});

describe('faults have a position and say what was expected', () => {
  test.each<[pattern: string, offset: number, message: RegExp]>([
    ['', 0, /square brackets, found the end/],
    ['[]', 1, /an object path/],
    ['[a:b = 1', 8, /AND, OR or "\]", found the end/],
    ['([a:b = 1]', 10, /"\)" for the parenthesis at character 1/],
    ['[a:b = 1]]', 9, /the end of the pattern, found "\]"/],
    ['[a:b = 1] [c:d = 2]', 10, /AND, OR, FOLLOWEDBY/],
    ['[a:b = 1 FOLLOWEDBY a:c = 2]', 9, /found "FOLLOWEDBY"/],
    ['[a:b = 1 and a:c = 2]', 9, /keywords are upper case: AND/],
    ['[a = 1]', 3, /":" after the object type/],
    ['[a: = 1]', 4, /the name of a property, found "="/],
    ["[a:'' = 1]", 3, /the name of a property/],
    ['[a:b-c = 1]', 3, /'b-c'/],
    ['[a:b[c] = 1]', 5, /index of a list/],
    ['[a:b[-1] = 1]', 5, /index of a list/],
    ['[a:b[1.5] = 1]', 5, /index of a list/],
    ['[a:b[1 = 1]', 7, /"\]" after the index/],
    ['[a:[0] = 1]', 3, /the name of a property/],
    ['[a:b 1]', 5, /comparison operator, found the integer "1"/],
    ["[a:b '=' 1]", 5, /comparison operator, found the string/],
    ['[NOT a:b = 1]', 5, /EXISTS/],
    ['[a:b NOT EXISTS]', 9, /comparison operator/],
    ['[a:b = c]', 7, /strings stand in apostrophes/],
    ['[a:b = "c"]', 7, /not in quotation marks/],
    ["[a:b = 'c]", 7, /never closed/],
    [String.raw`[a:b = 'c\']`, 7, /never closed/],
    [String.raw`[a:b = 'c\n']`, 9, /After a backslash/],
    [String.raw`[a:b = 'c\\\x']`, 11, /After a backslash/],
    ['[a:b = +5]', 7, /without the plus sign/],
    ['[a:b = 05]', 7, /leading zeros/],
    ['[a:b = 9007199254740992]', 7, /2\^53-1/],
    ['[a:b = 1.2.3]', 7, /ends in "\."/],
    ['[a:b = 5c]', 7, /ends in "c"/],
    ['[a:b = -]', 7, /no meaning/],
    ["[a:b = h'fff']", 7, /even number/],
    ["[a:b = h'gg']", 7, /hexadecimal/],
    ["[a:b = b'A']", 7, /base64/],
    ["[a:b = b'A===']", 7, /base64/],
    ["[a:b = t'2014-01-13T07:03:17']", 7, /time in UTC/],
    ["[a:b = t'2014-13-13T07:03:17Z']", 7, /time in UTC/],
    ["[a:b = B'ABI=']", 7, /strings stand in apostrophes/],
    ["[a:b = '恶意' 𝕏]", 12, /"𝕏" has no meaning/],
    ['[a:b < true]', 7, /has an order/],
    ['[a:b LIKE 5]', 10, /a string in apostrophes after LIKE/],
    ["[a:b MATCHES h'ff']", 13, /a string in apostrophes after MATCHES, found the hex "ff"/],
    ['[a:b ISSUBSET 5]', 14, /after ISSUBSET/],
    ['[a:b IN ()]', 9, /a constant/],
    ['[a:b IN 1]', 8, /in parentheses/],
    ["[a:b IN (1, 'a')]", 12, /one type; expected integer, found string/],
    ['[a:b IN (1 2)]', 11, /"," or "\)"/],
    ['[a:b = 1] WITHIN 0.0 SECONDS', 17, /positive/],
    ['[a:b = 1] WITHIN 5 HOURS', 19, /SECONDS, found "HOURS"/],
    ['[a:b = 1] REPEATS 0 TIMES', 18, /positive integer/],
    ['[a:b = 1] REPEATS 1.5 TIMES', 18, /positive integer/],
    ["[a:b = 1] START '2024-01-01T00:00:00Z'", 16, /a timestamp/],
    ["[a:b = 1] START t'2024-01-01T00:00:00Z'", 39, /STOP/],
    ['[a:b = 1] WITHIN 5 SECONDS WITHIN 6 SECONDS', 27, /WITHIN only once/],
    ['([a:b = 1]) REPEATS 5 TIMES REPEATS 6 TIMES', 28, /REPEATS only once/],
  ])('%s', (pattern, offset, message) => {
    expect(faultOf(pattern)).toEqual({
      offset,
      text: { en: expect.stringMatching(message), zh: expect.stringMatching(/\p{Script=Han}/u) },
    });
  });
});

describe('the rule for indicators', () => {
  const indicator = {
    type: 'indicator',
    spec_version: '2.1',
    id: 'indicator--3f2a0060-6b1d-4c7e-9a55-0d8e5b7c1a42',
    created: '2024-03-01T08:00:00.000Z',
    modified: '2024-03-01T08:00:00.000Z',
    pattern_type: 'stix',
    valid_from: '2024-03-01T08:00:00.000Z',
  };
  const messagesOf = (pattern: string) =>
    checkObject(JSON.stringify({ ...indicator, pattern }), 'spec').errors.map(({ message }) => message);

  test('its message begins with the position, counted from 1', () => {
    expect(messagesOf('[file:size = ]')).toEqual([
      'At character 14: Expected a constant (strings stand in apostrophes), found "]".',
    ]);
  });

  test.each([
    ["[file:size = 1 AND file:name = 'a' AND url:value = 'b' AND url:value = 'c']", [40]],
    ["[file:size = 1 AND (file:name = 'a' OR url:value = 'b')]", []],
    ["[(file:size = 1 OR url:value = 'a') AND (file:size = 2 OR url:value = 'b') AND url:value = 'c']", []],
    ["[(file:size = 1 OR url:value = 'a') AND (ipv4-addr:value = 'b' OR ipv6-addr:value = 'c')]", [42]],
    ["[file:size = 1 AND (file:size = 2 AND url:value = 'b')]", [39]],
    ["[file:size = 1 OR url:value = 'b'] AND [url:value = 'c']", []],
    ['[ab:size = 1 OR file:n = 2 OR File:name = 3 OR x--y:name = 4]', [2, 17, 31, 48]],
    ["[file:hashes.a = 1 AND file:id = 2 AND file:'x-y' = 3]", [40]],
    ["[file:ctime IN (t'2024-02-29T00:00:00Z', t'2023-02-29T00:00:00Z')]", [42]],
    ["[file:size = 1] START t'2024-01-02T00:00:00.5Z' STOP t'2024-01-02T00:00:00.25Z'", [54]],
    ["[file:size = 1] START t'2024-01-02T00:00:00Z' STOP t'2024-01-02T00:00:00Z'", []],
    ["[ipv6-addr:value ISSUBSET '2001:db8::/32' OR ipv4-addr:value ISSUPERSET '10.0.0.0/33']", [73]],
  ])('%s', (pattern, characters) => {
    expect(messagesOf(pattern).map((message) => Number(/^At character (\d+): /.exec(message)?.[1]))).toEqual(
      characters,
    );
  });

  test.each([
    String.raw`^[]\]a[:digit:]]([{]+\)\(\[)$`,
    String.raw`\c(\x5b[^]]`,
    String.raw`\Q(\E`,
    '(?i)a|(?:b(c)*)',
    '(?x) # (',
    '(?#()a',
    '(a+)+$',
    '',
  ])('%s may be a regular expression', (expression) => {
    expect(messagesOf(`[file:name MATCHES '${expression.replaceAll(/['\\]/g, '\\$&')}']`)).toEqual([]);
  });

  test.each([
    ['(a', /"\(" is never closed/],
    ['a)', /"\)" closes no group/],
    ['[]a', /"\[" is never closed/],
    ['[[:digit:]', /"\[" is never closed/],
    ['a\\', /middle of an escape/],
  ])('%s is no regular expression', (expression, message) => {
    const messages = messagesOf(`[file:name MATCHES '${expression.replaceAll('\\', '\\\\')}']`);
    expect(messages).toEqual([expect.stringMatching(message)]);
  });

  test('a regular expression of any length is looked at once', () => {
    for (const piece of ['(', '[', '[[:', '(?a', String.raw`\\`]) {
      expect(messagesOf(`[file:name MATCHES '${piece.repeat(200_000)}']`).length).toBeLessThanOrEqual(1);
    }
  });

  test('a regular expression that is too long to be read passes', () => {
    const matches = (length: number) => messagesOf(`[file:name MATCHES '${'('.repeat(length)}']`);
    expect(matches(maxExpressionLength)).toHaveLength(1);
    expect(matches(maxExpressionLength + 1)).toEqual([]);
  });

  test('sentences about fifteen thousand faults are not made', () => {
    const wrong = Array.from({ length: 15_000 }, () => 'a:b = 1').join(' OR ');
    let reports = 0;
    const report = (): void => {
      reports += 1;
    };
    const context = {
      extensions: defaultExtensions,
      now: 0,
      holdsNull: false,
      holdsEmptyList: false,
      customProperties: [],
    };
    for (const rule of patternRules) rule.check({ ...indicator, pattern: `[${wrong}]` }, report, context);
    expect(reports).toBeLessThan(200);
  });

  test('fifteen thousand faults are bounded', () => {
    const wrong = Array.from({ length: 15_000 }, (_, index) => `a:b = ${index}`).join(' OR ');
    expect(messagesOf(`[${wrong}]`)).toHaveLength(21);
  });

  test('many types in deep parentheses are told apart', () => {
    const types = Array.from({ length: 7_000 }, (_, index) => `type-${index}:name = 1`).join(' OR ');
    const nested = `${'('.repeat(90)}${types}${` OR other:name = 2)`.repeat(90)}`;
    expect(messagesOf(`[${nested} AND (${types})]`)).toEqual([]);
    expect(messagesOf(`[${nested} AND different:name = 3]`)).toHaveLength(1);
  });
});

describe('hostile patterns', () => {
  test.each<[name: string, pattern: string, offset: number]>([
    ['a hundred thousand brackets', '['.repeat(100_000), 1],
    ['a hundred thousand parentheses', '('.repeat(100_000), maxPatternDepth],
    ['parentheses within a comparison', `[${'('.repeat(100_000)}`, maxPatternDepth + 1],
    ['a string that never ends', `[a:b = '${'x'.repeat(1_000_000)}`, 7],
    ['escapes without end', `[a:b = '${"\\'".repeat(500_000)}`, 7],
    ['digits without end', `[a:b = ${'9'.repeat(1_000_000)}]`, 7],
    ['almost base64', `[a:b = b'${'A'.repeat(1_000_000)}*']`, 7],
    ['almost a timestamp', `[a:b = t'2024-01-01T00:00:00.${'0'.repeat(1_000_000)}']`, 7],
    ['white space without end', ' '.repeat(1_000_000), 1_000_000],
    ['indices without end', `[a:b${'[*]'.repeat(30_000)}`, 90_004],
    // Two tokens each, behind the five before them.
    ['more tokens than are read', `[a:b IN (${'1,'.repeat(maxPatternTokens)}1)]`, 9 + maxPatternTokens - 6],
    ['more than is read', `[a:b = '${'x'.repeat(maxPatternLength)}']`, maxPatternLength],
  ])('%s', (_name, pattern, offset) => {
    const fault = faultOf(pattern);
    expect(fault?.offset).toBe(offset);
    expect(fault?.text.en.length).toBeLessThan(300);
  });

  test('large patterns without a fault are read', () => {
    expect(parsed(`[a:b = '${String.raw`\\`.repeat(500_000)}']`).comparisons).toHaveLength(1);
    expect(parsed(`[a:b IN (${'1,'.repeat(49_000)}1)]`).comparisons[0]?.values).toHaveLength(49_001);
    expect(parsed(`[${'a:b=1 OR '.repeat(16_000)}a:b=1]`).comparisons).toHaveLength(16_001);
    expect(
      parsed(`[${`file:hashes.'SHA-256' = '${'a'.repeat(64)}' OR `.repeat(11_000)}a:b=1]`).comparisons,
    ).toHaveLength(11_001);
    expect(shape(`${'('.repeat(maxPatternDepth)}[a:b=1]${')'.repeat(maxPatternDepth)}`)).toBe('[1]');
  });
});

describe('any tree', () => {
  test('printed and read again is the same tree', () => {
    const next = createPatterns(createRandom(20_210_610));
    for (let round = 0; round < 500; round += 1) {
      const tree = next();
      expect(treeOf(print(tree))).toEqual(tree);
    }
  });

  test('cut or changed anywhere is read or a fault within the text, never an exception', () => {
    const random = createRandom(7);
    const next = createPatterns(random);
    const below = (count: number) => Math.floor(random() * count);
    const scraps = ["'", '\\', '[', ')', ' AND ', '(', ':', '1', '-', "t'", '', '\u0000', '恶'];
    for (let round = 0; round < 500; round += 1) {
      const text = print(next());
      const at = below(text.length);
      const changed = text.slice(0, at) + scraps[below(scraps.length)] + text.slice(at + below(3));
      expect(faultOf(changed)?.offset ?? 0).toBeLessThanOrEqual(changed.length);
    }
  });
});
