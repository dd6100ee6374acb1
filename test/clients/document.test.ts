/** Holds docs/clients.md to what it speaks of: the shipped collections, the versions that run, its examples. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blocksOf, readDocument } from '../docs/readme.ts';
import { type RunResult, root, runProgram } from '../support/huiju.ts';
import { findClientPython } from '../support/python.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { newVersioned } from '../support/stix-objects.ts';

interface Declared {
  readonly api_root: string;
  readonly collections: readonly { readonly id: string; readonly alias: string; readonly title: string }[];
}

const text = readDocument('docs/clients.md');
const found = await findClientPython();

function shippedRows(): string[] {
  return readdirSync(join(root, 'collections'))
    .map((file): Declared => JSON.parse(readFileSync(join(root, 'collections', file), 'utf8')))
    .flatMap(({ api_root, collections }) =>
      collections.map(({ title, id, alias }) => `| \`${api_root}\` | ${title} | \`${id}\` | \`${alias}\` |`),
    );
}

test('lists the collections that come with the server, and speaks of no other id', () => {
  const rows = text.split('\n').filter((line) => /^\| `[a-z]+` \| .* \| `[0-9a-f-]{36}` \|/.test(line));
  expect(rows.sort()).toEqual(shippedRows().sort());
  const spoken = text.match(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g) ?? [];
  expect(spoken.filter((id) => !rows.some((row) => row.includes(id)))).toEqual([]);
});

test('names the versions that run, and tests that exist', () => {
  const pinned = readDocument('test/clients/requirements.txt');
  for (const client of ['taxii2-client', 'stix2', 'cytaxii2', 'cc-taxii2-client']) {
    const version = new RegExp(`^${client}==(.+)$`, 'm').exec(pinned)?.[1] ?? 'not pinned';
    expect(text).toMatch(new RegExp(`^\\| ${client}\\b.*\\| ${version.replaceAll('.', '\\.')} \\| run \\|`, 'm'));
  }
  expect(readDocument('test/clients/rust/Cargo.lock')).toContain('name = "stix2"\nversion = "0.1.1"\n');
  const named = [...text.matchAll(/`(test\/[^`]*)`/g)].map(([, path = '']) => path);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

describe('its examples', () => {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-clients-'));
  const objects = Array.from({ length: 3 }, () => newVersioned('identity', { name: 'ACME' }));
  const ids = objects.map(({ id }) => id);
  let server: RunningServer;
  let token = '';

  beforeAll(async () => {
    server = await runServer();
    await server.huiju(['user', 'add', 'reader', '--password-stdin'], { input: 'reader-password' });
    token = (await server.huiju(['token', 'create', 'reader'])).stdout.trim();
    const input = objects.map((object) => JSON.stringify(object)).join('\n');
    const { code, stderr } = await server.huiju(['import', '-', '--collection', 'hub/indicators'], { input });
    if (code !== 0) throw new Error(stderr);
  });

  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function run(language: string, file: string, args: readonly string[]): Promise<RunResult> {
    const [block = ''] = blocksOf(text, language);
    // Pages of two, so that the example has to go on.
    const code = block
      .replaceAll('http://127.0.0.1:8080', server.url)
      .replace(/limit=1000|1000(?=\})/, (limit) => limit.replace('1000', '2'));
    return runProgram(file, [...args, code], { cwd: folder, env: { TOKEN: token } });
  }

  test('curl reads each object once, and nothing in the next run', async () => {
    const first = await run('sh', 'sh', ['-e', '-c']);
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(first.stdout.match(/identity--[0-9a-f-]{36}/g)).toEqual(ids);
    const second = await run('sh', 'sh', ['-e', '-c']);
    expect([second.code, second.stdout]).toEqual([0, '']);
  });

  describeWith('clients', 'missing' in found ? found.missing : undefined, 'in Python', () => {
    test('reads each object once, and says where to go on', async () => {
      if (!('python' in found)) return;
      const { code, stdout, stderr } = await run('python', found.python, ['-B', '-c']);
      expect([code, stderr]).toEqual([0, '']);
      const lines = stdout.trim().split('\n');
      expect(lines.slice(0, -1)).toEqual(ids);
      expect(lines.at(-1)).toMatch(/^20\d\d-.*Z$/);
    });
  });
});
