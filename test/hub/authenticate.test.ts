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
  return (authorization?: string) => authenticate(authorization === undefined ? {} : { authorization });
}

beforeAll(() => createUser(store(), 'member', password, ['publisher']));

describe('nobody in particular', () => {
  test.each([undefined, 'Basic Og==', 'Basic Tm9uZTpOb25l', 'basic   Og=='])('%j is anonymous', async (header) => {
    expect(await authenticator()(header)).toEqual(anonymous);
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
    '',
    'Basic',
    'Basic ',
    `XBasicX ${credentials}`,
    `Digest ${credentials}`,
    `Token ${credentials}`,
    credentials,
    `Basic ${credentials} more`,
    `Basic "${credentials}"`,
    `Basic ${Buffer.from('no colon').toString('base64')}`,
    `Basic ${Buffer.from(':password only').toString('base64')}`,
    `Basic ${Buffer.from('member:').toString('base64')}`,
    'Bearer',
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
