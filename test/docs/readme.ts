/** Reads the README's tables and examples, in both languages, as data. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/huiju.ts';

export interface Readme {
  readonly file: string;
  readonly text: string;
  /** Rows of tables whose first cell is `code`: the cells, without the backticks of those that are code alone. */
  readonly rows: readonly (readonly string[])[];
  /** What stands in backticks, or in a block of shell commands. */
  readonly code: readonly string[];
}

export function readDocument(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** The text below a heading of the second level, up to the next one. */
export function sectionOf(text: string, heading: string): string {
  const [, section] = text.split(`\n## ${heading}\n`);
  if (section === undefined) throw new Error(`there is no section ${heading}`);
  return section.split('\n## ')[0] ?? '';
}

/** The blocks of code in a language, in their order. */
export function blocksOf(text: string, language: string): string[] {
  return text
    .split('\n```')
    .filter((_part, index) => index % 2 === 1)
    .filter((block) => block.startsWith(`${language}\n`))
    .map((block) => block.slice(language.length + 1));
}

function withoutBlocks(text: string): string {
  return text
    .split('\n```')
    .filter((_part, index) => index % 2 === 0)
    .join('\n');
}

function cellsOf(line: string): string[] {
  const cells = line.split('|').slice(1, -1);
  return cells.map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1'));
}

export function readReadme(file: string): Readme {
  const text = readDocument(file);
  // An escaped pipe stands between alternatives.
  const plain = withoutBlocks(text).replaceAll('\\|', '/');
  const rows = plain
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map(cellsOf);
  const inline = [...plain.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  const commands = blocksOf(text, 'sh').flatMap((block) => block.split('\n'));
  return { file, text, rows, code: [...inline, ...commands] };
}

/** A call of the executable: the words of its command, such as `user add`, and the options that it is given. */
export interface Call {
  readonly command: string;
  readonly options: readonly string[];
}

/** The calls in a piece of code; words are lower-case, what the caller fills in is upper-case or no word at all. */
export function callsIn(code: string, commands: ReadonlySet<string>): Call[] {
  const calls = [...code.matchAll(/(?:^|[\s(/])huiju(?:\.js)? +([^|)>;]*)/g)];
  return calls.map(([, given = '']) => {
    const words = given.split(/\s+/);
    const longest = [3, 2].map((count) => words.slice(0, count).join(' ')).find((name) => commands.has(name));
    return {
      command: longest ?? words[0] ?? '',
      options: [...given.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option),
    };
  });
}
