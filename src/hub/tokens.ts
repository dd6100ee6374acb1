/**
 * Tokens: a login for programs, without a password. The token itself is shown once; kept is its SHA-256, which is the
 * id of a record of kind `token`. Tokens are 32 random bytes, so a fast hash is as good as a slow one.
 */

import { createHash, randomBytes } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import { isObject } from '../stix/json-value.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { Micros, Store, StoredRecord } from '../store/store.ts';
import { dropRecord, walkRecords } from './records.ts';
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

// A use is written down when the last that was is so long ago: a poll a minute makes no commit a minute.
const useInterval: Micros = 5 * 60_000_000;

/** As stored. Times are TAXII timestamps, so they are ordered as text is. */
interface TokenDocument {
  readonly user: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  /** Up to five minutes before the last use; null: never used. */
  readonly last_used_at: string | null;
}

export interface Token extends TokenDocument {
  /** Names the token without giving it away: the beginning of its hash. */
  readonly id: string;
}

/** A user who logged in with a token. */
export interface TokenUser extends User {
  /** The token's public id. */
  readonly token: string;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function parseDocument({ id, document }: StoredRecord): TokenDocument {
  const fields: Readonly<Record<string, unknown>> = isObject(document) ? document : {};
  // The first version kept no last use.
  const { user, created_at, expires_at, last_used_at = null } = fields;
  const isWhole = typeof user === 'string' && typeof created_at === 'string';
  if (isWhole && isTextOrNull(expires_at) && isTextOrNull(last_used_at)) {
    return { user, created_at, expires_at, last_used_at };
  }
  throw new Error(`The stored token ${id.slice(0, publicLength)} is damaged.`);
}

function parseToken(record: StoredRecord): Token {
  return { id: record.id.slice(0, publicLength), ...parseDocument(record) };
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
    if (hasExpired(parseDocument(record), now)) await store.deleteRecord(kind, record.id, record.revision);
  }
}

/**
 * Creates a token for a user and returns it: this is the only time it can be seen. It works until `expiresAt`, if given,
 * as long as the user is enabled. The user's expired tokens are dropped on this occasion.
 */
export async function createToken(store: Store, user: string, now: Micros, expiresAt?: Micros): Promise<string> {
  const owner = await findUser(store, user);
  if (owner === undefined) throw await unknownUser(store, user);
  if (owner.disabled)
    throw new OperatorError(`the user "${user}" is disabled; \`huiju user enable ${user}\` lets it log in again`);
  await dropExpired(store, user, now);
  const token = `huiju_${randomBytes(32).toString('base64url')}`;
  const document: TokenDocument = {
    user,
    created_at: formatMicros(now),
    expires_at: expiresAt === undefined ? null : formatMicros(expiresAt),
    last_used_at: null,
  };
  const stored = await store.putRecord(kind, hashToken(token), 0, document, { user });
  if (!stored) throw new Error('Two random tokens are equal: the random number generator is broken.');
  return token;
}

function isNoted({ last_used_at }: TokenDocument, now: Micros): boolean {
  if (last_used_at === null) return false;
  // One from a clock that was ahead is none.
  return last_used_at > formatMicros(now - useInterval) && last_used_at <= formatMicros(now);
}

/**
 * Notes that a token is used now. Of many requests and processes that do so at once one succeeds, and a token that was
 * revoked meanwhile does not come back: the revision tells.
 */
async function noteUse(store: Store, record: StoredRecord, document: TokenDocument, now: Micros): Promise<void> {
  const used: TokenDocument = { ...document, last_used_at: formatMicros(now) };
  try {
    await store.putRecord(kind, record.id, record.revision, used, { user: document.user });
  } catch {
    // A full disk is told by those who have something to lose.
  }
}

/**
 * The enabled user whose token this is; undefined when it is unknown, revoked or expired. That it was used is noted behind
 * the caller's back, every five minutes at most: it holds nobody up, and when it fails the next use tries again.
 */
export async function findUserOfToken(store: Store, token: string, now: Micros): Promise<TokenUser | undefined> {
  if (!isToken(token)) return undefined;
  const record = await store.findRecord(kind, hashToken(token));
  if (record === undefined) return undefined;
  const document = parseDocument(record);
  if (hasExpired(document, now)) return undefined;
  const owner = await findUser(store, document.user);
  if (owner?.disabled !== false) return undefined;
  if (!isNoted(document, now)) void noteUse(store, record, document, now);
  return { ...owner, token: record.id.slice(0, publicLength) };
}

/**
 * Every token, or every token of a user, the oldest first; expired ones that were not dropped yet included. Throws an
 * OperatorError when there is no such user.
 */
export async function listTokens(store: Store, user?: string): Promise<Token[]> {
  if (user !== undefined && (await findUser(store, user)) === undefined) throw await unknownUser(store, user);
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
    throw new OperatorError(`there is no token ${JSON.stringify(id)}; \`huiju token list\` shows which there are`);
  }
  await dropRecord(store, kind, record.id);
}
