import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RunOptions, type RunResult, root, runProgram } from '../support/huiju.ts';
import { runServer } from '../support/run-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'huiju-package-'));
const executable = join(folder, 'node_modules', '.bin', 'huiju');
const env = { PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

async function succeed(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await runProgram(file, args, { cwd: folder, env, ...options });
  if (result.code !== 0) throw new Error(`${file} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  return result;
}

beforeAll(async () => {
  await succeed(process.execPath, [join(root, 'bin', 'prepare.js')]);
  // Built above, once, and not again by npm.
  await succeed('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  await succeed('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--prefix', folder, `./${tarball}`]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package, installed into an empty folder', () => {
  test('carries the built program and no sources, tests or generators', () => {
    const installed = join(folder, 'node_modules', 'huiju');
    expect(readdirSync(installed)).toEqual(expect.arrayContaining(['bin', 'collections', 'dist', 'package.json']));
    for (const name of ['src', 'test', 'node_modules']) expect(readdirSync(installed)).not.toContain(name);
    expect(readdirSync(join(installed, 'bin'))).toEqual(['huiju.js']);
  });

  test('has an executable that tells its version and its commands', async () => {
    expect((await succeed(executable, ['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await succeed(executable, ['--help'])).stdout).toContain('serve');
  });

  test('serves', async () => {
    const server = await runServer({
      command: [executable],
      collections: join(folder, 'node_modules', 'huiju', 'collections'),
      env,
    });
    const response = await fetch(`${server.url}/taxii2/`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${server.adminPassword}`).toString('base64')}` },
    });
    expect(response.status).toBe(200);
    expect(await server.stop()).toBe(0);
  });

  test('checks objects with the schemas compiled into it', async () => {
    const object = { type: 'identity', spec_version: '2.1', id: 'identity--1', name: 'x' };
    const args = ['validate', '-', '--format', 'json'];
    const { code, stdout } = await runProgram(executable, args, { cwd: folder, env, input: JSON.stringify(object) });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ index: 0, type: 'identity', valid: false });
  });

  test('is a library too', async () => {
    const program = "import { startServer } from 'huiju'; console.log(typeof startServer);";
    const { stdout } = await succeed(process.execPath, ['--input-type=module', '--eval', program]);
    expect(stdout).toBe('function\n');
  });
});
