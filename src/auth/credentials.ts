/** What an Authorization header says. */

export type Credentials =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

// RFC 9110 §11.4 with token68 credentials; Basic and Bearer have no other.
const header = /^([A-Za-z]+) +([A-Za-z0-9._~+/-]+=*) *$/;

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
  return { kind: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Undefined when the header is malformed or of another scheme than Basic and Bearer. */
export function findCredentials(authorization: string): Credentials | undefined {
  const [, scheme = '', encoded = ''] = header.exec(authorization) ?? [];
  // RFC 9110 §11.1: case does not matter.
  if (scheme.toLowerCase() === 'basic') return parseBasic(encoded);
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', token: encoded };
  return undefined;
}
