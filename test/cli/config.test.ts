import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { type Environment, examineConfig, loadConfig, variables } from '../../src/config.ts';
import { useTempFolder } from '../store/temp-folder.ts';

const pathOf = useTempFolder();

function mistakesOf(env: Environment): string {
  return examineConfig(env).mistakes.join('\n');
}

describe('without variables', () => {
  test('everything has the value that the table names', () => {
    expect(loadConfig({})).toEqual({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: undefined,
      store: { kind: 'sqlite', path: resolve('data/huiju.db') },
      collections: resolve('collections'),
      transport: { kind: 'http' },
      trustedProxy: [],
      workers: 1,
      logLevel: 'info',
      maxContentLength: 100 * 1024 * 1024,
      maxObjectLength: 8 * 1024 * 1024,
      page: { size: 1000, max: 10_000, bytes: 16 * 1024 * 1024 },
    });
  });

  test('the table itself, written out as variables, means the same', () => {
    const written = Object.entries(variables).filter(([, { fallback }]) => fallback !== '');
    expect(loadConfig(Object.fromEntries(written.map(([name, { fallback }]) => [name, fallback])))).toEqual(
      loadConfig({}),
    );
  });

  test('the value is frozen to its depth', () => {
    const config = loadConfig({ HUIJU_TRUSTED_PROXY: 'loopback' });
    for (const part of [config, config.store, config.page, config.trustedProxy, config.transport]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('mistakes', () => {
  test('are reported all at once, each with its variable', () => {
    const env = { HUIJU_PORT: '65536', HUIJU_LOG_LEVEL: 'loud', HUIJU_WORKERS: '0', HUIJU_NONSENSE: '1' };
    const load = () => loadConfig(env);
    expect(load).toThrow(/4 mistakes/);
    for (const name of Object.keys(env)) expect(load).toThrow(new RegExp(`\n {2}${name} `));
  });

  test('an unknown variable is one, and the nearest name is suggested', () => {
    expect(mistakesOf({ HUIJU_STOER: 'x' })).toMatch(/HUIJU_STOER is not a variable; did you mean HUIJU_STORE\?/);
    expect(mistakesOf({ HUIJU_PAGESIZE: '1' })).toMatch(/did you mean HUIJU_PAGE_SIZE/);
  });

  test('variables of the tests and of other programs are not looked at', () => {
    expect(mistakesOf({ HUIJU_TEST_ANYTHING: 'x', HUIJUICE: '', PATH: '/bin' })).toBe('');
  });

  test.each(Object.keys(variables))('%s set but empty is one, not its default', (name) => {
    expect(mistakesOf({ [name]: '' })).toContain(`${name} is set but empty`);
  });

  test.each([
    ['HUIJU_HOST', 'https://host'],
    ['HUIJU_HOST', '[::1]'],
    ['HUIJU_HOST', '127.0.0.1:80'],
    ['HUIJU_PORT', '-1'],
    ['HUIJU_PORT', '80a'],
    ['HUIJU_PORT', '1e3'],
    ['HUIJU_PUBLIC_URL', 'taxii.example.org'],
    ['HUIJU_PUBLIC_URL', 'ftp://taxii.example.org'],
    ['HUIJU_PUBLIC_URL', 'https://taxii.example.org/?a=b'],
    ['HUIJU_PUBLIC_URL', 'https://taxii.example.org/taxii2/'],
    ['HUIJU_STORE', 'data/huiju.db'],
    ['HUIJU_STORE', 'sqlite:'],
    ['HUIJU_STORE', 'sqlite::memory:'],
    ['HUIJU_STORE', 'sqlite://data/huiju.db'],
    ['HUIJU_STORE', 'postgres://host/db'],
    ['HUIJU_ALLOW_PLAIN_HTTP', 'yes'],
    ['HUIJU_TRUSTED_PROXY', '10.0.0.0/33'],
    ['HUIJU_TRUSTED_PROXY', '0.0.0.0/0'],
    ['HUIJU_TRUSTED_PROXY', 'proxy.example.org'],
    ['HUIJU_TRUSTED_PROXY', '10.0.0.1,,10.0.0.2'],
    ['HUIJU_WORKERS', '65'],
    ['HUIJU_LOG_LEVEL', 'INFO'],
    ['HUIJU_MAX_CONTENT_LENGTH', '0'],
    ['HUIJU_MAX_CONTENT_LENGTH', '1.5MB'],
    ['HUIJU_MAX_CONTENT_LENGTH', '5 TB'],
    ['HUIJU_MAX_OBJECT_LENGTH', '1GiB'],
    ['HUIJU_PAGE_SIZE', '0'],
    ['HUIJU_PAGE_MAX', 'many'],
    ['HUIJU_PAGE_BYTES', '-5'],
  ])('%s=%s is one', (name, value) => {
    const { mistakes } = examineConfig({ [name]: value });
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toContain(`${name} is ${JSON.stringify(value)}`);
  });

  test('a MongoDB URL of the wrong form is one, and its password is not shown', () => {
    for (const url of [
      'mongodb://huiju:sec@ret@db.example.org/huiju',
      'mongodb://',
      'mongodb://a:secret@/x',
      'mongodb://a/x.y',
    ]) {
      const mistakes = mistakesOf({ HUIJU_STORE: url });
      expect(mistakes).toMatch(/HUIJU_STORE/);
      expect(mistakes).not.toMatch(/sec@?ret/);
    }
  });

  test('objects longer than a document of MongoDB are one there', () => {
    const HUIJU_STORE = 'mongodb://db.example.org/huiju';
    expect(mistakesOf({ HUIJU_STORE, HUIJU_MAX_OBJECT_LENGTH: '16MiB' })).toMatch(/HUIJU_MAX_OBJECT_LENGTH.*15MiB/);
    expect(examineConfig({ HUIJU_STORE, HUIJU_MAX_OBJECT_LENGTH: '15MiB' }).mistakes).toEqual([]);
  });

  test('a password in the public URL is one, and not shown', () => {
    const mistakes = mistakesOf({ HUIJU_PUBLIC_URL: 'https://huiju:secret@taxii.example.org' });
    expect(mistakes).toMatch(/HUIJU_PUBLIC_URL.*password/);
    expect(mistakes).not.toContain('secret');
  });
});

describe('HUIJU_STORE_FILE', () => {
  const fileWith = async (content: string): Promise<string> => {
    const path = pathOf('store-location');
    await writeFile(path, content);
    return path;
  };

  test('names a file that says what HUIJU_STORE would say, with a line end or without', async () => {
    for (const end of ['', '\n', '\r\n']) {
      const env = { HUIJU_STORE_FILE: await fileWith(`sqlite:/var/lib/huiju.db${end}`) };
      expect(loadConfig(env).store).toEqual({ kind: 'sqlite', path: '/var/lib/huiju.db' });
    }
  });

  test.each([
    ['postgres://huiju:hidden@db/huiju', /HUIJU_STORE_FILE is ".*": what the file holds must be/],
    ['\n', /what the file holds must be/],
  ])('that holds %j is a mistake, and what it holds is not shown', async (content, message) => {
    const mistakes = mistakesOf({ HUIJU_STORE_FILE: await fileWith(content) });
    expect(mistakes).toMatch(message);
    expect(mistakes).not.toContain('hidden');
  });

  test('that cannot be read is a mistake', () => {
    const mistakes = mistakesOf({ HUIJU_STORE_FILE: pathOf('nowhere') });
    expect(mistakes).toMatch(/HUIJU_STORE_FILE is ".*nowhere": the file cannot be read: there is no such file/);
  });

  test('beside HUIJU_STORE is a mistake: one of them would not count', async () => {
    const file = await fileWith('sqlite:/var/lib/huiju.db');
    expect(mistakesOf({ HUIJU_STORE: 'sqlite:other.db', HUIJU_STORE_FILE: file })).toMatch(/both name the store/);
  });
});

describe('values', () => {
  test.each([
    ['4096', 4096],
    ['10B', 10],
    ['5KB', 5000],
    ['5KiB', 5120],
    ['100MB', 100_000_000],
    ['8MiB', 8_388_608],
    ['2 gib', 2_147_483_648],
    ['1GB', 1_000_000_000],
  ])('a size of %s is %d bytes', (text, bytes) => {
    expect(loadConfig({ HUIJU_MAX_CONTENT_LENGTH: text }).maxContentLength).toBe(bytes);
  });

  test('a public URL has no slash at its end, and may have a path', () => {
    const publicUrl = (text: string) => loadConfig({ HUIJU_PUBLIC_URL: text }).publicUrl;
    expect(publicUrl('https://TAXII.example.org/')).toBe('https://taxii.example.org');
    expect(publicUrl('https://example.org:8443/cti/')).toBe('https://example.org:8443/cti');
  });

  test('a lowered HUIJU_PAGE_MAX lowers the page that nobody set; a set one must fit', () => {
    expect(loadConfig({ HUIJU_PAGE_MAX: '50' }).page).toMatchObject({ size: 50, max: 50 });
    expect(mistakesOf({ HUIJU_PAGE_MAX: '50', HUIJU_PAGE_SIZE: '51' })).toMatch(/HUIJU_PAGE_SIZE is 51, over/);
    expect(mistakesOf({ HUIJU_PAGE_SIZE: '10001' })).toMatch(/over HUIJU_PAGE_MAX, which is 10000/);
  });

  test('proxies are addresses, subnets and loopback', () => {
    const text = 'loopback, 10.1.0.0/16,::1/128, 192.0.2.7';
    expect(loadConfig({ HUIJU_TRUSTED_PROXY: text }).trustedProxy).toEqual([
      'loopback',
      '10.1.0.0/16',
      '::1/128',
      '192.0.2.7',
    ]);
  });
});

describe('listening', () => {
  test.each(['127.0.0.1', '127.8.9.10', '::1', 'localhost', 'LOCALHOST'])('on %s needs no TLS', (host) => {
    expect(loadConfig({ HUIJU_HOST: host }).host).toBe(host);
  });

  test.each(['0.0.0.0', '::', '192.0.2.1', 'taxii.example.org', '::ffff:192.0.2.1'])('on %s needs TLS', (host) => {
    const mistakes = mistakesOf({ HUIJU_HOST: host });
    for (const remedy of ['HUIJU_TLS_CERT', 'HUIJU_PUBLIC_URL', 'HUIJU_TRUSTED_PROXY', 'HUIJU_ALLOW_PLAIN_HTTP=1']) {
      expect(mistakes).toContain(remedy);
    }
  });

  test('beyond loopback is allowed behind a proxy with TLS, or when plain HTTP is allowed', () => {
    const beyond = { HUIJU_HOST: '0.0.0.0' };
    const proxied = { ...beyond, HUIJU_PUBLIC_URL: 'https://taxii.example.org', HUIJU_TRUSTED_PROXY: '192.0.2.1' };
    expect(mistakesOf(proxied)).toBe('');
    expect(mistakesOf({ ...proxied, HUIJU_PUBLIC_URL: 'http://taxii.example.org' })).toMatch(/HUIJU_HOST/);
    expect(mistakesOf({ ...beyond, HUIJU_PUBLIC_URL: 'https://taxii.example.org' })).toMatch(/HUIJU_HOST/);
    expect(mistakesOf({ ...beyond, HUIJU_ALLOW_PLAIN_HTTP: '1' })).toBe('');
    expect(mistakesOf({ ...beyond, HUIJU_ALLOW_PLAIN_HTTP: '0' })).toMatch(/HUIJU_HOST/);
  });
});

describe('TLS', () => {
  beforeAll(async () => {
    for (const name of ['one', 'two']) {
      const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 });
      await Promise.all([writeFile(pathOf(`${name}.crt`), cert), writeFile(pathOf(`${name}.key`), key)]);
    }
    await writeFile(pathOf('nonsense'), 'neither certificate nor key');
  });

  const pair = (cert: string, key: string) => ({ HUIJU_TLS_CERT: pathOf(cert), HUIJU_TLS_KEY: pathOf(key) });

  test('a pair is loaded and allows listening beyond loopback', () => {
    const { transport } = loadConfig({ HUIJU_HOST: '0.0.0.0', ...pair('one.crt', 'one.key') });
    expect(transport).toEqual({
      kind: 'https',
      cert: expect.stringContaining('BEGIN CERTIFICATE'),
      key: expect.stringContaining('PRIVATE KEY'),
    });
  });

  test.each([
    ['one.crt', 'two.key', /belongs to another key/],
    ['nonsense', 'one.key', /PEM/],
    ['one.crt', 'nonsense', /PEM/],
    ['one.key', 'one.crt', /PEM/],
    ['missing', 'one.key', /HUIJU_TLS_CERT.*cannot be read: there is no such file or folder/],
    ['one.crt', '.', /HUIJU_TLS_KEY.*cannot be read: it is a folder/],
  ])('%s with %s is a mistake', (cert, key, reason) => {
    const { mistakes } = examineConfig({ HUIJU_HOST: '0.0.0.0', ...pair(cert, key) });
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(reason);
  });

  test('one half without the other is a mistake', () => {
    expect(mistakesOf({ HUIJU_TLS_CERT: pathOf('one.crt') })).toMatch(/go together/);
    expect(mistakesOf({ HUIJU_TLS_KEY: pathOf('one.key') })).toMatch(/go together/);
  });

  test('a public URL without TLS contradicts it', () => {
    const env = { ...pair('one.crt', 'one.key'), HUIJU_PUBLIC_URL: 'http://taxii.example.org' };
    expect(mistakesOf(env)).toMatch(/HUIJU_PUBLIC_URL begins with http/);
  });
});
