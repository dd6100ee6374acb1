import { beforeAll, describe, expect, test } from '@jest/globals';
import { createToken, findUserOfToken, listTokens, revokeToken } from '../../src/hub/tokens.ts';
import { createUser, setDisabled } from '../../src/hub/users.ts';
import { useStore } from './use-store.ts';

const { store } = useStore();
const password = 'a password for tests';
const now = 1_700_000_000_000_000;
const second = 1_000_000;

beforeAll(() => createUser(store(), 'poller', password, ['publisher']));

describe('tokens', () => {
  test('a token leads to its user', async () => {
    const token = await createToken(store(), 'poller', now);
    expect(token).toMatch(/^huiju_[A-Za-z0-9_-]{43}$/);
    expect(await findUserOfToken(store(), token, now)).toMatchObject({ name: 'poller', roles: ['publisher'] });
  });

  test('only its hash is kept', async () => {
    const token = await createToken(store(), 'poller', now);
    const records = await store().queryRecords('token', { limit: 1000 });
    expect(JSON.stringify(records)).not.toContain(token.slice('huiju_'.length));
  });

  test.each(['', 'huiju_', `huiju_${'A'.repeat(43)}`, 'A'.repeat(43)])('%j leads to nobody', async (token) => {
    expect(await findUserOfToken(store(), token, now)).toBeUndefined();
  });

  test('it works until it expires and not at that moment', async () => {
    const token = await createToken(store(), 'poller', now, now + second);
    expect(await findUserOfToken(store(), token, now + second - 1)).toBeDefined();
    expect(await findUserOfToken(store(), token, now + second)).toBeUndefined();
  });

  test('it does not work while its user is disabled', async () => {
    await createUser(store(), 'paused', password, []);
    const token = await createToken(store(), 'paused', now);
    await setDisabled(store(), 'paused', true);
    expect(await findUserOfToken(store(), token, now)).toBeUndefined();
    await setDisabled(store(), 'paused', false);
    expect(await findUserOfToken(store(), token, now)).toBeDefined();
  });

  test('nobody gets a token who is unknown or disabled', async () => {
    await createUser(store(), 'off', password, []);
    await setDisabled(store(), 'off', true);
    await expect(createToken(store(), 'off', now)).rejects.toThrow('The user "off" is disabled.');
    await expect(createToken(store(), 'ghost', now)).rejects.toThrow('There is no user "ghost"');
  });

  test('listing shows ids and times, per user, the oldest first', async () => {
    await createUser(store(), 'lister', password, []);
    await createToken(store(), 'lister', now + second, now + 9 * second);
    await createToken(store(), 'lister', now);
    const tokens = await listTokens(store(), 'lister');
    expect(tokens).toEqual([
      { id: expect.stringMatching(/^[0-9a-f]{16}$/), user: 'lister', created_at: expect.any(String), expires_at: null },
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        user: 'lister',
        created_at: '2023-11-14T22:13:21.000000Z',
        expires_at: '2023-11-14T22:13:29.000000Z',
      },
    ]);
    expect((await listTokens(store())).length).toBeGreaterThan(2);
  });

  test('a revoked token stops working, its neighbours go on', async () => {
    await createUser(store(), 'revoker', password, []);
    const first = await createToken(store(), 'revoker', now);
    const [listed] = await listTokens(store(), 'revoker');
    const other = await createToken(store(), 'revoker', now);
    await revokeToken(store(), listed?.id ?? '');
    expect(await findUserOfToken(store(), first, now)).toBeUndefined();
    expect(await findUserOfToken(store(), other, now)).toBeDefined();
    await expect(revokeToken(store(), listed?.id ?? '')).rejects.toThrow(/There is no token/);
  });

  test.each(['', '0', 'f'.repeat(16), '0'.repeat(16), 'x'.repeat(64)])('%j revokes nothing', async (id) => {
    const before = await listTokens(store());
    await expect(revokeToken(store(), id)).rejects.toThrow(/There is no token/);
    expect(await listTokens(store())).toEqual(before);
  });

  test("a user's new token drops the expired ones, and nobody else's", async () => {
    await createUser(store(), 'daily', password, []);
    await createToken(store(), 'daily', now, now + second);
    await createToken(store(), 'daily', now, now + 3 * second);
    await createToken(store(), 'poller', now, now + second);
    const others = (await listTokens(store(), 'poller')).length;
    await createToken(store(), 'daily', now + 2 * second);
    expect(await listTokens(store(), 'daily')).toHaveLength(2);
    expect(await listTokens(store(), 'poller')).toHaveLength(others);
  });
});
