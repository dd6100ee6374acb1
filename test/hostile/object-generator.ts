/** Hostile objects from valid ones: what clients may send by mistake, or to do harm. The same seed gives the same ones. */

type Value = unknown;
type Container = Record<string, Value> | Value[];

const names = [
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'length',
    'prototype',
    '',
    ' ',
    '0',
    '-1',
    '$ref',
    'a.b',
  ],
  ...[
    'x_unit',
    'x'.repeat(251),
    'x'.repeat(5000),
    'Ünit',
    '\u202e',
    '汇聚',
    '~1~0/',
    'severity',
    'defanged',
    'extensions',
  ],
];
const scalars: readonly Value[] = [
  ...[null, true, false, 0, -0, 1, -1, 1.5, 2 ** 53, -(2 ** 53), 1e308, 5e-324, '', ' ', '\n', '\u0000', '2.1', '2.0'],
  ...['9999-12-31T23:59:60.999999999Z', '0000-00-00T00:00:00Z', `2024-01-01T00:00:00.${'0'.repeat(2000)}1Z`],
  ...[
    'identity--00000000-0000-0000-0000-000000000000',
    '--',
    `${'a-'.repeat(500)}--`,
    '__proto__',
    '[0]',
    'labels.[0]',
  ],
  ...[
    "[file:name = 'a']",
    "[a:b MATCHES '(((((a+)+)+)+)+)$']",
    'CVE-2024-',
    'cpe:2.3:a',
    'HKLM\\',
    '\ud83c',
    '\udf0a\ud83c',
  ],
  ...['%', `https://a.example/${'%41'.repeat(500)}`, 'é'.repeat(999), '<script>', `${'1.'.repeat(2000)}1`],
];
// Written in the text alone: JavaScript would not keep them.
const numbers = [
  '1e400',
  '9'.repeat(400),
  `0.${'0'.repeat(400)}1`,
  '1.0',
  '1E5',
  '-0.0',
  `1e-${'9'.repeat(9)}`,
  '1e99999',
];
/** Replaced in the text by one of the numbers. */
const numberMark = '\u2603number\u2603';

const repeated: readonly ((times: number) => Value)[] = [
  (times) => 'a'.repeat(times * 10),
  (times) => 'a-'.repeat(times * 5),
  (times) => '\u0001"\\'.repeat(times),
  (times) => '𝕏'.repeat(times * 2),
  (times) => `${'-'.repeat(times * 10)}!`,
  (times) => `[${'('.repeat(times)}file:size = 1${')'.repeat(times)}]`,
  (times) => `${'('.repeat(times)}[file:size = 1]${')'.repeat(times)}`,
  (times) => `[file:size = 1${' AND file:size = 1'.repeat(times / 4)}]`,
  (times) => `[file:size IN (${'1,'.repeat(times)}1)]`,
  (times) => `[file:name MATCHES '${'(?:a|b)*'.repeat(times / 4)}']`,
  (times) => `[file:name MATCHES '${'('.repeat(times)}']`,
  (times) => `[file:name = '${"\\'".repeat(times)}']`,
  (times) => `[file:a${'.b'.repeat(times)} = 1]`,
  (times) => Array.from({ length: times }, (_, index) => `marking-definition--${String(index).padStart(36, '0')}`),
  (times) => Array.from({ length: times }, () => ({ lang: 'en', selectors: ['name', 'labels.[0]', 'x.y.z'] })),
  (times) => [{ lang: 'en', selectors: Array.from({ length: times }, (_, index) => `labels.[${index}]`) }],
  (times) => [{ lang: 'en', selectors: ['a'.repeat(times * 10), '.'.repeat(times * 10), '[0].'.repeat(times * 2)] }],
  (times) => Object.fromEntries(Array.from({ length: times }, (_, index) => [`k${index}`, null])),
  (times) => Object.fromEntries(Array.from({ length: times }, (_, index) => [`Bad Key ${index}`, []])),
  (times) => Array.from({ length: times }, () => ({ source_name: 'cve', external_id: 'CVE-1' })),
  (times) => Array.from({ length: times }, () => null),
  (times) => 'en-'.repeat(times),
  (times) => `cpe:2.3:${'a\\:'.repeat(times)}`,
  (times) => `title: a\n${'  - b: [\n'.repeat(times)}`,
  (times) => `alert tcp ${'['.repeat(times)} any (${'msg:"a";'.repeat(times / 4)})`,
  (times) => `rule a { strings: $a = "${'\\"'.repeat(times)}" condition: ${'('.repeat(times)}`,
];
const languagesOfPatterns = ['stix', 'pcre', 'sigma', 'snort', 'suricata', 'yara', 'x'];

function isContainer(value: Value): value is Container {
  return typeof value === 'object' && value !== null;
}

/** Each call gives the text of another object. */
export function createHostileObjects(random: () => number, texts: readonly string[]): () => string {
  const below = (length: number) => Math.floor(random() * length);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

  /** Most are small; what is long is up to some 60 kB. */
  function anyValue(): Value {
    const kind = below(10);
    if (kind < 5) return pick(scalars);
    if (kind < 8) return pick(repeated)(4 ** (1 + below(6)));
    if (kind === 8) return numberMark;
    return nested(below(140));
  }

  function nested(depth: number): Value {
    let value: Value = pick(scalars);
    const name = pick(names);
    for (let level = 0; level < depth; level += 1) value = random() < 0.5 ? [value] : { [name]: value };
    return value;
  }

  /** Somewhere in the value, any depth: an object or a list. */
  function somewhere(root: Container): Container {
    let place = root;
    while (random() < 0.6) {
      const inner = Object.values(place).filter(isContainer);
      if (inner.length === 0) break;
      place = pick(inner);
    }
    return place;
  }

  function setOwn(place: Container, name: string, value: Value): void {
    Object.defineProperty(place, name, { value, enumerable: true, configurable: true, writable: true });
  }

  function change(root: Container): void {
    const place = somewhere(root);
    const keys = Object.keys(place);
    const key = keys.length === 0 ? 'x_unit' : pick(keys);
    const kind = below(8);
    if (kind < 4) setOwn(place, key, anyValue());
    else if (Array.isArray(place)) place.push(anyValue());
    else if (kind === 4) delete place[key];
    else if (kind === 5) setOwn(place, pick(names), anyValue());
    else if (kind === 6)
      setOwn(root, pick(['pattern', 'granular_markings', 'extensions', 'value', 'lang']), anyValue());
    else Object.assign(root, { type: 'indicator', pattern_type: pick(languagesOfPatterns), pattern: anyValue() });
  }

  function damage(text: string): string {
    const at = below(text.length);
    const kind = below(6);
    if (kind === 0) return text.slice(0, at);
    if (kind === 1) return text.slice(0, at) + String.fromCharCode(below(0x10000)) + text.slice(at + 1);
    if (kind === 2) return text.slice(0, at) + text.slice(at, at + 40) + text.slice(at);
    if (kind === 3) return text.replace('{', `{"type":${JSON.stringify(pick(scalars))},`);
    if (kind === 4) return text.replace(/"(\w+)":/, '"$1":1,"$1":');
    return text.replaceAll('"', () => (random() < 0.02 ? '' : '"'));
  }

  return () => {
    const root = JSON.parse(pick(texts)) as Container;
    for (let changes = below(4); changes >= 0; changes -= 1) if (random() < 0.9) change(root);
    const value =
      random() < 0.15 ? { type: 'bundle', id: `bundle--${pick(names)}`, objects: [root, anyValue()] } : root;
    const text = JSON.stringify(value).replaceAll(`"${numberMark}"`, () => pick(numbers));
    return random() < 0.15 ? damage(text) : text;
  };
}
