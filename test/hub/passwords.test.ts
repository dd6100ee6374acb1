import { argon2Sync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  findPasswordFault,
  hashPassword,
  shareHashing,
  unmatchableHash,
  verifyPassword,
} from '../../src/hub/passwords.ts';

describe('password rules', () => {
  test('twelve characters are enough, eleven are not', () => {
    expect(findPasswordFault('a'.repeat(12))).toBeUndefined();
    expect(findPasswordFault('a'.repeat(11))).toMatch(/at least 12/);
    expect(findPasswordFault('密码密码密码密码密码密码')).toBeUndefined();
    expect(findPasswordFault('😀'.repeat(6))).toMatch(/at least 12/);
  });

  test('1024 bytes are allowed, more are not', () => {
    expect(findPasswordFault('a'.repeat(1024))).toBeUndefined();
    expect(findPasswordFault('é'.repeat(513))).toMatch(/at most 1024/);
  });

  test('control characters are refused', () => {
    expect(findPasswordFault('twelve\tletters')).toMatch(/control/);
    expect(findPasswordFault('twelve\u0085letters')).toMatch(/control/);
  });
});

describe('password hashes', () => {
  test('a password matches its hash, and no other does', async () => {
    const hash = await hashPassword('correct horse battery');
    expect(await verifyPassword('correct horse battery', hash)).toBe(true);
    expect(await verifyPassword('correct horse batterz', hash)).toBe(false);
    expect(await verifyPassword('', hash)).toBe(false);
  });

  test('the hash is argon2id in PHC string format, with a salt of its own', async () => {
    const format = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/;
    const [first, second] = await Promise.all([hashPassword('one password'), hashPassword('one password')]);
    expect(first).toMatch(format);
    expect(second).toMatch(format);
    expect(first).not.toBe(second);
  });

  test('a hash of other cost, made elsewhere, is verified with its own parameters', async () => {
    const nonce = Buffer.from('sixteen bytes !!');
    const message = 'from another program';
    const tag = argon2Sync('argon2id', { message, nonce, memory: 64, passes: 3, parallelism: 2, tagLength: 24 });
    const encode = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
    const phc = `$argon2id$v=19$m=64,t=3,p=2$${encode(nonce)}$${encode(tag)}`;
    expect(await verifyPassword(message, phc)).toBe(true);
    expect(await verifyPassword(`${message}.`, phc)).toBe(false);
  });

  test('the same accented letter matches however it was composed', async () => {
    const hash = await hashPassword('caf\u00e9 du marais');
    expect(await verifyPassword('cafe\u0301 du marais', hash)).toBe(true);
  });

  test('what is not a hash is an error, not a mismatch', async () => {
    await expect(verifyPassword('some password', 'plain text')).rejects.toThrow(/PHC/);
  });

  test('nothing matches the unmatchable hash', async () => {
    expect(await verifyPassword('', unmatchableHash)).toBe(false);
  });

  test.each([
    [1, 8],
    [4, 84],
  ])(
    'beyond a hundred that wait in %d processes, hashing is refused with too-many-logins and later works again',
    async (processes, excess) => {
      shareHashing(processes);
      const hash = '$argon2id$v=19$m=64,t=1,p=1$c2l4dGVlbiBieXRlcyAhIQ$c2l4dGVlbiBieXRlcyAhIXNpeHRlZW4gYnl0ZXMgISE';
      const outcomes = await Promise.allSettled(Array.from({ length: 110 }, () => verifyPassword('x', hash)));
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(refused).toHaveLength(excess);
      for (const { reason } of refused) expect(reason).toMatchObject({ code: 'too-many-logins', status: 429 });
      expect(await verifyPassword('x', hash)).toBe(false);
    },
  );
});
