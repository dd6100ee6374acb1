import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { type Status, statusOf } from './answers.ts';
import { createPublisher, path } from './publisher.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

const { publish, recordsOf } = createPublisher(() => server);
const at = (second: number) => `2024-06-01T00:00:0${second}.000Z`;
const [ann, bob] = [newIdentity().id, newIdentity().id];

/** What the status says of each object: `ok`, or the beginning of its failure's message. */
function told({ failures = [] }: Status, modified: readonly string[]): string[] {
  return modified.map((version) => failures.find((each) => each.version === version)?.message ?? 'ok');
}

describe('STIX 2.1 §3.6 versions of an object', () => {
  test('only its creator makes them: another one fails alone, is told why and what to do, and nothing is stored', async () => {
    const object = newIdentity({ created_by_ref: ann });
    await publish([object]);
    const [theirs, ours] = [
      { ...object, modified: at(1), created_by_ref: bob },
      { ...object, modified: at(2) },
    ];
    const status = await publish([theirs, ours]);
    expect(status).toMatchObject({ success_count: 1, failure_count: 1 });
    expect(status.failures).toEqual([{ id: object.id, version: at(1), message: expect.any(String) }]);
    const message = status.failures?.[0]?.message ?? '';
    expect(message).toMatch(/^STIX-3\.6-other-creator at \/created_by_ref \("identity--/);
    expect(message).toContain(bob);
    expect(message).toContain('derived-from');
    expect((await recordsOf(object.id)).map(({ version }) => version)).toEqual([object.modified, at(2)]);
  });

  test('another member who publishes them under the name of the creator is believed: rights are not the creator', async () => {
    const object = newIdentity({ created_by_ref: ann });
    await publish([object]);
    const answer = await server.publish([{ ...object, modified: at(1) }], path, { as: 'other' });
    expect(statusOf(answer).success_count).toBe(1);
  });

  test('an object without created_by_ref does not get one, and one that has keeps it', async () => {
    const [unnamed, named] = [newIdentity(), newIdentity({ created_by_ref: ann })];
    await publish([unnamed, named]);
    const { created_by_ref: _ann, ...withoutCreator } = named;
    const status = await publish([
      { ...unnamed, modified: at(1), created_by_ref: ann },
      { ...withoutCreator, modified: at(2) },
      { ...unnamed, modified: at(3) },
    ]);
    expect(told(status, [at(1), at(2), at(3)])).toEqual([
      expect.stringMatching(/^STIX-3\.6-other-creator at \/created_by_ref \("/),
      expect.stringMatching(/^STIX-3\.6-other-creator at \/created_by_ref: /),
      'ok',
    ]);
  });

  test('created never changes', async () => {
    const object = newIdentity();
    await publish([object]);
    const status = await publish([{ ...object, created: at(1), modified: at(1) }]);
    expect(told(status, [at(1)])).toEqual([
      expect.stringContaining(`STIX-3.6-created-changed at /created ("${at(1)}"): `),
    ]);
  });

  test('revocation is final, also within one envelope; older versions still come in, and what is there is a duplicate', async () => {
    const object = newIdentity({ created_by_ref: ann });
    const versions = [
      object,
      { ...object, modified: at(3), revoked: true },
      { ...object, modified: at(4), revoked: false },
      { ...object, modified: at(2) },
    ];
    const modified = versions.map((each) => String(each.modified));
    const expected = ['ok', 'ok', expect.stringContaining(`STIX-3.6-revoked at /modified ("${at(4)}"): `), 'ok'];
    expect(told(await publish(versions), modified)).toEqual(expected);
    expect(told(await publish(versions), modified)).toEqual(expected);
    expect((await server.get(`${path}${object.id}/`)).json().objects).toEqual([versions[1]]);
  });

  test('the reasons are given in Chinese to who asks for it', async () => {
    const object = newIdentity({ created_by_ref: ann });
    await publish([object, { ...object, modified: at(3), revoked: true }]);
    const refused = [
      { ...object, modified: at(4) },
      { ...object, modified: at(5), created_by_ref: bob },
      { ...object, created: at(1), modified: at(6) },
    ];
    const answer = await server.publish(refused, path, { headers: { 'Accept-Language': 'zh-CN' } });
    expect(told(statusOf(answer), [at(4), at(5), at(6)])).toEqual(
      ['revoked', 'other-creator', 'created-changed'].map((rule) =>
        expect.stringMatching(new RegExp(`^STIX-3\\.6-${rule} at .*[\\u4e00-\\u9fff]`)),
      ),
    );
  });
});
