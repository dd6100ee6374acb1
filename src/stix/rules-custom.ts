/** Custom types (STIX 2.1 §11.2): legal under policy `spec`, with warnings; refused under `strict`. */

import { isDefinedType } from './extensions.ts';
import { hasExtensionOf, type StixObject } from './object-types.ts';
import type { Report, Rule, RuleContext, Text } from './rule.ts';

function warnOfType(object: StixObject, report: Report): void {
  if (hasExtensionOf(object, 'new-sdo', 'new-sro', 'new-sco')) return;
  report(['type'], {
    en: 'The standard has no such type; it should come with an extension.',
    zh: '标准中没有此类型，应由扩展定义。',
  });
}

function refuseType(object: StixObject, report: Report, { extensions }: RuleContext): void {
  if (isDefinedType(object, extensions)) return;
  report(['type'], {
    en: 'The standard has no such type, and only custom types of registered extensions are taken here.',
    zh: '标准中没有此类型，此处只接受已登记扩展所定义的自定义类型。',
  });
}

function checkTypePrefix(object: StixObject, report: Report): void {
  const { type } = object;
  if (typeof type !== 'string' || type.startsWith('x-')) return;
  if (!hasExtensionOf(object, 'new-sdo', 'new-sco', 'new-sro')) report(['type'], typePrefixExpected);
}

const typePrefixExpected: Text = {
  en: 'The name of a custom type begins with x- and its maker, such as "x-example-case", unless an extension defines it.',
  zh: '自定义类型名应以 x- 和制定者开头，例如 "x-example-case"，除非由扩展定义。',
};

export const customRules: readonly Rule[] = [
  {
    code: 'STIX-11.2-type-prefix',
    section: 'STIX 2.1 §11.2.1',
    level: 'warning',
    policy: 'spec',
    isForStandard: false,
    check: checkTypePrefix,
  },
  {
    code: 'STIX-11.2-custom-object',
    section: 'STIX 2.1 §11.2',
    level: 'warning',
    policy: 'spec',
    isForStandard: false,
    check: warnOfType,
  },
  {
    code: 'STIX-11.2-custom-object',
    section: 'STIX 2.1 §11.2',
    level: 'error',
    policy: 'strict',
    isForStandard: false,
    check: refuseType,
  },
];
