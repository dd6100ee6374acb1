/**
 * Writes src/stix/language-subtags.ts from the IANA Language Subtag Registry (RFC 5646 §3.1), as it is published at
 * https://www.iana.org/assignments/language-subtag-registry: `node bin/language-subtags.js FILE`, then format.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const target = fileURLToPath(new URL('../src/stix/language-subtags.ts', import.meta.url));

/** The records: fields by name. Lines that begin with a space go on with the line before; repeated fields are not needed. */
function parseRecords(text) {
  const unfolded = text.replaceAll('\r\n', '\n').replaceAll(/\n +/g, ' ');
  return unfolded.split(/^%%\n/m).map((record) => {
    const lines = record.split('\n').filter((line) => line.includes(': '));
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
  });
}

/** The subtags of one kind in lower case, sorted. Ranges such as qaa..qtz are private use and stand in the code. */
function subtagsOf(records, type) {
  const found = records.filter((record) => record.Type === type).map(({ Subtag, Tag }) => Subtag ?? Tag);
  return found
    .filter((subtag) => !subtag.includes('..'))
    .map((subtag) => subtag.toLowerCase())
    .sort();
}

/** `aa abc` for aaa, aab and aac: a third of the length, and still something that a person can compare. */
function grouped(subtags) {
  const groups = new Map();
  for (const subtag of subtags) {
    const start = subtag.slice(0, -1);
    groups.set(start, (groups.get(start) ?? '') + subtag.slice(-1));
  }
  return wrapped([...groups].map(([start, ends]) => `${start}:${ends}`));
}

function wrapped(words) {
  const lines = [''];
  for (const word of words) {
    if (lines.at(-1).length + word.length > 116) lines.push('');
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return `\`\n${lines.join('\n')}\``;
}

/** Codes of three letters that have a registered one of two letters (ISO 639-2), as the ICU of Node knows them. */
function shorterCodes(languages) {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const codes = letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => a + b + c)));
  const pairs = codes.filter((code) => !languages.has(code)).map((code) => [code, new Intl.Locale(code).language]);
  return pairs.filter(([, shorter]) => shorter.length === 2 && languages.has(shorter)).map((pair) => pair.join(':'));
}

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node bin/language-subtags.js FILE (the IANA Language Subtag Registry)');
  process.exit(2);
}
const [head, ...records] = parseRecords(readFileSync(file, 'utf8'));
const fileDate = head['File-Date'];
if (fileDate === undefined || records.length < 9000) {
  console.error(`${file} is not the IANA Language Subtag Registry: it must begin with "File-Date:"`);
  process.exit(1);
}
const languages = subtagsOf(records, 'language');
const parts = [
  `/**
 * The IANA Language Subtag Registry, File-Date ${fileDate}, in lower case and without its private ranges.
 * Made by bin/language-subtags.js. Do not edit.
 */
`,
  '/** Primary languages, by all their letters but the last: `aa:bc` is aab and aac. */',
  `export const languages = ${grouped(languages)};\n`,
  '/** Codes of three letters that are not registered, since these of two letters are. */',
  `export const shorterLanguages = ${wrapped(shorterCodes(new Set(languages)))};\n`,
  '/** Extended languages, in the same way. */',
  `export const extlangs = ${grouped(subtagsOf(records, 'extlang'))};\n`,
  `export const scripts = ${wrapped(subtagsOf(records, 'script'))};\n`,
  `export const regions = ${wrapped(subtagsOf(records, 'region'))};\n`,
  `export const variants = ${wrapped(subtagsOf(records, 'variant'))};\n`,
  '/** Whole tags that are legal as they are, though most do not have the form of others. */',
  `export const grandfathered = ${wrapped(subtagsOf(records, 'grandfathered'))};`,
];
writeFileSync(target, `${parts.join('\n')}\n`);
