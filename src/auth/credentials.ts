/** What the header fields of a request say about who sends it. */

import { isToken } from '../hub/tokens.ts';

export type Credentials =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** The header fields that can hold credentials, by their names in lower case. */
export interface CredentialHeaders {
  readonly authorization?: string | undefined;
  readonly 'x-api-key'?: string | string[] | undefined;
}

// RFC 9110 §11.4 with token68 credentials; the schemes that are taken here have no other.
const header = /^([A-Za-z]+) +([A-Za-z0-9._~+/-]+=*) *$/;
// Products let their user type the word before an API key; these are the ones they offer.
const tokenSchemes: readonly string[] = ['bearer', 'token', 'apikey'];

// RFC 7617 §2.1 lets a server announce UTF-8, and ours does; python-requests sends Latin-1 all the same.
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

function parseBasic(encoded: string): Credentials | undefined {
  const text = decode(Buffer.from(encoded, 'base64'));
  // RFC 7617 §2: the first colon ends the user name, the password may have more.
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  // Clients without a login send an empty one, or what their language calls nothing.
  if (text === ':' || text === 'None:None') return { kind: 'anonymous' };
  const user = text.slice(0, colon);
  const password = text.slice(colon + 1);
  // Products that know Basic alone take an API key as user name or as password, with anything as the other.
  const token = [password, user].find(isToken);
  return token === undefined ? { kind: 'basic', user, password } : { kind: 'bearer', token };
}

// A client whose user left the fields empty sends the name of the field, the scheme, or both, and nothing behind.
function isEmpty(authorization: string): boolean {
  const scheme = authorization.trim().toLowerCase();
  return scheme === '' || scheme === 'basic' || tokenSchemes.includes(scheme);
}

function parseAuthorization(authorization: string): Credentials | undefined {
  if (isEmpty(authorization)) return { kind: 'anonymous' };
  if (isToken(authorization)) return { kind: 'bearer', token: authorization };
  const [, scheme = '', encoded = ''] = header.exec(authorization) ?? [];
  // RFC 9110 §11.1: case does not matter.
  if (scheme.toLowerCase() === 'basic') return parseBasic(encoded);
  return tokenSchemes.includes(scheme.toLowerCase()) ? { kind: 'bearer', token: encoded } : undefined;
}

/**
 * The credentials of a request; Authorization counts before X-Api-Key unless it is empty. Undefined when they are
 * malformed or of a scheme that is not taken here.
 */
export function findCredentials(headers: CredentialHeaders): Credentials | undefined {
  const { authorization, 'x-api-key': key } = headers;
  const named: Credentials | undefined =
    authorization === undefined ? { kind: 'anonymous' } : parseAuthorization(authorization);
  const token = String(key ?? '').trim();
  if (named?.kind !== 'anonymous' || token === '') return named;
  return isToken(token) ? { kind: 'bearer', token } : undefined;
}
