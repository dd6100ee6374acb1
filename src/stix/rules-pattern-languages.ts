/**
 * Patterns of indicators in other languages (STIX 2.1 §4.7): checked for what can be seen lightly and with certainty.
 * An error is what no engine would load; what engines or versions differ on is a warning at most.
 */

import type { StixObject } from './object-types.ts';
import { atPosition, type Finding, type FindPatternFaults } from './pattern-language.ts';
import { findSigmaFaults } from './pattern-sigma.ts';
import { findSnortFaults, findSuricataFaults } from './pattern-snort.ts';
import { findYaraFaults } from './pattern-yara.ts';
import { findRegularExpressionFault, maxExpressionLength } from './regular-expression.ts';
import type { Report, Rule } from './rule.ts';

/** Longer patterns are not looked at: reading one must not hold up a thread. */
export const maxReadLength = maxExpressionLength;

const findPcreFaults: FindPatternFaults = (pattern) => {
  const fault = findRegularExpressionFault(pattern);
  if (fault === undefined) return [];
  const text = { en: `This is no regular expression: ${fault.en}.`, zh: `不是正则表达式：${fault.zh}。` };
  return [{ level: 'error', offset: fault.offset, text }];
};

const languages = {
  pcre: findPcreFaults,
  sigma: findSigmaFaults,
  snort: findSnortFaults,
  suricata: findSuricataFaults,
  yara: findYaraFaults,
} as const satisfies Readonly<Record<string, FindPatternFaults>>;

// STIX 2.1 §4.7: the property pattern_type names the language that the pattern is written in.
function patternIn(language: string, object: StixObject): string | undefined {
  if (object.pattern_type !== language) return undefined;
  return typeof object.pattern === 'string' ? object.pattern : undefined;
}

function languageRule(language: keyof typeof languages, level: Finding['level'], code: string): Rule {
  const check = (object: StixObject, report: Report): void => {
    const pattern = patternIn(language, object);
    if (pattern === undefined || pattern.length > maxReadLength) return;
    for (const finding of languages[language](pattern)) {
      if (finding.level === level) report(['pattern'], atPosition(pattern, finding));
    }
  };
  return { code, section: 'STIX 2.1 §4.7', level, types: ['indicator'], check };
}

function checkLength({ pattern, pattern_type: type }: StixObject, report: Report): void {
  if (typeof pattern !== 'string' || typeof type !== 'string') return;
  if (!Object.hasOwn(languages, type) || pattern.length <= maxReadLength) return;
  report(['pattern'], {
    en: `Patterns of more than ${maxReadLength} characters are not checked; divide it to have it checked.`,
    zh: `超过 ${maxReadLength} 个字符的模式不作检查；如需检查请拆分。`,
  });
}

export const patternLanguageRules: readonly Rule[] = [
  languageRule('pcre', 'error', 'STIX-4.7-pcre'),
  languageRule('sigma', 'error', 'STIX-4.7-sigma'),
  languageRule('snort', 'error', 'STIX-4.7-snort'),
  languageRule('suricata', 'error', 'STIX-4.7-suricata'),
  languageRule('yara', 'error', 'STIX-4.7-yara'),
  languageRule('sigma', 'warning', 'STIX-4.7-sigma-parts'),
  languageRule('snort', 'warning', 'STIX-4.7-snort-options'),
  languageRule('suricata', 'warning', 'STIX-4.7-suricata-options'),
  {
    code: 'STIX-4.7-pattern-length',
    section: 'STIX 2.1 §4.7',
    level: 'warning',
    types: ['indicator'],
    check: checkLength,
  },
];
