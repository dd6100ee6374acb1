/**
 * Tokens: a login for programs, without a password. The token itself is shown once; kept is its SHA-256, which is the
 * id of a record of kind `token`. Tokens are 32 random bytes, so a fast hash is as good as a slow one.
 */

import { createHash, randomBytes } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { Micros, Store, StoredRecord } from '../store/store.ts';
import { walkRecords } from './records.ts';
import { findUser, type User, unknownUser } from './users.ts';

const kind = 'token';
// 64 bits of the hash: no two tokens share them, and nobody can compute the token from them.
const publicLength = 16;
const publicId = /^[0-9a-f]{16}$/;
const tokenFormat = /^huiju_[A-Za-z0-9_-]{43}$/;

/** Whether a text has the form of a token; it is long enough that no name or password is mistaken for one. */
export function isToken(text: string): boolean {
  return tokenFormat.test(text);
}

/** As stored. Times are TAXII timestamps, so they are ordered as text is. */
interface TokenDocument {
  readonly user: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

export interface Token extends TokenDocument {
  /** Names the token without giving it away: the beginning of its hash. */
  readonly id: string;
}

function isTokenDocument(document: unknown): document is TokenDocument {
  if (typeof document !== 'object' || document === null) return false;
  const { user, created_at, expires_at } = document as Partial<Record<string, unknown>>;
  return (
    typeof user === 'string' &&
    typeof created_at === 'string' &&
    (expires_at === null || typeof expires_at === 'string')
  );
}

function parseToken({ id, document }: StoredRecord): Token {
  if (!isTokenDocument(document)) throw new Error(`The stored token ${id.slice(0, publicLength)} is damaged.`);
  return { id: id.slice(0, publicLength), ...document };
}

function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function hasExpired(token: TokenDocument, now: Micros): boolean {
  return token.expires_at !== null && token.expires_at <= formatMicros(now);
}

// So that a job which makes itself a new token every day does not pile them up.
async function dropExpired(store: Store, user: string, now: Micros): Promise<void> {
  for await (const record of walkRecords(store, kind, { name: 'user', value: user })) {
    if (hasExpired(parseToken(record), now)) await store.deleteRecord(kind, record.id, record.revision);
  }
}

/**
 * Creates a token for a user and returns it: this is the only time it can be seen. It works until `expiresAt`, if given,
 * as long as the user is enabled. The user's expired tokens are dropped on this occasion.
 */
export async function createToken(store: Store, user: string, now: Micros, expiresAt?: Micros): Promise<string> {
  const owner = await findUser(store, user);
  if (owner === undefined) throw await unknownUser(store, user);
  if (owner.disabled) throw new OperatorError(`The user "${user}" is disabled.`);
  await dropExpired(store, user, now);
  const token = `huiju_${randomBytes(32).toString('base64url')}`;
  const document: TokenDocument = {
    user,
    created_at: formatMicros(now),
    expires_at: expiresAt === undefined ? null : formatMicros(expiresAt),
  };
  const stored = await store.putRecord(kind, hashToken(token), 0, document, { user });
  if (!stored) throw new Error('Two random tokens are equal: the random number generator is broken.');
  return token;
}

/** The enabled user whose token this is; undefined when it is unknown, revoked or expired. */
export async function findUserOfToken(store: Store, token: string, now: Micros): Promise<User | undefined> {
  if (!isToken(token)) return undefined;
  const record = await store.findRecord(kind, hashToken(token));
  if (record === undefined) return undefined;
  const found = parseToken(record);
  if (hasExpired(found, now)) return undefined;
  const owner = await findUser(store, found.user);
  return owner?.disabled === false ? owner : undefined;
}

/** Every token, or every token of a user, the oldest first; expired ones that were not dropped yet included. */
export async function listTokens(store: Store, user?: string): Promise<Token[]> {
  const key = user === undefined ? undefined : { name: 'user', value: user };
  const tokens: Token[] = [];
  for await (const record of walkRecords(store, kind, key)) tokens.push(parseToken(record));
  return tokens.sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
}

/** Revokes the token with this public id, from the next request on. Throws an OperatorError when there is none. */
export async function revokeToken(store: Store, id: string): Promise<void> {
  // Ids are ordered, so a record whose id begins with these characters comes first of those after them.
  const [record] = publicId.test(id) ? await store.queryRecords(kind, { after: id, limit: 1 }) : [];
  if (record?.id.startsWith(id) !== true) {
    throw new OperatorError(`There is no token ${JSON.stringify(id)}; \`huiju token list\` shows which there are.`);
  }
  await store.deleteRecord(kind, record.id, record.revision);
}
