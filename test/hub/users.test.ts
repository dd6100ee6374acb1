import { describe, expect, test } from '@jest/globals';
import { verifyPassword } from '../../src/hub/passwords.ts';
import {
  changeRoles,
  createUser,
  ensureAdmin,
  findUser,
  listUsers,
  setDisabled,
  setPassword,
} from '../../src/hub/users.ts';
import { useStore } from './use-store.ts';

const { store, another } = useStore();
const password = 'a password for tests';

describe('users', () => {
  test('a created user is found, with sorted roles, and its password only as a hash', async () => {
    await createUser(store(), 'alice@unit-1', password, ['publisher', 'curator', 'publisher']);
    const user = await findUser(store(), 'alice@unit-1');
    expect(user).toMatchObject({ name: 'alice@unit-1', roles: ['curator', 'publisher'], disabled: false });
    expect(JSON.stringify(user)).not.toContain(password);
    expect(await verifyPassword(password, user?.password ?? '')).toBe(true);
  });

  test('a name that nobody has finds nobody', async () => {
    expect(await findUser(store(), 'nobody')).toBeUndefined();
  });

  test.each(['', '-dash', 'with space', 'a/b', 'ü', 'a:b', 'a'.repeat(65)])('%j is not a user name', async (name) => {
    await expect(createUser(store(), name, password, [])).rejects.toThrow(/is not a user name/);
  });

  test.each(['Admin', '1st', 'a b', ''])('%j is not a role', async (role) => {
    await expect(createUser(store(), 'role-tester', password, [role])).rejects.toThrow(/is not a role/);
    expect(await findUser(store(), 'role-tester')).toBeUndefined();
  });

  test('a weak password creates nobody', async () => {
    await expect(createUser(store(), 'weak', 'short', [])).rejects.toThrow(/at least 12 characters/);
    expect(await findUser(store(), 'weak')).toBeUndefined();
  });

  test('a name is taken once, also when two create it at the same time', async () => {
    const attempts = await Promise.allSettled([
      createUser(store(), 'twice', password, ['first']),
      createUser(store(), 'twice', password, ['second']),
    ]);
    expect(attempts.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(createUser(store(), 'twice', password, [])).rejects.toThrow('the user "twice" exists already');
  });

  test('a name that differs from another in case alone is not given', async () => {
    await createUser(store(), 'Carla.B', password, []);
    await expect(createUser(store(), 'carla.b', password, [])).rejects.toThrow('there is a user "Carla.B" already');
    expect(await findUser(store(), 'carla.b')).toBeUndefined();
    expect(await findUser(store(), 'CARLA.B')).toBeUndefined();
  });

  test('role changes at the same time do not undo each other', async () => {
    await createUser(store(), 'busy', password, []);
    const roles = ['one', 'two', 'three', 'four', 'five'];
    await Promise.all(roles.map((role) => changeRoles(store(), 'busy', (present) => [...present, role])));
    expect((await findUser(store(), 'busy'))?.roles).toEqual([...roles].sort());
  });

  test('disabling keeps everything else and can be undone', async () => {
    await createUser(store(), 'onoff', password, ['publisher']);
    const before = await findUser(store(), 'onoff');
    await setDisabled(store(), 'onoff', true);
    expect(await findUser(store(), 'onoff')).toEqual({ ...before, disabled: true });
    await setDisabled(store(), 'onoff', false);
    expect(await findUser(store(), 'onoff')).toEqual(before);
  });

  test('a new password is a new credential, even when it is the old one', async () => {
    await createUser(store(), 'renewed', password, []);
    const before = await findUser(store(), 'renewed');
    await setPassword(store(), 'renewed', password);
    const after = await findUser(store(), 'renewed');
    expect(after?.credential).not.toBe(before?.credential);
    expect(await verifyPassword(password, after?.password ?? '')).toBe(true);
  });

  test('changing a user who is not there says so', async () => {
    await expect(setDisabled(store(), 'ghost', true)).rejects.toThrow(/no user "ghost"/);
    await expect(setPassword(store(), 'ghost', password)).rejects.toThrow(/no user "ghost"/);
    await expect(changeRoles(store(), 'ghost', () => [])).rejects.toThrow(/no user "ghost"/);
  });

  test('all users are listed by name, more than a page of records too', async () => {
    const crowd = await another('crowd');
    const names = Array.from({ length: 1203 }, (_, index) => `user-${String(index).padStart(4, '0')}`);
    const user = { roles: [], disabled: false, password: '', credential: '', created_at: '' };
    await Promise.all(names.toReversed().map((name) => crowd.putRecord('user', name, 0, user, {})));
    expect((await listUsers(crowd)).map(({ name }) => name)).toEqual(names);
  });

  test.each<[string, unknown]>([
    ['roles', 'admin'],
    ['roles', [1]],
    ['disabled', 'no'],
    ['disabled', undefined],
    ['password', null],
    ['credential', 5],
    ['created_at', {}],
  ])('a record with a damaged %s (%j) is an error that names the user, never a login', async (field, value) => {
    const run = await another('damaged');
    const name = `damaged-${field}-${JSON.stringify(value)?.length}`;
    const whole = { roles: ['a'], disabled: false, password: 'p', credential: 'c', created_at: 't' };
    await run.putRecord('user', name, 0, whole, {});
    expect(await findUser(run, name)).toEqual({ name, ...whole });
    await run.putRecord('user', name, 1, { ...whole, [field]: value }, {});
    await expect(findUser(run, name)).rejects.toThrow(`The stored user ${name} is damaged.`);
    await run.close();
  });

  test.each([null, 'text', 5, []])('a record that is %j is damaged too', async (document) => {
    const run = await another(`none-${typeof document}-${JSON.stringify(document).length}`);
    await run.putRecord('user', 'x', 0, document, {});
    await expect(findUser(run, 'x')).rejects.toThrow('The stored user x is damaged.');
  });
});

describe('the first admin', () => {
  test('is created on an empty store, with a random password that works', async () => {
    const empty = await another('empty');
    const made = await ensureAdmin(empty);
    expect(made.password).toMatch(/^[A-Za-z0-9_-]{20,}$/);
    const admin = await findUser(empty, 'admin');
    expect(admin?.roles).toEqual(['admin']);
    expect(await verifyPassword(made.password ?? '', admin?.password ?? '')).toBe(true);
    expect(await ensureAdmin(empty)).toEqual({});
  });

  test('is created by one of several processes that start at once', async () => {
    const first = await another('shared-start');
    const second = await another('shared-start');
    const made = await Promise.all([ensureAdmin(first), ensureAdmin(second), ensureAdmin(first)]);
    expect(made.filter((answer) => answer.password !== undefined)).toHaveLength(1);
  });

  test('is not needed when anybody enabled has the role', async () => {
    const run = await another('other-admin');
    await createUser(run, 'root.of.all', password, ['admin']);
    expect(await ensureAdmin(run)).toEqual({});
    await setDisabled(run, 'root.of.all', true);
    expect(await ensureAdmin(run)).toHaveProperty('password');
  });

  test('is not created when nobody could learn its password', async () => {
    const unseen = await another('unseen');
    const keep = async (): Promise<void> => {
      throw new Error('the disk is full');
    };
    await expect(ensureAdmin(unseen, keep)).rejects.toThrow('the disk is full');
    expect(await ensureAdmin(unseen)).toHaveProperty('password');
  });

  test('does not take over a user of that name; a warning says what to run', async () => {
    const taken = await another('taken');
    await createUser(taken, 'admin', password, ['publisher']);
    expect((await ensureAdmin(taken)).warning).toContain('huiju user role admin --add admin');
    await changeRoles(taken, 'admin', () => ['admin']);
    await setDisabled(taken, 'admin', true);
    expect((await ensureAdmin(taken)).warning).toContain('huiju user enable admin');
  });
});
