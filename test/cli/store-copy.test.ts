import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MongoClient } from 'mongodb';
import { useTempFolder } from '../store/temp-folder.ts';
import { runHuiju } from '../support/huiju.ts';
import { type Engine, findEngine, startEngine } from '../support/mongodb.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { ask, newIdentity } from '../support/taxii-server.ts';

const found = findEngine();
const pathOf = useTempFolder();
const objectsPath = '/hub/collections/indicators/objects/';
const indicators = '91a7b528-80eb-42ed-a74d-c6fbd5a26116';
const password = 'a password for tests';
const ann = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`;
const sqlite = (name: string) => `sqlite:${pathOf(`${name}/huiju.db`)}`;
const copy = (from: string, to: string) => runHuiju(['store', 'copy', from, to]);

interface Envelope {
  readonly objects: readonly { readonly id: string }[];
  readonly next?: string;
}

describeWith('mongodb', 'missing' in found ? found.missing : undefined, 'huiju store copy', () => {
  let engine: Engine;
  let server: RunningServer;
  let token: string;
  const identities = Array.from({ length: 5 }, () => newIdentity());
  const publish = (url: string, objects: readonly object[]) =>
    ask(url, objectsPath, { authorization: ann, body: { objects } });

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    server = await runServer({ env: { HUIJU_STORE: sqlite('first') } });
    await server.huiju(['user', 'add', 'ann', '--role', 'publisher', '--password-stdin'], { input: `${password}\n` });
    token = (await server.huiju(['token', 'create', 'ann'])).stdout.trim();
    expect((await publish(server.url, identities)).status).toBe(202);
  });
  afterAll(async () => {
    await server?.stop();
    await engine?.stop();
  });

  test('carries a site to MongoDB and back: users, tokens, statuses and the cursors of pollers stay valid', async () => {
    const first = await ask(server.url, `${objectsPath}?limit=3`, { authorization: ann });
    const { next } = first.json<Envelope>();
    let [from, published] = [sqlite('first'), 5];
    for (const to of [engine.newUrl(), sqlite('third')]) {
      const { code, stdout, stderr } = await copy(from, to);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`: ${published} objects, 1 collection, 0 tombstones, 3 records, `);
      expect(stdout).toMatch(/\nread back and the same, sum of SHA-256 [0-9a-f]{64}\n$/);
      const second = await runServer({ env: { HUIJU_STORE: to } });
      try {
        expect((await ask(second.url, `${objectsPath}?limit=3`, { authorization: ann })).text).toBe(first.text);
        const rest = await ask(second.url, `${objectsPath}?next=${next}&limit=2`, { authorization: `Bearer ${token}` });
        expect(rest.json<Envelope>().objects.map(({ id }) => id)).toEqual(identities.slice(3).map(({ id }) => id));
        const all = await ask(second.url, objectsPath, { authorization: ann });
        const later = newIdentity();
        const status = await publish(second.url, [later]);
        const after = String(all.headers['x-taxii-date-added-last']);
        const polled = await ask(second.url, `${objectsPath}?added_after=${after}`, { authorization: ann });
        expect(polled.json<Envelope>().objects).toMatchObject([{ id: later.id }]);
        const { id } = status.json<{ id: string }>();
        expect((await ask(second.url, `/hub/status/${id}/`, { authorization: ann })).text).toBe(status.text);
      } finally {
        await second.stop();
      }
      [from, published] = [to, published + 1];
    }
  });

  test('copies a store in use, and says that it has changed', async () => {
    let isOver = false;
    const publishing = (async () => {
      while (!isOver) await publish(server.url, [newIdentity()]);
    })();
    try {
      for (const to of [engine.newUrl(), sqlite('busy')]) {
        const { code, stdout, stderr } = await copy(sqlite('first'), to);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toMatch(
          /\n1 collection of .* changed meanwhile: .* stop its servers and copy again into an empty/,
        );
      }
    } finally {
      isOver = true;
      await publishing;
    }
  });

  test('that was killed in mid-copy is gone on with by the same command, and by no other', async () => {
    const to = engine.newUrl();
    const client = await MongoClient.connect(to);
    const folder = pathOf('first');
    // What a run leaves that was killed before it was complete.
    const restoring = { run: 'killed', copy_of: `${folder}/huiju.db` };
    const meta = client.db().collection<{ _id: string }>('meta');
    await meta.insertOne({ _id: 'store', ...{ application: 'huiju', layout: 1, restoring } });
    const versions = client.db().collection('versions');
    await versions.insertOne({ collection: indicators, date_added: 1, id: 'x', identity: 'x' });
    const other = await copy(sqlite('third'), to);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(
      /^huiju: .*first\/huiju\.db is being copied .* run the same `huiju store copy` again, or drop the database\n$/,
    );
    expect(await copy(sqlite('first'), to)).toMatchObject({ code: 0, stderr: '' });
    expect(await versions.countDocuments({ date_added: 1 })).toBe(0);
    await client.close();
  });

  test('takes a URL from a file, and never shows its password', async () => {
    const secret = pathOf('url');
    writeFileSync(secret, `${engine.newUrl().replace('//', '//huiju:s3cret@')}\n`);
    const { code, stdout, stderr } = await copy(sqlite('first'), `@${secret}`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^huiju: the store mongodb:\/\/[^@]* cannot be opened: .*\n$/);
    expect(stdout + stderr).not.toContain('s3cret');
  });
});

describe('huiju store copy refuses', () => {
  test.each([
    [
      'there is nothing to copy',
      'sqlite:./no/such.db',
      'sqlite:./a.db',
      /there is no store at .*such\.db: name the one/,
    ],
    ['a place that is none', 'huiju.db', 'sqlite:./a.db', /^huiju: FROM must be sqlite:PATH/],
    [
      'a file that is not there',
      'sqlite:./a.db',
      '@/no/such',
      /^huiju: TO is @\/no\/such: the file cannot be read: there/,
    ],
  ])('where %s', async (_case, from, to, message) => {
    const { code, stdout, stderr } = await copy(from, to);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('to copy a store over itself', async () => {
    const store = sqlite('own');
    expect((await runHuiju(['user', 'list'], { env: { HUIJU_STORE: store } })).code).toBe(0);
    const { code, stderr } = await copy(store, store);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^huiju: there is something at .*huiju\.db already/);
    expect(existsSync(pathOf('own/huiju.db'))).toBe(true);
  });
});
