/** Rules about the content of registered extensions (STIX 2.1 §7.3). */

import { isObject } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import type { Report, Rule, RuleContext } from './rule.ts';

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

const section = 'STIX 2.1 §7.3';

export const extensionRules: readonly Rule[] = [
  { code: 'STIX-7.3-extension-type', section, level: 'error', needs: 'extensions', check: checkType },
  { code: 'STIX-7.3-extension-content', section, level: 'error', needs: 'extensions', check: checkContent },
];
