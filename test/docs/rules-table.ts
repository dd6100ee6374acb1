/**
 * The table of rules in docs/validation.md: every code that a verdict can have, with what is said of an example that
 * breaks it. `node test/docs/rules-table.ts` puts the table into the document; a test holds the two together.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CheckedObject, checkObject, type Policy } from '../../src/stix/check-object.ts';
import { rules } from '../../src/stix/rules.ts';
import { mutate, mutations } from '../stix/mutations.ts';
import type { Json } from '../stix/schema-files.ts';

const fixtures = new URL('../fixtures/stix/', import.meta.url);
export const document = fileURLToPath(new URL('../../docs/validation.md', import.meta.url));

interface Row {
  readonly code: string;
  readonly section: string;
  readonly level: string;
  readonly message: string;
}

function messageFor(code: string, object: unknown, policies: readonly Policy[]): string | undefined {
  const text = JSON.stringify(object);
  const verdicts: CheckedObject[] = policies.map((policy) => checkObject(text, policy));
  const issues = verdicts.flatMap(({ errors, warnings }) => [...errors, ...warnings]);
  return issues.find((issue) => issue.code === code)?.message;
}

function rowsOfRules(): Row[] {
  return rules.map(({ code, section, level, policy }) => {
    const file = new URL(`rules/${code}.json`, fixtures);
    const { invalid } = existsSync(file)
      ? (JSON.parse(readFileSync(file, 'utf8')) as { invalid: unknown[] })
      : { invalid: [] };
    const found = invalid.map((object) => messageFor(code, object, [policy ?? 'spec', 'strict']));
    const message = found.find((one) => one !== undefined) ?? 'The pattern is too long to be looked at.';
    return { code, section, level: policy === 'strict' ? `${level} (\`strict\`)` : level, message };
  });
}

interface Example {
  readonly object: Record<string, Json>;
}

function readValid(): Map<string, Record<string, Json>> {
  const lines = readFileSync(new URL('valid.ndjson', fixtures), 'utf8').trim().split('\n');
  const objects = lines.map((line) => (JSON.parse(line) as Example).object);
  return new Map(objects.reverse().map((object) => [String(object.type), object]));
}

/** Of schemas: by the mutations that break them. */
function rowsOfSchemas(known: ReadonlySet<string>): Row[] {
  const valid = readValid();
  return mutations.flatMap((mutation): Row[] => {
    const { code, type, as = 'spec' } = mutation;
    const object = valid.get(type === 'custom-sdo' ? 'x-unit-case' : type);
    if (known.has(code) || object === undefined || as === 'document' || as === 'head') return [];
    const { errors } = checkObject(mutate(object, mutation), as);
    const message = errors.find((issue) => issue.code === code)?.message;
    const number = /^STIX-([\d.]*\d)/.exec(code)?.[1];
    return message === undefined || number === undefined
      ? []
      : [{ code, section: `STIX 2.1 §${number}`, level: 'error', message }];
  });
}

function compareCodes(a: Row, b: Row): number {
  const collator = new Intl.Collator('en', { numeric: true });
  return collator.compare(a.code, b.code) || a.level.localeCompare(b.level);
}

/** The lines of the table. */
export function makeTable(): string {
  const ofRules = rowsOfRules();
  const rows = [...ofRules, ...rowsOfSchemas(new Set(ofRules.map(({ code }) => code)))].sort(compareCodes);
  // Some codes stand for the same rule on several types.
  const distinct = rows.filter(
    (row, index) => index === rows.findIndex(({ code, level }) => code === row.code && level === row.level),
  );
  const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  return [
    '| Code | From | Level | What is said, of one example |',
    '|---|---|---|---|',
    ...distinct.map((row) => `| \`${row.code}\` | ${row.section} | ${row.level} | ${escaped(row.message)} |`),
  ].join('\n');
}

/** The codes that the table has. */
export function codesOfTable(table: string): string[] {
  return [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, code = '']) => code);
}

const marks = /(?<=<!-- rules -->\n\n)[\s\S]*?(?=\n\n<!-- end of rules -->)/;

export function tableIn(text: string): string {
  return marks.exec(text)?.[0] ?? '';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(document, 'utf8');
  writeFileSync(
    document,
    text.replace(marks, () => makeTable()),
  );
}
