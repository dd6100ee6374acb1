import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { makeDurable, openFile } from '../../src/store/sqlite/connection.ts';
import { layoutSteps, prepareLayout } from '../../src/store/sqlite/layout.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { NewVersion, Store } from '../../src/store/store.ts';
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

  test('reports a key file beside the store that does not serve, and not what it holds', async () => {
    await mkdir(pathOf('keyed'));
    await writeFile(pathOf('keyed/secret-key'), 'sesame\n');
    const { code, stderr } = await huiju(['check'], { env: { HUIJU_STORE: `sqlite:${pathOf('keyed/huiju.db')}` } });
    expect(code).toBe(1);
    expect(stderr).toContain(`the key file ${pathOf('keyed/secret-key')}: line 1 of the file is no key`);
    expect(stderr).not.toContain('sesame');
  });

  test('warns of users in audiences who are not there, once there is a store', async () => {
    await addUser('bob');
    const env = { HUIJU_COLLECTIONS: await declare('users', ['user:bob', 'user:carol', 'user:carol']) };
    const { code, stdout, stderr } = await huiju(['check'], { env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1 API root, 1 collection\n' });
    expect(stderr.match(/warning/g)).toHaveLength(1);
    expect(stderr).toMatch(/^huiju: warning: .*\bcarol\b/);
  });

  describe('looks into a store', () => {
    const left = '5f1f2a8e-91a4-4f57-9d0f-6a3a52a1c0de';
    const version: NewVersion = {
      ...{ text: '{}', id: 'x--1', type: 'x', specVersion: '2.1' },
      ...{ version: null, versionKey: null, digest: '1' },
    };
    /** Names and contents of everything in a folder. */
    const contents = (folder: string) =>
      readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]);

    async function makeStore(name: string): Promise<{ folder: string; store: Store; env: Record<string, string> }> {
      const folder = pathOf(name);
      const store = await openSqliteStore({ path: join(folder, 'huiju.db') });
      await store.addObjects(left, 'bob', [version]);
      return { folder, store, env: { HUIJU_STORE: `sqlite:${join(folder, 'huiju.db')}` } };
    }
    const warning = `huiju: warning: no file declares the collection ${left}: it is not served, and its 1 object kept\n`;

    test('for collections that no file declares any more, and changes nothing there', async () => {
      const { folder, store, env } = await makeStore('closed');
      await store.close();
      const before = contents(folder);
      expect(before.map(([name]) => name)).toEqual(['huiju.db']);
      expect(await huiju(['check'], { env })).toMatchObject({ code: 0, stderr: warning });
      expect(contents(folder)).toEqual(before);
    });

    test('that is in use, and folds in nothing of its log', async () => {
      const { folder, store, env } = await makeStore('used');
      const kept = () => contents(folder).filter(([name]) => name !== 'huiju.db-shm');
      const before = kept();
      expect(before.map(([name]) => name)).toEqual(['huiju.db', 'huiju.db-wal']);
      expect(await huiju(['check'], { env })).toMatchObject({ code: 0, stderr: warning });
      expect(kept()).toEqual(before);
      await store.close();
    });

    test('whose server was killed, and leaves its log to the next start', async () => {
      const { folder, store, env } = await makeStore('running');
      const killed = pathOf('killed');
      await cp(folder, killed, { recursive: true });
      await store.close();
      const before = contents(killed).filter(([name]) => name !== 'huiju.db-shm');
      const place = { HUIJU_STORE: env.HUIJU_STORE?.replace('running', 'killed') ?? '' };
      expect(await huiju(['check'], { env: place })).toMatchObject({ code: 0, stderr: warning });
      expect(contents(killed).filter(([name]) => name !== 'huiju.db-shm')).toEqual(before);
    });

    test('of an older layout, which stays as it is', async () => {
      await mkdir(pathOf('older'));
      const path = pathOf('older/huiju.db');
      const db = makeDurable(openFile(path));
      prepareLayout(db, layoutSteps.slice(0, 1));
      db.exec(`INSERT INTO collections (id, high_water, versions) VALUES ('${left}', 5, 1)`);
      db.close();
      const before = contents(pathOf('older'));
      const env = { HUIJU_STORE: `sqlite:${path}` };
      expect(await huiju(['check'], { env })).toMatchObject({ code: 0, stderr: warning });
      expect(contents(pathOf('older'))).toEqual(before);
    });

    test('that is none: an error, told with the other mistakes; an empty file is no store yet', async () => {
      await mkdir(pathOf('none'));
      await writeFile(pathOf('none/text.db'), 'not a database, but long enough to have a header '.repeat(100));
      await writeFile(pathOf('none/empty.db'), '');
      const before = contents(pathOf('none'));
      const wrong = { HUIJU_STORE: `sqlite:${pathOf('none/text.db')}`, HUIJU_PORT: 'http' };
      const { code, stderr } = await huiju(['check'], { env: wrong });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^huiju: 2 mistakes:\n {2}HUIJU_PORT is .*\n {2}.*text\.db is not an SQLite file.*\n$/);
      const empty = { HUIJU_STORE: `sqlite:${pathOf('none/empty.db')}` };
      expect(await huiju(['check'], { env: empty })).toMatchObject({ code: 0, stderr: '' });
      expect(contents(pathOf('none'))).toEqual(before);
    });

    test('also when other things are wrong, but calls no collection undeclared then', async () => {
      const { store, env } = await makeStore('both');
      await store.close();
      const folder = await declare('both-files', ['user:dave', 'grup:x']);
      const { code, stderr } = await huiju(['check'], { env: { ...env, HUIJU_COLLECTIONS: folder } });
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^huiju: warning: there is no user dave.*\nhuiju: cases\.json:1:\d+: .*did you mean group:x\?\n$/,
      );
    });
  });

  test('reports a broken certificate among the other mistakes', async () => {
    await writeFile(pathOf('broken.pem'), 'no certificate');
    const env = { HUIJU_TLS_CERT: pathOf('broken.pem'), HUIJU_TLS_KEY: pathOf('broken.pem'), HUIJU_PORT: 'x' };
    const { code, stderr } = await huiju(['check'], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^huiju: 2 mistakes:\n {2}HUIJU_PORT.*\n {2}HUIJU_TLS_CERT and HUIJU_TLS_KEY: not a certificate/,
    );
  });
});
