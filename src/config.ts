/** Configuration: environment variables in, one frozen, typed value out. Nothing else reads the environment. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { listMistakes, messageOf, OperatorError, systemReasonOf } from './errors.ts';
import { parseSecretKeys, type SecretKeys } from './hub/secrets.ts';
import { suggest } from './nearest.ts';
import type { StoreLocation } from './store/open-store.ts';

/** Every variable there is: `fallback` is what counts when it is not set. The README lists the same; a test compares. */
export const variables = {
  HUIJU_HOST: { fallback: '127.0.0.1', meaning: 'Address or host name to listen on' },
  HUIJU_PORT: { fallback: '8080', meaning: 'Port to listen on; 0 takes a free one' },
  HUIJU_PUBLIC_URL: {
    fallback: '',
    meaning: 'URL under which clients reach the server, when it is not the listening address',
  },
  HUIJU_STORE: {
    fallback: 'sqlite:./data/huiju.db',
    meaning: 'Where everything is kept: sqlite:PATH or a mongodb:// URL',
  },
  HUIJU_STORE_FILE: { fallback: '', meaning: 'File that holds the value of HUIJU_STORE, for a URL with a password' },
  HUIJU_COLLECTIONS: {
    fallback: './collections',
    meaning: 'Folder of the files that declare API roots and collections',
  },
  HUIJU_TLS_CERT: { fallback: '', meaning: 'PEM file of the TLS certificate and its chain; with HUIJU_TLS_KEY' },
  HUIJU_TLS_KEY: { fallback: '', meaning: 'PEM file of the private key, without a passphrase; with HUIJU_TLS_CERT' },
  HUIJU_ALLOW_PLAIN_HTTP: { fallback: '0', meaning: '1 allows plain HTTP beyond loopback' },
  HUIJU_TRUSTED_PROXY: {
    fallback: '',
    meaning: 'Reverse proxies whose X-Forwarded headers count: addresses, subnets or loopback, comma-separated',
  },
  HUIJU_CORS_ORIGINS: {
    fallback: '',
    meaning: 'Web sites whose scripts may use the server in browsers: origins, comma-separated, or *',
  },
  HUIJU_SECRET_KEY_FILE: {
    fallback: '',
    meaning: 'File of the key that seals the logins of feeds; with SQLite, made beside the store when not set',
  },
  HUIJU_WORKERS: { fallback: '1', meaning: 'Processes that serve, 1 to 64: up to one for each core' },
  HUIJU_LOG_LEVEL: { fallback: 'info', meaning: 'trace, debug, info, warn, error, fatal or silent' },
  HUIJU_MAX_CONTENT_LENGTH: { fallback: '100MiB', meaning: 'Longest request body, decoded' },
  HUIJU_MAX_OBJECT_LENGTH: { fallback: '8MiB', meaning: 'Longest object' },
  HUIJU_PAGE_SIZE: {
    fallback: '1000',
    meaning: 'Objects of a page when the client names no limit; not over HUIJU_PAGE_MAX',
  },
  HUIJU_PAGE_MAX: { fallback: '10000', meaning: 'Most objects of a page, whatever the client asks for' },
  HUIJU_PAGE_BYTES: { fallback: '16MiB', meaning: 'Bytes of objects after which a page ends' },
} as const satisfies Readonly<Record<string, { readonly fallback: string; readonly meaning: string }>>;

type VariableName = keyof typeof variables;

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end. */
  readonly publicUrl: string | undefined;
  readonly store: StoreLocation;
  /** The folder of the API roots' files. */
  readonly collections: string;
  /** PEM texts that were checked to form a pair. */
  readonly transport:
    | { readonly kind: 'http' }
    | { readonly kind: 'https'; readonly cert: string; readonly key: string };
  /** Addresses, subnets and the word `loopback`, as Express's `trust proxy` takes them; empty: no proxy. */
  readonly trustedProxy: readonly string[];
  /** Web sites whose scripts may use the server; `*`: all, without credentials; undefined: none. */
  readonly corsOrigins: readonly string[] | '*' | undefined;
  /** Undefined: the key beside the store counts, if the store can have one. */
  readonly secretKeys: SecretKeys | undefined;
  /** Processes that serve. */
  readonly workers: number;
  readonly logLevel: (typeof logLevels)[number];
  /** Bytes. */
  readonly maxContentLength: number;
  readonly maxObjectLength: number;
  readonly page: { readonly size: number; readonly max: number; readonly bytes: number };
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A parser's answer: the value, or what is wrong with the text and what would be right. */
type Parsed<T> = { readonly value: T } | { readonly fault: string };

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;
// A document has 16 MiB at most, and more in it than the object's text.
const longestInMongo = 15 * mebibyte;
const byteUnits = new Map([
  ['', 1],
  ['B', 1],
  ['KB', 1000],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
  ['KIB', 1024],
  ['MIB', mebibyte],
  ['GIB', gibibyte],
]);

function parseWhole(least: number, most: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { fault: `must be a whole number from ${least} to ${most}` };
  };
}

function parseBytes(most: number): (text: string) => Parsed<number> {
  const fault = `must be a number of bytes from 1 to ${most}, such as 4096, 100MB or 8MiB`;
  return (text) => {
    const [, digits, unit = ''] = /^(\d{1,15}) ?([A-Za-z]{0,3})$/.exec(text) ?? [];
    const value = Number(digits) * (byteUnits.get(unit.toUpperCase()) ?? Number.NaN);
    return value >= 1 && value <= most ? { value } : { fault };
  };
}

function parseOneOf<T extends string>(choices: readonly T[]): (text: string) => Parsed<T> {
  return (text) => {
    const value = choices.find((choice) => choice === text);
    return value === undefined ? { fault: `must be one of ${choices.join(', ')}` } : { value };
  };
}

function parseHost(text: string): Parsed<string> {
  if (isIP(text) !== 0 || /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(text)) return { value: text };
  return { fault: 'must be an IP address or a host name, without scheme, brackets or port' };
}

function parsePublicUrl(text: string): Parsed<string> {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    return { fault: 'must be an absolute URL that begins with https:// or http://' };
  }
  if (url.username !== '' || url.password !== '') return { fault: 'must not hold a user name or password' };
  if (/[?#]/.test(text)) return { fault: 'must not have a query or fragment' };
  const value = url.href.replace(/\/$/, '');
  if (value.endsWith('/taxii2')) return { fault: 'is the URL of the server, without /taxii2' };
  return { value };
}

/** The form alone: whether there is such a database shows when it is opened. */
function parseMongoUrl(url: string): Parsed<StoreLocation> {
  const [, authority = '', database = ''] =
    /^mongodb(?:\+srv)?:\/\/([^/?#]+)(?:\/([^/?#]*))?(?:\?[^#]*)?$/.exec(url) ?? [];
  const login = authority.lastIndexOf('@') === -1 ? '' : authority.slice(0, authority.lastIndexOf('@'));
  if (authority === '' || authority.endsWith('@') || login.includes('@')) {
    return {
      fault:
        'must be mongodb://HOST[,HOST...]/DATABASE, or mongodb+srv://HOST/DATABASE; in user and password @ : / ? # % are written %40 %3A %2F %3F %23 %25',
    };
  }
  if (!/^[A-Za-z0-9_-]{0,63}$/.test(database)) {
    return { fault: 'must name a database of at most 63 letters, digits, _ and -, or none for huiju' };
  }
  return { value: { kind: 'mongodb', url } };
}

/** Reads a value of HUIJU_STORE. */
export function parseStore(text: string): Parsed<StoreLocation> {
  if (/^mongodb(\+srv)?:/i.test(text)) return parseMongoUrl(text);
  const path = /^sqlite:(.+)$/.exec(text)?.[1];
  if (path === undefined)
    return {
      fault:
        'must be sqlite:PATH, for example sqlite:./data/huiju.db, or a URL that begins with mongodb:// or mongodb+srv://',
    };
  if (path.startsWith('//'))
    return { fault: 'has slashes too many: an absolute path is written sqlite:/var/lib/huiju.db' };
  if (path === ':memory:') return { fault: 'must name a file: what is acknowledged has to survive a restart' };
  return { value: { kind: 'sqlite', path: resolve(path) } };
}

function isProxy(text: string): boolean {
  if (text === 'loopback') return true;
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  if (bits === 0 || rest.length > 0) return false;
  // A prefix of 0 would trust everybody.
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= bits);
}

function parseProxies(text: string): Parsed<readonly string[]> {
  const value = text.split(',').map((item) => item.trim());
  const wrong = value.find((item) => !isProxy(item));
  if (wrong === undefined) return { value };
  return { fault: `${JSON.stringify(wrong)} is neither an address, nor a subnet such as 10.0.0.0/8, nor loopback` };
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && ['http:', 'https:'].includes(url.protocol) && url.origin === text;
}

function parseOrigins(text: string): Parsed<readonly string[] | '*'> {
  if (text === '*') return { value: '*' };
  const value = text.split(',').map((item) => item.trim());
  const wrong = value.find((item) => !isOrigin(item));
  if (wrong === undefined) return { value };
  const right = 'https://soc.example.org: scheme, host in lower case, a port that is not the usual one, no path';
  return {
    fault: `${JSON.stringify(wrong)} is no origin; write it as browsers do, ${right}; or * alone for all sites`,
  };
}

function readText(text: string): Parsed<string> {
  try {
    return { value: readFileSync(text, 'utf8') };
  } catch (error) {
    return { fault: `the file cannot be read: ${systemReasonOf(error)}` };
  }
}

/** As a secret that is mounted. What the file holds is never shown. */
export function parseStoreFile(path: string): Parsed<StoreLocation> {
  const read = readText(path);
  if ('fault' in read) return read;
  const store = parseStore(read.value.trim());
  return 'value' in store ? store : { fault: `what the file holds ${store.fault}` };
}

/** What the file holds is never shown. */
function parseSecretKeyFile(path: string): Parsed<SecretKeys> {
  const read = readText(path);
  return 'fault' in read ? read : parseSecretKeys(read.value);
}

/** Why these do not serve as certificate and key; undefined when they do. */
function findPairFault(cert: string, key: string): string | undefined {
  try {
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      return 'the certificate belongs to another key; both must come from one request to the certificate authority';
    }
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return `not a certificate and a private key without passphrase in PEM form (${messageOf(error)})`;
  }
}

function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function findUnknown(env: Environment): string[] {
  const known = Object.keys(variables);
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith('HUIJU_') && !name.startsWith('HUIJU_TEST_') && !known.includes(name),
  );
  return unknown.sort().map((name) => `${name} is not a variable${suggest(name, known)}`);
}

/** Reads variables one by one and remembers what was wrong. */
function createReader(env: Environment, mistakes: string[]) {
  const findText = (name: VariableName): string | undefined => {
    if (env[name]?.trim() === '') mistakes.push(`${name} is set but empty: give it a value or unset it`);
    return env[name]?.trim() || variables[name].fallback || undefined;
  };
  const find = <T>(name: VariableName, parse: (text: string) => Parsed<T>): T | undefined => {
    const text = findText(name);
    const parsed = text === undefined ? undefined : parse(text);
    if (parsed === undefined) return undefined;
    if ('value' in parsed) return parsed.value;
    // URLs may hold passwords.
    mistakes.push(`${name}${text?.includes('@') ? '' : ` is ${JSON.stringify(text)}`}: ${parsed.fault}`);
    return undefined;
  };
  /** For variables with a fallback; after a mistake the value is the fallback's. */
  const read = <T>(name: VariableName, parse: (text: string) => Parsed<T>): T => {
    const value = find(name, parse);
    if (value !== undefined) return value;
    const fallback = parse(variables[name].fallback);
    if ('value' in fallback) return fallback.value;
    throw new Error(`The fallback of ${name} is none.`);
  };
  return { find, read };
}

function findTransport(cert: string | undefined, key: string | undefined, mistakes: string[]): Config['transport'] {
  if (cert === undefined || key === undefined) return { kind: 'http' };
  const fault = findPairFault(cert, key);
  if (fault !== undefined) mistakes.push(`HUIJU_TLS_CERT and HUIJU_TLS_KEY: ${fault}`);
  return { kind: 'https', cert, key };
}

const plainHttpHelp =
  'listening beyond loopback needs TLS: set HUIJU_TLS_CERT and HUIJU_TLS_KEY to the PEM files of a certificate and its ' +
  'key; or, behind a proxy that does TLS, HUIJU_PUBLIC_URL to its https URL and HUIJU_TRUSTED_PROXY to its address; or ' +
  'HUIJU_ALLOW_PLAIN_HTTP=1 if passwords may cross this network readable';

function checkTogether(config: Config, env: Environment, allowPlainHttp: boolean, mistakes: string[]): void {
  const { host, publicUrl, transport, trustedProxy, page } = config;
  if ((env.HUIJU_TLS_CERT === undefined) !== (env.HUIJU_TLS_KEY === undefined)) {
    mistakes.push('HUIJU_TLS_CERT and HUIJU_TLS_KEY go together: set both or neither');
  }
  if (env.HUIJU_STORE !== undefined && env.HUIJU_STORE_FILE !== undefined) {
    mistakes.push('HUIJU_STORE and HUIJU_STORE_FILE both name the store: unset one');
  }
  if (transport.kind === 'https' && publicUrl?.startsWith('http:')) {
    mistakes.push('HUIJU_PUBLIC_URL begins with http://, but the server speaks TLS: make it https://');
  }
  const isProxied = publicUrl?.startsWith('https:') === true && trustedProxy.length > 0;
  const wantsTls = env.HUIJU_TLS_CERT !== undefined || env.HUIJU_TLS_KEY !== undefined;
  if (!isLoopback(host) && !wantsTls && !isProxied && !allowPlainHttp) {
    mistakes.push(`HUIJU_HOST is ${JSON.stringify(host)}: ${plainHttpHelp}`);
  }
  if (config.store.kind === 'mongodb' && config.maxObjectLength > longestInMongo) {
    mistakes.push(
      `HUIJU_MAX_OBJECT_LENGTH is ${config.maxObjectLength}, over what a document of MongoDB holds: at most 15MiB`,
    );
  }
  if (page.size > page.max) {
    mistakes.push(`HUIJU_PAGE_SIZE is ${page.size}, over HUIJU_PAGE_MAX, which is ${page.max}`);
  }
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}

/** Reads the configuration and says everything that is wrong with it. What is wrong has its fallback in `config`. */
export function examineConfig(env: Environment = process.env): { config: Config; mistakes: readonly string[] } {
  const mistakes = findUnknown(env);
  const { find, read } = createReader(env, mistakes);
  const max = read('HUIJU_PAGE_MAX', parseWhole(1, 1_000_000));
  const size = read('HUIJU_PAGE_SIZE', parseWhole(1, 1_000_000));
  const config: Config = {
    host: read('HUIJU_HOST', parseHost),
    port: read('HUIJU_PORT', parseWhole(0, 65_535)),
    publicUrl: find('HUIJU_PUBLIC_URL', parsePublicUrl),
    store: find('HUIJU_STORE_FILE', parseStoreFile) ?? read('HUIJU_STORE', parseStore),
    collections: resolve(read('HUIJU_COLLECTIONS', (text) => ({ value: text }))),
    transport: findTransport(find('HUIJU_TLS_CERT', readText), find('HUIJU_TLS_KEY', readText), mistakes),
    trustedProxy: find('HUIJU_TRUSTED_PROXY', parseProxies) ?? [],
    corsOrigins: find('HUIJU_CORS_ORIGINS', parseOrigins),
    secretKeys: find('HUIJU_SECRET_KEY_FILE', parseSecretKeyFile),
    workers: read('HUIJU_WORKERS', parseWhole(1, 64)),
    logLevel: read('HUIJU_LOG_LEVEL', parseOneOf(logLevels)),
    maxContentLength: read('HUIJU_MAX_CONTENT_LENGTH', parseBytes(1024 * gibibyte)),
    maxObjectLength: read('HUIJU_MAX_OBJECT_LENGTH', parseBytes(256 * mebibyte)),
    page: {
      // Who lowers the maximum alone has said nothing about the size: it follows.
      size: env.HUIJU_PAGE_SIZE === undefined ? Math.min(size, max) : size,
      max,
      bytes: read('HUIJU_PAGE_BYTES', parseBytes(256 * mebibyte)),
    },
  };
  const allowPlainHttp = read('HUIJU_ALLOW_PLAIN_HTTP', parseOneOf(['0', '1'])) === '1';
  checkTogether(config, env, allowPlainHttp, mistakes);
  return { config: deepFreeze(config), mistakes };
}

/** The configuration. Throws one OperatorError that lists everything that is wrong with it. */
export function loadConfig(env: Environment = process.env): Config {
  const { config, mistakes } = examineConfig(env);
  if (mistakes.length > 0) throw new OperatorError(`Configuration: ${listMistakes(mistakes)}`);
  return config;
}
