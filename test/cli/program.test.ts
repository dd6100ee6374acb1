import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { root } from '../support/huiju.ts';
import { useHuiju } from './use-huiju.ts';

const { pathOf, huiju } = useHuiju();
const commands = ['serve', 'import', 'export', 'validate', 'user', 'token', 'check'];

describe('huiju', () => {
  test('--help lists every command with a line each', async () => {
    const { code, stdout, stderr } = await huiju(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command}\\b.* {2}[a-z]`, 'm'));
  });

  test.each(commands)('%s --help explains the command', async (command) => {
    const { code, stdout, stderr } = await huiju([command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: huiju ${command}`));
  });

  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(await huiju(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test.each([
    [['usr'], /unknown command 'usr'\n.*user/],
    [['user', 'lst'], /unknown command 'lst'\n.*list/],
    [['user', 'add', 'bob', '--roel', 'x'], /unknown option '--roel'\n.*--role/],
    [['user', 'disable'], /missing required argument 'name'/],
    [['import', 'f.json', '--colection', 'x'], /unknown option '--colection'\n.*--collection/],
    [['import', 'f.json', '--colection=indicators'], /unknown option '--colection'; did you mean --collection\?\n/],
    [['export', '--colection', 'x'], /unknown option '--colection'\n.*--collection/],
    [['access', '--colection', 'x'], /unknown option '--colection'\n.*--collection/],
    [['import', 'f.json'], /required option '--collection <\[root\/\]id-or-alias>' not specified/],
    [['access'], /required option '--collection /],
    [['token', 'create', 'bob', 'more'], /too many arguments: token create takes user, not 'more'/],
    [['user', 'list', 'bob'], /too many arguments: user list takes no arguments, not 'bob'; its options are --json/],
    [['token', 'list', 'bob'], /not 'bob'; its options are --user <name>, --json/],
    [['backup', 'a', 'b'], /too many arguments: backup takes file, not 'b'/],
    [['serve', 'now'], /too many arguments: serve takes no arguments, not 'now'\n/],
    [['check', '--fast'], /unknown option '--fast'/],
  ])('%j is wrong usage: exit code 2 and what would be right', async (args, message) => {
    const { code, stdout, stderr } = await huiju(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^huiju: /);
    expect(stderr).toMatch(message);
  });

  test('called without a command it shows the help, as wrong usage', async () => {
    expect(await huiju([])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage: huiju') });
    expect(await huiju(['token'])).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage: huiju token') });
  });

  test('a mistake in the configuration is one clear line and exit code 1', async () => {
    expect(await huiju(['user', 'list'], { env: { HUIJU_PORT: 'x' } })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'huiju: Configuration: HUIJU_PORT is "x": must be a whole number from 0 to 65535\n',
    });
  });

  test('a store that cannot be opened is a clear line too', async () => {
    const { code, stderr } = await huiju(['user', 'list'], { env: { HUIJU_STORE: 'sqlite:/dev/null/x.db' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^huiju: [^\n]+\/dev\/null\/x\.db[^\n]+\n$/);
  });

  test('a relative store is found from the working directory', async () => {
    const options = { cwd: pathOf('.'), env: { HUIJU_STORE: 'sqlite:here/my.db' }, input: 'a long password\n' };
    expect(await huiju(['user', 'add', 'local', '--password-stdin'], options)).toMatchObject({ code: 0 });
    expect((await readFile(pathOf('here/my.db'))).subarray(0, 6).toString()).toBe('SQLite');
  });
});
