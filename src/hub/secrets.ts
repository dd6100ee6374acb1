/**
 * Secrets that have to be read again, such as the login of a feed: sealed with AES-256-GCM under a key that is kept apart
 * from the store, so that a copy of the store alone gives none of them away.
 */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, OperatorError, systemReasonOf } from '../errors.ts';
import type { StoreLocation } from '../store/open-store.ts';

/** An object that no log and no message shows the bytes of. */
export interface SecretKey {
  /** Names the key in sealed texts; tells nothing of it. */
  readonly id: string;
  readonly key: KeyObject;
}

/** The first seals, each opens what it has sealed. Never empty. */
export type SecretKeys = readonly SecretKey[];

const keyLength = 32;
const nonceLength = 12;
const tagLength = 16;
/** Lines of a file of keys that are looked at. */
const mostKeys = 100;
const form = 'v1';
const howToMake = 'one key per line, 32 random bytes in hex or base64, as `openssl rand -hex 32` prints them';

function createKey(bytes: Buffer): SecretKey {
  const id = createHash('sha256').update('huiju key id').update(bytes).digest('hex').slice(0, 8);
  return { id, key: createSecretKey(bytes) };
}

/** 32 bytes, or undefined. */
function decodeKey(line: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(line)) return Buffer.from(line, 'hex');
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(line) ? Buffer.from(line, 'base64') : undefined;
}

/** Reads what a file of keys holds; lines that begin with # say something to people. The fault never shows what it holds. */
export function parseSecretKeys(text: string): { readonly value: SecretKeys } | { readonly fault: string } {
  const lines = text.split('\n').map((line) => line.trim());
  const written = lines.map((line, index) => ({ line, number: index + 1 })).filter(({ line }) => /^[^#]/.test(line));
  if (written.length === 0) return { fault: `the file holds no key: put in ${howToMake}` };
  if (written.length > mostKeys) return { fault: `the file holds more than ${mostKeys} keys: take out old ones` };
  const keys: SecretKey[] = [];
  for (const { line, number } of written) {
    const bytes = decodeKey(line);
    if (bytes === undefined) return { fault: `line ${number} of the file is no key: it takes ${howToMake}` };
    keys.push(createKey(bytes));
  }
  return { value: keys };
}

// The context is no part of the sealed text, but nothing opens without it.
function bind(id: string, context: string): Buffer {
  return Buffer.from(JSON.stringify([form, id, context]));
}

/** Seals a short text for one context, `feed:NAME` for example; it opens nowhere else. */
export function seal([first]: SecretKeys, text: string, context: string): string {
  if (first === undefined) throw new Error('There is no key to seal with.');
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv('aes-256-gcm', first.key, nonce).setAAD(bind(first.id, context));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return [form, first.id, sealed.toString('base64url')].join('.');
}

/** Whether the first of the keys sealed this: then the others are not needed for it. */
export function isSealedByFirst([first]: SecretKeys, sealed: string): boolean {
  return first !== undefined && sealed.startsWith(`${form}.${first.id}.`);
}

/** Opens what `seal` made. Throws OperatorError when the key is another, or the text was changed or belongs elsewhere. */
export function unseal(keys: SecretKeys, sealed: string, context: string): string {
  const [found, id = '', encoded = '', ...rest] = sealed.split('.');
  const bytes = Buffer.from(encoded, 'base64url');
  if (found !== form || rest.length > 0 || bytes.length < nonceLength + tagLength) {
    throw new OperatorError(`the secret of ${context} is damaged: set it again`);
  }
  const key = keys.find((one) => one.id === id)?.key;
  if (key === undefined) {
    const known = keys.map((one) => one.id).join(', ');
    throw new OperatorError(
      `the secret of ${context} is sealed with the key ${id}, and the key file holds ${known}: put that key into the file again, or set the secret anew`,
    );
  }
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceLength), { authTagLength: tagLength });
  decipher.setAAD(bind(id, context)).setAuthTag(bytes.subarray(-tagLength));
  try {
    const text = decipher.update(bytes.subarray(nonceLength, -tagLength));
    return Buffer.concat([text, decipher.final()]).toString();
  } catch {
    throw new OperatorError(`the secret of ${context} was changed, or belongs to another: set it again`);
  }
}

/** The keys of a file; undefined: there is none. Throws OperatorError when it does not serve. */
async function findKeys(path: string): Promise<SecretKeys | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new OperatorError(`the key file ${path} cannot be read: ${systemReasonOf(error)}`);
  }
  const parsed = parseSecretKeys(text);
  if ('fault' in parsed) throw new OperatorError(`the key file ${path}: ${parsed.fault}`);
  return parsed.value;
}

/** The keys of a file that the operator names. Throws OperatorError when it is not there, or does not serve. */
export async function readSecretKeys(path: string): Promise<SecretKeys> {
  const keys = await findKeys(path);
  if (keys === undefined) throw new OperatorError(`the key file ${path} cannot be read: there is no such file`);
  return keys;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a key; when another process is faster, takes its. What is sealed with it cannot outlive it in a power failure. */
async function makeKeys(path: string): Promise<SecretKeys> {
  const folder = dirname(path);
  const written = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeNew(written, `${randomBytes(keyLength).toString('hex')}\n`);
    // Nobody sees half a key.
    await link(written, path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    await syncFolder(folder);
  } catch (error) {
    throw new OperatorError(`the key file ${path} cannot be made: ${systemReasonOf(error)}`);
  } finally {
    await rm(written, { force: true });
  }
  const keys = await findKeys(path);
  if (keys === undefined) throw new OperatorError(`the key file ${path} has vanished: put it back`);
  return keys;
}

function pathBeside(storePath: string): string {
  return join(dirname(storePath), 'secret-key');
}

/** The keys beside an embedded store; undefined: none were needed yet. Throws OperatorError when the file does not serve. */
export async function findStoreKeys(store: StoreLocation): Promise<SecretKeys | undefined> {
  return store.kind === 'sqlite' ? findKeys(pathBeside(store.path)) : undefined;
}

const needsKeyFile =
  'secrets in a MongoDB store need a key that all servers share: set HUIJU_SECRET_KEY_FILE on each to a file with the same key, which `openssl rand -hex 32` makes';

/**
 * The keys to open with: those that are configured, else of the file beside the embedded store. Throws OperatorError when
 * there are none: to make one would open nothing.
 */
export async function getSecretKeys(configured: SecretKeys | undefined, store: StoreLocation): Promise<SecretKeys> {
  if (configured !== undefined) return configured;
  if (store.kind !== 'sqlite') throw new OperatorError(needsKeyFile);
  const found = await findStoreKeys(store);
  if (found !== undefined) return found;
  const path = pathBeside(store.path);
  throw new OperatorError(
    `the key file ${path} is missing, which opens the secrets of this store: put it back, name it by HUIJU_SECRET_KEY_FILE, or set the secrets anew`,
  );
}

/**
 * The keys to seal with: those that are configured; else of the file `secret-key` beside the embedded store, which is made when there
 * is none. Throws OperatorError when there can be none.
 */
export async function loadSecretKeys(configured: SecretKeys | undefined, store: StoreLocation): Promise<SecretKeys> {
  if (configured !== undefined) return configured;
  if (store.kind === 'sqlite') return (await findStoreKeys(store)) ?? makeKeys(pathBeside(store.path));
  throw new OperatorError(needsKeyFile);
}
