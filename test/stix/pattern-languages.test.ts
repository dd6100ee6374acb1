import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { checkObject } from '../../src/stix/check-object.ts';
import { maxFindings } from '../../src/stix/pattern-language.ts';
import { findSigmaFaults } from '../../src/stix/pattern-sigma.ts';
import { findSnortFaults } from '../../src/stix/pattern-snort.ts';
import { maxReadLength, patternLanguageRules } from '../../src/stix/rules-pattern-languages.ts';

interface Indicator {
  readonly pattern: string;
  readonly pattern_type: string;
}
interface Cases {
  readonly valid: readonly Indicator[];
  readonly invalid: readonly Indicator[];
}

function casesOf(code: string): Cases {
  const file = new URL(`../fixtures/stix/rules/${code}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Cases;
}

function check(object: Indicator, language: 'en' | 'zh' = 'en') {
  return checkObject(JSON.stringify(object), 'spec', { language });
}

const [example] = casesOf('STIX-4.7-yara').valid as [Indicator];
const messageOf = (pattern_type: string, pattern: string, language?: 'en' | 'zh') =>
  check({ ...example, pattern_type, pattern }, language).errors.map(({ message }) => message);

const shown = patternLanguageRules.filter(({ code }) => code !== 'STIX-4.7-pattern-length');

describe.each(shown)('$code', ({ code, level }) => {
  const { valid, invalid } = casesOf(code);

  test.each(valid)('passes $pattern', (object) => {
    const { errors, warnings } = check(object);
    expect([...errors, ...warnings].map((issue) => issue.code)).not.toContain(code);
  });

  test.each(invalid)('finds $pattern', (object) => {
    const { errors, warnings } = check(object);
    expect((level === 'error' ? errors : warnings).map((issue) => [issue.code, issue.path])).toContainEqual([
      code,
      '/pattern',
    ]);
    if (level === 'warning') expect(errors).toEqual([]);
  });
});

describe('patterns in other languages', () => {
  test.each([
    ['pcre', 'a\nb)', /^At line 2, column 2: .*"\)"/],
    ['sigma', '\ufefftitle: x\r\nlogsource', /^At line 2, column 1: /],
    ['snort', '\n# x\n  alert tcp any any <- any any (sid:1;)', /^At line 3, column 21: /],
    ['suricata', 'alert tcp any any \\\r\n  <- any any (sid:1;)', /^At line 2, column 3: /],
    ['yara', 'rule a {\r\n  condition: (true\r\n}', /^At line 2, column 14: /],
  ])('the message about %s begins with line and column', (type, pattern, message) => {
    expect(messageOf(type, pattern)).toEqual([expect.stringMatching(message)]);
  });

  test('messages are given in Chinese too', () => {
    expect(messageOf('pcre', '(a', 'zh')).toEqual(['第 1 行第 1 列：不是正则表达式："(" 没有闭合。']);
  });

  test('other languages and versions pass', () => {
    expect(messageOf('zeek', ')(')).toEqual([]);
  });

  test('a pattern that is too long to be read gets a warning, whatever it says', () => {
    const codes = (length: number, type: string) => {
      const { errors, warnings } = check({ ...example, pattern_type: type, pattern: '('.repeat(length) });
      return [errors, warnings].map((issues) => issues.map(({ code }) => code));
    };
    for (const { code } of patternLanguageRules.filter(({ level }) => level === 'error')) {
      const type = code.slice(code.lastIndexOf('-') + 1);
      expect(codes(maxReadLength + 1, type)).toEqual([[], ['STIX-4.7-pattern-length']]);
      expect(codes(maxReadLength, type)[0]).toEqual([code]);
    }
    expect(codes(maxReadLength + 1, 'zeek')).toEqual([[], ['STIX-10.19-pattern-type-ov']]);
  });

  test('twenty thousand faults are bounded', () => {
    expect(findSnortFaults('alert\n'.repeat(20_000))).toHaveLength(maxFindings);
    expect(findSigmaFaults('a:\n\tb:\n'.repeat(20_000))).toHaveLength(maxFindings);
  });

  test.each(['"', '/', '"\\', '(', '[', '{', '={', '/*', '\\\n', ' ', '\n', '\t', ': ', 'a'])(
    '%j over and over ends without an exception in any language',
    (piece) => {
      for (const type of ['pcre', 'sigma', 'snort', 'suricata', 'yara']) {
        for (const head of ['', 'alert tcp any any -> any any (', 'rule a { strings: $a = ', 'title: ']) {
          const pattern = (head + piece.repeat(maxReadLength)).slice(0, maxReadLength);
          expect(check({ ...example, pattern_type: type, pattern }).errors.length).toBeLessThanOrEqual(21);
        }
      }
    },
  );
});
