import { beforeAll, describe, expect, test } from '@jest/globals';
import { findUserOfToken } from '../../src/hub/tokens.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useHuiju } from './use-huiju.ts';

const { pathOf, huiju, addUser } = useHuiju();
const hour = 3_600_000_000;

beforeAll(() => addUser('poller'));

async function ownerAt(token: string, offset: number): Promise<string | undefined> {
  const store = await openSqliteStore({ path: pathOf('data/huiju.db') });
  try {
    return (await findUserOfToken(store, token, Date.now() * 1000 + offset))?.name;
  } finally {
    await store.close();
  }
}

async function create(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await huiju(['token', 'create', 'poller', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('huiju token create', () => {
  test('prints the token alone', async () => {
    const printed = await create();
    expect(printed).toMatch(/^huiju_[A-Za-z0-9_-]{43}\n$/);
    expect(await ownerAt(printed.trim(), 1_000_000 * hour)).toBe('poller');
  });

  test.each([
    ['30d', 30 * 24],
    ['12h', 12],
    ['90m', 1.5],
  ])('with --expires %s it ends then', async (span, hours) => {
    const token = (await create('--expires', span)).trim();
    expect(await ownerAt(token, hours * hour - 60_000_000)).toBe('poller');
    expect(await ownerAt(token, hours * hour)).toBeUndefined();
  });

  test('with a date it ends when that day begins in UTC, or at the time given', async () => {
    await create('--expires', '2199-03-04');
    await create('--expires', '2199-03-04T05:06:07+01:00');
    const { stdout } = await huiju(['token', 'list']);
    expect(stdout).toContain('2199-03-04T00:00:00.000000Z');
    expect(stdout).toContain('2199-03-04T04:06:07.000000Z');
  });

  test.each(['2020-01-01', '0d', '-1d', '30', '1y', 'tomorrow', '2199-02-30', ''])(
    'does not take %j for a time to come',
    async (when) => {
      const result = await huiju(['token', 'create', 'poller', `--expires=${when}`]);
      expect(result).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--expires') });
    },
  );

  test('says when there is no such user', async () => {
    expect(await huiju(['token', 'create', 'ghost'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'huiju: there is no user "ghost"; `huiju user list` shows who there is\n',
    });
  });
});

describe('huiju token list and revoke', () => {
  test('a listed id revokes its token', async () => {
    await addUser('lister');
    const { stdout } = await huiju(['token', 'create', 'lister']);
    const listed = await huiju(['token', 'list', '--user', 'lister', '--json']);
    const tokens: readonly { readonly id: string }[] = JSON.parse(listed.stdout);
    expect(tokens).toEqual([
      {
        id: expect.any(String),
        user: 'lister',
        created_at: expect.stringMatching(/Z$/),
        expires_at: null,
        last_used_at: null,
      },
    ]);
    expect(listed.stdout).not.toContain(stdout.trim());
    expect(await huiju(['token', 'revoke', tokens[0]?.id ?? ''])).toMatchObject({ code: 0, stderr: '' });
    expect(await ownerAt(stdout.trim(), 0)).toBeUndefined();
    expect(await huiju(['token', 'revoke', tokens[0]?.id ?? ''])).toMatchObject({ code: 1 });
  });

  test('the table has a line for each token', async () => {
    await create();
    const { stdout } = await huiju(['token', 'list', '--user', 'poller']);
    const [heading, ...lines] = stdout.trimEnd().split('\n');
    expect(heading).toMatch(/^ID +USER +CREATED +EXPIRES +LAST USED$/);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/^[0-9a-f]{16} {2}poller {2}\S+Z {2}(never|\S+Z) +(never|\S+Z)$/);
  });
  test('the last use is there once the token was used', async () => {
    await addUser('user-of-token');
    const { stdout: token } = await huiju(['token', 'create', 'user-of-token']);
    expect(await ownerAt(token.trim(), 0)).toBe('user-of-token');
    const { stdout } = await huiju(['token', 'list', '--user', 'user-of-token', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([{ last_used_at: expect.stringMatching(/^\d{4}-.*Z$/) }]);
  });

  test('--user with nobody of that name is an error, which names the nearest', async () => {
    const { code, stdout, stderr } = await huiju(['token', 'list', '--user', 'polller']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('huiju: there is no user "polller"; did you mean poller?\n');
  });
});
