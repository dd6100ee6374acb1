import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { createToken, listTokens, revokeToken } from '../../src/hub/tokens.ts';
import { changeRoles, createUser, setDisabled, setPassword } from '../../src/hub/users.ts';
import type { Store } from '../../src/store/store.ts';
import { useStore } from './use-store.ts';

const { store } = useStore();
const password = 'pass:word: with colons';
const anonymous = { kind: 'anonymous' };
const refusal = {
  code: 'login-required',
  status: 401,
};
let clock = Date.now();

function basic(user: string, secret: string, encoding: BufferEncoding = 'utf8'): string {
  return `Basic ${Buffer.from(`${user}:${secret}`, encoding).toString('base64')}`;
}

function authenticator(of: Store = store()) {
  const { authenticate } = createAuthenticator({ store: of, now: () => clock });
  return (authorization?: string, address = '192.0.2.1') =>
    authenticate(authorization === undefined ? {} : { authorization }, address);
}

beforeAll(() => createUser(store(), 'member', password, ['publisher']));

describe('nobody in particular', () => {
  const empty = ['Basic Og==', 'Basic Tm9uZTpOb25l', 'basic   Og==', '', ' ', 'Basic', 'Basic ', 'Bearer', 'bearer '];
  test.each([undefined, ...empty, 'Token', 'ApiKey '])('%j is anonymous', async (header) => {
    expect(await authenticator()(header)).toEqual(anonymous);
  });

  test.each(['', ' '])('an X-Api-Key of %j is anonymous, beside empty credentials too', async (key) => {
    const { authenticate } = createAuthenticator({ store: store(), now: () => clock });
    for (const authorization of [undefined, '', 'Basic Og==', 'Bearer']) {
      expect(await authenticate({ authorization, 'x-api-key': key }, '')).toEqual(anonymous);
    }
    for (const authorization of [undefined, '', 'Basic Og==', 'Bearer']) {
      await expect(authenticate({ authorization, 'x-api-key': 'x' }, '')).rejects.toMatchObject({
        ...refusal,
        message: expect.stringContaining('X-Api-Key does not hold a token'),
      });
    }
  });
});

describe('Basic (RFC 7617)', () => {
  test('user name and password log in, with the roles of the user', async () => {
    const member = { kind: 'user', name: 'member', roles: ['publisher'] };
    expect(await authenticator()(basic('member', password))).toEqual(member);
  });

  test('the case of the scheme does not matter', async () => {
    const header = basic('member', password);
    for (const scheme of ['basic', 'BASIC', 'bAsIc']) {
      expect(await authenticator()(header.replace('Basic', scheme))).toMatchObject({ name: 'member' });
    }
  });

  test('every character of the password counts, those after a colon too', async () => {
    await expect(authenticator()(basic('member', 'pass'))).rejects.toMatchObject(refusal);
    await expect(authenticator()(basic('member', 'pass:word: with colonz'))).rejects.toMatchObject(refusal);
  });

  test('a password that begins with a colon or has a percent sign works', async () => {
    await createUser(store(), 'signs', ':%41 and % signs', []);
    expect(await authenticator()(basic('signs', ':%41 and % signs'))).toMatchObject({ name: 'signs' });
    await expect(authenticator()(basic('signs', ':A and % signs'))).rejects.toMatchObject(refusal);
  });

  test('a password beyond ASCII arrives as UTF-8, or as Latin-1', async () => {
    await createUser(store(), 'accents', 'mot de passé, très sûr', []);
    expect(await authenticator()(basic('accents', 'mot de passé, très sûr'))).toMatchObject({ name: 'accents' });
    expect(await authenticator()(basic('accents', 'mot de passé, très sûr', 'latin1'))).toMatchObject({
      name: 'accents',
    });
  });

  test('unknown, disabled and wrong look the same from outside', async () => {
    await createUser(store(), 'gone', password, []);
    await setDisabled(store(), 'gone', true);
    const wrong = [basic('nobody', password), basic('gone', password), basic('member', 'a wrong password')];
    const outcomes = await Promise.allSettled(wrong.map((header) => authenticator()(header)));
    const messages = outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.message);
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toMatch(/not valid/);
  });
});

describe('Bearer (RFC 6750)', () => {
  test('a token logs in as its user', async () => {
    const token = await createToken(store(), 'member', clock * 1000);
    for (const scheme of ['Bearer', 'bearer']) {
      expect(await authenticator()(`${scheme} ${token}`)).toMatchObject({ kind: 'user', name: 'member' });
    }
  });

  test('the caller carries the public id of the token, and none with a password', async () => {
    await createUser(store(), 'carrier', password, []);
    const token = await createToken(store(), 'carrier', clock * 1000);
    const [listed] = await listTokens(store(), 'carrier');
    const byToken = { kind: 'user', name: 'carrier', roles: [], token: listed?.id };
    expect(await authenticator()(`Bearer ${token}`)).toEqual(byToken);
    expect(await authenticator()(basic('carrier', token))).toEqual(byToken);
    expect(await authenticator()(basic('carrier', password))).toEqual({ kind: 'user', name: 'carrier', roles: [] });
  });

  test('an expired token and a revoked one do not, from the next request on', async () => {
    await createUser(store(), 'robot', password, []);
    const expiring = await createToken(store(), 'robot', clock * 1000, (clock + 1000) * 1000);
    const authenticate = authenticator();
    expect(await authenticate(`Bearer ${expiring}`)).toMatchObject({ name: 'robot' });
    clock += 1000;
    await expect(authenticate(`Bearer ${expiring}`)).rejects.toMatchObject(refusal);
    const revoked = await createToken(store(), 'robot', clock * 1000);
    expect(await authenticate(`Bearer ${revoked}`)).toMatchObject({ name: 'robot' });
    for (const { id } of await listTokens(store(), 'robot')) await revokeToken(store(), id);
    await expect(authenticate(`Bearer ${revoked}`)).rejects.toMatchObject(refusal);
  });
});

describe('a header that is malformed', () => {
  const credentials = Buffer.from(`member:${password}`).toString('base64');
  test.each([
    'Digest',
    'Basic =',
    `XBasicX ${credentials}`,
    `Digest ${credentials}`,
    `Token ${credentials}`,
    credentials,
    `Basic ${credentials} more`,
    `Basic "${credentials}"`,
    `Basic ${Buffer.from('no colon').toString('base64')}`,
    `Basic ${Buffer.from(':password only').toString('base64')}`,
    `Basic ${Buffer.from('member:').toString('base64')}`,
    'Bearer a b',
    'Bearer ,',
    `${'Basic '.repeat(2)}${credentials}`,
  ])('%j is refused, never anonymous', async (header) => {
    await expect(authenticator()(header)).rejects.toMatchObject(refusal);
  });
});

describe('what is remembered of a login', () => {
  const header = (name: string) => basic(name, password);

  /** A store that counts how often a user was read, and can be watched while a password is checked. */
  function watch(): { store: Store; reads: jest.Mock<Store['findRecord']> } {
    const reads = jest.fn<Store['findRecord']>((kind, id) => store().findRecord(kind, id));
    return { store: { ...store(), findRecord: reads }, reads };
  }

  test('roles and state are read at every request', async () => {
    await createUser(store(), 'changing', password, []);
    const authenticate = authenticator();
    expect(await authenticate(header('changing'))).toMatchObject({ roles: [] });
    await changeRoles(store(), 'changing', () => ['curator']);
    expect(await authenticate(header('changing'))).toMatchObject({ roles: ['curator'] });
    await setDisabled(store(), 'changing', true);
    await expect(authenticate(header('changing'))).rejects.toMatchObject(refusal);
  });

  test('an old password ends with its change', async () => {
    await createUser(store(), 'careful', password, []);
    const authenticate = authenticator();
    await authenticate(header('careful'));
    await setPassword(store(), 'careful', 'quite another password');
    await expect(authenticate(header('careful'))).rejects.toMatchObject(refusal);
    expect(await authenticate(basic('careful', 'quite another password'))).toMatchObject({ name: 'careful' });
    await setPassword(store(), 'careful', password);
    expect(await authenticate(header('careful'))).toMatchObject({ name: 'careful' });
  });

  test('within a minute the password is not hashed again, after it is', async () => {
    const { store: watched, reads } = watch();
    const authenticate = authenticator(watched);
    const readsOfOne = async () => {
      reads.mockClear();
      await authenticate(header('member'));
      return reads.mock.calls.length;
    };
    const full = await readsOfOne();
    expect(await readsOfOne()).toBeLessThan(full);
    clock += 59_999;
    expect(await readsOfOne()).toBeLessThan(full);
    clock += 1;
    expect(await readsOfOne()).toBe(full);
  });

  test('a hundred and fifty equal first requests at once are one hashing and all succeed', async () => {
    const authenticate = authenticator();
    const callers = await Promise.all(Array.from({ length: 150 }, () => authenticate(header('member'))));
    expect(new Set(callers.map((caller) => caller.kind === 'user' && caller.name))).toEqual(new Set(['member']));
  });

  test('a user who is disabled while the password is checked does not get in', async () => {
    await createUser(store(), 'late', password, []);
    const { store: watched, reads } = watch();
    reads.mockImplementationOnce(async (kind, id) => {
      const record = await store().findRecord(kind, id);
      await setDisabled(store(), 'late', true);
      return record;
    });
    await expect(authenticator(watched)(header('late'))).rejects.toMatchObject(refusal);
  });

  test('an error of the store is not a refusal', async () => {
    const { store: watched, reads } = watch();
    reads.mockRejectedValue(new Error('disk on fire'));
    await expect(authenticator(watched)(header('member'))).rejects.toThrow('disk on fire');
  });
});

describe('when more passwords are waiting than can be checked', () => {
  const tooMany = { code: 'too-many-logins', status: 429 };

  test('one login spelled in many ways is checked once', async () => {
    const authenticate = authenticator();
    const spellings = Array.from({ length: 150 }, (_, spaces) =>
      basic('member', password).replace(' ', ' '.repeat(spaces + 1)),
    );
    const callers = await Promise.all(spellings.map((spelling) => authenticate(spelling)));
    expect(callers).toHaveLength(150);
  });

  test('wrong ones from one network, under many names, do not keep a right one from elsewhere out', async () => {
    const authenticate = authenticator();
    const flood = Array.from({ length: 150 }, (_, n) =>
      authenticate(basic(`nobody${n}`, 'a wrong password'), `2001:db8:0:1::${n.toString(16)}`),
    );
    const outcomes = Promise.allSettled(flood);
    await Promise.race(flood.map((one) => one.catch(() => undefined)));
    expect(await authenticate(basic('member', password), '2001:db8:0:2::1')).toMatchObject({ name: 'member' });
    const reasons = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason);
    expect(reasons).toEqual(expect.arrayContaining([expect.objectContaining(tooMany)]));
  });

  test('wrong ones under one name, from many networks, do not keep out whose password was good in the last day', async () => {
    const authenticate = authenticator();
    await authenticate(basic('member', password));
    clock += 23 * 3_600_000;
    const flood = Array.from({ length: 150 }, (_, n) =>
      authenticate(basic('member', `a wrong password ${n}`), `10.0.0.${n}`),
    );
    const outcomes = Promise.allSettled(flood);
    await Promise.race(flood.map((one) => one.catch(() => undefined)));
    expect(await authenticate(basic('member', password))).toMatchObject({ name: 'member' });
    await outcomes;
  });
});
