import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { checkBundleHead, checkDocument, checkObject } from '../../src/stix/check-object.ts';

interface Case {
  readonly name: string;
  readonly object: Record<string, unknown>;
}
interface ValidCase extends Case {
  /** Codes of the warnings expected under policy `spec`; a single one alone. */
  readonly warning?: string | readonly string[];
  /** Codes of the errors expected under policy `strict`; absent: valid there too. */
  readonly strict?: readonly string[];
}
interface InvalidCase extends Case {
  readonly code: string;
  readonly path: string;
}

function readCases<T>(name: string): T[] {
  const text = readFileSync(new URL(`../fixtures/stix/${name}`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

const valid = readCases<ValidCase>('valid.ndjson');
const invalid = readCases<InvalidCase>('invalid.ndjson');
const campaign = {
  type: 'campaign',
  spec_version: '2.1',
  id: 'campaign--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f',
  created: '2024-03-01T08:00:00.000Z',
  modified: '2024-03-01T08:00:00.000Z',
  name: 'Green winter',
};

function codesOf(object: unknown, policy: 'spec' | 'strict' = 'spec'): string[] {
  return checkObject(JSON.stringify(object), policy).errors.map(({ code }) => code);
}

describe('what the standard allows', () => {
  test.each(valid)('$name is valid under spec', ({ object, warning }) => {
    const { errors, warnings } = checkObject(JSON.stringify(object), 'spec');
    expect(errors).toEqual([]);
    expect(warnings.map(({ code }) => code)).toEqual([warning ?? []].flat());
  });

  test.each(valid)('$name under strict', ({ object, strict }) => {
    expect(codesOf(object, 'strict')).toEqual(strict ?? []);
  });
});

describe('what the standard forbids', () => {
  test.each(invalid)('$name: $code', ({ object, code, path }) => {
    const { errors } = checkObject(JSON.stringify(object), 'spec');
    expect(errors.map((issue) => [issue.code, issue.path])).toContainEqual([code, path]);
  });
});

describe('what is said about an object', () => {
  test('id, type, version and its key', () => {
    const checked = checkObject(JSON.stringify({ ...campaign, modified: '2024-03-01T08:00:00.500Z' }), 'spec');
    expect(checked).toMatchObject({
      id: campaign.id,
      type: 'campaign',
      version: '2024-03-01T08:00:00.500Z',
      versionKey: '2024-03-01T08:00:00.5',
      digest: null,
      tlp: null,
    });
  });

  test('an object without modified has the version created', () => {
    const { modified: _modified, ...rest } = campaign;
    expect(checkObject(JSON.stringify(rest), 'spec').version).toBe(campaign.created);
  });

  test('an observable has a digest in place of a version', () => {
    const url = { type: 'url', id: 'url--47c3cf9a-5027-5bf0-997a-017c7edc7c55', value: 'https://a.example/' };
    const first = checkObject(JSON.stringify(url), 'spec');
    expect(first).toMatchObject({ version: null, versionKey: null });
    expect(first.digest).toMatch(/^[\w-]{22}$/);
    const { type, ...others } = url;
    expect(checkObject(JSON.stringify({ ...others, type }), 'spec').digest).toBe(first.digest);
  });

  test('a custom created on an observable that is no time is no version', () => {
    const file = { type: 'file', id: 'file--7af1312c-4402-5d2f-b169-b118d73b85c4', name: 'a', created: 'yesterday' };
    const checked = checkObject(JSON.stringify(file), 'spec');
    expect(checked).toMatchObject({ errors: [], version: null, versionKey: null, digest: expect.any(String) });
  });

  test('names of wrong objects are shortened', () => {
    const checked = checkObject(
      JSON.stringify({ ...campaign, id: 'x'.repeat(1000), modified: 'y'.repeat(1000) }),
      'spec',
    );
    expect(checked.id).toHaveLength(256);
    expect(checked.version).toBe(campaign.created);
  });

  test('at most twenty errors are listed, and one that says there are more', () => {
    const { errors } = checkObject(JSON.stringify({ ...campaign, labels: Array(1000).fill(1) }), 'spec');
    expect(errors).toHaveLength(21);
    expect(errors.at(-1)).toMatchObject({ code: 'more', path: '' });
  });

  test('many faults of a large object are found in bounded memory', () => {
    const text = JSON.stringify({ ...campaign, aliases: Array(300_000).fill(0), x_nulls: Array(300_000).fill(null) });
    expect(checkObject(text, 'strict').errors).toHaveLength(21);
  });

  test('an artifact of several megabytes is judged', () => {
    const artifact = (payload: string) =>
      codesOf({ type: 'artifact', id: 'artifact--6f437177-6e48-5cf8-9d9e-872a2bddd641', payload_bin: payload });
    expect(artifact('QUJD'.repeat(1_500_000))).toEqual([]);
    expect(artifact(`${'QUJD'.repeat(1_500_000)}*`)).toEqual(['STIX-2.1-binary']);
  });

  test('a version is a future one from a day after the clock on, by the second', () => {
    const now = Date.parse('2024-03-01T08:00:00.500Z');
    const warned = ['2024-03-02T08:00:00Z', '2024-03-02T08:00:00.999Z', '2024-03-02T08:00:01.000Z'].map((modified) =>
      checkObject(JSON.stringify({ ...campaign, modified }), 'spec', { now }).warnings.map(({ code }) => code),
    );
    expect(warned).toEqual([[], [], ['STIX-3.6-future-version']]);
  });

  test('a warning for a future version depends on the clock', () => {
    const text = JSON.stringify({ ...campaign, modified: '2024-03-03T00:00:00.000Z' });
    expect(checkObject(text, 'spec', { now: Date.UTC(2024, 2, 1) }).warnings).toHaveLength(1);
    expect(checkObject(text, 'spec', { now: Date.UTC(2024, 2, 2, 12) }).warnings).toHaveLength(0);
  });

  test('an integer is judged on its text', () => {
    const text = (number: string) =>
      `{"type":"autonomous-system","id":"autonomous-system--3aa27478-50b5-5ab8-9da9-cdc12b657fff","number":${number}}`;
    expect(['1.0', '1e2', '15139', '1.50e1'].flatMap((n) => checkObject(text(n), 'spec').errors)).toEqual([]);
    for (const number of ['1.0000000000000000001', '1e-1', '9007199254740993', '1e400']) {
      expect(checkObject(text(number), 'spec').errors).not.toEqual([]);
    }
  });

  test.each(['', '[', '3', 'null', '"a"', '{}', '{"type":3}', '{"type":"__proto__"}', '{"type":"constructor"}'])(
    '%j is refused, not thrown',
    (text) => {
      expect(checkObject(text, 'spec').errors).not.toEqual([]);
    },
  );

  test('a member named __proto__ is judged as any other name', () => {
    const text = JSON.stringify(campaign).replace('{', '{"__proto__":{"name":1},');
    expect(checkObject(text, 'spec').errors.map(({ code }) => code)).toEqual(['STIX-3.1-property-name']);
  });
});

describe('bundles as documents', () => {
  const bundle = { type: 'bundle', id: 'bundle--44af6c39-c09b-49c5-9de2-394224b04982', objects: [campaign] };
  const check = (value: unknown) =>
    checkDocument(JSON.stringify(value), 'spec').errors.map(({ code, path }) => [code, path]);

  test('a bundle is judged with its members', () => {
    expect(check(bundle)).toEqual([]);
    expect(check({ ...bundle, objects: [campaign, { ...campaign, name: 1 }] })).toEqual([
      ['STIX-2.15-string', '/objects/1/name'],
    ]);
  });

  test('a document that is no bundle is judged as an object', () => {
    expect(check(campaign)).toEqual([]);
  });

  test.each([
    [{ ...bundle, objects: [] }, 'STIX-8-objects', '/objects'],
    [{ ...bundle, objects: {} }, 'STIX-8-objects', '/objects'],
    [{ ...bundle, objects: [3] }, 'STIX-2-object', '/objects/0'],
    [{ ...bundle, objects: [bundle] }, 'STIX-8-nested-bundle', '/objects/0/type'],
    [{ ...bundle, id: null }, 'STIX-3.1-null', '/id'],
    [{ ...bundle, x_list: [] }, 'STIX-2.12-empty-list', '/x_list'],
    [{ ...bundle, id: campaign.id }, 'STIX-2.9-id-prefix', '/id'],
    [{ ...bundle, spec_version: '2.0' }, 'STIX-8-spec-version', '/spec_version'],
  ])('%j is refused', (value, code, path) => {
    expect(check(value)).toContainEqual([code, path]);
  });

  test('the head of a bundle is judged without its members', () => {
    const { objects: _objects, ...head } = bundle;
    expect(checkBundleHead(JSON.stringify(head), 'spec').errors).toEqual([]);
    expect(checkBundleHead('{"type":"bundle"}', 'spec').errors.map(({ code }) => code)).toEqual(['STIX-3.2-required']);
    expect(checkBundleHead('{"type":"campaign"}', 'spec').errors.map(({ code }) => code)).toEqual(['STIX-8-bundle']);
  });
});
