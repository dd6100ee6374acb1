/** Holds the documents to the code: what there is, is documented; what is documented, is there. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { loadProgram } from '../../src/cli/program.ts';
import { variables } from '../../src/config.ts';
import { errorCodes } from '../../src/errors.ts';
import { rules } from '../../src/stix/rules.ts';
import { rules as taxiiRules } from '../conformance/rules.ts';
import { type RunResult, root, runProgram } from '../support/huiju.ts';
import { findClientPython } from '../support/python.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { blocksOf, type Call, callsIn, readDocument, readReadme, sectionOf } from './readme.ts';

const english = readReadme('README.md');
const readmes = [english, readReadme('README.zh-CN.md')];
const documents = [
  ...readmes.map(({ file }) => file),
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'schemas/README.md',
  'src/store/README.md',
  'docs/clients.md',
  'docs/performance.md',
  'docs/feeds.md',
  'docs/scaling.md',
  'docs/validation.md',
];

/** Each command by its words, with its options. */
function listCommands(command: Command, words: readonly string[] = []): [string, readonly string[]][] {
  const options = command.options.map(({ long }) => long ?? '').filter((option) => option !== '--version');
  const own: [string, readonly string[]][] = words.length === 0 ? [] : [[words.join(' '), options.sort()]];
  const below = command.commands.flatMap((child) => listCommands(child, [...words, child.name()]));
  return below.length === 0 ? own : below;
}

const commands = new Map(listCommands(await loadProgram(undefined)));
const names = new Set(commands.keys());
/** Words that stand before others: `user` is no command, and `huiju user` may be spoken of. */
const groups = new Set(
  [...names].flatMap((name) =>
    name
      .split(' ')
      .slice(0, -1)
      .map((_word, index, words) => words.slice(0, index + 1).join(' ')),
  ),
);
const everywhere = ['--help', '--version'];

/** Calls of commands, or with options, that do not exist. */
function unknownCalls(code: readonly string[]): Call[] {
  return code
    .flatMap((piece) => callsIn(piece, names))
    .filter(({ command, options }) => {
      const known = [...everywhere, ...(commands.get(command) ?? [])];
      const isCommand = names.has(command) || groups.has(command) || everywhere.includes(command);
      return !isCommand || options.some((option) => !known.includes(option));
    });
}

function sorted<T>(items: Iterable<T>): T[] {
  return [...items].sort();
}

describe.each(readmes)('$file', ({ text, rows, code }) => {
  test('has every variable with its default, and no other', () => {
    const documented = rows.filter(([name = '']) => name.startsWith('HUIJU_'));
    const defaults = documented.map(([name, fallback]) => [name, fallback]);
    const real = Object.entries(variables).map(([name, { fallback }]) => [name, fallback]);
    expect(sorted(defaults.map((row) => row.join(' ')))).toEqual(
      sorted(real.map(([name, fallback]) => `${name} ${fallback === '' ? '–' : fallback}`)),
    );
  });

  test('speaks of no variable that does not exist', () => {
    const spoken = new Set(text.match(/\bHUIJU_[A-Z_]*[A-Z]/g));
    const unknown = [...spoken].filter((name) => !Object.hasOwn(variables, name) && !name.startsWith('HUIJU_TEST'));
    expect(unknown).toEqual([]);
  });

  test('has every command with every option, and no other', () => {
    const documented = rows
      .filter(([call = '']) => call.startsWith('huiju '))
      .flatMap(([call = '']) => callsIn(call, names))
      .map(({ command, options }) => [command, sorted(options)]);
    expect(sorted(documented.map(String))).toEqual(sorted([...commands].map(String)));
  });

  test('speaks of no command or option that does not exist', () => {
    expect(unknownCalls(code)).toEqual([]);
  });

  test('has every error code with its status, and no other', () => {
    const documented = rows.filter(([, status = '']) => /^[45]\d\d$/.test(status));
    expect(sorted(documented.map(([code, status]) => `${code} ${status}`))).toEqual(
      sorted(Object.entries(errorCodes).map(([code, { status }]) => `${code} ${status}`)),
    );
  });

  test('names no verdict code that the sources do not have', () => {
    const sources = ['src/stix', 'src/taxii'].flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((file) => file.endsWith('.ts'))
        .map((file) => readFileSync(join(root, folder, file), 'utf8')),
    );
    const spoken = new Set(code.filter((piece) => /^(?:STIX|JSON|TLP)-[0-9A-Za-z.-]+$/.test(piece)));
    expect(spoken.size).toBeGreaterThan(3);
    const known = (one: string) =>
      rules.some((rule) => rule.code === one) || sources.some((source) => source.includes(`'${one}'`));
    expect([...spoken].filter((one) => !known(one))).toEqual([]);
  });
});

test.each(['docs/scaling.md', 'docs/feeds.md'])('%s speaks of no command or option that does not exist', (file) => {
  const { code } = readReadme(file);
  expect(code.filter((piece) => /(?:^|\s)huiju [a-z]/.test(piece)).length).toBeGreaterThan(3);
  expect(unknownCalls(code)).toEqual([]);
});

test('the Chinese README shows the same blocks of commands and files as the English one', () => {
  const [, chinese] = readmes;
  for (const language of ['sh', 'json', 'ini', 'nginx', 'text']) {
    expect(blocksOf(chinese?.text ?? '', language)).toEqual(blocksOf(english.text, language));
  }
});

describe('the source map', () => {
  const section = sectionOf(english.text, 'Source map');
  const places = new Set(
    [...section.matchAll(/`((?:src|bin|test|schemas|collections)\/[^`]*)`/g)].map(([, place = '']) => place),
  );

  test('names only what there is', () => {
    expect([...places].filter((place) => !existsSync(join(root, place)))).toEqual([]);
  });

  test('names every file and folder of src', () => {
    const entries = readdirSync(join(root, 'src'), { withFileTypes: true });
    const all = entries.map((entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`);
    expect(all.filter((place) => !places.has(place))).toEqual([]);
  });

  test('names functions that are in the files named with them', () => {
    const anatomy = section.slice(section.indexOf('**Anatomy'));
    const files = [...places].filter((place) => place.endsWith('.ts')).map(readDocument);
    const functions = [...anatomy.matchAll(/`([a-z]+[A-Z][A-Za-z]*)`/g)].map(([, name = '']) => name);
    expect(functions.length).toBeGreaterThan(8);
    expect(functions.filter((name) => !files.some((file) => file.includes(name)))).toEqual([]);
  });
});

test('every test that the conformance section names exists, and every conformance test is named', () => {
  const section = sectionOf(english.text, 'Conformance');
  const named = new Set([...section.matchAll(/`(test\/[^`]*)`/g)].map(([, path = '']) => path));
  expect([...named].filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const there = readdirSync(join(root, 'test', 'conformance')).filter((file) => file.endsWith('.test.ts'));
  expect(there.filter((file) => !named.has(`test/conformance/${file}`))).toEqual([]);
});

test('the conformance section gives a reason for each rule of TAXII that has no test', () => {
  const rows = sectionOf(english.text, 'Conformance')
    .split('\n')
    .filter((line) => line.startsWith('| T-'));
  const explained = rows.flatMap((row) => row.match(/\bT-\d{3}\b/g) ?? []);
  const untested = taxiiRules.filter((rule) => rule.untested !== undefined);
  expect(sorted(explained)).toEqual(sorted(untested.map((rule) => rule.number)));
});

test.each(documents)('the relative links of %s lead somewhere', (file) => {
  const text = readDocument(file);
  const slugs = new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slugOf(heading)));
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  const broken = links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) =>
      link.startsWith('#')
        ? !slugs.has(link.slice(1))
        : !existsSync(join(root, dirname(file), link.split('#')[0] ?? '')),
    );
  expect(broken).toEqual([]);
});

/** A heading as the fragment that leads to it. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

const [shell = [], python = ''] = splitQuickStart();

/** The commands to run, and the Python example: without what starts a server or installs something. */
function splitQuickStart(): [string[], string] {
  const blocks = blocksOf(sectionOf(english.text, 'Quick start'), 'sh');
  const runnable = blocks.filter((block) => !block.startsWith('npm ') && !block.includes('pip install'));
  return [runnable.slice(0, -1), runnable.at(-1) ?? ''];
}

const found = await findClientPython();

describe('the quick start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-readme-'));
  let server: RunningServer;
  let result: RunResult;

  /** Runs blocks as one script, on the test's server and in its folder. */
  function run(blocks: readonly string[]): Promise<RunResult> {
    const script = blocks
      .join('\n')
      .replaceAll('http://127.0.0.1:8080', server.url)
      .replaceAll('/tmp/huiju-', `${folder}/huiju-`)
      .replaceAll(`${folder}/huiju-client/bin/python`, 'python' in found ? found.python : '')
      .replaceAll('bin/huiju.js', `'${process.execPath}' '${join(root, 'src', 'main.ts')}'`);
    return runProgram('sh', ['-e', '-c', script], { env: { HUIJU_STORE: `sqlite:${join(folder, 'huiju.db')}` } });
  }

  beforeAll(async () => {
    server = await runServer({ folder });
    result = await run('python' in found ? [...shell, python] : shell);
  });

  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('imports, publishes and polls, command by command', () => {
    const { code, stdout, stderr } = result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('hub/indicators: 2 objects');
    expect(stdout).toContain('2 added, 0 duplicate, 0 failed');
    expect(stdout).toContain('STIX-6.8-ipv4-address at /value');
    // The status comes twice: as the answer, and read again.
    expect(stdout.match(/"success_count":1,/g)).toHaveLength(2);
    // A page of two objects that has more, then the indicator alone.
    expect(stdout).toContain('{"more":true,"next":"');
    expect(stdout.match(/"id":"indicator--2b7c9f10/g)).toHaveLength(2);
  });

  describeWith('clients', 'missing' in found ? found.missing : undefined, 'its Python example', () => {
    test('lists the collections and walks one with the reference client', () => {
      const lines = result.stdout.split('\n');
      expect(lines).toContain('Threat information sharing hub / Indicators');
      expect(lines.slice(-4)).toEqual([
        'identity--8d6a1d3e-6c5b-4b0a-8f0e-3a1f5f1b7c21',
        'indicator--2b7c9f10-5d1e-4c43-9a55-6f0d4e8a3b02',
        'ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4',
        '',
      ]);
    });
  });
});
