import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { newIdentity } from '../support/taxii-server.ts';
import { useHuiju } from './use-huiju.ts';

const { huiju, pathOf } = useHuiju();

test('huiju import reports the versions that STIX 2.1 §3.6 forbids beside what is stored, by line and rule', async () => {
  const creator = { created_by_ref: newIdentity().id };
  const object = newIdentity(creator);
  const at = (second: number) => `2024-06-01T00:00:0${second}.000Z`;
  const lines = [
    { ...object, modified: at(1), created_by_ref: object.id },
    { ...object, modified: at(3), revoked: true },
    { ...object, modified: at(2), created: at(1) },
    { ...object, modified: at(4) },
    { ...object, modified: at(2) },
  ];
  const importLines = (name: string, objects: readonly object[], ...args: readonly string[]) => {
    const file = pathOf(name);
    writeFileSync(file, objects.map((each) => `${JSON.stringify(each)}\n`).join(''));
    return huiju(['import', file, '--collection', 'groups', ...args]);
  };
  expect(await importLines('first.ndjson', [object])).toMatchObject({ code: 0 });
  const report = pathOf('report.ndjson');
  const { code, stdout } = await importLines('more.ndjson', lines, '--report', report);
  expect([code, stdout]).toEqual([1, expect.stringContaining('2 added, 0 duplicate, 3 failed')]);
  const failures = readFileSync(report, 'utf8').trim().split('\n');
  const told = (line: number, code: string, path: string, value: string) =>
    expect.objectContaining({ line, id: object.id, errors: [expect.objectContaining({ code, path, value })] });
  expect(failures.map((line) => JSON.parse(line))).toEqual([
    told(1, 'STIX-3.6-other-creator', '/created_by_ref', `"${object.id}"`),
    told(3, 'STIX-3.6-created-changed', '/created', `"${at(1)}"`),
    told(4, 'STIX-3.6-revoked', '/modified', `"${at(4)}"`),
  ]);
});
