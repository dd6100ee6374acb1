import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from '@jest/globals';
import { environment, root, runProgram } from '../support/huiju.ts';
import { findOlderNode, makeInstallation, pinNode } from '../support/launcher.ts';
import { runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';

const older = findOlderNode();
const folders: string[] = [];

function install(main: string): string {
  const folder = makeInstallation(main);
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

// Says when it is ready, notes each signal, and ends as its standard input tells it.
const signalCounter = `
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => console.log(signal));
  process.on('disconnect', () => process.exit(0));
  process.stdin.on('data', (line) => process.exit(Number(line)));
  console.log('ready');
`;

function start(node: string, folder: string): { child: ChildProcess; nextLine: () => Promise<string> } {
  const child = spawn(node, [join(folder, 'bin', 'huiju.js')], {
    env: environment(),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('no standard output');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { child, nextLine: async () => String((await lines.next()).value) };
}

function describeLauncher(node: string): void {
  function launch(main: string, args: readonly string[] = [], input = '') {
    const folder = install(main);
    pinNode(folder);
    return runProgram(node, [join(folder, 'bin', 'huiju.js'), ...args], { input });
  }

  test('passes arguments on as they are', async () => {
    const { stdout } = await launch('console.log(JSON.stringify(process.argv.slice(2)))', ['user', 'a b', '--x=*', '']);
    expect(JSON.parse(stdout)).toEqual(['user', 'a b', '--x=*', '']);
  });

  test('passes the streams through and adds nothing of its own', async () => {
    const result = await launch('process.stdin.pipe(process.stdout); console.error("to stderr")', [], 'the input\n');
    expect(result).toMatchObject({ code: 0, stdout: 'the input\n', stderr: 'to stderr\n' });
  });

  test.each([0, 1, 2, 77])('ends with exit code %d when the program does', async (code) => {
    expect((await launch(`process.exitCode = ${code}`)).code).toBe(code);
  });

  test('ends by the signal that ended the program', async () => {
    expect(await launch('process.kill(process.pid, "SIGKILL")')).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  test('runs the program on Node 24 or later', async () => {
    const { stdout } = await launch('console.log(process.versions.node)');
    expect(Number(stdout.split('.')[0])).toBeGreaterThanOrEqual(24);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'passes %s on and lets the program end in its own way',
    async (signal) => {
      const folder = install(signalCounter);
      pinNode(folder);
      const { child, nextLine } = start(node, folder);
      await nextLine();
      child.kill(signal);
      expect(await nextLine()).toBe(signal);
      child.stdin?.write('7\n');
      expect(await once(child, 'exit')).toEqual([7, null]);
    },
  );

  test('a program whose launcher is killed ends too', async () => {
    const folder = install(signalCounter);
    pinNode(folder);
    const { child, nextLine } = start(node, folder);
    await nextLine();
    child.kill('SIGKILL');
    // Its output ends when the last process that holds it has ended.
    expect(await nextLine()).toBe('undefined');
  });

  test('a server whose launcher is killed ends too', async () => {
    const server = await runServer({ command: [node, join(root, 'bin', 'huiju.js')] });
    await server.kill();
    await server.closed;
    await expect(fetch(`${server.url}/taxii2/`)).rejects.toThrow('fetch failed');
    rmSync(server.folder, { recursive: true });
  });

  // The terminal, the launcher and npm each pass the same Ctrl-C on.
  test('Ctrl-C on a terminal ends a server in an orderly way', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'huiju-terminal-'));
    folders.push(folder);
    const env = { HUIJU_PORT: '0', HUIJU_STORE: `sqlite:${join(folder, 'huiju.db')}` };
    const command = `exec '${node}' '${join(root, 'bin', 'huiju.js')}' serve`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: root, env: environment(env) });
    let shown = '';
    terminal.stdout.on('data', (chunk: Buffer) => {
      const wasListening = shown.includes('listening');
      shown += chunk.toString();
      if (!wasListening && shown.includes('listening')) terminal.stdin.write('\x03');
    });
    expect(await once(terminal, 'exit')).toEqual([0, null]);
    expect(shown).toContain('signal=SIGINT');
    expect(shown).toMatch(/ {2}ended/);
  });
}

const missingOlder = older === undefined ? 'no Node from 18 to 23 is on the PATH' : undefined;

describeWith('older-node', missingOlder, 'the launcher under an older Node', () => {
  describeLauncher(older ?? '');

  test('an installation without a Node that is new enough fails with one line', async () => {
    const folder = install('console.log("ran")');
    const result = await runProgram(older ?? '', [join(folder, 'bin', 'huiju.js'), 'serve']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/^huiju: Node 24 or later is needed, this is [\d.]+\n$/);
  });
});

describe('the launcher under the pinned Node', () => {
  describeLauncher(process.execPath);
});

test('the launcher uses no syntax newer than Node 12', () => {
  const text = readFileSync(join(root, 'bin', 'huiju.js'), 'utf8');
  const newer = [
    /\?\./,
    /\?\?/,
    /(?:\|\||&&|\?\?)=/,
    /^\s*await /m,
    /from 'node:/,
    /\d_\d/,
    /\bstatic \{/,
    /#\w+ ?[=;(]/,
  ];
  expect(newer.filter((pattern) => pattern.test(text))).toEqual([]);
});
