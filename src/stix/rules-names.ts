/** Custom properties (STIX 2.1 §11.1): what the endings of their names promise (§3.1), how they begin, who defines them. */

import { listOf } from './json-value.ts';
import { hasExtensionOf, type StixObject } from './object-types.ts';
import { shortened } from './pointer.ts';
import { customProperty, type Report, type Rule, type RuleContext, type Text } from './rule.ts';

const uuidLength = 36;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
const hexadecimal = /^[0-9a-f]+$/i;

// Enough to tell an identifier from other text, and cheap: nearly every object of large feeds has such a property.
function isIdentifier(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('--', value.length - uuidLength - 2);
}

interface Ending {
  readonly ending: string;
  readonly isKept: (value: unknown, object: StixObject, name: string) => boolean;
  readonly text: Text;
}

const endings: readonly Ending[] = [
  {
    ending: '_ref',
    isKept: isIdentifier,
    text: {
      en: 'A name that ends with _ref promises an identifier; give one, or choose another name.',
      zh: '以 _ref 结尾的属性名表示标识符；请给出标识符，或改用其他名称。',
    },
  },
  {
    ending: '_refs',
    isKept: (value) => Array.isArray(value) && listOf(value).every(isIdentifier),
    text: {
      en: 'A name that ends with _refs promises a list of identifiers; give one, or choose another name.',
      zh: '以 _refs 结尾的属性名表示标识符列表；请给出该列表，或改用其他名称。',
    },
  },
  {
    ending: '_bin',
    isKept: (value) => typeof value === 'string' && value.length % 4 === 0 && base64.test(value),
    text: {
      en: 'A name that ends with _bin promises base64; give that, or choose another name.',
      zh: '以 _bin 结尾的属性名表示 base64 数据；请给出该数据，或改用其他名称。',
    },
  },
  {
    ending: '_hex',
    isKept: (value) => typeof value === 'string' && value.length % 2 === 0 && hexadecimal.test(value),
    text: {
      en: 'A name that ends with _hex promises an even number of hexadecimal digits; give them, or choose another name.',
      zh: '以 _hex 结尾的属性名表示偶数个十六进制数字；请给出该数据，或改用其他名称。',
    },
  },
  {
    ending: '_enc',
    isKept: (_value, object, name) => object[name.slice(0, -'_enc'.length)] !== undefined,
    text: {
      en: 'A name that ends with _enc promises the encoding of the property of that name without _enc; add that one.',
      zh: '以 _enc 结尾的属性表示去掉 _enc 后同名属性的编码；请补上该属性。',
    },
  },
];

// The endings have four or five letters; few names have an underscore there.
const underscore = 95;
function findEnding(name: string): Ending | undefined {
  const { length } = name;
  if (name.charCodeAt(length - 4) !== underscore && name.charCodeAt(length - 5) !== underscore) return undefined;
  return endings.find(({ ending }) => name.endsWith(ending));
}

// What is wrong with properties of the standard is their schemas' matter.
function checkEndings(object: StixObject, report: Report, { customProperties }: RuleContext): void {
  for (const name of customProperties) {
    const ending = findEnding(name);
    if (ending?.isKept(object[name], object, name) === false) report([name], ending.text);
  }
}

function checkPropertyPrefix(object: StixObject, report: Report, { customProperties: names }: RuleContext): void {
  if (hasExtensionOf(object, 'toplevel-property-extension')) return;
  for (const name of names) if (!name.startsWith('x_')) report([name], propertyPrefixExpected);
}

const propertyPrefixExpected: Text = {
  en: 'The name of a custom property begins with x_ and its maker, such as "x_example_score", unless an extension defines it.',
  zh: '自定义属性名应以 x_ 和制定者开头，例如 "x_example_score"，除非由扩展定义。',
};

function warnOfProperties(object: StixObject, report: Report, { customProperties: names }: RuleContext): void {
  if (hasExtensionOf(object, 'toplevel-property-extension')) return;
  const list = shortened(names.join(', '));
  report([], {
    en: `Custom properties should come with an extension: ${list}.`,
    zh: `自定义属性应由扩展定义：${list}。`,
  });
}

export const nameRules: readonly Rule[] = [
  {
    code: 'STIX-3.1-name-ending',
    section: 'STIX 2.1 §3.1',
    level: 'warning',
    needs: [customProperty],
    check: checkEndings,
  },
  {
    code: 'STIX-11.1-property-prefix',
    section: 'STIX 2.1 §11.1.1',
    level: 'warning',
    policy: 'spec',
    isForStandard: true,
    needs: [customProperty],
    check: checkPropertyPrefix,
  },
  {
    code: 'STIX-11.1-custom-property',
    section: 'STIX 2.1 §11.1',
    level: 'warning',
    policy: 'spec',
    isForStandard: true,
    needs: [customProperty],
    check: warnOfProperties,
  },
];
