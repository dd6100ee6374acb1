import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { createLog, type Log, openDescriptor } from '../../src/log.ts';

const secret = 'cGFzc3dvcmQ6Zm9yIHRlc3Rz';
const token = `huiju_${'Ab-_9'.repeat(8)}xyz`;

/** What the log writes of an event. */
function write(tell: (log: Log) => void): { line: string; event: Record<string, unknown> } {
  const lines: string[] = [];
  tell(createLog('info', { write: (line) => void lines.push(line) }));
  expect(lines).toHaveLength(1);
  const [line = ''] = lines;
  return { line, event: JSON.parse(line) };
}

describe('the log never shows', () => {
  const names = [
    'authorization',
    'Authorization',
    'X-Api-Key',
    'x-api-key',
    'cookie',
    'Set-Cookie',
    'password',
    'token',
  ];

  test.each(names)('what stands in a field %s, wherever it is', (name) => {
    const fields = { [name]: secret };
    for (const place of [fields, { user: fields }, { request: { headers: fields } }, { err: { headers: fields } }]) {
      const { line, event } = write((log) => log.info({ ...place, path: '/here' }, 'event'));
      expect(line).not.toContain(secret);
      expect(event).toMatchObject({ path: '/here', msg: 'event' });
    }
    expect(write((log) => log.info({ [name]: [secret] })).line).not.toContain(secret);
    expect(write((log) => log.info({ list: [{ a: { b: fields } }] })).line).not.toContain(secret);
    const error = Object.assign(new Error('no'), { request: { headers: fields } });
    expect(write((log) => log.error({ err: error })).line).not.toContain(secret);
  });

  test.each<[string, string, string]>([
    ['a token in a path', `/hub/${token}/collections/`, '/hub/huiju_[Redacted]/collections/'],
    ['a token that somebody quotes', `"${token}" \\ is what I sent`, '"huiju_[Redacted]" \\ is what I sent'],
    ['a header of Basic', `Authorization: Basic ${secret}==`, 'Authorization: Basic [Redacted]'],
    ['a header of Bearer', `bearer  ${secret}, and more`, 'bearer [Redacted], and more'],
    ['the login of a URL', `https://ann:${secret}@peer.example/a@b`, 'https://[Redacted]@peer.example/a@b'],
    ['a token in a query', `/?limit=1&access_token=${secret}&next=2`, '/?limit=1&access_token=[Redacted]&next=2'],
    ['a key in a query', `GET /?apiKey=${secret} now`, 'GET /?apiKey=[Redacted] now'],
    ['a password in a query', `/?password=${secret}"`, '/?password=[Redacted]"'],
  ])('%s', (_what, text, expected) => {
    expect(write((log) => log.info({ path: text }, 'request')).event.path).toBe(expected);
    expect(write((log) => log.info(text)).event.msg).toBe(expected);
    const { event } = write((log) => log.error({ err: new Error(text) }, 'failed'));
    expect(event.err).toMatchObject({ message: expected, stack: expect.stringContaining(expected.slice(0, 12)) });
  });

  test('what lies deep, and a circle is no trouble', () => {
    const circle: Record<string, unknown> = {};
    circle.again = circle;
    expect(write((log) => log.info({ circle, at: new Date(0) })).event).toMatchObject({
      circle: { again: { again: {} } },
      at: '1970-01-01T00:00:00.000Z',
    });
    let deep: object = { password: secret };
    for (let n = 0; n < 20; n += 1) {
      expect(write((log) => log.info({ deep })).line).not.toContain(secret);
      deep = [deep];
    }
  });

  test.each([
    'Log in: Basic with user name and password, or a token as Bearer or in X-Api-Key.',
    'token_id',
    '/?tokens=1',
  ])('but what is no secret stays: %s', (text) => {
    expect(write((log) => log.info({ description: text })).event.description).toBe(text);
  });
});

describe('lines for a file or a pipe', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  function openFile() {
    const folder = mkdtempSync(join(tmpdir(), 'huiju-log-'));
    folders.push(folder);
    const path = join(folder, 'log');
    return { destination: openDescriptor(openSync(path, 'a')), content: () => readFileSync(path, 'utf8') };
  }

  test('wait for others for a moment, and are written in order', async () => {
    const { destination, content } = openFile();
    const lines = Array.from({ length: 20 }, (_, n) => `{"n":${n}}\n`);
    for (const line of lines) destination.write(line);
    expect(content()).toBe('');
    while (content() === '') await new Promise((resolve) => setImmediate(resolve));
    expect(content()).toBe(lines.join(''));
  });

  test('do not pile up', () => {
    const { destination, content } = openFile();
    const line = `${'x'.repeat(9_999)}\n`;
    for (let n = 0; n < 7; n += 1) destination.write(line);
    expect(content()).toBe(line.repeat(7));
  });

  test.each([
    ['ends', ''],
    ['exits', 'process.exit(0);'],
    ['fails', "throw new Error('fatal');"],
  ])('are not lost when the process %s', (_how, end) => {
    const log = JSON.stringify(new URL('../../src/log.ts', import.meta.url).href);
    const script = `const { openDescriptor } = await import(${log}); openDescriptor(1).write('the last line\\n'); ${end}`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stdout).toBe('the last line\n');
  });
});
