import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { environment, program, root, runProgram } from '../support/huiju.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { ask, basic, newIdentity, password } from '../support/taxii-server.ts';
import { useHuiju } from './use-huiju.ts';

const { huiju, pathOf } = useHuiju();

function write(name: string, content: string | Buffer): string {
  const path = pathOf(name);
  writeFileSync(path, content);
  return path;
}

/** Objects spelled in ways that a parser would not give back. */
function oddTexts(): string[] {
  const stamp = '"spec_version":"2.1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.00000Z"';
  return [
    { x_number: '12345678901234567890.10e-1' },
    { x_number: '9007199254740993', name: '"\\u6c47\\u805A \\/ \\ud83d\\ude00"' },
    { x_number: '{"b":1,"a":-0,"10":1.0,"9":1e2}', name: '"汇聚 😀"' },
  ].map(({ x_number, name }) => {
    const { id } = newIdentity();
    return `{"x_number":${x_number},"type":"identity","id":"${id}",${stamp},"name":${name ?? '"ACME"'}}`;
  });
}

function bundleOf(texts: readonly string[]): string {
  return `{\n  "type": "bundle",\n  "id": "bundle--0c1d2a4e-6a31-4a36-b2f8-0c7d1a2b3c4d",\n  "objects": [\n    ${texts.join(' ,\n    ')}\n  ]\n}\n`;
}

function identities(count: number): string[] {
  return Array.from({ length: count }, () => JSON.stringify(newIdentity()));
}

async function exportTexts(collection: string, ...args: readonly string[]): Promise<string[]> {
  const { stdout, code } = await huiju(['export', '--collection', collection, '--format', 'ndjson', ...args]);
  expect(code).toBe(0);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('huiju import', () => {
  test('takes a bundle, an envelope, a single object and NDJSON, packed or not', async () => {
    const texts = identities(12);
    const [a = '', b = '', c = '', d = '', e = '', f = '', g = '', ...rest] = texts;
    const files = [
      write('bundle.json', bundleOf([a, b])),
      write('envelope.json', `{"objects":[${c}]}`),
      write('object.json', JSON.stringify(JSON.parse(d), null, 2)),
      write('lines.ndjson', `${e}\n\n${f}\n`),
      write('unnamed-lines', `${g}\n${rest[0]}`),
      write('bundle.json.gz', gzipSync(bundleOf(rest.slice(1, 3)))),
      write('bundles.jsonl.gz', gzipSync(`${JSON.stringify(JSON.parse(bundleOf([rest[3] as string])))}\n${rest[4]}\n`)),
    ];
    const { code, stdout } = await huiju(['import', ...files, '--collection', 'hub/groups']);
    expect(stdout).toContain('12 objects');
    expect(stdout).toContain('12 added, 0 duplicate, 0 failed');
    expect(code).toBe(0);
    expect((await exportTexts('groups')).sort()).toEqual([...texts].sort());
  });

  test('reads standard input', async () => {
    const [text = ''] = identities(1);
    const { code, stdout } = await huiju(['import', '-', '--collection', 'reports'], { input: bundleOf([text]) });
    expect([code, stdout]).toEqual([0, expect.stringContaining('1 added')]);
    expect(await exportTexts('reports')).toEqual([text]);
  });

  test('again is safe', async () => {
    const file = write('twice.json', bundleOf(identities(3)));
    await huiju(['import', file, '--collection', 'vulnerabilities']);
    const { code, stdout } = await huiju(['import', file, '--collection', 'vulnerabilities']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('0 added, 3 duplicate, 0 failed')]);
  });

  test('stores the good, reports the bad and fails', async () => {
    const bad = newIdentity({ modified: '2020-01-01T00:00:00.000Z' });
    const file = write('mixed.json', bundleOf([...identities(2), JSON.stringify(bad), 'null']));
    const report = pathOf('report.ndjson');
    const { code, stdout } = await huiju(['import', file, '--collection', 'vulnerabilities', '--report', report]);
    expect(code).toBe(1);
    expect(stdout).toContain('2 added, 0 duplicate, 2 failed');
    expect(stdout).toContain(`${file}:7, index 2, ${bad.id}`);
    const failures = readFileSync(report, 'utf8').trim().split('\n');
    expect(failures.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        file,
        line: 7,
        index: 2,
        id: bad.id,
        errors: [expect.objectContaining({ path: '/modified' })],
      }),
      expect.objectContaining({
        file,
        line: 8,
        index: 3,
        errors: [expect.objectContaining({ code: 'STIX-2-object' })],
      }),
    ]);
  });

  test('reports the warnings of what it stores, in the language asked for', async () => {
    const file = write('warned.json', bundleOf([JSON.stringify(newIdentity({ x_note: 'custom' })), ...identities(1)]));
    const report = pathOf('warnings.ndjson');
    const args = ['--collection', 'vulnerabilities', '--report', report, '--lang', 'zh'];
    const { code, stdout } = await huiju(['import', file, ...args]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('2 added, 0 duplicate, 0 failed, 1 warning')]);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({
      index: 0,
      errors: [],
      warnings: [{ code: 'STIX-11.1-custom-property', message: expect.stringMatching(/扩展/) }],
    });
  });

  test('stores nothing of a document that is broken anywhere, and goes on with the next file', async () => {
    const before = await exportTexts('vulnerabilities');
    const [good = ''] = identities(1);
    const broken = write('broken.json', bundleOf(identities(500)).slice(0, -4));
    const { code, stderr } = await huiju([
      'import',
      broken,
      write('good.json', good),
      '--collection',
      'vulnerabilities',
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^huiju: .*broken\.json: the text ends too early at line \d+, column \d+/m);
    expect(await exportTexts('vulnerabilities')).toEqual([...before, good]);
  });

  test.each([
    ['is cut off', (whole: Buffer) => whole.subarray(0, -6), 'the gzip data ends too early'],
    [
      'has something behind its end',
      (whole: Buffer) => Buffer.concat([whole, Buffer.from('text')]),
      'something follows',
    ],
    ['is damaged', (whole: Buffer) => Buffer.from(whole).fill(0, whole.length - 8), 'it is broken gzip'],
  ])('names a file once whose gzip %s, and stores nothing of it', async (_what, spoil, reason) => {
    const before = await exportTexts('reports');
    const file = write('spoilt.json.gz', spoil(gzipSync(bundleOf(identities(2)))));
    const { code, stderr } = await huiju(['import', file, '--collection', 'reports']);
    const told = stderr.split('\n').filter((line) => line.includes(reason));
    expect([code, told]).toEqual([1, [expect.stringMatching(/^huiju: [^:]*spoilt\.json\.gz: (?!.*spoilt)/)]]);
    expect(await exportTexts('reports')).toEqual(before);
  });

  test('reports a broken line of NDJSON by its number and takes the others', async () => {
    const [a = '', b = ''] = identities(2);
    const report = pathOf('lines-report.ndjson');
    const file = write('some.ndjson', `${a}\n{"type":\n${b}\n`);
    const { code, stdout } = await huiju(['import', file, '--collection', 'reports', '--report', report]);
    expect([code, stdout]).toEqual([1, expect.stringContaining('2 added, 0 duplicate, 1 failed')]);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ line: 2, errors: [{ code: 'malformed-json' }] });
  });

  test('a folder stands for all files in and below it that hold objects, in order, without hidden ones', async () => {
    const folder = pathOf('folder');
    for (const below of ['folder', 'folder/a', 'folder/a/deep', 'folder/.hidden']) mkdirSync(pathOf(below));
    const texts = identities(5);
    const [first = '', second = '', third = '', fourth = '', hidden = ''] = texts;
    write('folder/b.JSON', third);
    write('folder/a/deep/lines.ndjson', second);
    write('folder/a/bundle.json.gz', gzipSync(bundleOf([first])));
    write('folder/c.jsonl', fourth);
    write('folder/.hidden/x.json', hidden);
    write('folder/.y.json', hidden);
    write('folder/README.md', 'no objects');
    symlinkSync(folder, pathOf('folder/a/loop'));
    const { code, stdout, stderr } = await huiju(['import', folder, '--collection', 'indicators']);
    expect([code, stderr]).toEqual([0, `huiju: ${folder}: 4 files\n`]);
    expect(stdout).toContain('4 added, 0 duplicate, 0 failed');
    expect(await exportTexts('indicators')).toEqual([first, second, third, fourth]);
  });

  test('a folder without such files is a mistake', async () => {
    mkdirSync(pathOf('nothing'));
    const { code, stderr } = await huiju(['import', pathOf('nothing'), '--collection', 'indicators']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('nothing has no file that ends in .json')]);
  });

  test('the report names a file that is broken as a whole too', async () => {
    const report = pathOf('whole-report.ndjson');
    const file = write('whole.json', '{"objects":[}');
    await huiju(['import', file, '--collection', 'reports', '--report', report]);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toEqual({
      file,
      errors: [{ code: 'malformed-json', path: '', message: expect.stringContaining('line 1, column 13') }],
    });
  });

  test('of lines and of what standard input brings, failures are told with their line', async () => {
    const [good = ''] = identities(1);
    const lines = await huiju(['import', write('l.ndjson', `\n${good}\n{"type":"x"}\n`), '--collection', 'reports']);
    expect(lines.stdout).toContain('l.ndjson:3, ');
    const input = bundleOf([good, '{"type":"x"}']);
    expect((await huiju(['import', '-', '--collection', 'reports'], { input })).stdout).toContain('standard input:6, ');
  });

  test('interrupted it stops after the slice under way and says what is in; again it goes on', async () => {
    const texts = Array.from({ length: 400 }, () => JSON.stringify(newIdentity({ description: 'x'.repeat(8192) })));
    const env = environment({ HUIJU_STORE: `sqlite:${pathOf('data/huiju.db')}` });
    const args = [program, 'import', '-', '--collection', 'groups'];
    const before = (await exportTexts('groups')).length;
    const child = spawn(process.execPath, args, { env, cwd: root });
    const shown = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      shown.stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      shown.stderr += chunk.toString();
    });
    // Standard input stays open, so that the import would wait for ever.
    child.stdin.write(texts.map((text) => `${text}\n`).join(''));
    while ((await exportTexts('groups')).length === before);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    const added = (await exportTexts('groups')).length - before;
    expect(shown.stdout).toContain(`${added} added, 0 duplicate, 0 failed`);
    expect(shown.stderr).toContain('huiju: interrupted after 0 of 1 file');
    const again = await huiju(['import', '-', '--collection', 'groups'], { input: texts.join('\n') });
    expect(again.stdout).toContain(`${400 - added} added, ${added} duplicate, 0 failed`);
  });

  test.each([
    ['an unknown collection', ['--collection', 'nowhere'], 'there is no collection nowhere. There are: '],
    [
      'the collection that was meant',
      ['--collection', 'grups'],
      'there is no collection grups; did you mean groups? There are: hub/groups, ',
    ],
    ['an unknown user', ['--collection', 'groups', '--as', 'nobody'], 'there is no user "nobody"'],
  ])('names %s', async (_what, args, message) => {
    const { code, stderr } = await huiju(['import', write('one.json', identities(1).join()), ...args]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  });

  test.each([
    ['without objects', '{"type":"bundle","id":"bundle--0c1d2a4e-6a31-4a36-b2f8-0c7d1a2b3c4d"}', 'no member `objects`'],
    ['whose objects are no list', '{"type":"bundle","objects":{"a":1}}', '`objects` is not a list'],
    ['that is empty', '{"objects":[]}', 'the list `objects` is empty'],
  ])('says so of a document %s', async (_what, text, message) => {
    const { code, stderr } = await huiju(['import', write('hollow.json', text), '--collection', 'groups']);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    const piped = await huiju(['import', '-', '--collection', 'groups'], { input: text });
    expect([piped.code, piped.stderr]).toEqual([1, expect.stringContaining(message)]);
  });

  test('does not write its report over what it is to read', async () => {
    const file = write('precious.json', bundleOf(identities(2)));
    const before = readFileSync(file);
    const { code, stderr } = await huiju(['import', file, '--collection', 'groups', '--report', file]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is among those to import')]);
    expect(readFileSync(file)).toEqual(before);
  });

  test.each([
    ['no-folder/report.ndjson', /no-folder does not exist; make it, or name another/],
    ['.', /it is a folder; name a file in it/],
  ])('refuses the report %s before anything is imported', async (report, reason) => {
    const before = await exportTexts('groups');
    const args = ['--collection', 'groups', '--report', pathOf(report)];
    const { code, stderr } = await huiju(['import', write('unreported.json', identities(1).join()), ...args]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(reason)]);
    expect(await exportTexts('groups')).toEqual(before);
  });

  test('of a bundle on one line tells the index of each failure, and writes counts as people do', async () => {
    const texts = [...identities(1200), '{"type":"identity","id":"identity--x"}', '7'];
    const { stdout } = await huiju(['import', write('line.json', `{"objects":[${texts}]}`), '--collection', 'groups']);
    expect(stdout).toMatch(/^hub\/groups: 1,202 objects in [\d.]+ s: 1,200 added, 0 duplicate, 2 failed\n/);
    expect(stdout).toContain('line.json:1, index 1200, identity--x\n');
    expect(stdout).toContain('line.json:1, index 1201\n');
    const one = await huiju(['import', write('single.json', '{"type":"identity"}'), '--collection', 'groups']);
    expect(one.stdout).toContain('1 object in ');
  });

  test('names a file that is not there', async () => {
    const { code, stderr } = await huiju(['import', pathOf('absent.json'), '--collection', 'groups']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('there is no such file')]);
  });
});

test('of many collections an unknown name is answered with the ten nearest', async () => {
  mkdirSync(pathOf('many'));
  const collections = Array.from({ length: 30 }, (_, n) => ({
    ...{ id: randomUUID(), alias: n === 27 ? 'ransomware' : `topic-${n}`, title: `Topic ${n}` },
    ...{ read: ['members'], write: ['members'] },
  }));
  write('many/hub.json', JSON.stringify({ api_root: 'hub', title: 'Hub', collections }));
  const env = { HUIJU_COLLECTIONS: pathOf('many') };
  const { stderr } = await huiju(['export', '--collection', 'ransom'], { env });
  expect(stderr).toMatch(
    /^huiju: there is no collection ransom[^ ]*\. There are: hub\/ransomware, (?:hub\/topic-\d+, ){9}and/,
  );
  expect(stderr.endsWith('and 20 others: see `huiju collection list`\n')).toBe(true);
  const typo = await huiju(['export', '--collection', 'hub/topik-7'], { env });
  expect(typo.stderr).toContain('no collection hub/topik-7; did you mean hub/topic-7? There are: hub/topic-7, ');
});

describe('huiju export', () => {
  test('writes a bundle that can be imported again, with the tokens as they came', async () => {
    const texts = oddTexts();
    await huiju(['import', write('odd.json', bundleOf(texts)), '--collection', 'public-indicators']);
    const out = pathOf('out.json');
    const { code, stdout } = await huiju(['export', '--collection', 'public-indicators', '--out', out]);
    expect([code, stdout]).toEqual([0, `${out}: 3 objects\n`]);
    const written = readFileSync(out, 'utf8');
    for (const text of texts) expect(written).toContain(text);
    expect(JSON.parse(written)).toMatchObject({ type: 'bundle', id: expect.stringMatching(/^bundle--/) });
    const again = await huiju(['import', out, '--collection', 'public-indicators']);
    expect(again.stdout).toContain('0 added, 3 duplicate, 0 failed');
  });

  test('selects by type, version and added_after', async () => {
    const identity = newIdentity();
    const later = { ...identity, name: 'Renamed', modified: '2024-06-01T00:00:00.000Z' };
    const tool = { ...newIdentity(), type: 'tool', id: identity.id.replace('identity', 'tool'), name: 'nmap' };
    const texts = [identity, later, tool].map((object) => JSON.stringify(object));
    await huiju(['import', write('versions.json', bundleOf(texts)), '--collection', 'advisories']);
    expect(await exportTexts('advisories')).toEqual(texts.slice(1));
    expect(await exportTexts('advisories', '--match', 'version=all')).toEqual(texts);
    expect(await exportTexts('advisories', '--match', 'type=tool')).toEqual(texts.slice(2));
    expect(await exportTexts('advisories', '--added-after', '2999-01-01T00:00:00Z')).toEqual([]);
  });

  test('ends quietly when its reader has seen enough', async () => {
    await huiju(['import', '-', '--collection', 'public-indicators'], {
      input: identities(20_000).join('\n'),
    });
    const command = `"${process.execPath}" "${program}" export --collection public-indicators | head -c 100`;
    const env = { HUIJU_STORE: `sqlite:${pathOf('data/huiju.db')}` };
    const result = await runProgram('bash', ['-c', `set -o pipefail; ${command}`], { env });
    expect(result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^\{"type":"bundle"/) });
  });

  test('writes an empty collection without an empty list', async () => {
    const { stdout } = await huiju(['export', '--collection', 'inbox/submissions']);
    expect(JSON.parse(stdout)).toEqual({ type: 'bundle', id: expect.any(String) });
  });

  test.each([
    [['--match', 'colour=red'], 'one of the keys id, type, version, spec_version'],
    [['--match', 'version=newest'], 'match[version]'],
    [['--added-after', 'yesterday'], 'added_after'],
    [['--out', '/nonexistent/folder/out.json'], 'json: the folder /nonexistent/folder does not exist; make it'],
    [['--out', '/dev/null/out.json'], 'cannot write /dev/null/out.json: /dev/null is a file, not a folder'],
    [['--out', '/tmp'], 'cannot write /tmp: it is a folder; name a file in it'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await huiju(['export', '--collection', 'groups', ...args]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  });
});

describe('while a server runs on the same store', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer({ env: { HUIJU_LOG_LEVEL: 'warn' } });
  });
  afterAll(async () => {
    await server.stop();
  });

  async function walk(path: string, limit: number): Promise<string[]> {
    const texts: string[] = [];
    let query = `?limit=${limit}`;
    for (;;) {
      const { text } = await ask(server.url, `${path}${query}`, {
        authorization: basic('admin', server.adminPassword),
      });
      const start = text.indexOf('"objects":[');
      if (start >= 0) texts.push(text.slice(start + '"objects":['.length, -2));
      const next = /^\{"more":true,"next":"([^"]+)"/.exec(text)?.[1];
      if (next === undefined) return texts;
      query = `?limit=${limit}&next=${next}`;
    }
  }

  test('what is imported is polled, each object once, to the token, with pages of any size', async () => {
    const texts = [...oddTexts(), ...identities(50)];
    const { stdout } = await server.huiju(['import', write('live.json', bundleOf(texts)), '--collection', 'groups']);
    expect(stdout).toContain('53 added');
    for (const limit of [1, 7, 53, 1000]) {
      expect((await walk('/hub/collections/groups/objects/', limit)).join(',')).toBe(texts.join(','));
    }
  });

  const real = join(root, '..', 'shared', 'data', 'real', 'attack-stix-data__ics-attack-18.1.json');
  if (existsSync(real)) {
    test('a real bundle arrives whole', async () => {
      const ids = (JSON.parse(readFileSync(real, 'utf8')) as { objects: { id: string }[] }).objects.map(({ id }) => id);
      const { stdout, code } = await server.huiju(['import', real, '--collection', 'reports']);
      expect([code, stdout]).toEqual([0, expect.stringContaining(`${ids.length.toLocaleString('en-US')} added`)]);
      for (const limit of [333, 10_000]) {
        const pages = await walk('/hub/collections/reports/objects/', limit);
        const received = pages.flatMap((page) => JSON.parse(`[${page}]`) as { id: string }[]);
        expect(received.map(({ id }) => id)).toEqual(ids);
      }
    });
  }

  test('a user and a token made now log in now, and no longer when they are taken back', async () => {
    await server.huiju(['user', 'add', 'fresh', '--password-stdin'], { input: `${password}\n` });
    const ask401 = (authorization: string) =>
      ask(server.url, '/hub/collections/', { authorization }).then(({ status }) => status);
    expect(await ask401(basic('fresh'))).toBe(200);
    const token = (await server.huiju(['token', 'create', 'fresh'])).stdout.trim();
    expect(await ask401(`Bearer ${token}`)).toBe(200);
    await server.huiju(['user', 'disable', 'fresh']);
    expect([await ask401(basic('fresh')), await ask401(`Bearer ${token}`)]).toEqual([401, 401]);
  });
});
