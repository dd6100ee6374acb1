import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  test('carries the documents that its README sends operators to', () => {
    const installed = join(folder, 'node_modules', 'huiju');
    // What is about the sources is in the repository alone.
    const isOfSources = /^(?:src\/|CONTRIBUTING|SECURITY|docker-compose)/;
    for (const readme of ['README.md', 'README.zh-CN.md']) {
      const text = readFileSync(join(installed, readme), 'utf8');
      const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = '']) => link);
      const missing = links.filter((link) => !isOfSources.test(link) && !existsSync(join(installed, link)));
      expect([readme, links.length > 0, missing]).toEqual([readme, true, []]);
    }
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

  test('has the validator as a library of its own, which loads nothing of the server', async () => {
    const program = `
      import { registerHooks } from 'node:module';
      const loaded = [];
      registerHooks({ resolve: (specifier, context, next) => {
        const found = next(specifier, context);
        loaded.push(found.url);
        return found;
      } });
      const { createValidator } = await import('huiju/stix');
      const { valid, errors } = createValidator({ language: 'zh' }).validate({ type: 'campaign', spec_version: '2.1' });
      console.log(JSON.stringify({ valid, code: errors[0].code, message: errors[0].message, loaded }));
    `;
    const { stdout } = await succeed(process.execPath, ['--input-type=module', '--eval', program]);
    const { loaded, ...verdict } = JSON.parse(stdout) as { loaded: string[] };
    expect(verdict).toEqual({
      valid: false,
      code: 'STIX-3.2-required',
      message: expect.stringMatching(/\p{Script=Han}/u),
    });
    const allowed = /^node:|\/node_modules\/huiju\/dist\/(?:stix\/|errors\.js$|nearest\.js$)/;
    expect(loaded).toContainEqual(expect.stringMatching(/dist\/stix\/validator\.js$/));
    expect(loaded.filter((url) => !allowed.test(url))).toEqual([]);
  });

  test('has the library that its documentation shows', async () => {
    const text = readFileSync(join(folder, 'node_modules', 'huiju', 'docs', 'validation.md'), 'utf8');
    const program = /```js\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
    const { stdout } = await succeed(process.execPath, ['--input-type=module', '--eval', program]);
    expect(stdout).toMatch(/^false STIX-2\.9-identifier at \/id \("url--1"\): /m);
  });

  test('has types for the library, which a strict compiler takes', async () => {
    const file = join(folder, 'consumer.mts');
    const program = `
      import { createValidator, type Issue, parsePattern, type ValidatorOptions } from 'huiju/stix';
      const options: ValidatorOptions = { policy: 'strict' };
      export const errors: readonly Issue[] = createValidator(options).validate('{}').errors;
      export const isPattern: boolean = 'pattern' in parsePattern("[file:name = 'a']");
    `;
    writeFileSync(file, program);
    const compiler = join(root, 'node_modules', '.bin', 'tsc');
    const options = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', ''];
    expect((await succeed(compiler, [...options, file])).stdout).toBe('');
  });
});
