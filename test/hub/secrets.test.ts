import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { examineConfig } from '../../src/config.ts';
import {
  getSecretKeys,
  loadSecretKeys,
  parseSecretKeys,
  type SecretKeys,
  seal,
  unseal,
} from '../../src/hub/secrets.ts';
import { useTempFolder } from '../store/temp-folder.ts';

const inFolder = useTempFolder();

function makeTempFolder(): string {
  const folder = inFolder(randomBytes(6).toString('hex'));
  mkdirSync(folder);
  return folder;
}

const hex = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const otherHex = hex.replaceAll('0', 'f');

function keysOf(text: string): SecretKeys {
  const parsed = parseSecretKeys(text);
  if ('value' in parsed) return parsed.value;
  throw new Error(parsed.fault);
}

const keys = keysOf(hex);

describe('sealed secrets', () => {
  test('open with the key and in the context that sealed them', () => {
    for (const text of ['', 'password', '密码 🔑', 'x'.repeat(100_000)]) {
      expect(unseal(keys, seal(keys, text, 'feed:a'), 'feed:a')).toBe(text);
    }
  });

  test('are others each time, and show nothing of the secret', () => {
    const [first, second] = [seal(keys, 'password', 'feed:a'), seal(keys, 'password', 'feed:a')];
    expect(first).not.toBe(second);
    expect(first).not.toContain('password');
    expect(Buffer.from(first.split('.')[2] ?? '', 'base64url').toString()).not.toContain('password');
  });

  test('do not open in another context', () => {
    const sealed = seal(keys, 'password', 'feed:a');
    expect(() => unseal(keys, sealed, 'feed:b')).toThrow('the secret of feed:b was changed, or belongs to another');
  });

  test('do not open when a bit of them is changed', () => {
    const [form = '', id = '', text = ''] = seal(keys, 'password', 'feed:a').split('.');
    const bytes = Buffer.from(text, 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => unseal(keys, [form, id, changed.toString('base64url')].join('.'), 'feed:a')).toThrow(/was changed/);
    }
    for (const damaged of ['', 'v1', `v2.${id}.${text}`, `v1.${id}.AAAA`, `v1.${id}.${text}.x`]) {
      expect(() => unseal(keys, damaged, 'feed:a')).toThrow(/is damaged/);
    }
  });

  test('sealed with a key that is not there say which is missing', () => {
    const sealed = seal(keysOf(otherHex), 'password', 'feed:a');
    expect(() => unseal(keys, sealed, 'feed:a')).toThrow(
      new RegExp(`sealed with the key ${keysOf(otherHex)[0]?.id}, and the key file holds ${keys[0]?.id}`),
    );
  });

  test('open after a rotation: the first key of the file seals, all open', () => {
    const old = seal(keys, 'password', 'feed:a');
    const rotated = keysOf(`# since March\n${otherHex}\n\n${hex}\n`);
    expect(unseal(rotated, old, 'feed:a')).toBe('password');
    const fresh = seal(rotated, 'password', 'feed:a');
    expect(unseal(keysOf(otherHex), fresh, 'feed:a')).toBe('password');
  });
});

describe('the key file', () => {
  test('holds keys in hex or either base64', () => {
    const bytes = Buffer.from(hex, 'hex');
    const forms = [hex, hex.toUpperCase(), bytes.toString('base64'), bytes.toString('base64url'), ` ${hex}\r\n`];
    expect(new Set(forms.map((text) => keysOf(text)[0]?.id)).size).toBe(1);
  });

  test.each([
    ['', 'no key'],
    ['# only words\n', 'no key'],
    [hex.slice(2), 'line 1'],
    [`${hex}\n${hex}00`, 'line 2'],
    ['correct horse battery staple', 'line 1'],
    [Array(101).fill(hex).join('\n'), 'more than 100'],
  ])('%j is told to be none', (text, words) => {
    const parsed = parseSecretKeys(text);
    expect(parsed).toEqual({ fault: expect.stringContaining(words) });
    if (text !== '') expect(JSON.stringify(parsed)).not.toContain(text.slice(0, 20).trim());
  });

  test('shows its keys to nobody who prints them', () => {
    const bytes = Buffer.from(hex, 'hex');
    const printed = [inspect(keys, { depth: 9, showHidden: true }), JSON.stringify(keys), String(keys)].join();
    for (const form of [hex, bytes.toString('base64').slice(0, 20), '00 01 02 03']) expect(printed).not.toContain(form);
  });

  test('is part of the configuration, and its mistakes are told with the others, without what it holds', () => {
    const path = join(makeTempFolder(), 'key');
    writeFileSync(path, hex);
    const right = examineConfig({ HUIJU_SECRET_KEY_FILE: path });
    expect([right.mistakes, right.config.secretKeys?.[0]?.id]).toEqual([[], keys[0]?.id]);
    writeFileSync(path, `${hex}${hex}`);
    const wrong = examineConfig({ HUIJU_SECRET_KEY_FILE: path, HUIJU_PORT: 'x' });
    expect(wrong.mistakes).toHaveLength(2);
    expect(wrong.mistakes.join()).toContain('HUIJU_SECRET_KEY_FILE');
    expect(wrong.mistakes.join()).not.toContain(hex);
    const missing = examineConfig({ HUIJU_SECRET_KEY_FILE: `${path}.not` });
    expect(missing.mistakes.join()).toContain('there is no such file');
    expect(examineConfig({}).config.secretKeys).toBeUndefined();
  });
});

describe('the key beside the embedded store', () => {
  test('is made once, for its owner only, and found again', async () => {
    const folder = join(makeTempFolder(), 'data');
    const store = { kind: 'sqlite', path: join(folder, 'huiju.db') } as const;
    const made = await Promise.all(Array.from({ length: 8 }, () => loadSecretKeys(undefined, store)));
    const path = join(folder, 'secret-key');
    expect(new Set(made.map(([key]) => key?.id)).size).toBe(1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['secret-key']);
    expect((await loadSecretKeys(undefined, store))[0]?.id).toBe(keysOf(readFileSync(path, 'utf8'))[0]?.id);
  });

  test('is not made to open with: a secret that nobody can open stays one', async () => {
    const folder = join(makeTempFolder(), 'gone');
    const path = join(folder, 'secret-key');
    const store = { kind: 'sqlite', path: join(folder, 'huiju.db') } as const;
    await expect(getSecretKeys(undefined, store)).rejects.toThrow(`the key file ${path} is missing`);
    expect(existsSync(path)).toBe(false);
    const made = await loadSecretKeys(undefined, store);
    expect((await getSecretKeys(undefined, store))[0]?.id).toBe(made[0]?.id);
    expect(await getSecretKeys(keys, store)).toBe(keys);
    await expect(getSecretKeys(undefined, { kind: 'mongodb', url: 'mongodb://db/huiju' })).rejects.toThrow(
      'HUIJU_SECRET_KEY_FILE',
    );
  });

  test('gives way to the one that is configured, and then none is made', async () => {
    const folder = makeTempFolder();
    const store = { kind: 'sqlite', path: join(folder, 'huiju.db') } as const;
    expect(await loadSecretKeys(keys, store)).toBe(keys);
    expect(existsSync(join(folder, 'secret-key'))).toBe(false);
  });

  test('is never replaced when it is damaged', async () => {
    const folder = makeTempFolder();
    const path = join(folder, 'secret-key');
    writeFileSync(path, randomBytes(20).toString('hex'));
    chmodSync(path, 0o600);
    const before = readFileSync(path, 'utf8');
    const loading = loadSecretKeys(undefined, { kind: 'sqlite', path: join(folder, 'huiju.db') });
    await expect(loading).rejects.toThrow(`the key file ${path}: line 1`);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('that cannot be read is told, and not replaced', async () => {
    const folder = makeTempFolder();
    mkdirSync(join(folder, 'secret-key'));
    const loading = loadSecretKeys(undefined, { kind: 'sqlite', path: join(folder, 'huiju.db') });
    await expect(loading).rejects.toThrow('cannot be read: it is a folder');
  });

  test('cannot be where several machines share a store', async () => {
    const loading = loadSecretKeys(undefined, { kind: 'mongodb', url: 'mongodb://anna:sesame@db/huiju' });
    await expect(loading).rejects.toThrow(/set HUIJU_SECRET_KEY_FILE on each/);
    await expect(loading).rejects.not.toThrow(/sesame/);
  });
});
