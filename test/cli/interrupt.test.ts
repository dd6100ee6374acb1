/** Ctrl-C and `kill` in commands that write: nothing half-made is left, and the exit code says what ended them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { environment, program, root, runHuiju } from '../support/huiju.ts';
import { newIdentity } from '../support/taxii-server.ts';

const pathOf = useTempFolder();
const indicators = '91a7b528-80eb-42ed-a74d-c6fbd5a26116';
const store = () => `sqlite:${pathOf('huiju.db')}`;

// So much that no command is through with it in the moment between its first file and the signal.
const objects = 8000;
const description = () => randomBytes(4000).toString('base64');

async function fillStore(): Promise<void> {
  const opened = await openStore({ kind: 'sqlite', path: pathOf('huiju.db') });
  for (let count = 0; count < objects; count += 1000) {
    const slice = Array.from({ length: 1000 }, () => newIdentity({ description: description() }));
    const kept = { type: 'identity', specVersion: '2.1', version: null, versionKey: null };
    const versions = slice.map((object) => ({
      ...kept,
      text: JSON.stringify(object),
      id: object.id,
      digest: object.id,
    }));
    await opened.addObjects(indicators, 'ann', versions);
  }
  await opened.close();
}

/** Runs a command, sends it a signal when a file has appeared, and resolves to what came of it. */
async function interrupt(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  file: string,
  signal: NodeJS.Signals,
) {
  const watcher = watch(join(file, '..'));
  const child: ChildProcess = spawn(process.execPath, [program, ...args], { env: environment(env), cwd: root });
  let shown = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
  }
  const closed = once(child, 'close');
  while (!existsSync(file)) await once(watcher, 'change');
  watcher.close();
  child.kill(signal);
  const [code] = await closed;
  return { code, shown };
}

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, code) => {
  const ended = { code, shown: 'huiju: interrupted; nothing was written\n' };
  const folder = () => pathOf(signal);

  beforeAll(async () => {
    mkdirSync(folder());
    if (!existsSync(pathOf('huiju.db'))) await fillStore();
  });

  test('ends a backup, of which nothing is left', async () => {
    const file = join(folder(), 'b.huiju');
    expect(await interrupt(['backup', file], { HUIJU_STORE: store() }, `${file}.partial`, signal)).toEqual(ended);
    expect(readdirSync(folder())).toEqual([]);
  });

  test('ends an export to a file, of which nothing is left', async () => {
    const file = join(folder(), 'out.json');
    const args = ['export', '--collection', 'hub/indicators', '--out', file];
    const env = { HUIJU_STORE: store(), HUIJU_PAGE_SIZE: '1' };
    expect(await interrupt(args, env, `${file}.partial`, signal)).toEqual(ended);
    expect(readdirSync(folder())).toEqual([]);
  });

  test('ends a restore: store and collections are as they were', async () => {
    const backup = pathOf('whole.huiju');
    if (!existsSync(backup)) await runHuiju(['backup', backup], { env: { HUIJU_STORE: store() } });
    const place = join(folder(), 'place');
    const collections = join(place, 'collections');
    cpSync(join(root, 'collections'), collections, { recursive: true });
    const before = readdirSync(collections).map((name) => readFileSync(join(collections, name), 'utf8'));
    const env = { HUIJU_STORE: `sqlite:${join(place, 'huiju.db')}`, HUIJU_COLLECTIONS: collections };
    expect(await interrupt(['restore', backup], env, join(place, 'huiju.db.partial'), signal)).toEqual(ended);
    expect(readdirSync(place)).toEqual(['collections']);
    const after = readdirSync(collections).map((name) => readFileSync(join(collections, name), 'utf8'));
    expect(after).toEqual(before);
  });
});

test('Ctrl-C at a password prompt ends with 130 and a terminal that shows what is typed', async () => {
  const command = `'${process.execPath}' '${program}' user add ann; echo "code=$?"; stty -a`;
  const env = environment({ HUIJU_STORE: `sqlite:${pathOf('prompt.db')}` });
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: root, env });
  let shown = '';
  terminal.stdout.on('data', (chunk: Buffer) => {
    const wasAsked = shown.includes('Password: ');
    shown += chunk.toString();
    if (!wasAsked && shown.includes('Password: ')) terminal.stdin.write('\x03');
  });
  await once(terminal, 'exit');
  expect(shown).toContain('huiju: interrupted; nothing was changed\r\ncode=130\r\n');
  expect(shown).toMatch(/[ ;]icanon /);
  expect(shown).toMatch(/ echo /);
});
