/** What `huiju feed add` refuses, without a process for each. */

import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addSettingOptions, readEnds, readSettings } from '../../src/cli/feed-options.ts';
import { systemClock } from '../../src/sync/clock.ts';
import { defaultSettings } from '../../src/sync/feed.ts';
import { addFeed } from '../../src/sync/feeds.ts';
import { loadApiRoots } from '../../src/taxii/api-roots.ts';
import { createMemoryStore } from '../sync/memory-store.ts';

const roots = loadApiRoots('collections');
const deps = { store: createMemoryStore(), clock: systemClock, secretKeys: async () => [] };
const ours = ['--to', 'hub/indicators'];

/** Adds a feed as the command does. */
async function add(name: string, args: readonly string[]): Promise<void> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const end of ['from', 'to', 'source', 'target']) command.option(`--${end} <end>`);
  addSettingOptions(command).parse([...args], { from: 'user' });
  const options = command.opts();
  const ends = readEnds({ ...options, from: options.from, to: options.to }, roots);
  await addFeed(deps, { name, ...ends, settings: await readSettings(options, defaultSettings) });
}

describe('huiju feed add', () => {
  test.each([
    ['no outer end', ['--from', 'hub/groups', '--to', 'hub/reports'], 'one end is a collection here'],
    ['two outer ends', ['--from', './a', '--to', './b'], 'one end is a collection here'],
    [
      'an API root without a collection',
      ['--from', 'https://up.example/root/', ...ours],
      'name its collection with --source',
    ],
    [
      'the wrong option for it',
      ['--from', 'https://up.example/root/', '--target', 'x', ...ours],
      '--target is for feeds that push',
    ],
    ['a password in the URL', ['--from', 'https://u:p@up.example/a.json', ...ours], 'not in the URL'],
    ['another scheme', ['--from', 'ftp://up.example/a.json', ...ours], 'https:// or http://'],
    [
      'a push to a file on the web',
      ['--from', 'hub/groups', '--to', 'https://up.example/a.json'],
      'pushes to a TAXII collection',
    ],
    ['a schedule for standard input', ['--from', '-', ...ours, '--every', '1h'], 'give no schedule'],
    ['two schedules', ['--from', './a', ...ours, '--every', '1h', '--cron', '* * * * *'], 'exclude each other'],
    ['a cron expression that is none', ['--from', './a', ...ours, '--cron', 'daily'], 'is no cron expression'],
    [
      'a user without a password',
      ['--from', 'https://up.example/a.json', ...ours, '--user', 'u'],
      'the password is missing',
    ],
    [
      'a variable that is not set',
      ['--from', 'https://up.example/a.json', ...ours, '--password-env', 'NOPE'],
      'NOPE is not set',
    ],
    [
      'a file that is not there',
      ['--from', 'https://up.example/a.json', ...ours, '--password-file', '/nope'],
      '/nope: there is no such file',
    ],
    [
      'a certificate without its key',
      ['--from', 'https://up.example/a.json', ...ours, '--cert', 'c.pem'],
      'go together',
    ],
    ['mirroring a folder', ['--from', './a', ...ours, '--mirror-deletions', '1d'], 'from TAXII collections alone'],
    ['a ceiling on the way out', ['--from', 'hub/groups', '--to', './a', '--ceiling', 'green'], 'for what comes in'],
    [
      'a URL that is too long',
      ['--from', `https://up.example/${'a'.repeat(1000)}`, ...ours],
      '1000 characters at most',
    ],
    [
      'more ids than fit into a question',
      ['--from', './a', ...ours, '--id', Array.from({ length: 101 }, (_, index) => `identity--${index}`).join()],
      '100 ids and 100 types at most',
    ],
    ['a login for a folder', ['--from', './a', ...ours, '--allow-private'], 'are for URLs'],
    [
      'versions of a file',
      ['--from', 'https://up.example/a.json', ...ours, '--versions', 'last'],
      'files are read whole',
    ],
    ['all versions and some', ['--from', 'https://up.example/', ...ours, '--versions', 'all,last'], '`all` alone'],
    ['a version of STIX that is none', ['--from', './a', ...ours, '--spec-version', 'two'], 'such as 2.1'],
    [
      'a version of STIX of a file',
      ['--from', './a', ...ours, '--spec-version', '2.1'],
      'of files nothing else is taken',
    ],
    [
      'a version of STIX of what is here',
      ['--from', 'hub/groups', '--to', './a', '--spec-version', '2.1'],
      'here is only STIX 2.1',
    ],
    ['a time of adding of a file', ['--from', './a', ...ours, '--added-after', '2026-01-01'], 'files are read whole'],
    ['pages of a file', ['--from', './a', ...ours, '--page-size', '10'], 'files are read whole'],
    ['a query of an API root', ['--from', 'https://up.example/root/?key=1', '--source', 'x', ...ours], 'has no query'],
    ['a deadline that ends every run', ['--from', './a', ...ours, '--deadline', '9s'], 'at least 10'],
    ['pages of nothing', ['--from', './a', ...ours, '--page-size', '0'], '1 to 10000'],
    ['pages without end', ['--from', './a', ...ours, '--page-size', '10001'], '1 to 10000'],
    ['an unknown collection', ['--from', './a', '--to', 'hub/nope'], 'there is no collection hub/nope'],
  ])('refuses %s', async (_what, ends, message) => {
    await expect(add('wrong', ends)).rejects.toThrow(message);
  });

  test('refuses a name that is taken, and one that is none', async () => {
    const ends = ['--from', './a', ...ours];
    await add('taken', ends);
    await expect(add('taken', ends)).rejects.toThrow('the feed taken exists already');
    await expect(add('a:b', ends)).rejects.toThrow('"a:b" is not a name for a feed');
  });
});
