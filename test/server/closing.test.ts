import { expect, test } from '@jest/globals';
import { openConnection, rawRequest } from '../support/raw-http.ts';
import { basic, ids, newIdentity, startTaxiiServer, taxii } from '../support/taxii-server.ts';

test('a request that comes while the server ends is answered, and its connection closes with the answer', async () => {
  const server = await startTaxiiServer();
  const login = { Authorization: basic('member') };
  const body = JSON.stringify({ objects: [newIdentity()] });
  const fields = { ...login, 'Content-Type': taxii, 'Content-Length': String(body.length), Expect: '100-continue' };
  const connection = openConnection(server.url);
  connection.send(rawRequest(`POST /main/collections/${ids.rw}/objects/`, fields));
  // The word to continue says that the request is being served.
  expect((await connection.next({ noBody: true }))?.status).toBe(100);
  const closed = server.close();
  connection.send(body + rawRequest('GET /main/', login));
  expect((await connection.next())?.status).toBe(202);
  const last = await connection.next();
  expect([last?.status, last?.headers.get('connection')]).toEqual([200, 'close']);
  expect(await connection.next()).toBeUndefined();
  await closed;
});
