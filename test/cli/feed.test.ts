import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { startScriptedServer } from '../support/scripted-server.ts';
import { ids, newIdentity, password, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { useHuiju } from './use-huiju.ts';

const { pathOf, huiju } = useHuiju();
let server: TestServer;
const secret = 'a secret that nobody sees';

beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

function feed(...args: string[]) {
  return huiju(['feed', ...args], { input: `${password}\n`, env: { A_PASSWORD: secret } });
}

async function show(name: string): Promise<Record<string, unknown>> {
  return JSON.parse((await feed('show', name, '--json')).stdout);
}

const login = ['--user', 'member', '--password-stdin', '--allow-private'];
const upstream = () => ['--from', `${server.url}/main/`, '--source', 'rw'];
const ours = ['--to', 'hub/indicators'];

describe('huiju feed', () => {
  test('adds a feed, tries it, runs it and shows it', async () => {
    const objects = [newIdentity(), newIdentity()];
    await server.publish(objects);
    expect(await feed('add', 'up', ...upstream(), ...ours, ...login)).toMatchObject({ code: 0, stderr: '' });
    expect((await feed('test', 'up')).stdout).toContain('2 objects in the first page, added there from ');
    const run = await feed('run', 'up');
    expect(run).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('completed: 2 added, 0 duplicate, 0 refused'),
    });
    expect(await show('up')).toMatchObject({
      name: 'up',
      direction: 'pull',
      to: 'hub/indicators',
      schedule: 'by hand',
      login: 'basic as member',
      state: 'completed',
      next_run_at: null,
      last_run: { outcome: 'completed', added: 2 },
      totals: { added: 2 },
      quarantined: 0,
    });
  });

  test('lists feeds and their runs, and removes one; what it has brought stays', async () => {
    expect(await feed('run', 'up', '--compare')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not mirrored'),
    });
    expect((await feed('list')).stdout).toMatch(/^up +http:.* rw +hub\/indicators +completed /m);
    expect((await feed('history', 'up')).stdout).toMatch(/completed +2 +0 +0 +0 +0 /);
    expect((await feed('remove', 'up')).stdout).toBe('Feed up is removed.\n');
    expect(await feed('show', 'up')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no feed "up"'),
    });
    const exported = await huiju(['export', '--collection', 'hub/indicators', '--format', 'ndjson']);
    expect(exported.stdout.split('\n').filter((line) => line !== '')).toHaveLength(2);
  });

  test('changes what it is told to, and leaves the rest', async () => {
    await feed(
      'add',
      'change',
      ...upstream(),
      ...ours,
      ...login,
      '--every',
      '15m',
      '--type',
      'malware,tool',
      '--ceiling',
      'green',
    );
    expect(await show('change')).toMatchObject({
      schedule: 'every 15m',
      filters: { versions: 'all', types: ['malware', 'tool'] },
      ceiling: 'green',
      next_run_at: expect.any(String),
    });
    expect(await feed('edit', 'change', '--cron', '0 3 * * *', '--type', 'all', '--full', '--no-login')).toMatchObject({
      code: 0,
    });
    expect(await show('change')).toMatchObject({
      schedule: 'cron 0 3 * * *',
      filters: { versions: 'all' },
      ceiling: 'green',
      full: true,
      login: null,
      allow_private: true,
    });
    await feed('edit', 'change', '--every', 'none', '--ceiling', 'none', '--incremental', '--refuse-private');
    expect(await show('change')).toMatchObject({
      schedule: 'by hand',
      ceiling: null,
      full: false,
      allow_private: false,
    });
    await feed('pause', 'change');
    expect(await show('change')).toMatchObject({ state: 'paused', paused: true });
    await feed('resume', 'change');
    expect(await show('change')).toMatchObject({ paused: false });
  });

  test('shows credentials nowhere, neither in the store nor in what it says', async () => {
    const options = ['--user', 'member', '--password-env', 'A_PASSWORD', '--allow-private'];
    const outputs = [
      await feed('add', 'sealed', ...upstream(), ...ours, ...options),
      await feed('show', 'sealed'),
      await feed('show', 'sealed', '--json'),
      await feed('list', '--json'),
      await feed('test', 'sealed'),
      await feed('run', 'sealed'),
      await feed('history', 'sealed'),
    ];
    for (const { stdout, stderr } of outputs) expect(stdout + stderr).not.toContain(secret);
    expect(outputs[5]).toMatchObject({ code: 1, stdout: expect.stringContaining('401') });
    for (const file of readdirSync(pathOf('data'))) {
      expect(readFileSync(pathOf(`data/${file}`)).includes(secret)).toBe(false);
    }
  });

  test('takes a password from the first line of a file', async () => {
    writeFileSync(pathOf('password'), `${password}\nnot this\n`);
    await feed(
      'add',
      'file',
      ...upstream(),
      ...ours,
      '--user',
      'member',
      '--password-file',
      pathOf('password'),
      '--allow-private',
    );
    expect(await feed('test', 'file')).toMatchObject({ code: 0 });
  });

  test('lists what a server has, and what may be read there', async () => {
    const { stdout } = await feed('discover', server.url, ...login);
    expect(stdout).toContain(`${server.url}/main/`);
    expect(stdout).toMatch(new RegExp(`${ids.rw} +Read and write +read, write`));
    expect(stdout).toMatch(new RegExp(`${ids.ro} +Read only +read$`, 'm'));
  });

  test('refuses private addresses unless it is told otherwise', async () => {
    const { code, stderr } = await feed('discover', server.url);
    expect(code).toBe(1);
    expect(stderr).toContain('is a loopback address');
    expect(stderr).not.toContain('internal error');
  });

  test('pushes to a folder, follows a folder and reads standard input', async () => {
    mkdirSync(pathOf('out'));
    const object = newIdentity();
    await huiju(['import', '-', '--collection', 'hub/groups'], { input: JSON.stringify({ objects: [object] }) });
    await feed('add', 'out', '--from', 'hub/groups', '--to', pathOf('out'));
    expect((await feed('run', 'out')).stdout).toContain('completed: 1 added');
    await feed('add', 'in', '--from', pathOf('out'), '--to', 'hub/reports');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await feed('run', 'in')).stdout).toContain('completed: 1 added');
    await feed('add', 'stream', '--from', '-', '--to', 'hub/reports');
    const input = JSON.stringify({ type: 'bundle', id: 'bundle--1', objects: [object, newIdentity()] });
    const { stdout } = await huiju(['feed', 'run', 'stream'], { input });
    expect(stdout).toContain('completed: 1 added, 1 duplicate');
  });

  test('shows what others wrote without letting it steer the terminal', async () => {
    const hostile = 'E\u001b[31m\u009b\u202e';
    const collections = [{ id: 'c1', title: hostile, can_read: true, can_write: false, media_types: [] }];
    const scripted = await startScriptedServer(({ path }) => {
      if (path === '/taxii2/') return { body: { title: hostile, api_roots: ['/api/'] } };
      if (path === '/api/') return { body: { title: hostile, versions: [] } };
      return path === '/api/collections/' ? { body: { collections } } : { status: 404 };
    });
    await feed('add', 'hostile', '--from', `${scripted.url}/api/`, '--source', 'no', ...ours, '--allow-private');
    const said = [
      await feed('discover', scripted.url, '--allow-private'),
      await feed('discover', scripted.url, '--allow-private', '--json'),
      await feed('test', 'hostile'),
      await feed('run', 'hostile'),
      await feed('list'),
      await feed('show', 'hostile'),
      await feed('show', 'hostile', '--json'),
      await feed('history', 'hostile', '--json'),
    ];
    await scripted.close();
    for (const { stdout, stderr } of said) expect(stdout + stderr).not.toMatch(/[^\P{C}\n]/u);
    expect(said[0]?.stdout).toContain('E?[31m??');
    expect(JSON.parse(said[1]?.stdout ?? '')).toMatchObject({
      title: hostile,
      roots: [{ collections: [{ title: hostile }] }],
    });
    expect(said[2]?.stderr).toContain('has no collection "no": there are c1 (E?[31m??)');
  });

  test('trusts the authority that it is given, and shows its client certificate', async () => {
    const pair = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      keySize: 2048,
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    const [cert, key] = [pathOf('cert.pem'), pathOf('key.pem')];
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.private);
    const object = newIdentity();
    const secure = await startScriptedServer(
      (_asked, { socket }) =>
        'authorized' in socket && socket.authorized ? { body: { more: false, objects: [object] } } : { status: 401 },
      { cert: pair.cert, key: pair.private, ca: pair.cert, requestCert: true },
    );
    const from = ['--from', `${secure.url}/api/`, '--source', ids.rw, ...ours, '--allow-private'];
    await feed('add', 'tls', ...from);
    expect((await feed('test', 'tls')).stderr).toContain('its certificate is signed by itself');
    await feed('edit', 'tls', '--ca', cert);
    expect((await feed('test', 'tls')).stderr).toContain('(401)');
    await feed('edit', 'tls', '--cert', cert, '--key', key);
    expect((await feed('run', 'tls')).stdout).toContain('completed: 1 added');
    renameSync(key, `${key}.away`);
    const missing = await feed('test', 'tls');
    await feed('edit', 'tls', '--cert', 'none', '--key', 'none');
    expect(await show('tls')).toMatchObject({ tls: { ca: cert } });
    await secure.close();
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining(`the file ${key} of its TLS settings`) });
  });

  test('refuses a password in a URL, and does not show it', async () => {
    const url = server.url.replace('//', '//anna:sesame@');
    for (const { code, stdout, stderr } of [
      await feed('discover', url, '--allow-private'),
      await feed('add', 'url', '--from', `${url}/main/`, '--source', 'rw', ...ours),
    ]) {
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('give user and password as the login of the feed, not in the URL');
      expect(stderr).not.toContain('sesame');
    }
  });

  test('does not make a key to open logins with: it says which file is missing', async () => {
    await feed('add', 'keyless', ...upstream(), ...ours, ...login);
    renameSync(pathOf('data/secret-key'), pathOf('away'));
    const tried = await feed('test', 'keyless');
    expect(existsSync(pathOf('data/secret-key'))).toBe(false);
    renameSync(pathOf('away'), pathOf('data/secret-key'));
    expect(tried).toMatchObject({ code: 1, stderr: expect.stringContaining('secret-key is missing') });
    expect(await feed('test', 'keyless')).toMatchObject({ code: 0 });
  });

  test('seals logins anew with another key, and says which it cannot open', async () => {
    await feed('add', 'rotated', ...upstream(), ...ours, ...login);
    renameSync(pathOf('data/secret-key'), pathOf('old-key'));
    writeFileSync(pathOf('data/secret-key'), `${'5a'.repeat(32)}\n`, { mode: 0o600 });
    const refused = await feed('reseal');
    expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('0 logins sealed anew') });
    expect(refused.stderr).toMatch(
      /--old-key-file[\s\S]*\n {2}rotated: the secret of feed:rotated is sealed with the key /,
    );
    const missing = await feed('reseal', '--old-key-file', pathOf('nowhere'));
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('nowhere cannot be read') });
    const renewed = await feed('reseal', '--old-key-file', pathOf('old-key'));
    expect(renewed).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/sealed anew.*; 0 had been/) });
    expect(await feed('test', 'rotated')).toMatchObject({ code: 0 });
    expect(await feed('reseal')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^0 logins sealed anew/) });
  });

  test('asks for what was added after a time, and for some ids', async () => {
    const objects = [newIdentity(), newIdentity()];
    await server.publish(objects);
    const [first] = objects;
    await feed('add', 'some', ...upstream(), ...ours, ...login, '--id', first?.id ?? '', '--added-after', '2026-01-01');
    expect(await show('some')).toMatchObject({
      filters: { versions: 'all', ids: [first?.id], addedAfter: '2026-01-01T00:00:00.000000Z' },
    });
    expect((await feed('run', 'some')).stdout).toContain('completed: 1 added, 0 duplicate');
    await feed('edit', 'some', '--id', 'all', '--added-after', '2999-01-01');
    expect((await feed('run', 'some')).stdout).toContain('completed: 0 added, 0 duplicate');
    await feed('edit', 'some', '--added-after', 'none');
    expect(await show('some')).toMatchObject({ filters: { versions: 'all' } });
    expect((await feed('run', 'some')).stdout).toMatch(/completed: \d+ added, \d*[1-9]\d* duplicate|completed: [1-9]/);
  });

  test('asks for versions of objects and of STIX', async () => {
    const object = newIdentity();
    await server.publish([object]);
    const [id, version] = [object.id, String(object.modified)];
    await feed('add', 'versions', ...upstream(), ...ours, ...login, '--id', id, '--versions', `first,${version}`);
    expect((await feed('run', 'versions')).stdout).toContain('completed: 1 added, 0 duplicate');
    await feed('edit', 'versions', '--versions', '1999-01-01T00:00:00Z');
    expect((await feed('run', 'versions')).stdout).toContain('completed: 0 added, 0 duplicate');
    await feed('edit', 'versions', '--versions', 'all', '--spec-version', '2.0');
    expect((await show('versions')).filters).toEqual({ versions: 'all', ids: [id], specVersions: ['2.0'] });
    expect((await feed('run', 'versions')).stdout).toContain('completed: 0 added, 0 duplicate');
    await feed('edit', 'versions', '--spec-version', 'all');
    expect((await feed('run', 'versions')).stdout).toContain('completed: 0 added, 1 duplicate');
  });

  test('says in a line what cannot be', async () => {
    const { code, stdout, stderr } = await feed('add', 'wrong', '--from', './a', '--to', './b');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^huiju: one end is a collection here, .*\n$/);
  });
});

describe('huiju feed quarantine', () => {
  const bad = newIdentity({ name: 5 });
  const worse = newIdentity({ created: 'yesterday' });

  beforeAll(async () => {
    mkdirSync(pathOf('spool'));
    await feed('add', 'spool', '--from', '-', ...ours);
    await huiju(['feed', 'run', 'spool'], { input: JSON.stringify({ objects: [bad, worse, newIdentity()] }) });
  });

  test('lists, shows and exports what was refused', async () => {
    expect(await show('spool')).toMatchObject({ quarantined: 2, last_run: { added: 1, refused: 2 } });
    const entries: { key: string; id: string; errors: object[] }[] = JSON.parse(
      (await feed('quarantine', 'list', 'spool', '--json')).stdout,
    );
    expect(entries.map(({ id }) => id)).toEqual([bad.id, worse.id]);
    const [first] = entries;
    const shown = JSON.parse((await feed('quarantine', 'show', 'spool', first?.key.slice(0, 10) ?? '')).stdout);
    expect(JSON.parse(shown.text)).toEqual(bad);
    const { stdout } = await feed('quarantine', 'export', 'spool');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([bad, worse]);
    expect((await feed('quarantine', 'export', 'spool', '--out', pathOf('exported'))).stdout).toContain(
      '2 objects written',
    );
    expect(readFileSync(pathOf('exported'), 'utf8')).toBe(stdout);
    expect(await feed('quarantine', 'export', 'spool', '--out', pathOf('exported'))).toMatchObject({ code: 1 });
  });

  test('neither exports nor tries again what is kept only in part', async () => {
    await feed('add', 'broken', '--from', '-', ...ours);
    await huiju(['feed', 'run', 'broken'], { input: `${JSON.stringify(bad)}\n{"id":\u001b[31m\n` });
    const { stdout, stderr } = await feed('quarantine', 'export', 'broken');
    expect(JSON.parse(stdout)).toEqual(bad);
    expect(stderr).toBe('huiju: left out 1 text kept only in part\n');
    expect((await feed('quarantine', 'retry', 'broken')).stdout).toBe(
      '0 taken, 1 refused again; of 1 other only a part is kept: run the feed with --from-start\n',
    );
  });

  test('tries again, and drops', async () => {
    expect(await feed('quarantine', 'retry', 'spool')).toMatchObject({ code: 1, stdout: '0 taken, 2 refused again\n' });
    const entries: { key: string; times: number }[] = JSON.parse(
      (await feed('quarantine', 'list', 'spool', '--json')).stdout,
    );
    expect(entries.map(({ times }) => times)).toEqual([2, 2]);
    expect(await feed('quarantine', 'drop', 'spool')).toMatchObject({ code: 1 });
    expect((await feed('quarantine', 'drop', 'spool', entries[0]?.key ?? '')).stdout).toContain('1 object dropped');
    expect((await feed('quarantine', 'drop', 'spool', '--all')).stdout).toContain('1 object dropped');
    expect(await show('spool')).toMatchObject({ quarantined: 0 });
  });
});
