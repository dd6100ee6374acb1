import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { examineApiRoots, loadApiRoots } from '../../src/taxii/api-roots.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { root as checkout } from '../support/huiju.ts';

const pathOf = useTempFolder();
let folders = 0;

async function write(files: Readonly<Record<string, unknown>>): Promise<string> {
  folders += 1;
  const folder = pathOf(`declared-${folders}`);
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) {
    const isText = typeof content === 'string' || Buffer.isBuffer(content);
    await writeFile(join(folder, name), isText ? content : JSON.stringify(content));
  }
  return folder;
}

/** Without lines and columns, which depend on how the text is laid out. */
async function mistakesOf(files: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  const { mistakes } = examineApiRoots(await write(files));
  return mistakes.map((mistake) => mistake.replace(/^([a-z]+\.json):\d+:\d+: /, '$1: '));
}

const id = '91a7b528-80eb-42ed-a74d-c6fbd5a26116';
const otherId = '0c49ffd5-1c2a-4e66-8b4b-1f1f6e8d0a3b';
const collection = { id, title: 'Indicators' };

function root(changes: object = {}): object {
  return { api_root: 'hub', title: 'Hub', collections: [collection], ...changes };
}

function rootWith(changes: object): object {
  return root({ collections: [{ ...collection, ...changes }] });
}

describe('the API roots that come with Huiju', () => {
  const roots = loadApiRoots(join(checkout, 'collections'));

  test('are hub, inbox and public; hub is the default', () => {
    expect(roots.map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ['hub', true],
      ['inbox', false],
      ['public', false],
    ]);
  });

  test('name each collection by an alias of its own, over all roots', () => {
    const aliases = roots.flatMap(({ collections }) => collections.map(({ alias }) => alias));
    expect(aliases).toEqual(expect.arrayContaining(['indicators', 'groups', 'vulnerabilities', 'reports']));
    expect(new Set(aliases).size).toBe(aliases.length);
  });

  test('let everybody read public, members read hub, and curators alone read the inbox', () => {
    const readers = roots.map(({ name, collections }) => [name, [...new Set(collections.flatMap(({ read }) => read))]]);
    expect(readers).toEqual([
      ['hub', ['members']],
      ['inbox', ['role:curator']],
      ['public', ['public']],
    ]);
  });
});

describe('a declared API root', () => {
  test('has everything that its file says', async () => {
    const file = {
      api_root: 'full',
      title: 'Full. With a dot',
      description: 'All keys',
      contact: 'cti@example.org',
      default: true,
      max_content_length: 1_048_576,
      client_compat: { empty_objects: true },
      collections: [
        {
          id,
          alias: 'all-1.0~x_y',
          title: '威胁指标',
          description: '',
          read: ['public', 'members', 'role:analyst', 'unit:CERT-1', 'group:g.1', 'user:bob@cert'],
          write: ['role:publisher'],
          validation: 'strict',
          tlp_ceiling: 'amber+strict',
          expire_after: '36h',
        },
      ],
    };
    const { tlp_ceiling: tlpCeiling, expire_after: _, ...sameKeys } = file.collections[0] ?? {};
    expect(loadApiRoots(await write({ 'full.json': file }))).toEqual([
      {
        name: 'full',
        title: 'Full. With a dot',
        description: 'All keys',
        contact: 'cti@example.org',
        isDefault: true,
        maxContentLength: 1_048_576,
        emptyObjects: true,
        collections: [{ ...sameKeys, tlpCeiling, expireAfter: 36 * 3_600_000_000 }],
      },
    ]);
  });

  test('left short, is open to nobody and checks as the standard does', async () => {
    const [apiRoot] = loadApiRoots(await write({ 'hub.json': root() }));
    expect(apiRoot).toEqual({
      name: 'hub',
      title: 'Hub',
      isDefault: true,
      emptyObjects: false,
      collections: [{ id, title: 'Indicators', read: [], write: [], validation: 'spec' }],
    });
  });

  test('is the default if none is declared so and its name is the first', async () => {
    const folder = await write({
      'a.json': root({ api_root: 'zeta', collections: [] }),
      'b.json': root({ api_root: 'alpha', collections: [] }),
    });
    expect(loadApiRoots(folder).map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ['alpha', true],
      ['zeta', false],
    ]);
  });

  test('may begin with a byte order mark', async () => {
    const folder = await write({ 'hub.json': `\ufeff${JSON.stringify(root())}` });
    expect(loadApiRoots(folder)).toHaveLength(1);
  });

  test('is in a *.json file; other files and hidden ones are not looked at', async () => {
    const folder = await write({ 'hub.json': root(), 'hub.json~': '{', '.draft.json': '{', 'README.md': '#' });
    expect(loadApiRoots(folder)).toHaveLength(1);
  });
});

describe('a mistake', () => {
  test.each<[string, object, string]>([
    [
      'an unknown key',
      root({ titel: 'x' }),
      '/titel: is not a known key; did you mean title? known here are api_root, title',
    ],
    ['an unknown key of a collection', rootWith({ reed: [] }), '/collections/0/reed: is not a known key'],
    ['an unknown key of client_compat', root({ client_compat: { x: true } }), '/client_compat/x: is not a known key'],
    ['a key with a slash', root({ 'a/b~c': 1 }), '/a~1b~0c: is not a known key'],
    ['a missing api_root', root({ api_root: undefined }), '/api_root: is missing'],
    ['a missing title', root({ title: undefined }), '/title: is missing'],
    ['missing collections', root({ collections: undefined }), '/collections: is missing'],
    ['a missing id', rootWith({ id: undefined }), '/collections/0/id: is missing'],
    ['a missing collection title', rootWith({ title: undefined }), '/collections/0/title: is missing'],
    ['a list as file', [], 'the text must be a JSON object'],
    ['a collection that is no object', root({ collections: ['x'] }), '/collections/0: must be an object'],
    ['collections that are no list', root({ collections: {} }), '/collections: must be a list'],
    ['an empty title', root({ title: ' ' }), '/title: must be a string that is not empty'],
    ['a title that is no string', rootWith({ title: 5 }), '/collections/0/title: must be a string'],
    ['a null description', rootWith({ description: null }), '/collections/0/description: must be a string'],
    ['a collection title with a dot', rootWith({ title: 'v2.1' }), '/collections/0/title: must not contain a dot'],
    ['an id in upper case', rootWith({ id: id.toUpperCase() }), '/collections/0/id: must be a UUID of version 4'],
    [
      'an id of version 1',
      rootWith({ id: '91a7b528-80eb-12ed-a74d-c6fbd5a26116' }),
      '/collections/0/id: must be a UUID of version 4',
    ],
    ['an alias like a UUID', rootWith({ alias: otherId }), '/collections/0/alias: must not look like a UUID'],
    ['an alias with a slash', rootWith({ alias: 'a/b' }), '/collections/0/alias: must be one path segment'],
    ['an alias of dots', rootWith({ alias: '..' }), '/collections/0/alias: must be one path segment'],
    ['an API root with a slash', root({ api_root: 'a/b' }), '/api_root: must be one path segment'],
    ['an empty API root', root({ api_root: '' }), '/api_root: must be one path segment'],
    ['the discovery path', root({ api_root: 'taxii2' }), '/api_root: must not be taxii2'],
    ['a path of the server', root({ api_root: 'Healthz' }), '/api_root: must not be Healthz'],
    ['default as text', root({ default: 'yes' }), '/default: must be true or false'],
    ['a length of 0', root({ max_content_length: 0 }), '/max_content_length: must be a whole number'],
    ['a length with unit', root({ max_content_length: '1MB' }), '/max_content_length: must be a whole number'],
    ['empty_objects as number', root({ client_compat: { empty_objects: 1 } }), '/client_compat/empty_objects: must be'],
    ['an unknown validation', rootWith({ validation: 'lax' }), '/collections/0/validation: must be one of "spec"'],
    ['an unknown ceiling', rootWith({ tlp_ceiling: 'white' }), '/collections/0/tlp_ceiling: must be one of "clear"'],
    ...(
      [
        [90, '; did you mean "90d"?'],
        ['12 H', '; did you mean "12h"?'],
        ['90 days', '; did you mean "90d"?'],
        ['30m', ''],
        ['0d', ''],
        ['never', ''],
        [null, ''],
      ] as const
    ).map(([wrong, suggestion]): [string, object, string] => [
      `expiry after ${wrong}`,
      rootWith({ expire_after: wrong }),
      `/collections/0/expire_after: must be a time span in days or hours, such as "90d" or "12h"${suggestion}`,
    ]),
    [
      'a mistyped expire_after',
      rootWith({ expires_after: '90d' }),
      '/collections/0/expires_after: is not a known key; did you mean expire_after?',
    ],
    ['read as text', rootWith({ read: 'members' }), '/collections/0/read: must be a list'],
    ['an unknown audience', rootWith({ read: ['members', 'all'] }), '/collections/0/read/1: must be "public"'],
    ['an audience that is no string', rootWith({ read: [5] }), '/collections/0/read/0: must be "public"'],
    ['a role in upper case', rootWith({ write: ['role:Admin'] }), '/collections/0/write/0: names no role'],
    ['a user without name', rootWith({ write: ['user:'] }), '/collections/0/write/0: names no user'],
    ['a role that is empty', rootWith({ read: ['role:'] }), '/collections/0/read/0: names no role: a role has 1 to 64'],
    [
      'a role in upper case, which may be meant so',
      rootWith({ read: ['role:Curator'] }),
      '/collections/0/read/0: names no role: a role has 1 to 64 lower-case letters, digits and -, and begins with a letter; did you mean role:curator?',
    ],
    ...(
      [
        ['grup:x', 'group:x'],
        ['usr:bob@cert', 'user:bob@cert'],
        ['Members', 'members'],
        ['publik', 'public'],
        ['curator', 'role:curator or user:curator'],
        ['Bob', 'user:Bob'],
      ] as const
    ).map(([wrong, right]): [string, object, string] => [
      `the audience ${wrong}`,
      rootWith({ read: [wrong] }),
      `/collections/0/read/0: must be "public", "members", "role:ROLE", "unit:NAME", "group:NAME" or "user:NAME"; did you mean ${right}?`,
    ]),
    ['publishing by everybody', rootWith({ write: ['public'] }), '/collections/0/write/0: must not be "public"'],
  ])('%s', async (_case, file, expected) => {
    const mistakes = await mistakesOf({ 'hub.json': file });
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toContain(`hub.json: ${expected}`);
  });

  test('in the JSON is named with line and column', async () => {
    const text = '{\n  "api_root": "hub",\n  "title": "Hub",\n}';
    expect(await mistakesOf({ 'hub.json': text })).toEqual(["hub.json: expected a member name, found '}'"]);
    expect(await mistakesOf({ 'hub.json': '' })).toEqual([expect.stringMatching(/^hub\.json: .*empty/)]);
    expect(await mistakesOf({ 'hub.json': Buffer.from([0x7b, 0x22, 0xff]) })).toHaveLength(1);
  });

  test('is named with the line and column where its member or item stands', async () => {
    const text = JSON.stringify(
      root({ titel: 'x', collections: [{ ...collection, read: ['members', 'all'] }] }),
      null,
      2,
    );
    const lines = text.split('\n');
    const positionOf = (token: string): string => {
      const line = lines.findIndex((one) => one.includes(token));
      return `${line + 1}:${(lines[line]?.indexOf(token) ?? 0) + 1}`;
    };
    const { mistakes } = examineApiRoots(await write({ 'hub.json': `\ufeff${text}` }));
    expect(mistakes).toEqual([
      expect.stringContaining(`hub.json:${positionOf('"all"')}: /collections/0/read/1: must be`),
      expect.stringContaining(`hub.json:${positionOf('"titel"')}: /titel: is not a known key`),
    ]);
  });

  test('of a member that is missing is named where the object begins', async () => {
    const text = JSON.stringify(rootWith({ title: undefined }), null, 2);
    const line = text.split('\n').findIndex((one) => one.trim() === '{' && one !== '{') + 1;
    const { mistakes } = examineApiRoots(await write({ 'hub.json': text }));
    expect(mistakes).toEqual([`hub.json:${line}:5: /collections/0/title: is missing`]);
  });

  test('a key given twice is one, at any depth', async () => {
    const twice = JSON.stringify(root()).replace('"title":"Ind', '"title":"X","title":"Ind');
    expect(await mistakesOf({ 'hub.json': twice })).toEqual([expect.stringMatching(/hub\.json: \/collections\/0/)]);
  });

  test('titles and aliases are taken once in an API root, and may come again in another', async () => {
    const file = root({
      collections: [
        { id, alias: 'same', title: 'Same' },
        { id: otherId, alias: 'same', title: 'Same' },
      ],
    });
    expect(await mistakesOf({ 'hub.json': file })).toEqual([
      'hub.json: /collections/1/alias: "same" is declared at hub.json:1:93 already',
      'hub.json: /collections/1/title: "Same" is declared at hub.json:1:108 already',
    ]);
    const other = root({ api_root: 'other', collections: [{ ...collection, id: otherId, alias: 'same' }] });
    expect(await mistakesOf({ 'a.json': rootWith({ alias: 'same' }), 'b.json': other })).toEqual([]);
  });

  test('ids are taken once over all API roots', async () => {
    expect(await mistakesOf({ 'a.json': root(), 'b.json': root({ api_root: 'other' }) })).toEqual([
      `b.json: /collections/0/id: "${id}" is declared at a.json:1:49 already`,
    ]);
    const twice = root({ collections: [collection, { ...collection, title: 'Again' }] });
    expect(await mistakesOf({ 'a.json': twice })).toEqual([
      `a.json: /collections/1/id: "${id}" is declared at a.json:1:49 already`,
    ]);
  });

  test('what is taken twice is told together with everything else that is wrong', async () => {
    const wrong = { id, title: 'v2.1', reed: [] };
    const first = { api_root: 'hub', collections: [wrong, { ...wrong, alias: 5, id: otherId }] };
    const second = { api_root: 'hub', title: 'Hub', collections: [null, { id, title: 'v2.1' }] };
    const text = (value: unknown) => JSON.stringify(value, null, 1);
    const { mistakes } = examineApiRoots(await write({ 'a.json': text(first), 'b.json': text(second) }));
    expect(mistakes.map((mistake) => mistake.split(' ').slice(0, 6).join(' '))).toEqual([
      'a.json:1:1: /title: is missing',
      'a.json:6:4: /collections/0/title: must not contain a',
      'a.json:7:4: /collections/0/reed: is not a known',
      'a.json:11:4: /collections/1/title: must not contain a',
      'a.json:11:4: /collections/1/title: "v2.1" is declared at',
      'a.json:12:4: /collections/1/reed: is not a known',
      'a.json:13:4: /collections/1/alias: must be one path',
      'b.json:2:2: /api_root: "hub" is declared at',
      'b.json:5:3: /collections/0: must be an object',
      `b.json:7:4: /collections/1/id: "${id}" is declared at`,
      'b.json:8:4: /collections/1/title: must not contain a',
    ]);
  });

  test('two files cannot declare one API root, nor two the default', async () => {
    const file = (api_root: string) => root({ api_root, default: true, collections: [] });
    expect(await mistakesOf({ 'a.json': file('hub'), 'b.json': file('hub') })).toEqual([
      'b.json: /api_root: "hub" is declared at a.json:1:2 already',
      'b.json: /default: the default is declared at a.json:1:50 already',
    ]);
  });

  test('an empty folder is one, and so is a missing one', async () => {
    expect(await mistakesOf({ 'notes.txt': 'x' })).toEqual([expect.stringMatching(/has no \*\.json file/)]);
    expect(examineApiRoots(pathOf('nowhere')).mistakes).toEqual([
      expect.stringMatching(/^HUIJU_COLLECTIONS is .*nowhere.*: there is no such file or folder$/),
    ]);
  });

  test('mistakes of all files come in one error', async () => {
    const folder = await write({
      'a.json': '{',
      'b.json': root({ title: '', extra: 1 }),
      'c.json': root({ api_root: 'c', collections: [] }),
    });
    expect(() => loadApiRoots(folder)).toThrow(
      /3 mistakes:\n {2}a\.json:1:2: .*\n {2}b\.json:1:\d+: \/title: .*\n {2}b\.json:1:\d+: \/extra: /,
    );
  });
});
