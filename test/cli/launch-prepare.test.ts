import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { environment, type RunResult, runProgram } from '../support/huiju.ts';
import { findOlderNode, makeCheckout, makeNpm, put } from '../support/launcher.ts';

const node = findOlderNode() ?? process.execPath;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function checkout(npmWork?: string): { folder: string; path: string } {
  const folder = makeCheckout();
  folders.push(folder);
  return { folder, path: `${makeNpm(folder, npmWork)}:/usr/bin:/bin` };
}

function launch({ folder, path }: { folder: string; path: string }): Promise<RunResult> {
  return runProgram(node, [join(folder, 'bin', 'huiju.js'), 'check'], { cwd: folder, env: { PATH: path } });
}

function countLines(folder: string, file: string): number {
  const path = join(folder, file);
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0;
}

function worksDone(folder: string): { installs: number; builds: number } {
  return { installs: countLines(folder, 'installs.txt'), builds: countLines(folder, 'builds.txt') };
}

// Resolves when the file is there. The folder is watched, so nothing depends on how long anything takes.
async function appears(folder: string, file: string): Promise<void> {
  const watcher = watch(folder);
  while (!existsSync(join(folder, file))) await once(watcher, 'change');
  watcher.close();
}

describe('a fresh checkout', () => {
  test('installs, builds and runs, and says so on standard error alone', async () => {
    const place = checkout();
    const result = await launch(place);
    expect(result).toMatchObject({ code: 0, stdout: 'ran check\n' });
    expect(result.stderr.split('\n').map((line) => line.replace(/\d+ s$/, 'N s'))).toEqual([
      'huiju: Installing dependencies (npm ci)',
      'huiju: Installing dependencies (npm ci): done in N s',
      'huiju: Building',
      'huiju: Building: done in N s',
      '',
    ]);
  });

  test('installs the development dependencies too, whatever NODE_ENV says', async () => {
    const { folder, path } = checkout();
    const env = { PATH: path, NODE_ENV: 'production' };
    await runProgram(node, [join(folder, 'bin', 'prepare.js')], { cwd: folder, env });
    expect(readFileSync(join(folder, 'installs.txt'), 'utf8')).toContain('ci --include=dev');
  });

  test('started twice at once is installed and built once', async () => {
    const place = checkout();
    const results = await Promise.all([launch(place), launch(place), launch(place)]);
    expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(Array(3).fill([0, 'ran check\n']));
    expect(worksDone(place.folder)).toEqual({ installs: 1, builds: 1 });
  });
});

describe('an up-to-date checkout', () => {
  test('does nothing and says nothing', async () => {
    const place = checkout();
    await launch(place);
    expect(await launch(place)).toMatchObject({ code: 0, stdout: 'ran check\n', stderr: '' });
    expect(worksDone(place.folder)).toEqual({ installs: 1, builds: 1 });
  });

  test.each([
    ['the lockfile', 'package-lock.json', '{"packages":{}}', { installs: 2, builds: 2 }],
    ['a dependency', 'package.json', '{"type":"module","dependencies":{"a":"1"}}', { installs: 2, builds: 1 }],
    ['a script', 'package.json', '{"type":"module","scripts":{"a":"b"}}', { installs: 1, builds: 1 }],
    ['a source', 'src/stix/issue.ts', 'export {};', { installs: 1, builds: 2 }],
    ['a schema', 'schemas/new.json', '{}', { installs: 1, builds: 2 }],
    ['a test', 'test/new.test.ts', '', { installs: 1, builds: 1 }],
  ])('redoes what a change of %s asks for', async (_what, file, content, expected) => {
    const place = checkout();
    await launch(place);
    put(place.folder, file, content);
    expect((await launch(place)).code).toBe(0);
    expect(worksDone(place.folder)).toEqual(expected);
  });

  test('builds again when the compiled schemas are gone', async () => {
    const place = checkout();
    await launch(place);
    rmSync(join(place.folder, 'src', 'stix', 'validators.generated.js'));
    await launch(place);
    expect(worksDone(place.folder).builds).toBe(2);
  });
});

describe('node_modules that is a symbolic link', () => {
  function folderElsewhere(): string {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'huiju-launch-')));
    folders.push(folder);
    return folder;
  }

  test('is not installed through: what it leads to is of another tree', async () => {
    const place = checkout();
    const elsewhere = folderElsewhere();
    put(elsewhere, 'express/package.json', '{}');
    const link = join(place.folder, 'node_modules');
    symlinkSync(elsewhere, link);
    expect(await launch(place)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `huiju: ${link} is a symbolic link to ${elsewhere}, which npm ci would empty; remove the link, then try again\n`,
    });
    expect(worksDone(place.folder)).toEqual({ installs: 0, builds: 0 });
    expect(existsSync(join(elsewhere, 'express', 'package.json'))).toBe(true);
  });

  test('is used as it is when what it leads to is what this checkout asks for', async () => {
    const place = checkout();
    await launch(place);
    const elsewhere = join(folderElsewhere(), 'node_modules');
    renameSync(join(place.folder, 'node_modules'), elsewhere);
    symlinkSync(elsewhere, join(place.folder, 'node_modules'));
    expect(await launch(place)).toMatchObject({ code: 0, stdout: 'ran check\n', stderr: '' });
  });
});

describe('an install that does not end well', () => {
  test('is redone after it was killed, lock and all', async () => {
    const place = checkout('[ -e second ] || { touch second; exec sleep 600; }');
    const { folder, path } = place;
    const child = spawn(node, [join(folder, 'bin', 'prepare.js')], {
      cwd: folder,
      env: environment({ PATH: path }),
      stdio: 'ignore',
      detached: true,
    });
    await appears(folder, 'second');
    process.kill(-Number(child.pid), 'SIGKILL');
    await once(child, 'exit');
    expect(existsSync(join(folder, '.prepare.lock'))).toBe(true);
    expect(await launch(place)).toMatchObject({ code: 0, stdout: 'ran check\n' });
    expect(worksDone(folder)).toEqual({ installs: 2, builds: 1 });
    expect(existsSync(join(folder, '.prepare.lock'))).toBe(false);
  });

  test('does not outlive the start that was ended with a signal', async () => {
    const { folder, path } = checkout('trap "touch ended; exit 1" TERM; touch working; while :; do sleep 0.05; done');
    const args = [join(folder, 'bin', 'huiju.js'), 'check'];
    const child = spawn(node, args, { cwd: folder, env: environment({ PATH: path }), stdio: 'ignore' });
    await appears(folder, 'working');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([143, null]);
    expect(existsSync(join(folder, 'ended'))).toBe(true);
    expect(existsSync(join(folder, '.prepare.lock'))).toBe(false);
  });

  test.each(['kill -INT $$', 'exit 130'])('that heard of a Ctrl-C first (%s) ends the start as one', async (end) => {
    const { code, stderr } = await launch(checkout(end));
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: expect.stringContaining('interrupted; the next start goes on'),
    });
  });

  test.each(['bin/huiju.js', 'bin/prepare.js'])(
    'ended with Ctrl-C on a terminal, %s wipes its spinner and says so with exit code 130',
    async (file) => {
      const { folder, path } = checkout('touch working; exec sleep 600');
      const command = `exec '${node}' '${join(folder, file)}' check`;
      const env = environment({ PATH: path });
      const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, env });
      let shown = '';
      terminal.stdout.on('data', (chunk: Buffer) => {
        const wasSpinning = shown.includes('npm ci');
        shown += chunk.toString();
        if (!wasSpinning && shown.includes('npm ci')) terminal.stdin.write('\x03');
      });
      expect(await once(terminal, 'exit')).toEqual([130, null]);
      expect(shown.endsWith('\r\x1b[Khuiju: interrupted; the next start goes on\r\n')).toBe(true);
    },
  );

  test('shows what npm said and ends with exit code 1', async () => {
    const place = checkout('echo "npm error network"; exit 3');
    const result = await launch(place);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('npm error network');
    expect(result.stderr).toContain('huiju: npm ci failed (exit code 3)');
  });

  test('says so when npm is not on the PATH', async () => {
    const { folder } = checkout();
    const result = await launch({ folder, path: join(folder, 'bin') });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toBe('huiju: npm is not on the PATH; install Node.js with npm, then try again\n');
  });
});

test('a build that fails shows why and is tried again at the next start', async () => {
  const place = checkout();
  const stub = readFileSync(join(place.folder, 'bin', 'build.js'), 'utf8');
  writeFileSync(join(place.folder, 'bin', 'build.js'), 'console.log("a mistake in line 1"); process.exitCode = 1;');
  const failed = await launch(place);
  expect(failed).toMatchObject({ code: 1, stdout: '' });
  expect(failed.stderr).toContain('a mistake in line 1');
  writeFileSync(join(place.folder, 'bin', 'build.js'), stub);
  expect((await launch(place)).code).toBe(0);
});

test('npm does not run on the Node that it is about to delete', async () => {
  const { folder, path } = checkout('echo "$PATH" > path-of-npm.txt');
  const inside = join(folder, 'node_modules', '.bin');
  await launch({ folder, path: `${inside}:${path}` });
  expect(readFileSync(join(folder, 'path-of-npm.txt'), 'utf8').split(':')).not.toContain(inside);
});
