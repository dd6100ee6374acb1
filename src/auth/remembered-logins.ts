/**
 * Remembers for a while that credentials were verified, since argon2 is slow on purpose. It remembers no rights: whether
 * the user still stands is asked at every request.
 */

import { hash, randomBytes } from 'node:crypto';
import { createRecency } from '../recency.ts';

export interface Login {
  readonly user: string;
  /** The credential of the user when the password was verified; another one now means another password. */
  readonly credential: string;
}

export interface RememberedLogins {
  find(credentials: string): Login | undefined;
  add(credentials: string, login: Login): void;
}

const maxLogins = 10_000;

/** `now` and `lifetime` are milliseconds. */
export function createRememberedLogins(now: () => number, lifetime: number): RememberedLogins {
  // Neither a dump of the memory nor a timing of the lookup gives passwords away without this key.
  // Nobody sees a name, so that none can be extended: a hash that begins with the key is as good as HMAC, and takes a
  // twentieth of its time.
  const key = randomBytes(64).toString('base64');
  const nameOf = (credentials: string) => hash('sha256', key + credentials, 'base64');
  const logins = createRecency<Login & { readonly until: number }>();
  return {
    find(credentials) {
      const name = nameOf(credentials);
      const login = logins.find(name);
      if (login === undefined || login.until > now()) return login;
      logins.delete(name);
      return undefined;
    },
    add(credentials, login) {
      const name = nameOf(credentials);
      logins.delete(name);
      if (logins.size >= maxLogins) logins.takeStale();
      logins.set(name, { ...login, until: now() + lifetime });
    },
  };
}
