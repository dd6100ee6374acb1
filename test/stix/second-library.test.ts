/** The schemas are anybody's: other validators than the one that is compiled in come to the same verdicts with them. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Schema as LibrarySchema, type OutputUnit, Validator } from '@cfworker/json-schema';
import { describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkObject } from '../../src/stix/check-object.ts';
import type { Policy } from '../../src/stix/rule.ts';
import { rules } from '../../src/stix/rules.ts';
import {
  extensionSchemas,
  objectSchemas,
  schemaBase,
  schemaFiles,
  schemaPathFor,
  underPolicy,
  visitSchema,
} from './schema-files.ts';

interface Case {
  readonly name: string;
  readonly object: unknown;
  /** Codes of the errors under `strict`. */
  readonly strict?: readonly string[];
}
interface InvalidCase extends Case {
  readonly code: string;
  readonly path: string;
}

function readCases<T>(name: string): T[] {
  const text = readFileSync(new URL(`../fixtures/stix/${name}`, import.meta.url), 'utf8').trim();
  return text.split('\n').map((line) => JSON.parse(line) as T);
}

const valid = readCases<Case>('valid.ndjson');
const invalid = readCases<InvalidCase>('invalid.ndjson');
const policies: readonly Policy[] = ['spec', 'strict'];

/** The second library, with the schema for this path and all others to refer to. */
function createValidator(path: string, policy: Policy): Validator {
  const [main, ...others] = [path, ...[...schemaFiles.keys()].filter((other) => other !== path)].map((each) =>
    underPolicy(policy, schemaFiles.get(each) ?? {}),
  );
  const validator = new Validator(main as LibrarySchema, '2020-12', false);
  for (const schema of others) validator.addSchema(schema as LibrarySchema);
  return validator;
}

const validators = new Map(
  [...objectSchemas.values()].flatMap((path) =>
    policies.map((policy) => [`${policy} ${path}`, createValidator(path, policy)] as const),
  ),
);

/** What the second library says of the object; an object without a type has no schema, and nothing is right about it. */
function judge(object: unknown, policy: Policy): { readonly valid: boolean; readonly errors: readonly OutputUnit[] } {
  const path = schemaPathFor(object);
  const validator = path === undefined ? undefined : validators.get(`${policy} ${path}`);
  return validator?.validate(object) ?? { valid: false, errors: [] };
}

function placesOf(errors: readonly OutputUnit[]): string[] {
  return errors.map(({ instanceLocation }) => decodeURI(instanceLocation.slice(1)));
}

// Of these the schemas know a part: the rest is a rule in code, for what the standard does not define.
const ofBothLayers = ['STIX-2.9-id-prefix', 'STIX-3.1-null', 'STIX-2.12-empty-list'];
const ofText = ['STIX-2-object', 'STIX-3.2-spec-version', 'STIX-8-nested-bundle'];
const inCode = new Set([...ofText, ...rules.filter(({ level }) => level === 'error').map(({ code }) => code)]);

function isOfSchema({ code, object }: InvalidCase): boolean {
  const hasSchema = schemaPathFor(object) !== undefined;
  return hasSchema && (!inCode.has(code) || (ofBothLayers.includes(code) && isStandard(object)));
}

// In objects of custom types and in custom properties, it is the rule's matter.
function isStandard(object: unknown): boolean {
  return !JSON.stringify(object).includes('"x_') && !schemaPathFor(object)?.startsWith('custom/');
}

describe('the files', () => {
  const files = [...schemaFiles];

  test('each has a title, a description and the section it comes from', () => {
    const lacking = files.filter(
      ([, { title, description, $comment }]) =>
        typeof title !== 'string' || typeof description !== 'string' || !/^STIX 2\.1 §\d/.test(String($comment)),
    );
    expect(lacking.map(([path]) => path)).toEqual([]);
  });

  test('each is of draft 2020-12 and named for its place', () => {
    for (const [path, { $id, $schema }] of files) {
      expect([$id, $schema]).toEqual([`${schemaBase}${path}`, 'https://json-schema.org/draft/2020-12/schema']);
    }
  });

  test('each refers to the others alone, so nothing is fetched', () => {
    const unresolved: string[] = [];
    for (const [path, schema] of files) {
      visitSchema(schema, ({ $ref, $dynamicRef }, place) => {
        if ($ref === undefined && $dynamicRef === undefined) return;
        const target = new URL(String($ref ?? $dynamicRef), `${schemaBase}${path}`).href;
        if (!schemaFiles.has(target.slice(schemaBase.length))) unresolved.push(`${path}${place}: ${target}`);
      });
    }
    expect(unresolved).toEqual([]);
  });

  test('each property of an object type says what it is for', () => {
    const silent: string[] = [];
    for (const [path, schema] of files) {
      for (const [name, part] of Object.entries((schema.properties ?? {}) as Record<string, object>)) {
        const isKnown = name === 'type' || name === 'id' || name === 'spec_version';
        if (!isKnown && !('description' in part) && !('not' in part)) silent.push(`${path} ${name}`);
      }
    }
    expect(silent).toEqual([]);
  });

  test('each is a schema by the meta-schema', () => {
    const ajv = new Ajv2020();
    for (const [path, schema] of [...files, ...extensionSchemas]) {
      expect([path, ajv.validateSchema(schema)]).toEqual([path, true]);
    }
  });

  test('each schema of an extension stands alone, and says what it is for', () => {
    expect(extensionSchemas.size).toBeGreaterThan(0);
    for (const [path, schema] of extensionSchemas) {
      expect([path, schema]).toEqual([
        path,
        expect.objectContaining({ title: expect.any(String), description: expect.any(String) }),
      ]);
      visitSchema(schema, ({ $ref = '#' }, place) =>
        expect([path, place, $ref]).toEqual([path, place, expect.stringMatching(/^#/)]),
      );
    }
  });
});

describe('a second library', () => {
  test.each(valid)('accepts $name as far as the schemas go', ({ object, strict = [] }) => {
    expect(judge(object, 'spec').errors).toEqual([]);
    const refused = strict.filter((code) => !inCode.has(code));
    expect([judge(object, 'strict').valid, refused]).toEqual([refused.length === 0, refused]);
  });

  test.each(invalid.filter(isOfSchema))('refuses $name at the same place', ({ object, path }) => {
    for (const policy of policies) {
      const { valid: isAccepted, errors } = judge(object, policy);
      expect([policy, isAccepted]).toEqual([policy, false]);
      expect(placesOf(errors)).toContain(path);
    }
  });

  test('most invalid fixtures are refused by the schemas', () => {
    expect(invalid.filter(isOfSchema).length).toBeGreaterThan(55);
  });

  test.each(invalid.filter((each) => !isOfSchema(each)))('leaves $name to the rules', ({ object, code }) => {
    const { errors } = checkObject(JSON.stringify(object), 'spec');
    expect(errors.map((issue) => issue.code)).toContain(code);
    if (schemaPathFor(object) !== undefined && !ofText.includes(code)) expect(judge(object, 'spec').errors).toEqual([]);
  });
});

describe('the README of the schemas', () => {
  const readme = readFileSync(new URL('../../schemas/README.md', import.meta.url), 'utf8');
  const examples = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);

  test('shows two libraries', () => {
    expect(examples.map((code) => /from '([^.'][^']*)';\n(?!import)/.exec(code)?.[1])).toEqual([
      'ajv/dist/2020.js',
      '@cfworker/json-schema',
    ]);
  });

  test.each(examples)('has an example that runs as written: %#', (code) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^true\nfalse .*\/value"/);
  });
});
