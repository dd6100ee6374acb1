/** Hostile requests from a seed: the same seed gives the same requests. */

import { gzipSync } from 'node:zlib';

export interface HostileRequest {
  readonly bytes: Buffer;
  /** The connection is lost right after sending; no answer is waited for. */
  readonly leaves: boolean;
  /** The client ends its side after the last byte, since it may have announced more than it sends. */
  readonly isShort: boolean;
  /** Its bytes were damaged afterwards: even its header may say anything. */
  readonly isDamaged: boolean;
}

export interface Target {
  /** Values of Authorization that log in. */
  readonly logins: readonly string[];
  /** Paths of collections, with a slash at the end. */
  readonly collections: readonly string[];
  readonly roots: readonly string[];
  /** Ids of objects that exist. */
  readonly objects: readonly string[];
}

/** Marsaglia's xorshift, on 32 bits. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const scraps = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1',
    '1e9',
    'null',
    'true',
    '[]',
    '{}',
    '..',
    '../..',
    '%',
    '%00',
    '%zz',
    '%2e%2e%2f',
    '%F0%9F',
  ],
  ...[
    '%ED%A0%80',
    '\u0000',
    '\ud83c\udf0a',
    '\u202e',
    "'",
    '"',
    '\\',
    ';',
    '<x>',
    '{{7*7}}',
    '$ne',
    '__proto__',
    'constructor',
  ],
  ...['a,b', ',', 'all', 'first', 'last', 'all,last', '2.1', '2.0', '2024-01-01T00:00:00Z', '2024-13-01T00:00:00Z'],
  ...[
    '9999-12-31T23:59:60.999999999Z',
    '0000-00-00T00:00:00Z',
    '99999999999999999999',
    'x'.repeat(300),
    'é'.repeat(99),
  ],
];
/** Each is JSON, although not to everybody's liking. */
const jsonScraps = [
  ...['null', 'true', '1e999', '-0', '123456789012345678901234567890', '""', '"\\ud800"', '"\\u0000"', '[]', '{}'],
  ...['[[[[[[]]]]]]', '{"a":1,"a":2}', '{"__proto__":{"x":1}}', '"2.1"', '"indicator"', '"2024-01-01T00:00:00Z"'],
];
/** None of them is: one spoils the body that has it. */
const brokenScraps = ['"\u0001"', '"\\x"', 'NaN', '.5', '01', '[1,]', '{"a"}', "'a'", '"\\u12"', '//', ''];
const common = ['GET', 'GET', 'GET', 'POST', 'POST', 'DELETE'];
const methods = [...common, 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'TRACE', 'CONNECT', 'get', 'X'];
const parameters = [
  'limit',
  'added_after',
  'next',
  'match[id]',
  'match[type]',
  'match[version]',
  'match[spec_version]',
  'match[]',
  'a',
  '',
];
const mediaTypes = [
  ...[
    'application/taxii+json;version=2.1',
    'application/stix+json;version=2.1',
    'application/taxii+json; version="2.1"',
    '*/*',
  ],
  ...[
    'application/vnd.oasis.taxii+json',
    'application/json',
    'text/html;q=0',
    'application/taxii+json;q=0',
    '"',
    ';;=,',
    '*',
    '',
  ],
];
const fields = [
  'Accept-Encoding',
  'Content-Encoding',
  'Expect',
  'Range',
  'Origin',
  'Upgrade',
  'TE',
  'Cookie',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Api-Key',
  'version',
  'If-None-Match',
  'X-HTTP-Method-Override',
  'Access-Control-Request-Method',
];
const fieldValues = [
  'gzip',
  'gzip;q=0',
  'deflate',
  '100-continue',
  'items 0-9',
  'https://evil.example',
  'websocket',
  'trailers',
  'DELETE',
  '127.0.0.1',
  '*',
  'huiju_x',
];

/** A source of requests against a server that has these things. */
export function createGenerator(seed: number, target: Target): () => HostileRequest {
  const random = createRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  const chance = (probability: number) => random() < probability;
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const several = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make);
  const uuid = () => '9b7f3a52-1c4d-4e8f-8a6b-000000000000'.replace(/0{12}$/, String(below(1e12)).padStart(12, '0'));

  // Most writing goes to where something can be written.
  function endingFor(method: string): string | undefined {
    if (chance(0.2)) return undefined;
    return { POST: 'objects/', DELETE: `objects/${pick(target.objects)}/` }[method];
  }

  function makePath(method: string): string {
    const begin = chance(0.8) ? pick(target.collections) : pick([...target.roots, '/', '/taxii2/', '//', '/nowhere/']);
    const ends = [
      '',
      'objects/',
      'manifest/',
      `objects/${pick(target.objects)}/`,
      `objects/${pick(target.objects)}/versions/`,
    ];
    const end = endingFor(method) ?? (chance(0.85) ? pick(ends) : several(4, () => pick(scraps)).join('/'));
    const query = several(4, () => `${pick(parameters)}=${chance(0.3) ? pick(target.objects) : pick(scraps)}`);
    const path = `${begin}${end}${query.length > 0 ? `?${query.join('&')}` : ''}`;
    return chance(0.9) ? path.replaceAll(/[^!-~]/g, '+') : path;
  }

  function makeValue(depth: number): string {
    if (chance(0.01)) return pick(brokenScraps);
    if (depth === 0 || chance(0.5)) return pick(jsonScraps);
    if (chance(0.5)) return `[${several(4, () => makeValue(depth - 1)).join()}]`;
    return `{${several(4, () => `${JSON.stringify(pick(scraps))}:${makeValue(depth - 1)}`).join()}}`;
  }

  function makeObject(): string {
    const time = `20${10 + below(30)}-01-01T00:00:00.000Z`;
    const id = chance(0.3) ? pick(target.objects) : `identity--${uuid()}`;
    const sound = { type: 'identity', spec_version: '2.1', id, created: time, modified: time, name: 'ACME' };
    if (chance(0.2)) return makeValue(4);
    const text = JSON.stringify(sound);
    if (chance(0.4)) return text;
    const name = pick([
      'x_custom',
      'name',
      'id',
      'modified',
      'object_marking_refs',
      'extensions',
      'labels',
      '__proto__',
    ]);
    return `${text.slice(0, -1)},${JSON.stringify(name)}:${makeValue(5)}}`;
  }

  function damage(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    const at = below(bytes.length);
    const kind = below(4);
    if (kind === 0) return bytes.subarray(0, at);
    if (kind === 1) return Buffer.from(bytes.map((byte, place) => (place === at ? byte ^ (1 << below(8)) : byte)));
    if (kind === 2) return Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(scraps)), bytes.subarray(at)]);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(20))]);
  }

  function makeBody(): Buffer {
    if (chance(0.1)) return Buffer.from(pick([...scraps, ...jsonScraps, ...brokenScraps]));
    if (chance(0.02)) return Buffer.from(`{"objects":[${pick(['[', '{"a":', ' ', '{},']).repeat(below(50_000))}`);
    const body = Buffer.from(`{${chance(0.2) ? '"type":"bundle",' : ''}"objects":[${several(6, makeObject).join()}]}`);
    return chance(0.2) ? damage(body) : body;
  }

  function makeAuthorization(): string[] {
    if (chance(0.85)) return [`Authorization: ${pick(target.logins)}`];
    if (chance(0.5)) return [];
    // Few of these: a wrong password costs the server a hashing, which is its purpose.
    if (chance(0.05)) return [`Authorization: Basic ${Buffer.from(`member:${pick(scraps)}`).toString('base64')}`];
    return [
      `Authorization: ${pick(['Basic Og==', 'Bearer x', 'Basic', 'Digest a="b"', 'Token ,', '', 'Bearer huiju_'])}`,
    ];
  }

  function frame(body: Buffer): { lines: string[]; content: Buffer; isShort: boolean } {
    if (chance(0.7)) return { lines: [`Content-Length: ${body.length}`], content: body, isShort: false };
    const size = body.length.toString(16);
    const sizes = [size, size.toUpperCase(), `${size};a=b`, `0${size}`, 'zz', '-1', '', 'fffff'];
    const trailer = chance(0.1) ? 'A: b\r\n' : '';
    const chunks = [Buffer.from(`${pick(sizes)}\r\n`), body, Buffer.from(`\r\n0\r\n${trailer}\r\n`)];
    const content = Buffer.concat(chunks);
    if (chance(0.6)) return { lines: ['Transfer-Encoding: chunked'], content, isShort: true };
    const lengths = [body.length + 1, body.length - 1, '1, 2', '+1', '1e3', 'x', '99999999999999999999'];
    const lines = [`Content-Length: ${pick(lengths)}`, ...(chance(0.3) ? ['Transfer-Encoding: chunked'] : [])];
    return { lines, content: body, isShort: true };
  }

  return () => {
    const method = pick(chance(0.8) ? common : methods);
    const body = method === 'POST' || chance(0.1) ? makeBody() : undefined;
    const isPacked = body !== undefined && chance(0.15);
    const { lines, content, isShort } =
      body === undefined
        ? { lines: [], content: Buffer.alloc(0), isShort: false }
        : frame(isPacked ? gzipSync(body) : body);
    const header = [
      `${method} ${makePath(method)} ${chance(0.97) ? 'HTTP/1.1' : pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.1 ', 'http/1.1', ''])}`,
      ...(chance(0.98) ? ['Host: 127.0.0.1'] : several(2, () => `Host: ${pick(scraps)}`)),
      ...makeAuthorization(),
      ...(chance(0.8) ? [`Accept: ${pick(mediaTypes)}`] : []),
      ...(body === undefined && chance(0.8) ? [] : [`Content-Type: ${chance(0.7) ? mediaTypes[0] : pick(mediaTypes)}`]),
      ...(isPacked ? ['Content-Encoding: gzip'] : []),
      ...several(2, () => `${pick(fields)}: ${pick(fieldValues)}`),
      ...lines,
    ];
    const bytes = Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), content]);
    const isDamaged = chance(0.05);
    return {
      bytes: isDamaged ? damage(bytes) : bytes,
      isDamaged,
      isShort: isDamaged || isShort,
      leaves: chance(0.02),
    };
  };
}
