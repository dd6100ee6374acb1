import { describe, expect, test } from '@jest/globals';
import { parseSecretKeys, type SecretKeys, unseal } from '../../src/hub/secrets.ts';
import { findFeed } from '../../src/sync/feed.ts';
import { getState, noCounts, stateKind } from '../../src/sync/feed-state.ts';
import { addFeed, type FeedsDeps } from '../../src/sync/feeds.ts';
import { resealLogins } from '../../src/sync/reseal.ts';
import { createMemoryStore } from './memory-store.ts';

const clock = { now: () => Date.parse('2026-01-01T00:00:00Z'), random: () => 0.5, wait: async () => undefined };

function keyOf(digit: string): SecretKeys {
  const parsed = parseSecretKeys(digit.repeat(64));
  if ('fault' in parsed) throw new Error(parsed.fault);
  return parsed.value;
}

const [oldKeys, newKeys, lostKeys] = [keyOf('1'), keyOf('2'), keyOf('3')];

/** An operator whose key is changed by `turn`, with feeds `a` (Basic), `b` (Bearer) and `c`, which has no login. */
async function operator() {
  let keys = oldKeys;
  const deps: FeedsDeps = { store: createMemoryStore(), clock, secretKeys: async () => keys };
  const add = (name: string, login: Parameters<typeof addFeed>[1]['settings']['login']) =>
    addFeed(deps, {
      name,
      direction: 'pull',
      peer: { kind: 'taxii', root: 'https://up.example/root/', collection: '1' },
      collection: 'c',
      settings: { ...(login && { login }) },
    });
  await add('a', { kind: 'basic', user: 'anna', secret: 'sesame' });
  await add('b', { kind: 'bearer', secret: 'token' });
  await add('c', null);
  const secretOf = async (name: string) => (await findFeed(deps.store, name))?.login?.secret ?? '';
  const turn = (next: SecretKeys) => {
    keys = next;
  };
  return { deps, add, turn, secretOf };
}

describe('logins are sealed anew', () => {
  test('with the first key, when the file still has the old one', async () => {
    const { deps, turn, secretOf } = await operator();
    turn([...newKeys, ...oldKeys]);
    expect(await resealLogins(deps)).toEqual({ renewed: 2, current: 0, faults: [] });
    expect(unseal(newKeys, await secretOf('a'), 'feed:a')).toBe('sesame');
    expect(unseal(newKeys, await secretOf('b'), 'feed:b')).toBe('token');
    expect(await findFeed(deps.store, 'a')).toMatchObject({ login: { kind: 'basic', user: 'anna' } });
    const sealed = await secretOf('a');
    expect(await resealLogins(deps)).toEqual({ renewed: 0, current: 2, faults: [] });
    expect(await secretOf('a')).toBe(sealed);
  });

  test('with the key that replaced the old one, when that is given', async () => {
    const { deps, turn, secretOf } = await operator();
    turn(newKeys);
    expect(await resealLogins(deps, oldKeys)).toMatchObject({ renewed: 2, faults: [] });
    expect(unseal(newKeys, await secretOf('a'), 'feed:a')).toBe('sesame');
  });

  test('as far as they can be opened; the others stay, and are named', async () => {
    const { deps, add, turn, secretOf } = await operator();
    turn(lostKeys);
    await add('d', { kind: 'bearer', secret: 'lost' });
    const lost = await secretOf('d');
    turn([...newKeys, ...oldKeys]);
    const { renewed, faults } = await resealLogins(deps);
    expect([renewed, faults]).toEqual([2, [expect.stringMatching(/^d: .*sealed with the key/)]]);
    expect(await secretOf('d')).toBe(lost);
  });

  test('and one that was damaged is told, though the first key sealed it', async () => {
    const { deps } = await operator();
    const record = await deps.store.findRecord('feed', 'a');
    const document = record?.document as { login: { secret: string } };
    const secret = `${document.login.secret.slice(0, -4)}AAAA`;
    await deps.store.putRecord('feed', 'a', 1, { ...document, login: { ...document.login, secret } }, {});
    expect(await resealLogins(deps)).toMatchObject({ current: 1, faults: [expect.stringContaining('a: ')] });
  });

  test('and feeds that failed for want of the key run soon', async () => {
    const { deps, turn } = await operator();
    const failed = { totals: noCounts, failures: 9, nextRunAt: '2027-01-01T00:00:00Z' };
    await deps.store.putRecord(stateKind, 'a', 0, failed, {});
    turn(newKeys);
    await resealLogins(deps, oldKeys);
    expect(await getState(deps.store, 'a')).toMatchObject({ failures: 0, nextRunAt: null });
  });

  test('without asking for a key when no feed has a login', async () => {
    const deps = { store: createMemoryStore(), clock, secretKeys: () => Promise.reject(new Error('asked')) };
    expect(await resealLogins(deps)).toEqual({ renewed: 0, current: 0, faults: [] });
  });
});
