import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { shippedDeclarations } from '../../src/cli/restore.ts';
import { openStore } from '../../src/store/open-store.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { type RunResult, root, runHuiju } from '../support/huiju.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { ask, newIdentity } from '../support/taxii-server.ts';

const pathOf = useTempFolder();
const objectsPath = '/hub/collections/indicators/objects/';
const password = 'a password for tests';
const as = (name: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

/** Runs a command on a machine of its own: a folder with a store and API roots. */
function on(machine: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const place = {
    HUIJU_STORE: `sqlite:${pathOf(`${machine}/data/huiju.db`)}`,
    HUIJU_COLLECTIONS: pathOf(`${machine}/collections`),
  };
  return runHuiju(args, { env: { ...place, ...env } });
}

describe('huiju backup and huiju restore', () => {
  let server: RunningServer;
  let token: string;
  let backup: RunResult;
  const identities = Array.from({ length: 5 }, () => newIdentity());
  const publish = (objects: readonly object[]) =>
    ask(server.url, objectsPath, { authorization: as('ann'), body: { objects } });

  beforeAll(async () => {
    const collections = pathOf('first/collections');
    mkdirSync(pathOf('first/data'), { recursive: true });
    cpSync(join(root, 'collections'), collections, { recursive: true });
    writeFileSync(join(collections, 'own.json'), '\ufeff{"api_root":"own","title":"自己的","collections":[]}\n');
    server = await runServer({ folder: pathOf('first/data'), collections });
    const added = await server.huiju(['user', 'add', 'ann', '--role', 'publisher', '--password-stdin'], {
      input: `${password}\n`,
    });
    expect(added.code).toBe(0);
    token = (await server.huiju(['token', 'create', 'ann'])).stdout.trim();
    await publish(identities);
    backup = await server.huiju(['backup', pathOf('b.huiju')]);
  });
  afterAll(() => server?.stop());

  test('a backup is made while the server runs, for its owner only, and says what it holds', () => {
    expect(backup.stderr).toBe('');
    expect(backup.stdout).toMatch(/b\.huiju: .*: 5 objects, 1 collection, 0 tombstones, 3 records, 4 API roots\n$/);
    expect(statSync(pathOf('b.huiju')).mode & 0o777).toBe(0o600);
    expect(readdirSync(pathOf('.')).filter((name) => name.endsWith('.partial'))).toEqual([]);
    expect(gunzipSync(readFileSync(pathOf('b.huiju'))).toString()).not.toMatch(/"(?:host|path)name"|admin-password/);
  });

  test('a restored machine has users, tokens, collections and objects, and pollers go on where they were', async () => {
    const first = await ask(server.url, `${objectsPath}?limit=3`, { authorization: as('ann') });
    const { code, stdout, stderr } = await on('second', ['restore', pathOf('b.huiju')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^restored the backup of \d{4}-.*Z: 5 objects, 1 collection/);
    for (const name of readdirSync(pathOf('first/collections'))) {
      expect(readFileSync(pathOf(`second/collections/${name}`))).toEqual(
        readFileSync(pathOf(`first/collections/${name}`)),
      );
    }
    // A start with an admin in the store makes no password, for which `runServer` looks.
    cpSync(pathOf('first/data/admin-password'), pathOf('second/data/admin-password'));
    const second = await runServer({ folder: pathOf('second/data'), collections: pathOf('second/collections') });
    try {
      const page = await ask(second.url, `${objectsPath}?limit=3`, { authorization: as('ann') });
      expect(page.text).toBe(first.text);
      const cursor = first.json<{ next: string }>().next;
      const rest = await ask(second.url, `${objectsPath}?next=${cursor}`, { authorization: `Bearer ${token}` });
      expect(rest.json<{ objects: { id: string }[] }>().objects.map(({ id }) => id)).toEqual(
        identities.slice(3).map(({ id }) => id),
      );
      const last = String(rest.headers['x-taxii-date-added-last']);
      const later = newIdentity();
      await ask(second.url, objectsPath, { authorization: as('ann'), body: { objects: [later] } });
      const polled = await ask(second.url, `${objectsPath}?added_after=${last}`, { authorization: as('ann') });
      expect(polled.json<{ objects: { id: string }[] }>().objects).toMatchObject([{ id: later.id }]);
    } finally {
      await second.stop();
    }
  });

  test('backups are whole while others publish, and each can be restored', async () => {
    let isOver = false;
    const publishing = (async () => {
      while (!isOver) await publish(Array.from({ length: 20 }, () => newIdentity()));
    })();
    try {
      for (const name of ['busy-1', 'busy-2']) {
        expect(await server.huiju(['backup', pathOf(`${name}.huiju`)])).toMatchObject({ code: 0, stderr: '' });
        expect(await on(name, ['restore', pathOf(`${name}.huiju`)])).toMatchObject({ code: 0, stderr: '' });
      }
    } finally {
      isOver = true;
      await publishing;
    }
  });

  test('a backup replaces no file unless it is told to', async () => {
    writeFileSync(pathOf('taken'), 'mine');
    const refused = await server.huiju(['backup', pathOf('taken')]);
    expect(refused).toMatchObject({
      code: 1,
      stderr: `huiju: ${pathOf('taken')} exists: name another file, or say --force\n`,
    });
    expect(readFileSync(pathOf('taken'), 'utf8')).toBe('mine');
    chmodSync(pathOf('taken'), 0o644);
    expect(await server.huiju(['backup', pathOf('taken'), '--force'])).toMatchObject({ code: 0 });
    const store = join(server.folder, 'huiju.db');
    const before = readFileSync(store).subarray(0, 16);
    for (const own of [store, `${store}-wal`]) {
      expect(await server.huiju(['backup', own, '--force'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('is part of what would be backed up'),
      });
    }
    expect(readFileSync(store).subarray(0, 16)).toEqual(before);
    expect(statSync(pathOf('taken')).mode & 0o777).toBe(0o600);
  });

  test('a backup of a store that does not exist is refused, and none is made', async () => {
    const { code, stderr } = await on('nowhere', ['backup', pathOf('nothing.huiju')]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `huiju: there is no store at ${pathOf('nowhere/data/huiju.db')}, where HUIJU_STORE points to\n`,
    });
    expect([existsSync(pathOf('nowhere')), existsSync(pathOf('nothing.huiju'))]).toEqual([false, false]);
  });

  test('a place that cannot be written is named, and nothing is left', async () => {
    const { code, stderr } = await server.huiju(['backup', pathOf('no/such/folder.huiju')]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `huiju: cannot write ${pathOf('no/such/folder.huiju')}: the folder ${pathOf('no/such')} does not exist; make it, or name another\n`,
    });
  });

  test('a folder is no place for a backup, with --force neither, and no backup', async () => {
    mkdirSync(pathOf('a-folder'));
    for (const force of [[], ['--force']]) {
      expect(await server.huiju(['backup', pathOf('a-folder'), ...force])).toMatchObject({
        code: 1,
        stderr: `huiju: cannot write ${pathOf('a-folder')}: it is a folder; name a file in it\n`,
      });
    }
    expect(await on('from-a-folder', ['restore', pathOf('a-folder')])).toMatchObject({
      code: 1,
      stderr: `huiju: cannot restore ${pathOf('a-folder')}: it is a folder\n`,
    });
  });

  test('a backup that does not read back whole is not made', async () => {
    mkdirSync(pathOf('unsound'));
    const store = pathOf('unsound/huiju.db');
    await (await openStore({ kind: 'sqlite', path: store })).close();
    const db = new Database(store);
    db.exec(
      `INSERT INTO collections (id, high_water, generation, versions, bytes) VALUES ('${randomUUID()}', 1, 1, 2, 99)`,
    );
    db.close();
    const { code, stdout, stderr } = await runHuiju(['backup', pathOf('unsound/b')], {
      env: { HUIJU_STORE: `sqlite:${store}` },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('the store that it is of was damaged: objects of the collection');
    expect(readdirSync(pathOf('unsound')).filter((name) => name.startsWith('b'))).toEqual([]);
  });

  test.each<[string, (path: string) => void, RegExp]>([
    [
      'truncated',
      (path) => truncateSync(path, statSync(path).size - 10),
      /it is damaged: it ends too early, after \d+ bytes/,
    ],
    [
      'damaged',
      (path) => {
        const bytes = readFileSync(path);
        bytes.fill(0, 300, 310);
        writeFileSync(path, bytes);
      },
      /it is damaged/,
    ],
    [
      'foreign',
      (path) => writeFileSync(path, '{"type":"bundle"}'),
      /it is not a backup of Huiju: `huiju backup` writes them/,
    ],
    ['empty', (path) => writeFileSync(path, ''), /it is empty/],
  ])('a %s file is one clear line and leaves nothing', async (name, spoil, reason) => {
    const path = pathOf(`${name}.huiju`);
    cpSync(pathOf('b.huiju'), path);
    spoil(path);
    const { code, stdout, stderr } = await on(`from-${name}`, ['restore', path]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(reason);
    expect(stderr.startsWith(`huiju: ${path}: `)).toBe(true);
    expect(stderr.match(/\n/g)).toHaveLength(1);
    expect(existsSync(pathOf(`from-${name}`))).toBe(false);
  });

  test('a file that is not there is said so', async () => {
    const { code, stderr } = await on('absent', ['restore', pathOf('absent.huiju')]);
    expect(code).toBe(1);
    expect(stderr).toBe(`huiju: cannot restore ${pathOf('absent.huiju')}: there is no such file\n`);
  });

  test('a store that is there is kept', async () => {
    const store = pathOf('first/data/huiju.db');
    const { code, stderr } = await on('first', ['restore', pathOf('b.huiju')]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `huiju: there is something at ${store} already: move it away, or set HUIJU_STORE to another place\n`,
    );
  });

  test('files of API roots that are there and other than in the backup are kept, and named', async () => {
    cpSync(pathOf('first/collections'), pathOf('other/collections'), { recursive: true });
    writeFileSync(pathOf('other/collections/hub.json'), '{}');
    writeFileSync(pathOf('other/collections/new.json'), '{}');
    const { code, stderr } = await on('other', ['restore', pathOf('b.huiju')]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${pathOf('other/collections')} has files that the backup has not, or otherwise: `);
    expect(stderr).toContain('move them away, or set HUIJU_COLLECTIONS to another folder');
    expect(stderr).toContain('hub.json, new.json');
    expect(existsSync(pathOf('other/data'))).toBe(false);
  });

  test('files of API roots that are there as in the backup are no hindrance', async () => {
    cpSync(pathOf('first/collections'), pathOf('equal/collections'), { recursive: true });
    expect(await on('equal', ['restore', pathOf('b.huiju')])).toMatchObject({ code: 0, stderr: '' });
  });

  test('the files that the project ships give way to those of the backup, where nobody has changed them', async () => {
    mkdirSync(pathOf('edited'));
    writeFileSync(pathOf('edited/hub.json'), '{"api_root":"hub","title":"Ours","default":true,"collections":[]}');
    const places = { HUIJU_STORE: `sqlite:${pathOf('first/data/huiju.db')}`, HUIJU_COLLECTIONS: pathOf('edited') };
    expect(await runHuiju(['backup', pathOf('edited.huiju')], { env: places })).toMatchObject({ code: 0 });
    cpSync(join(root, 'collections'), pathOf('clone/collections'), { recursive: true });
    const failed = await on('clone', ['restore', pathOf('edited.huiju')], { HUIJU_STORE: 'sqlite:/dev/null/huiju.db' });
    expect(failed.code).toBe(1);
    for (const name of readdirSync(join(root, 'collections'))) {
      expect(readFileSync(pathOf(`clone/collections/${name}`))).toEqual(readFileSync(join(root, 'collections', name)));
    }
    const { code, stdout } = await on('clone', ['restore', pathOf('edited.huiju')]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/; shipped files that gave way to the backup's: hub\.json, inbox\.json, public\.json\n$/);
    expect(readdirSync(pathOf('clone/collections'))).toEqual(['hub.json']);
    expect(readFileSync(pathOf('clone/collections/hub.json'))).toEqual(readFileSync(pathOf('edited/hub.json')));
  });

  test('the files that the project ships are known by their content', () => {
    const folder = join(root, 'collections');
    const digests = readdirSync(folder).map((name) => {
      const content = readFileSync(join(folder, name));
      return [name, createHash('sha256').update(content).digest('hex')];
    });
    // Who changes a file there changes its line in src/cli/restore.ts.
    expect(shippedDeclarations).toEqual(Object.fromEntries(digests));
  });

  test('what restoring has written is removed when the store cannot be made', async () => {
    writeFileSync(pathOf('blocker'), '');
    const env = { HUIJU_STORE: `sqlite:${pathOf('blocker/huiju.db')}` };
    const { code, stderr } = await on('blocked', ['restore', pathOf('b.huiju')], env);
    expect({ code, lines: stderr.match(/\n/g)?.length }).toEqual({ code: 1, lines: 1 });
    expect(stderr).toContain(`the store ${pathOf('blocker/huiju.db')} cannot be written: `);
    expect(existsSync(pathOf('blocked'))).toBe(false);
  });
});
