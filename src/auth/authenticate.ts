/** Who is calling: from header fields to a Caller. passport's strategies carry it; nothing else sees them. */

import passport from 'passport';
import { BasicStrategy } from 'passport-http';
import { Strategy as BearerStrategy } from 'passport-http-bearer';
import { TaxiiError } from '../errors.ts';
import type { Asker } from '../hub/hashing-turns.ts';
import { networkOf } from '../hub/network.ts';
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
   * login send. Throws `login-required` for everything else that does not log in, and `too-many-logins`. The address is
   * that of the client: checks of passwords are shared fairly.
   */
  authenticate(headers: CredentialHeaders, address: string): Promise<Caller>;
}

declare global {
  namespace Express {
    // What passport hands from a strategy to its callback.
    interface User {
      readonly account: Account;
    }
  }
}

/** A user, and the public id of the token if one was the login. */
type Account = User & { readonly token?: string };

type Done = (error: unknown, user?: Express.User | false) => void;
type Handler = (request: object, response: object, next: (error?: unknown) => void) => void;

type NamedCredentials = Exclude<Credentials, { kind: 'anonymous' }>;
type BasicCredentials = Extract<Credentials, { kind: 'basic' }>;

// Milliseconds.
const minute = 60_000;
const day = 24 * 60 * minute;

const loginForms = 'Basic with user name and password, or a token as Bearer or in X-Api-Key';

// One text for all reasons: unknown, wrong and disabled look the same from outside.
const refusals = {
  basic: 'The user name with this password is not valid. Check both; names are case-sensitive.',
  bearer: 'The token is not valid: mistyped, expired or revoked. Ask the operator for a new one.',
} as const;

// Shows the scheme and never what follows: a typo leaves a secret a secret.
function describeMalformed({ authorization }: CredentialHeaders): string {
  const isEmpty = findCredentials({ authorization })?.kind === 'anonymous';
  if (authorization === undefined || isEmpty)
    return `X-Api-Key does not hold a token of this server. Send ${loginForms}.`;
  const scheme = /^([A-Za-z]{1,20}) /.exec(authorization)?.[1];
  const given =
    scheme === undefined ? 'Authorization names no scheme' : `Authorization: ${scheme} … can't be read here`;
  return `${given}. Send ${loginForms}.`;
}

function callerOf({ name, roles, token }: Account): Caller {
  return { kind: 'user', name, roles, ...(token !== undefined && { token }) };
}

/** Hands a verdict to passport. Verdicts never throw into it: it would lose them. */
function settle(verdict: Promise<Account | undefined>, done: Done): void {
  verdict.then((user) => done(null, user === undefined ? false : { account: user }), done);
}

/** Whose password this is, enabled or not: that is asked afterwards, of every login alike. */
async function findUserByPassword(store: Store, password: string, asker: Asker): Promise<User | undefined> {
  const user = await findUser(store, asker.name);
  // An unknown user costs what a wrong password costs, so that the time does not tell them apart.
  const matches = await verifyPassword(password, user?.password ?? unmatchableHash, asker);
  return matches ? user : undefined;
}

// passport-http cuts the password at its first colon and takes any scheme that contains "basic", so it gets the
// credentials parsed already, escaped. The bearer strategy would look into query and body: there are none here.
function rewriteHeader(credentials: NamedCredentials): string {
  if (credentials.kind === 'bearer') return `Bearer ${credentials.token}`;
  const { user, password } = credentials;
  return `Basic ${Buffer.from(`${encodeURIComponent(user)}:${encodeURIComponent(password)}`).toString('base64')}`;
}

/** Runs a strategy for who asks; a token has nobody who asks, it is not hashed slowly. */
type RunStrategy = (credentials: NamedCredentials, asker?: Asker) => Promise<Account | undefined>;

function createStrategies(store: Store, now: () => number): RunStrategy {
  const strategies = new passport.Passport();
  const askers = new WeakMap<object, Asker>();
  const basic = new BasicStrategy({ passReqToCallback: true }, (request, name, password, done) => {
    const asker = askers.get(request) ?? { network: '', name: decodeURIComponent(name), isFamiliar: false };
    settle(findUserByPassword(store, decodeURIComponent(password), asker), done);
  });
  const bearer = new BearerStrategy((token, done) => settle(findUserOfToken(store, token, now() * 1000), done));
  strategies.use(basic).use(bearer);
  return (credentials, asker) =>
    new Promise((resolve, reject) => {
      const settled = (error: unknown, user?: Express.User | false | null) =>
        error ? reject(error) : resolve(user ? user.account : undefined);
      const handler: Handler = strategies.authenticate([credentials.kind], { session: false }, settled);
      const request = { headers: { authorization: rewriteHeader(credentials) } };
      if (asker !== undefined) askers.set(request, asker);
      handler(request, {}, reject);
    });
}

/**
 * Reads users and tokens from the store at every request; only that a password matched is remembered: for a minute it is
 * not checked again, for a day it is checked first. `now` gives milliseconds, as Date.now does.
 */
export function createAuthenticator({ store, now }: { store: Store; now: () => number }): Authenticator {
  const runStrategy = createStrategies(store, now);
  // By header, so that it need not be read.
  const remembered = createRememberedLogins(now, minute);
  // By what the header says: one login spelled in many ways is still one.
  const familiar = createRememberedLogins(now, day);
  // A client that opens with many requests at once costs one hashing, and cannot fill the queue by itself.
  const underWay = new Map<string, Promise<Login | undefined>>();

  const logIn = async (credentials: BasicCredentials, key: string, network: string): Promise<Login | undefined> => {
    const isFamiliar = familiar.find(key) !== undefined;
    const user = await runStrategy(credentials, { network, name: credentials.user, isFamiliar });
    if (user === undefined) return undefined;
    const login = { user: user.name, credential: user.credential };
    familiar.add(key, login);
    return login;
  };

  const logInOnce = (credentials: BasicCredentials, address: string): Promise<Login | undefined> => {
    // A user name has no colon: it would end there.
    const key = `${credentials.user}:${credentials.password}`;
    const present = underWay.get(key);
    if (present !== undefined) return present;
    const login = logIn(credentials, key, networkOf(address)).finally(() => underWay.delete(key));
    underWay.set(key, login);
    return login;
  };

  // Hashing takes its time: the user may have been disabled meanwhile, so a new login is not taken on trust either.
  const findStanding = async (login: Login | undefined): Promise<User | undefined> => {
    const user = login === undefined ? undefined : await findUser(store, login.user);
    return user?.disabled === false && user.credential === login?.credential ? user : undefined;
  };

  const findUserByLogin = async (
    credentials: BasicCredentials,
    authorization: string,
    address: string,
  ): Promise<User | undefined> => {
    const login = await logInOnce(credentials, address);
    if (login !== undefined) remembered.add(authorization, login);
    return findStanding(login);
  };

  return {
    async authenticate(headers, address) {
      const { authorization = '' } = headers;
      const known = authorization === '' ? undefined : await findStanding(remembered.find(authorization));
      if (known !== undefined) return callerOf(known);
      const credentials = findCredentials(headers);
      if (credentials === undefined) throw new TaxiiError('login-required', describeMalformed(headers));
      if (credentials.kind === 'anonymous') return { kind: 'anonymous' };
      const user: Account | undefined =
        credentials.kind === 'bearer'
          ? await runStrategy(credentials)
          : await findUserByLogin(credentials, authorization, address);
      if (user === undefined) throw new TaxiiError('login-required', refusals[credentials.kind]);
      return callerOf(user);
    },
  };
}
