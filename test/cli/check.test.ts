import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useHuiju } from './use-huiju.ts';

const { pathOf, huiju, addUser } = useHuiju();
const collectionId = '0c49ffd5-1c2a-4e66-8b4b-1f1f6e8d0a3b';

async function declare(folder: string, read: readonly string[]): Promise<string> {
  await mkdir(pathOf(folder));
  const collections = [{ id: collectionId, title: 'Cases', read }];
  await writeFile(pathOf(`${folder}/cases.json`), JSON.stringify({ api_root: 'cases', title: 'Cases', collections }));
  return pathOf(folder);
}

describe('huiju check', () => {
  test('counts what is declared, and creates no store', async () => {
    expect(await huiju(['check'])).toMatchObject({ code: 0, stdout: '3 API roots, 8 collections\n', stderr: '' });
    expect(existsSync(pathOf('data'))).toBe(false);
  });

  test('reports the mistakes of configuration and files together', async () => {
    const folder = await declare('wrong', ['everybody']);
    const env = { HUIJU_PORT: 'http', HUIJU_COLLECTIONS: folder, HUIJU_HOTS: '::1' };
    const { code, stdout, stderr } = await huiju(['check'], { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^huiju: 3 mistakes:\n/);
    expect(stderr).toContain('\n  HUIJU_HOTS is not a variable; did you mean HUIJU_HOST?');
    expect(stderr).toContain('\n  HUIJU_PORT is "http": must be a whole number from 0 to 65535');
    expect(stderr).toMatch(/\n {2}cases\.json:1:\d+: \/collections\/0\/read\/0: must be "public"/);
  });

  test('warns of users in audiences who are not there, once there is a store', async () => {
    await addUser('bob');
    const env = { HUIJU_COLLECTIONS: await declare('users', ['user:bob', 'user:carol', 'user:carol']) };
    const { code, stdout, stderr } = await huiju(['check'], { env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1 API root, 1 collection\n' });
    expect(stderr.match(/warning/g)).toHaveLength(1);
    expect(stderr).toMatch(/^huiju: warning: .*\bcarol\b/);
  });

  test('warns of collections with objects that no file declares any more', async () => {
    const path = pathOf('left.db');
    const left = '5f1f2a8e-91a4-4f57-9d0f-6a3a52a1c0de';
    const store = await openSqliteStore({ path });
    const version = {
      text: '{}',
      id: 'x--1',
      type: 'x',
      specVersion: '2.1',
      version: null,
      versionKey: null,
      digest: '1',
    };
    await store.addObjects(left, 'bob', [version]);
    await store.close();
    const { code, stderr } = await huiju(['check'], { env: { HUIJU_STORE: `sqlite:${path}` } });
    expect(code).toBe(0);
    expect(stderr).toMatch(new RegExp(`^huiju: warning: .*${left}`));
  });
});
