/** What the standard recommends of single values, and some of its MUSTs that real content often breaks: warnings. */

import { isCountry } from './countries.ts';
import { isObject, listOf } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import { placeOf, propertiesOf, visitPlace } from './places.ts';
import type { Report, Rule, Text } from './rule.ts';

/** A rule about the texts at some places of one or several types. */
function textRule(
  code: string,
  section: string,
  types: readonly string[],
  places: readonly string[],
  isRight: (value: string) => boolean,
  text: Text,
): Rule {
  const steps = places.map(placeOf);
  const check = (object: StixObject, report: Report): void => {
    for (const place of steps) {
      visitPlace(object, place, (value, path) => {
        if (typeof value === 'string' && !isRight(value)) report(path, text);
      });
    }
  };
  return { code, section: `STIX 2.1 §${section}`, level: 'warning', types, needs: propertiesOf(steps), check };
}

function isHyphenated(value: string): boolean {
  return !/[\p{Lu}\s_]/u.test(value);
}

function isLowerCase(value: string): boolean {
  return !/\p{Lu}/u.test(value);
}

const hyphenatedExpected: Text = {
  en: 'Lower-case words joined by hyphens are expected, such as "initial-access".',
  zh: '应为以连字符连接的小写单词，例如 "initial-access"。',
};

// The top-level types are a closed list (RFC 6838 §4.2); x- marks what is not registered.
const mediaType =
  /^(?:application|audio|chemical|example|font|haptics|image|message|model|multipart|text|video|x-[a-z0-9-]+)\/[\w!#$&^.+-]+(?:;|$)/i;

const socketOption = /^(?:SO|ICMP6?|IP|IPV6|MCAST|TCP|IRLMP)_/;

function checkSocketOptions(object: StixObject, report: Report): void {
  visitPlace(object, ['extensions', 'socket-ext', 'options'], (options, path) => {
    for (const key in isObject(options) ? options : {}) {
      if (!socketOption.test(key)) report([...path, key], socketOptionExpected);
    }
  });
}

const socketOptionExpected: Text = {
  en: 'Options of sockets go by their names in C, which begin with SO_, ICMP_, ICMP6_, IP_, IPV6_, MCAST_, TCP_ or IRLMP_.',
  zh: '套接字选项使用 C 语言中的名称，以 SO_、ICMP_、ICMP6_、IP_、IPV6_、MCAST_、TCP_ 或 IRLMP_ 开头。',
};

// §8.2: a bundle has no relationships, not from elsewhere either. The other references have their types in schemas.
function checkBundleRefs({ object_refs: refs }: StixObject, report: Report): void {
  for (const [index, ref] of listOf(refs).entries()) {
    if (typeof ref === 'string' && ref.startsWith('bundle--')) report(['object_refs', index], noBundle);
  }
}

const noBundle: Text = {
  en: 'Nothing refers to a bundle, which is only a container; name the objects that were in it.',
  zh: 'bundle 只是容器，不能被引用；请引用其中的对象。',
};

function checkContainer(object: StixObject, report: Report): void {
  if (isObject(object.objects)) report(['objects'], containerText);
}

const containerText: Text = {
  en: 'Containers are deprecated: publish the observables as objects and name them in "object_refs".',
  zh: '内嵌容器已被弃用：请将可观察对象作为独立对象发布，并在 "object_refs" 中引用。',
};

function checkDescription({ description }: StixObject, report: Report): void {
  if (description === undefined || description === '') report([], descriptionExpected);
}

const descriptionExpected: Text = {
  en: 'A "description" should say what the extension conveys and how it is meant to be used.',
  zh: '应有 "description"，说明该扩展表达什么以及如何使用。',
};

function checkExtensionProperties(object: StixObject, report: Report): void {
  const { extension_types: kinds, extension_properties: names } = object;
  if (names === undefined && listOf(kinds).includes('toplevel-property-extension')) report([], propertiesExpected);
}

const propertiesExpected: Text = {
  en: 'An extension that adds top-level properties should list their names in "extension_properties".',
  zh: '添加顶层属性的扩展应在 "extension_properties" 中列出属性名。',
};

const hexPlaces = `magic_number_hex extensions/windows-pebinary-ext/machine_hex
  extensions/windows-pebinary-ext/pointer_to_symbol_table_hex extensions/windows-pebinary-ext/characteristics_hex
  extensions/windows-pebinary-ext/optional_header/magic_hex
  extensions/windows-pebinary-ext/optional_header/win32_version_value_hex
  extensions/windows-pebinary-ext/optional_header/checksum_hex
  extensions/windows-pebinary-ext/optional_header/subsystem_hex
  extensions/windows-pebinary-ext/optional_header/dll_characteristics_hex
  extensions/windows-pebinary-ext/optional_header/loader_flags_hex extensions/icmp-ext/icmp_type_hex
  extensions/icmp-ext/icmp_code_hex extensions/tcp-ext/src_flags_hex extensions/tcp-ext/dst_flags_hex`.split(/\s+/);

export const recommendedRules: readonly Rule[] = [
  // Also said by the text: MUST. The schemas of OASIS take upper case, and so does much of what is published.
  textRule('STIX-2.8-lower-case', '2.8', ['file', 'network-traffic'], hexPlaces, isLowerCase, {
    en: 'Hexadecimal digits are written in lower case.',
    zh: '十六进制数字应使用小写字母。',
  }),
  textRule(
    'STIX-2.11-kill-chain-name',
    '2.11',
    ['attack-pattern', 'indicator', 'infrastructure', 'malware', 'tool'],
    ['kill_chain_phases/*/kill_chain_name', 'kill_chain_phases/*/phase_name'],
    isHyphenated,
    hyphenatedExpected,
  ),
  {
    code: 'STIX-2.13-deprecated-container',
    section: 'STIX 2.1 §2.13',
    level: 'warning',
    types: ['observed-data'],
    check: checkContainer,
  },
  // §3.2 has milliseconds at least; the schemas of OASIS take less of markings, and some are published so.
  textRule(
    'STIX-3.2-marking-precision',
    '3.2',
    ['marking-definition'],
    ['created'],
    (value) => !/:[0-9]{2}(?:\.[0-9]{1,2})?Z$/.test(value),
    {
      en: 'This time has at least milliseconds: three digits after the dot.',
      zh: '该时间至少精确到毫秒：小数点后三位。',
    },
  ),
  textRule('STIX-4.10-country', '4.10', ['location'], ['country'], isCountry, {
    en: 'A country goes by its two letters in ISO 3166-1, such as "cn" or "de".',
    zh: '国家应使用 ISO 3166-1 的两字母代码，例如 "cn" 或 "de"。',
  }),
  textRule('STIX-4.12-product', '4.12', ['malware-analysis'], ['product'], isHyphenated, {
    en: 'Lower-case words joined by hyphens are expected, "anonymized" if the product is not to be named.',
    zh: '应为以连字符连接的小写单词；若不公开产品名称，请用 "anonymized"。',
  }),
  textRule('STIX-6.7-media-type', '6.7', ['file'], ['mime_type'], (value) => mediaType.test(value), {
    en: 'A media type of the IANA registry is expected, such as "application/pdf".',
    zh: '应为 IANA 注册的媒体类型，例如 "application/pdf"。',
  }),
  textRule(
    'STIX-6.7.6-whole-seconds',
    '6.7.6',
    ['file'],
    ['extensions/windows-pebinary-ext/time_date_stamp'],
    (value) => !value.includes('.'),
    { en: 'This time is precise to the second; leave out the fraction.', zh: '该时间精确到秒；请去掉小数部分。' },
  ),
  textRule('STIX-6.12-protocol', '6.12', ['network-traffic'], ['protocols/*'], isLowerCase, {
    en: 'Protocols go by their service names in the IANA registry, in lower case, such as "tcp" or "http".',
    zh: '协议应使用 IANA 注册的服务名，小写，例如 "tcp" 或 "http"。',
  }),
  textRule(
    'STIX-6.17-hive',
    '6.17',
    ['windows-registry-key'],
    ['key'],
    // Short names such as HKLM are errors of the schema.
    (value) => /^hk(?:ey_|lm|c[cru]|u)/i.test(value),
    {
      en: 'A key begins with the full name of its hive, such as "HKEY_LOCAL_MACHINE".',
      zh: '键应以配置单元的完整名称开头，例如 "HKEY_LOCAL_MACHINE"。',
    },
  ),
  {
    code: 'STIX-6.12.4-socket-option',
    section: 'STIX 2.1 §6.12.4',
    level: 'warning',
    types: ['network-traffic'],
    check: checkSocketOptions,
  },
  textRule(
    'STIX-6.13.2-priority',
    '6.13.2',
    ['process'],
    ['extensions/windows-process-ext/priority'],
    (value) => value.endsWith('_CLASS'),
    {
      en: 'A priority class of Windows is expected, such as "HIGH_PRIORITY_CLASS".',
      zh: '应为 Windows 的优先级类，例如 "HIGH_PRIORITY_CLASS"。',
    },
  ),
  textRule(
    'STIX-7.2.1-definition-type',
    '7.2.1',
    ['marking-definition'],
    ['definition_type'],
    (value) => value === 'statement' || value === 'tlp',
    {
      en: 'The standard has "statement" and "tlp"; another kind of marking should come as an extension.',
      zh: '标准只有 "statement" 和 "tlp"；其他种类的标记应使用扩展。',
    },
  ),
  {
    code: 'STIX-7.3-description',
    section: 'STIX 2.1 §7.3.1',
    level: 'warning',
    types: ['extension-definition'],
    check: checkDescription,
  },
  {
    code: 'STIX-7.3-properties-listed',
    section: 'STIX 2.1 §7.3.1',
    level: 'warning',
    types: ['extension-definition'],
    check: checkExtensionProperties,
  },
  {
    code: 'STIX-8.2-bundle-ref',
    section: 'STIX 2.1 §8.2',
    level: 'error',
    types: ['grouping', 'note', 'opinion', 'report'],
    check: checkBundleRefs,
  },
];
