/**
 * A process of its own that keeps entries of the access log, then a record: `node sync-process.ts PATH`. It says when each
 * is acknowledged, and goes on after each line that it is given.
 */

import { once } from 'node:events';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { AccessEntry } from '../../src/store/store.ts';

const store = await openSqliteStore({ path: process.argv[2] ?? '' });
const entry: AccessEntry = {
  ...{ at: 1, collection: 'c', user: 'ann', client: '::1', agent: '', method: 'GET', endpoint: 'objects' },
  ...{ status: 200, objects: 1, bytes: 1, ms: 1, errorCode: null },
};
const put = (id: string) => store.putRecord('kind', id, 0, {}, {});

// The log begins with it, which is synced in any case.
await put('first');
for (const [word, act] of [
  ['ready', async () => {}],
  ['logged', () => store.recordAccess([entry], { since: 0, ofUsers: 10, ofNobody: 10 })],
  ['both', () => Promise.all([store.recordAccess([entry], { since: 0, ofUsers: 10, ofNobody: 10 }), put('second')])],
  ['put', () => put('third')],
] as const) {
  await act();
  process.stdout.write(`${word}\n`);
  await once(process.stdin, 'data');
}
await store.close();
process.stdin.destroy();
