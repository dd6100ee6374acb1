/** Values whose form another standard defines: addresses, names, numbers of catalogues. */

import { isIPv4, isIPv6 } from 'node:net';
import { isCharset } from './charsets.ts';
import { isObject, listOf } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import { quoted } from './pointer.ts';
import type { Report, Rule } from './rule.ts';

// Canonical decimal: no leading zero.
function isPrefixLength(text: string, bits: number): boolean {
  return /^(?:0|[1-9][0-9]{0,2})$/.test(text) && Number(text) <= bits;
}

function isAddress(value: string, isIp: (text: string) => boolean, bits: number): boolean {
  const [address = '', prefix, ...rest] = value.split('/', 3);
  if (rest.length > 0 || (prefix !== undefined && !isPrefixLength(prefix, bits))) return false;
  return isIp(address) && !address.includes('%');
}

/** An IPv4 address or CIDR block (STIX 2.1 §6.8). */
export function isIpv4(value: string): boolean {
  return isAddress(value, isIPv4, 32);
}

/** An IPv6 address or CIDR block (STIX 2.1 §6.9). */
export function isIpv6(value: string): boolean {
  return isAddress(value, isIPv6, 128);
}

// RFC 1034 §3.1: at most 63 octets a label, 255 a name; real names also have underscores and, as U-labels, any letter.
function isDomainName(value: string): boolean {
  if (value.length > 255 || /[\s\p{Cc}"'/:;<>@[\\\]^`{|}]/u.test(value)) return false;
  const labels = (value.endsWith('.') ? value.slice(0, -1) : value).split('.');
  return labels.every((label) => label.length >= 1 && label.length <= 63);
}

// RFC 5322 §3.4.1 addr-spec, without comments and folding white space.
function isEmailAddress(value: string): boolean {
  const at = value.lastIndexOf('@');
  const local = value.slice(0, Math.max(at, 0));
  const isLocal = /^"[^"\\\r\n]+"$/.test(local) || (local !== '' && !/[\s"(),:;<>@[\\\]]/.test(local));
  const domain = value.slice(at + 1);
  return isLocal && (/^\[[^\s[\]]+\]$/.test(domain) || isDomainName(domain));
}

// The pattern of schemas/common/url.json, which cannot tell that a value is defanged.
function isUrl(value: string): boolean {
  return /^(?!.*%(?![0-9A-Fa-f]{2}))[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9!#$%&()*+,./:;=?@[\]_~'-]+$/.test(value);
}

// A value that its producer defanged (`hxxp://`, `[.]`) is not held to the form of the original.
function valueRule(code: string, type: string, isRight: (value: string) => boolean, expected: string): Rule {
  return {
    code,
    level: 'error',
    types: [type],
    check: ({ value, defanged }, report) => {
      if (typeof value !== 'string' || defanged === true || isRight(value)) return;
      report(['value'], `${quoted(value)} is not ${expected}.`);
    },
  };
}

function charsetRule(type: string, property: string): Rule {
  return {
    code: 'STIX-3.1-charset',
    level: 'error',
    types: [type],
    check: (object, report) => {
      const name = object[property];
      if (typeof name !== 'string' || isCharset(name)) return;
      report([property], `${quoted(name)} is not a character set of the IANA registry, such as "UTF-8".`);
    },
  };
}

/** CPE 2.3 formatted string (NISTIR 7695 §6.2): eleven attributes after cpe:2.3, in which colons are escaped. */
function checkCpe({ cpe }: StixObject, report: Report): void {
  if (typeof cpe !== 'string') return;
  const attributes = cpe.replaceAll(/\\./g, '_').split(':');
  const isRight =
    attributes.length === 13 &&
    /^cpe:2\.3:[aho*-]:/.test(cpe) &&
    attributes.every((attribute) => attribute !== '' && !/[\s\\]/.test(attribute));
  if (!isRight) report(['cpe'], `${quoted(cpe)} is not a CPE 2.3 formatted string ("cpe:2.3:" and eleven attributes).`);
}

/** References to CVE and CAPEC have one spelling (STIX 2.1 §4.19, §4.1). */
function catalogueRule(code: string, type: string, sourceName: string, id: RegExp, example: string): Rule {
  return {
    code,
    level: 'error',
    types: [type],
    check: (object, report) => {
      listOf(object.external_references).forEach((reference, index) => {
        if (!isObject(reference)) return;
        const { source_name: source, external_id: externalId } = reference;
        const isId = typeof externalId === 'string' && id.test(externalId);
        if (isId !== (source === sourceName)) {
          report(
            ['external_references', index],
            `"source_name" "${sourceName}" and an "external_id" such as "${example}" belong together.`,
          );
        }
      });
    },
  };
}

export const valueRules: readonly Rule[] = [
  valueRule('STIX-6.4-domain-name', 'domain-name', isDomainName, 'a domain name'),
  valueRule(
    'STIX-6.5-email-address',
    'email-addr',
    isEmailAddress,
    'an e-mail address alone, such as "jane@example.com"',
  ),
  valueRule('STIX-6.8-ipv4-address', 'ipv4-addr', isIpv4, 'an IPv4 address or CIDR block'),
  valueRule('STIX-6.9-ipv6-address', 'ipv6-addr', isIpv6, 'an IPv6 address or CIDR block'),
  valueRule(
    'STIX-6.10-mac-address',
    'mac-addr',
    (v) => /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(v),
    'six lower-case octets joined by colons',
  ),
  valueRule('STIX-6.15-url', 'url', isUrl, 'a URL with its scheme (RFC 3986)'),
  charsetRule('directory', 'path_enc'),
  charsetRule('file', 'name_enc'),
  { code: 'STIX-6.14-cpe', level: 'error', types: ['software'], check: checkCpe },
  catalogueRule('STIX-4.19-cve', 'vulnerability', 'cve', /^CVE-[0-9]{4}-[0-9]{4,}$/, 'CVE-2024-12345'),
  catalogueRule('STIX-4.1-capec', 'attack-pattern', 'capec', /^CAPEC-[0-9]+$/, 'CAPEC-163'),
];
