/** Who is calling: from header fields to a Caller. passport's strategies carry it; nothing else sees them. */

import passport from 'passport';
import { BasicStrategy } from 'passport-http';
import { Strategy as BearerStrategy } from 'passport-http-bearer';
import { TaxiiError } from '../errors.ts';
import { unmatchableHash, verifyPassword } from '../hub/passwords.ts';
import { findUserOfToken } from '../hub/tokens.ts';
import { findUser, type User } from '../hub/users.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from '../taxii/access.ts';
import { type CredentialHeaders, type Credentials, findCredentials } from './credentials.ts';
import { createRememberedLogins, type Login } from './remembered-logins.ts';

/** Values of WWW-Authenticate, one header each: every 401 carries them (TAXII 2.1 §1.6.7, RFC 9110 §15.5.2). */
export const challenges: readonly string[] = ['Basic realm="huiju", charset="UTF-8"', 'Bearer realm="huiju"'];

export interface Authenticator {
  /**
   * The caller that the header fields name; anonymous without any or with the empty credentials that clients without a
   * login send. Throws `login-required` for everything else that does not log in, and `too-many-logins`.
   */
  authenticate(headers: CredentialHeaders): Promise<Caller>;
}

declare global {
  namespace Express {
    // What passport hands from a strategy to its callback.
    interface User {
      readonly account: import('../hub/users.ts').User;
    }
  }
}

type Done = (error: unknown, user?: Express.User | false) => void;
type Handler = (request: object, response: object, next: (error?: unknown) => void) => void;

type NamedCredentials = Exclude<Credentials, { kind: 'anonymous' }>;

const loginForms = 'Basic with user name and password, or a token as Bearer or in X-Api-Key';

// One text for all reasons: unknown, wrong and disabled look the same from outside.
const refusals = {
  basic: 'The user name with this password is not valid. Check both; names are case-sensitive.',
  bearer: 'The token is not valid: mistyped, expired or revoked. Ask the operator for a new one.',
} as const;

// Shows the scheme and never what follows: a typo leaves a secret a secret.
function describeMalformed({ authorization }: CredentialHeaders): string {
  if (authorization === undefined) return `X-Api-Key does not hold a token of this server. Send ${loginForms}.`;
  const scheme = /^([A-Za-z]{1,20}) /.exec(authorization)?.[1];
  const given =
    scheme === undefined ? 'Authorization names no scheme' : `Authorization: ${scheme} … can't be read here`;
  return `${given}. Send ${loginForms}.`;
}

function callerOf({ name, roles }: User): Caller {
  return { kind: 'user', name, roles };
}

/** Hands a verdict to passport. Verdicts never throw into it: it would lose them. */
function settle(verdict: Promise<User | undefined>, done: Done): void {
  verdict.then((user) => done(null, user === undefined ? false : { account: user }), done);
}

/** Whose password this is, enabled or not: that is asked afterwards, of every login alike. */
async function findUserByPassword(store: Store, name: string, password: string): Promise<User | undefined> {
  const user = await findUser(store, name);
  // An unknown user costs what a wrong password costs, so that the time does not tell them apart.
  const matches = await verifyPassword(password, user?.password ?? unmatchableHash);
  return matches ? user : undefined;
}

function createPassport(store: Store, now: () => number): passport.Authenticator {
  const strategies = new passport.Passport();
  const basic = new BasicStrategy((name, password, done) =>
    settle(findUserByPassword(store, decodeURIComponent(name), decodeURIComponent(password)), done),
  );
  const bearer = new BearerStrategy((token, done) => settle(findUserOfToken(store, token, now() * 1000), done));
  return strategies.use(basic).use(bearer);
}

// passport-http cuts the password at its first colon and takes any scheme that contains "basic", so it gets the
// credentials parsed already, escaped. The bearer strategy would look into query and body: there are none here.
function rewriteHeader(credentials: NamedCredentials): string {
  if (credentials.kind === 'bearer') return `Bearer ${credentials.token}`;
  const { user, password } = credentials;
  return `Basic ${Buffer.from(`${encodeURIComponent(user)}:${encodeURIComponent(password)}`).toString('base64')}`;
}

function runStrategy(strategies: passport.Authenticator, credentials: NamedCredentials): Promise<User | undefined> {
  return new Promise((resolve, reject) => {
    const settled = (error: unknown, user?: Express.User | false | null) =>
      error ? reject(error) : resolve(user ? user.account : undefined);
    const handler: Handler = strategies.authenticate([credentials.kind], { session: false }, settled);
    handler({ headers: { authorization: rewriteHeader(credentials) } }, {}, reject);
  });
}

/**
 * Reads users and tokens from the store at every request; only that a password matched is remembered, for a minute.
 * `now` gives milliseconds, as Date.now does.
 */
export function createAuthenticator({ store, now }: { store: Store; now: () => number }): Authenticator {
  const strategies = createPassport(store, now);
  const remembered = createRememberedLogins(now);
  // A client that opens with many requests at once costs one hashing, and cannot fill the queue by itself.
  const underWay = new Map<string, Promise<Login | undefined>>();

  const logIn = async (authorization: string, credentials: NamedCredentials): Promise<Login | undefined> => {
    const user = await runStrategy(strategies, credentials);
    if (user === undefined) return undefined;
    const login = { user: user.name, credential: user.credential };
    remembered.add(authorization, login);
    return login;
  };

  const logInOnce = (authorization: string, credentials: NamedCredentials): Promise<Login | undefined> => {
    const present = underWay.get(authorization);
    if (present !== undefined) return present;
    const login = logIn(authorization, credentials).finally(() => underWay.delete(authorization));
    underWay.set(authorization, login);
    return login;
  };

  // Hashing takes its time: the user may have been disabled meanwhile, so a new login is not taken on trust either.
  const findStanding = async (login: Login | undefined): Promise<User | undefined> => {
    const user = login === undefined ? undefined : await findUser(store, login.user);
    return user?.disabled === false && user.credential === login?.credential ? user : undefined;
  };

  const findCaller = async (authorization: string, credentials: NamedCredentials): Promise<User | undefined> =>
    credentials.kind === 'bearer'
      ? runStrategy(strategies, credentials)
      : findStanding(await logInOnce(authorization, credentials));

  return {
    async authenticate(headers) {
      const { authorization = '' } = headers;
      const known = authorization === '' ? undefined : await findStanding(remembered.find(authorization));
      if (known !== undefined) return callerOf(known);
      const credentials = findCredentials(headers);
      if (credentials === undefined) throw new TaxiiError('login-required', describeMalformed(headers));
      if (credentials.kind === 'anonymous') return { kind: 'anonymous' };
      const user = await findCaller(authorization, credentials);
      if (user === undefined) throw new TaxiiError('login-required', refusals[credentials.kind]);
      return callerOf(user);
    },
  };
}
