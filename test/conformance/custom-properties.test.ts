import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { at, statusOf } from './answers.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTaxiiServer();
});
afterAll(() => server.close());

/** Every property name of the TAXII resource, STIX objects excepted, which are not its own. */
function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (typeof value !== 'object' || value === null || 'spec_version' in value) return [];
  return Object.entries(value).flatMap(([name, member]) => [name, ...namesIn(member)]);
}

describe('TAXII 2.1 §7 custom properties', () => {
  test('T-460: unknown properties of an envelope are ignored, its objects stored', async () => {
    const object = newIdentity();
    const body = { x_sender: { name: 'a', objects: [1] }, more: true, next: 'x', objects: [object], x_after: [null] };
    expect(statusOf(await server.get(`${at.rw}/objects/`, { body })).success_count).toBe(1);
    expect((await server.get(`${at.rw}/objects/${object.id}/`)).json()).toEqual({ more: false, objects: [object] });
  });

  test('T-461, T-462: resources have the properties of the standard and no other', async () => {
    const object = newIdentity();
    const posted = await server.publish([object, { ...object, name: 'Other' }]);
    const status = `/main/status/${statusOf(posted).id}/`;
    const expected: Record<string, readonly string[]> = {
      '/taxii2/': ['title', 'description', 'contact', 'default', 'api_roots'],
      '/main/': ['title', 'description', 'versions', 'max_content_length'],
      [status]: [
        ...['id', 'status', 'request_timestamp', 'total_count', 'success_count', 'successes', 'failure_count'],
        ...['failures', 'pending_count', 'version', 'message'],
      ],
      '/main/collections/': [
        'collections',
        'id',
        'title',
        'description',
        'alias',
        'can_read',
        'can_write',
        'media_types',
      ],
      [`${at.rw}/`]: ['id', 'title', 'description', 'alias', 'can_read', 'can_write', 'media_types'],
      [`${at.rw}/manifest/?limit=1`]: ['more', 'next', 'objects', 'id', 'date_added', 'version', 'media_type'],
      [`${at.rw}/objects/?limit=1`]: ['more', 'next', 'objects'],
      [`${at.rw}/objects/${object.id}/`]: ['more', 'objects'],
      [`${at.rw}/objects/${object.id}/versions/`]: ['more', 'versions'],
      '/nowhere/': ['title', 'description', 'error_id', 'error_code', 'http_status'],
    };
    for (const [path, names] of Object.entries(expected)) {
      const found = new Set(namesIn((await server.get(path)).json()));
      expect([path, [...found].sort()]).toEqual([path, [...names].sort()]);
      for (const name of found) expect(name).toMatch(/^[a-z][a-z0-9_]{1,249}$/);
    }
  });
});
