import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { useTempFolder } from '../store/temp-folder.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { ask, newIdentity } from '../support/taxii-server.ts';

const pathOf = useTempFolder();
const password = 'a password for tests';
const as = (name: string, secret = password) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;
const openId = '0f5c2a7e-4f0e-4b53-9f5f-2d5f0c5b8a61';
const quietId = '0f5c2a7e-4f0e-4b53-9f5f-2d5f0c5b8a62';
const apiRoot = {
  api_root: 'hub',
  title: 'Hub',
  collections: [
    { id: openId, alias: 'open', title: 'Open', read: ['user:ann'], write: ['user:ann'] },
    { id: quietId, alias: 'quiet', title: 'Quiet', read: ['members'], expire_after: '720h' },
  ],
};
const agents = { 'User-Agent': 'poller/1.0' };

describe('what operators see of use', () => {
  let server: RunningServer;
  const path = '/hub/collections/open/objects/';
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await server.huiju(args);
    return { code, stdout, stderr };
  };
  const json = async (...args: string[]): Promise<Record<string, unknown>[]> =>
    JSON.parse((await run(...args, '--json')).stdout);

  beforeAll(async () => {
    const collections = pathOf('collections');
    mkdirSync(collections);
    mkdirSync(pathOf('data'));
    writeFileSync(pathOf('collections/hub.json'), JSON.stringify(apiRoot));
    const options = { folder: pathOf('data'), collections };
    server = await runServer(options);
    for (const name of ['ann', 'bob'])
      await server.huiju(['user', 'add', name, '--password-stdin'], { input: `${password}\n` });
    const ann = { authorization: as('ann'), headers: agents };
    await ask(server.url, path, { ...ann, body: { objects: [newIdentity(), newIdentity()] } });
    await ask(server.url, `${path}?limit=1`, ann);
    await ask(server.url, `${path}?limit=10`, ann);
    await ask(server.url, path, { authorization: as('bob') });
    await ask(server.url, path, { as: null });
    await ask(server.url, path, { authorization: as('ann', 'wrong password') });
    await ask(server.url, '/hub/collections/none/objects/', ann);
    await ask(server.url, `/hub/collections/${openId}/manifest/`, { ...ann, method: 'HEAD' });
    await ask(server.url, `/hub/collections/open/`, { ...ann, method: 'PATCH' });
    // What was asked survives the end of the server.
    await server.stop();
    server = await runServer(options);
  });
  afterAll(() => server?.stop());

  test('huiju access tells each request to a collection, refused ones too, the newest last', async () => {
    const entries = await json('access', '--collection', 'hub/open');
    expect(
      entries.map(({ user, method, endpoint, status, objects }) => [user, method, endpoint, status, objects]),
    ).toEqual([
      ['ann', 'POST', 'objects', 202, 2],
      ['ann', 'GET', 'objects', 200, 1],
      ['ann', 'GET', 'objects', 200, 2],
      ['bob', 'GET', 'objects', 404, 0],
      [null, 'GET', 'objects', 401, 0],
      [null, 'GET', 'objects', 401, 0],
      ['ann', 'HEAD', 'manifest', 200, 2],
      ['ann', 'PATCH', 'collection', 405, 0],
    ]);
    expect(entries[1]).toMatchObject({ client: '127.0.0.1', agent: 'poller/1.0', time: expect.stringMatching(/Z$/) });
    expect(entries[1]?.bytes).toBeGreaterThan(100);
    expect(entries[6]?.bytes).toBe(0);
    expect(entries[3]).toMatchObject({ error_code: 'not-found' });
    expect(entries[1]).not.toHaveProperty('error_code');
  });

  test('huiju access shows a table, and no more than it is asked for', async () => {
    const { code, stdout, stderr } = await run('access', '--collection', 'open', '--limit', '3');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^TIME \(UTC\) +USER +CLIENT +METHOD +ENDPOINT +STATUS +OBJECTS +BYTES +TOOK +AGENT$/);
    expect(lines[3]).toMatch(/ann +127\.0\.0\.1 +PATCH +collection +405 method-not-allowed/);
    expect(stderr).toBe('huiju: only the newest 3 are shown; --limit takes more\n');
  });

  test('huiju access --summary counts by user and client', async () => {
    const summary = await json('access', '--collection', 'open', '--summary');
    expect(summary).toEqual([
      expect.objectContaining({ user: 'ann', agent: 'poller/1.0', polls: 2, objects: 3, published: 2, refused: 1 }),
      expect.objectContaining({ user: null, polls: 0, refused: 2 }),
      expect.objectContaining({ user: 'bob', polls: 0, objects: 0, refused: 1 }),
    ]);
    const { stdout } = await run('access', '--collection', 'open', '--summary');
    expect(stdout).toMatch(/^USER +CLIENT +POLLS +OBJECTS +PUBLISHED +REFUSED +LAST \(UTC\) +AGENT\nann +127/);
  });

  test('huiju access finds by user and by time', async () => {
    expect(await json('access', '--collection', 'open', '--user', 'bob')).toHaveLength(1);
    const entries = await json('access', '--collection', 'open');
    const since = String(entries[6]?.time);
    expect(await json('access', '--collection', 'open', '--since', since)).toHaveLength(2);
    expect(await json('access', '--collection', 'open', '--since', '30m')).toHaveLength(8);
    expect(await json('access', '--collection', 'open', '--since', '2999-01-01')).toEqual([]);
    expect(await json('access', '--collection', 'quiet')).toEqual([]);
  });

  test.each([
    [['--since', 'yesterday'], /--since.*Give a time span such as 30m/s, 2],
    [['--limit', '0'], /--limit.*Give a whole number/s, 2],
    [['--user', 'nobody'], /there is no user "nobody"/, 1],
  ])('huiju access %j is refused', async (args, reason, expected) => {
    const { code, stderr } = await run('access', '--collection', 'open', ...args);
    expect(code).toBe(expected);
    expect(stderr).toMatch(reason);
  });

  test('huiju user list has the number of requests and the last', async () => {
    const users = await json('user', 'list');
    expect(users.map(({ name, requests }) => [name, requests])).toEqual([
      ['admin', 0],
      ['ann', 5],
      ['bob', 1],
    ]);
    expect(users.map(({ last_request }) => last_request)).toEqual([null, expect.any(String), expect.any(String)]);
    expect((await run('user', 'list')).stdout).toMatch(/^NAME .* REQUESTS +LAST REQUEST\nadmin .* 0 +never\n/);
  });

  test('huiju collection list has what each holds and who may use it, also when it left the files', async () => {
    const [open, quiet] = await json('collection', 'list');
    expect(open).toMatchObject({
      api_root: 'hub',
      id: openId,
      alias: 'open',
      read: ['user:ann'],
      expire_after: null,
      objects: 2,
    });
    expect(open?.last_date_added).toMatch(/^\d{4}-.*\.\d{6}Z$/);
    expect(quiet).toMatchObject({
      alias: 'quiet',
      title: 'Quiet',
      expire_after: '30d',
      objects: 0,
      bytes: 0,
      last_date_added: null,
    });
    mkdirSync(pathOf('others'));
    const [, others] = apiRoot.collections;
    writeFileSync(pathOf('others/hub.json'), JSON.stringify({ ...apiRoot, collections: [others] }));
    const env = { HUIJU_COLLECTIONS: pathOf('others') };
    const listed = await server.huiju(['collection', 'list', '--json'], { env });
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id: quietId }, { id: openId, api_root: null, objects: 2 }]);
    const { stdout } = await server.huiju(['collection', 'list'], { env });
    expect(stdout).toMatch(new RegExp(`–.*${openId}.* 2 .*no file declares it: not served, and kept`));
    expect(stdout).toMatch(/ EXPIRE AFTER +TITLE\n/);
    expect(stdout).toMatch(new RegExp(`${quietId}.* never +30d +Quiet`));
  });
});
