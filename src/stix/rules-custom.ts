/** Custom content (STIX 2.1 §11): legal under policy `spec`, with a warning; refused under `strict`. */

import { isDefinedType } from './extensions.ts';
import { isObject } from './json-value.ts';
import { findObjectType, hasExtensionOf, type StixObject } from './object-types.ts';
import { shortened } from './pointer.ts';
import { customProperty, type Report, type Rule, type RuleContext } from './rule.ts';

function warnOfProperties(object: StixObject, report: Report, { customProperties: names }: RuleContext): void {
  if (hasExtensionOf(object, 'toplevel-property-extension')) return;
  const list = shortened(names.join(', '));
  report([], {
    en: `Custom properties should come with an extension: ${list}.`,
    zh: `自定义属性应由扩展定义：${list}。`,
  });
}

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

function unknownExtensions({ type, extensions }: StixObject): string[] {
  if (!isObject(extensions)) return [];
  const predefined = typeof type === 'string' ? findObjectType(type)?.extensions : undefined;
  return Object.keys(extensions).filter((key) => predefined?.includes(key) !== true);
}

function refuseExtensions(object: StixObject, report: Report, { extensions }: RuleContext): void {
  const registered = new Set(extensions.carriedBy(object).map(({ key }) => key));
  for (const key of unknownExtensions(object)) {
    if (registered.has(key)) continue;
    report(['extensions', key], {
      en: 'Only predefined and registered extensions are taken here; the operator of the server can register this one.',
      zh: '此处只接受预定义扩展和已登记的扩展；可请服务器运营者登记此扩展。',
    });
  }
}

function warnOfExtensions(object: StixObject, report: Report): void {
  const names = unknownExtensions(object).filter((key) => key.endsWith('-ext'));
  for (const key of names) {
    report(['extensions', key], {
      en: 'An extension should go by the id of its extension definition.',
      zh: '扩展应以其 extension-definition 的 id 为键。',
    });
  }
}

export const customRules: readonly Rule[] = [
  {
    code: 'STIX-11.1-custom-property',
    section: 'STIX 2.1 §11.1',
    level: 'warning',
    policy: 'spec',
    isForStandard: true,
    needs: customProperty,
    check: warnOfProperties,
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
    code: 'STIX-11.3-custom-extension',
    section: 'STIX 2.1 §11.3',
    level: 'warning',
    policy: 'spec',
    needs: 'extensions',
    check: warnOfExtensions,
  },
  {
    code: 'STIX-11.2-custom-object',
    section: 'STIX 2.1 §11.2',
    level: 'error',
    policy: 'strict',
    isForStandard: false,
    check: refuseType,
  },
  {
    code: 'STIX-7.3-unregistered-extension',
    section: 'STIX 2.1 §7.3',
    level: 'error',
    policy: 'strict',
    needs: 'extensions',
    check: refuseExtensions,
  },
];
