import { beforeAll, describe, expect, test } from '@jest/globals';
import { createToken, findUserOfToken, listTokens, revokeToken } from '../../src/hub/tokens.ts';
import { createUser, setDisabled } from '../../src/hub/users.ts';
import type { Store } from '../../src/store/store.ts';
import { useStore } from './use-store.ts';

const { store, another } = useStore();
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
    await expect(createToken(store(), 'off', now)).rejects.toThrow('the user "off" is disabled');
    await expect(createToken(store(), 'ghost', now)).rejects.toThrow('there is no user "ghost"');
  });

  test('listing shows ids and times, per user, the oldest first', async () => {
    await createUser(store(), 'lister', password, []);
    await createToken(store(), 'lister', now + second, now + 9 * second);
    await createToken(store(), 'lister', now);
    const tokens = await listTokens(store(), 'lister');
    expect(tokens).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        user: 'lister',
        created_at: expect.any(String),
        expires_at: null,
        last_used_at: null,
      },
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        user: 'lister',
        created_at: '2023-11-14T22:13:21.000000Z',
        expires_at: '2023-11-14T22:13:29.000000Z',
        last_used_at: null,
      },
    ]);
    expect((await listTokens(store())).length).toBeGreaterThan(2);
  });

  test('the tokens of a user who is not there are an error that names the nearest who is', async () => {
    await expect(listTokens(store(), 'poler')).rejects.toThrow('there is no user "poler"; did you mean poller?');
  });

  describe('the last use', () => {
    const minute = 60 * second;
    const lastUse = async (user: string) => (await listTokens(store(), user))[0]?.last_used_at;

    /** A store that counts what is written, and tells when all of it is. */
    function watch() {
      const writes: Promise<boolean>[] = [];
      const putRecord: Store['putRecord'] = (...args) => {
        const write = store().putRecord(...args);
        writes.push(write);
        return write;
      };
      return { watched: { ...store(), putRecord }, writes };
    }

    test('is noted once in five minutes, and of many at once one time', async () => {
      await createUser(store(), 'used', password, []);
      const token = await createToken(store(), 'used', now);
      const { watched, writes } = watch();
      const useAt = async (at: number) => {
        await findUserOfToken(watched, token, at);
        await Promise.all(writes);
        return lastUse('used');
      };
      expect(await lastUse('used')).toBeNull();
      expect(await useAt(now)).toBe('2023-11-14T22:13:20.000000Z');
      expect(await useAt(now + 5 * minute - 1)).toBe('2023-11-14T22:13:20.000000Z');
      expect(writes).toHaveLength(1);
      await Promise.all(Array.from({ length: 20 }, () => findUserOfToken(watched, token, now + 5 * minute)));
      expect((await Promise.all(writes)).filter(Boolean)).toHaveLength(2);
      expect(await lastUse('used')).toBe('2023-11-14T22:18:20.000000Z');
      // A clock that was ahead for a while does not stop the log for as long.
      expect(await useAt(now + minute)).toBe('2023-11-14T22:14:20.000000Z');
    });

    test('is not noted of a token that does not log in', async () => {
      await createUser(store(), 'unused', password, []);
      const token = await createToken(store(), 'unused', now, now + second);
      const { watched, writes } = watch();
      await findUserOfToken(watched, token, now + second);
      await setDisabled(store(), 'unused', true);
      await findUserOfToken(watched, token, now);
      expect(writes).toEqual([]);
    });

    test('that cannot be noted holds nobody up, and brings no revoked token back', async () => {
      await createUser(store(), 'racing', password, []);
      const token = await createToken(store(), 'racing', now);
      const failing = { ...store(), putRecord: () => Promise.reject(new Error('the disk is full')) };
      expect(await findUserOfToken(failing, token, now)).toMatchObject({ name: 'racing' });
      const [listed] = await listTokens(store(), 'racing');
      const late: Promise<unknown>[] = [];
      const slow: Store = {
        ...store(),
        putRecord: (...args) => {
          const write = revokeToken(store(), listed?.id ?? '').then(() => store().putRecord(...args));
          late.push(write);
          return write;
        },
      };
      expect(await findUserOfToken(slow, token, now)).toMatchObject({ name: 'racing' });
      expect(await Promise.all(late)).toEqual([false]);
      expect(await listTokens(store(), 'racing')).toEqual([]);
    });

    test('that is noted while the token is revoked does not save it', async () => {
      await createUser(store(), 'saved', password, []);
      const token = await createToken(store(), 'saved', now);
      const [listed] = await listTokens(store(), 'saved');
      let at = now;
      const busy: Store = {
        ...store(),
        deleteRecord: async (kind, id, revision) => {
          if (at === now)
            await store().putRecord(kind, id, revision, { user: 'saved', created_at: '', expires_at: null }, {});
          at += second;
          return store().deleteRecord(kind, id, revision);
        },
      };
      await revokeToken(busy, listed?.id ?? '');
      expect(await findUserOfToken(store(), token, now)).toBeUndefined();
    });

    test('of a token of the first version, which kept none, is unknown until it is used', async () => {
      await createUser(store(), 'old', password, []);
      const id = 'ab'.repeat(32);
      const document = { user: 'old', created_at: '2023-01-01T00:00:00.000000Z', expires_at: null };
      await store().putRecord('token', id, 0, document, { user: 'old' });
      expect(await listTokens(store(), 'old')).toEqual([{ id: id.slice(0, 16), ...document, last_used_at: null }]);
      await store().deleteRecord('token', id, 1);
    });
  });

  test.each([
    ['user', { user: 5 }],
    ['time', { created_at: null }],
    ['end', { expires_at: undefined }],
    ['last use', { last_used_at: 7 }],
  ])('a damaged record (%s) is an error that names the token, never a login', async (what, changes) => {
    const run = await another(`damaged-${what}`);
    await createUser(run, 'victim', password, []);
    const token = await createToken(run, 'victim', now);
    const [record] = await run.queryRecords('token', { limit: 1 });
    await run.putRecord('token', record?.id ?? '', 1, { ...(record?.document as object), ...changes }, {});
    await expect(findUserOfToken(run, token, now)).rejects.toThrow(`${record?.id.slice(0, 16)} is damaged`);
  });

  test('a revoked token stops working, its neighbours go on', async () => {
    await createUser(store(), 'revoker', password, []);
    const first = await createToken(store(), 'revoker', now);
    const [listed] = await listTokens(store(), 'revoker');
    const other = await createToken(store(), 'revoker', now);
    await revokeToken(store(), listed?.id ?? '');
    expect(await findUserOfToken(store(), first, now)).toBeUndefined();
    expect(await findUserOfToken(store(), other, now)).toBeDefined();
    await expect(revokeToken(store(), listed?.id ?? '')).rejects.toThrow(/there is no token/);
  });

  test.each(['', '0', 'f'.repeat(16), '0'.repeat(16), 'x'.repeat(64)])('%j revokes nothing', async (id) => {
    const ids = async () => (await listTokens(store())).map((token) => token.id);
    const before = await ids();
    await expect(revokeToken(store(), id)).rejects.toThrow(/there is no token/);
    expect(await ids()).toEqual(before);
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
