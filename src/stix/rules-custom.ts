/** Custom content (STIX 2.1 §11): legal under policy `spec`, with a warning; refused under `strict`. */

import { isObject } from './json-value.ts';
import { tlp2Extension } from './markings.ts';
import { customPropertiesOf, findObjectType, hasExtensionOf, type StixObject } from './object-types.ts';
import { quoted, shortened } from './pointer.ts';
import type { Report, Rule } from './rule.ts';

function warnOfProperties(object: StixObject, report: Report): void {
  const { type } = object;
  if (typeof type !== 'string' || findObjectType(type) === undefined) return;
  const names = customPropertiesOf(object, type);
  if (names.length === 0 || hasExtensionOf(object, 'toplevel-property-extension')) return;
  report([], `Custom properties should come with an extension: ${shortened(names.join(', '))}.`);
}

function isUnannounced(object: StixObject): boolean {
  return (
    typeof object.type === 'string' &&
    findObjectType(object.type) === undefined &&
    !hasExtensionOf(object, 'new-sdo', 'new-sro', 'new-sco')
  );
}

function warnOfType(object: StixObject, report: Report): void {
  if (isUnannounced(object))
    report(['type'], `${quoted(object.type)} is no type of the standard; it should come with an extension.`);
}

function refuseType({ type }: StixObject, report: Report): void {
  if (typeof type !== 'string' || findObjectType(type) !== undefined) return;
  report(['type'], `${quoted(type)} is no type of the standard, and custom types are not taken here.`);
}

function unknownExtensions({ type, extensions }: StixObject): string[] {
  if (!isObject(extensions)) return [];
  const predefined = typeof type === 'string' ? findObjectType(type)?.extensions : undefined;
  return Object.keys(extensions).filter((key) => key !== tlp2Extension && predefined?.includes(key) !== true);
}

function refuseExtensions(object: StixObject, report: Report): void {
  for (const key of unknownExtensions(object)) {
    report(['extensions', key], 'Only the predefined extensions and TLP 2.0 are taken here.');
  }
}

function warnOfExtensions(object: StixObject, report: Report): void {
  const names = unknownExtensions(object).filter((key) => key.endsWith('-ext'));
  for (const key of names) report(['extensions', key], 'An extension should go by the id of its extension definition.');
}

export const customRules: readonly Rule[] = [
  { code: 'STIX-11.1-custom-property', level: 'warning', policy: 'spec', check: warnOfProperties },
  { code: 'STIX-11.2-custom-object', level: 'warning', policy: 'spec', check: warnOfType },
  { code: 'STIX-11.3-custom-extension', level: 'warning', policy: 'spec', check: warnOfExtensions },
  { code: 'STIX-11.2-custom-object', level: 'error', policy: 'strict', check: refuseType },
  { code: 'STIX-7.3-unregistered-extension', level: 'error', policy: 'strict', check: refuseExtensions },
];
