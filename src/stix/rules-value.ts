/** Values whose form another standard defines: addresses, names, numbers of catalogues. */

import { isIPv4, isIPv6 } from 'node:net';
import { isCharset } from './charsets.ts';
import { isObject, listOf } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import type { Report, Rule, Text } from './rule.ts';

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
  return /^(?!.*?%(?![0-9A-Fa-f]{2}))[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9!#$%&()*+,./:;=?@[\]_~'-]+$/.test(value);
}

// A value that its producer defanged (`hxxp://`, `[.]`) is not held to the form of the original.
function valueRule(code: string, type: string, isRight: (value: string) => boolean, expected: Text): Rule {
  return {
    code,
    section: `STIX 2.1 §${/[\d.]+/.exec(code)?.[0]}`,
    level: 'error',
    types: [type],
    check: ({ value, defanged }, report) => {
      if (typeof value !== 'string' || defanged === true || isRight(value)) return;
      report(['value'], { en: `Expected ${expected.en}.`, zh: `应为${expected.zh}。` });
    },
  };
}

function charsetRule(type: string, property: string): Rule {
  return {
    code: 'STIX-3.1-charset',
    section: 'STIX 2.1 §3.1',
    level: 'error',
    types: [type],
    check: (object, report) => {
      const name = object[property];
      if (typeof name !== 'string' || isCharset(name)) return;
      report([property], {
        en: 'Expected a character set of the IANA registry, such as "UTF-8".',
        zh: '应为 IANA 登记的字符集名称，例如 "UTF-8"。',
      });
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
  if (isRight) return;
  report(['cpe'], {
    en: 'Expected a CPE 2.3 formatted string: "cpe:2.3:" and eleven attributes.',
    zh: '应为 CPE 2.3 格式字符串："cpe:2.3:" 加十一个属性。',
  });
}

/** References to CVE and CAPEC have one spelling (STIX 2.1 §4.19, §4.1). */
function catalogueRule(code: string, type: string, sourceName: string, id: RegExp, example: string): Rule {
  const text: Text = {
    en: `"source_name" "${sourceName}" and an "external_id" such as "${example}" belong together.`,
    zh: `"source_name" 为 "${sourceName}" 与形如 "${example}" 的 "external_id" 须同时出现。`,
  };
  return {
    code,
    section: `STIX 2.1 §${/[\d.]+/.exec(code)?.[0]}`,
    level: 'error',
    types: [type],
    needs: ['external_references'],
    check: (object, report) => {
      listOf(object.external_references).forEach((reference, index) => {
        if (!isObject(reference)) return;
        const { source_name: source, external_id: externalId } = reference;
        const isId = typeof externalId === 'string' && id.test(externalId);
        if (isId !== (source === sourceName)) {
          report(['external_references', index], text);
        }
      });
    },
  };
}

export const valueRules: readonly Rule[] = [
  valueRule('STIX-6.4-domain-name', 'domain-name', isDomainName, { en: 'a domain name', zh: '域名' }),
  valueRule('STIX-6.5-email-address', 'email-addr', isEmailAddress, {
    en: 'an e-mail address alone, such as "jane@example.com"',
    zh: '单独的电子邮件地址，例如 "jane@example.com"',
  }),
  valueRule('STIX-6.8-ipv4-address', 'ipv4-addr', isIpv4, {
    en: 'an IPv4 address or CIDR block',
    zh: ' IPv4 地址或 CIDR 地址块',
  }),
  valueRule('STIX-6.9-ipv6-address', 'ipv6-addr', isIpv6, {
    en: 'an IPv6 address or CIDR block',
    zh: ' IPv6 地址或 CIDR 地址块',
  }),
  valueRule('STIX-6.10-mac-address', 'mac-addr', (v) => /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(v), {
    en: 'six lower-case octets joined by colons',
    zh: '以冒号连接的六个小写十六进制字节',
  }),
  valueRule('STIX-6.15-url', 'url', isUrl, {
    en: 'a URL with its scheme (RFC 3986)',
    zh: '带协议名的 URL（RFC 3986）',
  }),
  charsetRule('directory', 'path_enc'),
  charsetRule('file', 'name_enc'),
  { code: 'STIX-6.14-cpe', section: 'STIX 2.1 §6.14', level: 'error', types: ['software'], check: checkCpe },
  catalogueRule('STIX-4.19-cve', 'vulnerability', 'cve', /^CVE-[0-9]{4}-[0-9]{4,}$/, 'CVE-2024-12345'),
  catalogueRule('STIX-4.1-capec', 'attack-pattern', 'capec', /^CAPEC-[0-9]+$/, 'CAPEC-163'),
];
