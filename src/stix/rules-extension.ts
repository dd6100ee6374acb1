/** Rules about the extensions that an object carries (STIX 2.1 §7.3): their names, and the content of registered ones. */

import { isObject } from './json-value.ts';
import { findObjectType, type StixObject } from './object-types.ts';
import type { Report, Rule, RuleContext, Text } from './rule.ts';

function checkType(object: StixObject, report: Report, { extensions }: RuleContext): void {
  for (const { key, value, type, types } of extensions.carriedBy(object)) {
    // What is no type at all is for the schema.
    if (type !== undefined || typeof value.extension_type !== 'string') continue;
    const list = types.map((one) => `"${one}"`);
    report(['extensions', key, 'extension_type'], {
      en: `The definition of this extension allows ${list.join(' and ')} here; use ${list.length === 1 ? 'it' : 'one of them'}.`,
      zh: `该扩展的定义在此处只允许 ${list.join('、')}。`,
    });
  }
}

function stepsOf(pointer: string): string[] {
  const steps = pointer.split('/').slice(1);
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function checkContent(object: StixObject, report: Report, { extensions }: RuleContext): void {
  if (!isObject(object.extensions)) return;
  for (const extension of extensions.carriedBy(object)) {
    for (const { path, text } of extension.findFaults(object)) report(stepsOf(path), text);
  }
}

// §7.3: extensions do not redefine what the standard defines.
function checkRedefined({ extensions }: StixObject, report: Report): void {
  if (!isObject(extensions)) return;
  for (const key in extensions) {
    const extension = extensions[key];
    const kind = isObject(extension) ? extension.extension_type : undefined;
    if (kind === 'new-sdo' || kind === 'new-sco' || kind === 'new-sro') {
      report(['extensions', key, 'extension_type'], redefinedText);
    }
  }
}

const redefinedText: Text = {
  en: 'The standard defines this type, so no extension can; use "property-extension" or "toplevel-property-extension".',
  zh: '该类型由标准定义，扩展不能重新定义；请使用 "property-extension" 或 "toplevel-property-extension"。',
};

// As in schemas/common/property-name.json; a name in an extension has no other schema that would check it.
const propertyName = /^[a-z0-9_]{3,250}$/;
const reservedNames = new Set(['severity', 'username', 'phone_number', 'action']);

function checkExtensionNames({ extensions }: StixObject, report: Report): void {
  if (!isObject(extensions)) return;
  for (const key in extensions) {
    const extension = extensions[key];
    if (!isObject(extension) || !key.startsWith('extension-definition--')) continue;
    for (const name in extension) {
      if (!propertyName.test(name) || reservedNames.has(name)) report(['extensions', key, name], nameExpected);
    }
  }
}

const nameExpected: Text = {
  en: 'Names of properties in extensions are 3 to 250 lower-case letters, digits and underscores, and none that the standard reserves.',
  zh: '扩展中的属性名应为 3 到 250 个小写字母、数字和下划线，且不能是标准保留的名称。',
};

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

const section = 'STIX 2.1 §7.3';

export const extensionRules: readonly Rule[] = [
  {
    code: 'STIX-7.3-property-name',
    section: 'STIX 2.1 §7.3.2',
    level: 'warning',
    needs: ['extensions'],
    check: checkExtensionNames,
  },
  {
    code: 'STIX-7.3-redefined-type',
    section: 'STIX 2.1 §7.3',
    level: 'warning',
    isForStandard: true,
    needs: ['extensions'],
    check: checkRedefined,
  },
  {
    code: 'STIX-11.3-custom-extension',
    section: 'STIX 2.1 §11.3',
    level: 'warning',
    policy: 'spec',
    needs: ['extensions'],
    check: warnOfExtensions,
  },
  {
    code: 'STIX-7.3-unregistered-extension',
    section: 'STIX 2.1 §7.3',
    level: 'error',
    policy: 'strict',
    needs: ['extensions'],
    check: refuseExtensions,
  },
  { code: 'STIX-7.3-extension-type', section, level: 'error', needs: ['extensions'], check: checkType },
  { code: 'STIX-7.3-extension-content', section, level: 'error', needs: ['extensions'], check: checkContent },
];
