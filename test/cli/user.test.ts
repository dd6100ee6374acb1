import { describe, expect, test } from '@jest/globals';
import { verifyPassword } from '../../src/hub/passwords.ts';
import { findUser } from '../../src/hub/users.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { password, useHuiju } from './use-huiju.ts';

const { pathOf, huiju, addUser } = useHuiju();

interface ListedUser {
  readonly name: string;
  readonly roles: readonly string[];
  readonly disabled: boolean;
}

async function listedUser(name: string): Promise<ListedUser | undefined> {
  const { stdout } = await huiju(['user', 'list', '--json']);
  const users: readonly ListedUser[] = JSON.parse(stdout);
  return users.find((user) => user.name === name);
}

async function hasPassword(name: string, candidate: string): Promise<boolean> {
  const store = await openSqliteStore({ path: pathOf('data/huiju.db') });
  try {
    return await verifyPassword(candidate, (await findUser(store, name))?.password ?? '');
  } finally {
    await store.close();
  }
}

describe('huiju user add', () => {
  test('adds a user with roles, while the store is open elsewhere', async () => {
    const running = await openSqliteStore({ path: pathOf('data/huiju.db') });
    try {
      const result = await addUser('alice', '--role', 'publisher', '--role', 'curator');
      expect(result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('alice') });
      expect(await findUser(running, 'alice')).toMatchObject({ roles: ['curator', 'publisher'], disabled: false });
    } finally {
      await running.close();
    }
  });

  test.each([
    ['a newline', `${password}\n`],
    ['CR LF', `${password}\r\n`],
    ['nothing', password],
    ['other lines', `${password}\nsecond line\n`],
  ])('takes the password before %s', async (what, input) => {
    const name = `input-${what.replaceAll(' ', '-')}`;
    expect(await huiju(['user', 'add', name, '--password-stdin'], { input })).toMatchObject({ code: 0 });
    expect(await hasPassword(name, password)).toBe(true);
  });

  test.each<[string, string | Buffer, RegExp]>([
    ['empty', '', /^huiju: the password cannot be taken: .*at least 12 characters\n$/],
    ['short', 'eleven char\n', /at least 12 characters/],
    ['long', `${'a'.repeat(1025)}\n`, /at most 1024 bytes/],
    ['a whole file', 'a'.repeat(1_000_000), /at most 1024 bytes/],
    ['with a tab', 'twelve\tletters\n', /control characters/],
    ['Latin-1', Buffer.from('mot de passé, très sûr\n', 'latin1'), /not UTF-8/],
  ])('refuses a password that is %s', async (_what, input, message) => {
    const result = await huiju(['user', 'add', 'refused', '--password-stdin'], { input });
    expect(result).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
  });

  test('adds nobody with a password that it refuses', async () => {
    expect(await listedUser('refused')).toBeUndefined();
  });

  test('refuses a name that is taken, and one that is none', async () => {
    await addUser('taken');
    expect(await addUser('taken')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^huiju: the user "taken" exists already; [^\n]+\n$/),
    });
    expect(await addUser('no/name')).toMatchObject({ code: 2, stderr: expect.stringContaining('no/name') });
    expect(await addUser('fine', '--role', 'Not A Role')).toMatchObject({ code: 2 });
  });

  test('says that a name is taken before it asks for a password', async () => {
    await addUser('before');
    expect(await huiju(['user', 'add', 'before'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the user "before" exists already'),
    });
  });

  test('without a terminal it does not wait for a password that nobody types', async () => {
    expect(await huiju(['user', 'add', 'silent'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--password-stdin'),
    });
  });
});

describe('huiju user list', () => {
  test('prints an aligned table that has no secrets', async () => {
    await addUser('table-a', '--role', 'publisher');
    await addUser('table-with-a-longer-name');
    const { code, stdout } = await huiju(['user', 'list']);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    const column = lines[0]?.indexOf('STATE') ?? -1;
    expect(lines[0]).toMatch(/^NAME +ROLES +STATE +CREATED +REQUESTS +LAST REQUEST$/);
    for (const line of lines.slice(1)) expect(line.slice(column)).toMatch(/^(enabled|disabled) +\d{4}-/);
    expect(stdout).not.toMatch(/argon2/);
  });

  test('prints JSON for programs', async () => {
    await addUser('json', '--role', 'publisher');
    expect(await listedUser('json')).toEqual({
      name: 'json',
      roles: ['publisher'],
      disabled: false,
      created_at: expect.stringMatching(/Z$/),
      requests: 0,
      last_request: null,
    });
  });
});

describe('huiju user role', () => {
  test('sets the roles, adds some and takes some away', async () => {
    await addUser('keeper', '--role', 'admin');
    await addUser('roles', '--role', 'old');
    const rolesAfter = async (...args: readonly string[]) => {
      expect(await huiju(['user', 'role', 'roles', ...args])).toMatchObject({ code: 0, stderr: '' });
      return (await listedUser('roles'))?.roles;
    };
    expect(await rolesAfter('curator', 'publisher')).toEqual(['curator', 'publisher']);
    expect(await rolesAfter('--add', 'admin', '--remove', 'curator')).toEqual(['admin', 'publisher']);
    expect(await rolesAfter('--remove', 'admin', '--remove', 'publisher')).toEqual([]);
  });

  test('wants either all roles or changes', async () => {
    await addUser('either');
    expect(await huiju(['user', 'role', 'either'])).toMatchObject({ code: 2 });
    expect(await huiju(['user', 'role', 'either', 'one', '--add', 'two'])).toMatchObject({ code: 2 });
    expect((await listedUser('either'))?.roles).toEqual([]);
  });
});

test('a role that no collection names is taken with a warning that suggests the nearest', async () => {
  const { code, stderr } = await addUser('slip', '--role', 'publsher', '--role', 'curator');
  expect([code, stderr]).toEqual([
    0,
    'huiju: warning: no collection names the role publsher; did you mean publisher?\n',
  ]);
});

test('a mistyped name is answered with the nearest that there is', async () => {
  await addUser('caroline');
  const { code, stderr } = await huiju(['user', 'disable', 'carolien']);
  expect([code, stderr]).toEqual([1, 'huiju: there is no user "carolien"; did you mean caroline?\n']);
});

describe('huiju user disable, enable and passwd', () => {
  test('disable and enable a user', async () => {
    await addUser('switch');
    expect(await huiju(['user', 'disable', 'switch'])).toMatchObject({ code: 0, stdout: 'User switch is disabled.\n' });
    expect(await listedUser('switch')).toMatchObject({ disabled: true });
    expect(await huiju(['user', 'enable', 'switch'])).toMatchObject({ code: 0 });
    expect(await listedUser('switch')).toMatchObject({ disabled: false });
  });

  test('warn, and say how to undo it, when nobody is left who can administer', async () => {
    const env = { HUIJU_STORE: `sqlite:${pathOf('few.db')}` };
    for (const name of ['first', 'second']) {
      const input = `${password}\n`;
      await huiju(['user', 'add', name, '--role', 'admin', '--password-stdin'], { env, input });
    }
    expect(await huiju(['user', 'disable', 'first'], { env })).toMatchObject({ code: 0, stderr: '' });
    const warning =
      'huiju: warning: second was the last enabled user with the role admin; take it back with: huiju user ';
    expect(await huiju(['user', 'disable', 'second'], { env })).toMatchObject({
      code: 0,
      stderr: `${warning}enable second\n`,
    });
    expect(await huiju(['user', 'disable', 'second'], { env })).toMatchObject({ code: 0, stderr: '' });
    await huiju(['user', 'enable', 'second'], { env });
    expect(await huiju(['user', 'role', 'second', '--remove', 'admin'], { env })).toMatchObject({
      code: 0,
      stderr: `${warning}role second --add admin\n`,
    });
  });

  test('change the password', async () => {
    await addUser('changer');
    const input = 'quite another password\n';
    expect(await huiju(['user', 'passwd', 'changer', '--password-stdin'], { input })).toMatchObject({ code: 0 });
    expect(await hasPassword('changer', password)).toBe(false);
    expect(await hasPassword('changer', 'quite another password')).toBe(true);
  });

  test.each([['disable'], ['enable'], ['passwd', '--password-stdin'], ['role', 'x']])(
    '%s says when there is no such user',
    async (command, ...args) => {
      expect(await huiju(['user', command, 'ghost', ...args], { input: `${password}\n` })).toMatchObject({
        code: 1,
        stdout: '',
        stderr: 'huiju: there is no user "ghost"; `huiju user list` shows who there is\n',
      });
    },
  );
});
