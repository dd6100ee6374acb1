import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createToken, listTokens, revokeToken } from '../../src/hub/tokens.ts';
import { createUser, setDisabled, setPassword } from '../../src/hub/users.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { openConnection, rawRequest, sendRaw } from '../support/raw-http.ts';
import {
  type Ask,
  basic,
  ids,
  newIdentity,
  password,
  startTaxiiServer,
  type TestServer,
  taxii,
} from '../support/taxii-server.ts';
import { at, expectError } from './answers.ts';

let server: TestServer;
/** The same store, opened a second time, as the command line does it. */
let store: Store;
beforeAll(async () => {
  server = await startTaxiiServer();
  store = await openStore({ kind: 'sqlite', path: join(server.folder, 'store', 'huiju.db') });
});
afterAll(async () => {
  await store.close();
  await server.close();
});

const object = newIdentity();

/** Every endpoint, as the eight GETs, POST and DELETE. */
const endpoints: readonly [path: string, options: Ask][] = [
  ['/main/', {}],
  ['/main/status/2d086da7-4bdc-4f91-900e-d77486753710/', {}],
  ['/main/collections/', {}],
  [`${at.rw}/`, {}],
  [`${at.rw}/manifest/`, {}],
  [`${at.rw}/objects/`, {}],
  [`${at.rw}/objects/${object.id}/`, {}],
  [`${at.rw}/objects/${object.id}/versions/`, {}],
  [`${at.rw}/objects/`, { body: { objects: [object] } }],
  [`${at.rw}/objects/${object.id}/`, { method: 'DELETE' }],
];

// RFC 9110 §11.6.1: a scheme with parameters, each a token or a quoted string.
const challenge = /^Basic realm="huiju", charset="UTF-8", Bearer realm="huiju"$/;

async function expectRefused(path: string, options: Ask): Promise<void> {
  const answer = await server.get(path, options);
  expectError(answer, 401, 'login-required');
  expect(answer.headers['www-authenticate']).toMatch(challenge);
}

describe('TAXII 2.1 §1.6.9 authentication', () => {
  test('T-420, T-421, T-423: without a login every endpoint is 401 and offers Basic with a realm', async () => {
    for (const [path, options] of endpoints) await expectRefused(path, { ...options, as: null });
    await expectRefused('/nowhere/', { as: null });
    await expectRefused('/a/path/that/is/no/endpoint/', { as: null });
  });

  test('T-420, T-422: with a failed login every endpoint is 401, discovery and public collections too', async () => {
    const authorization = basic('member', 'wrong');
    for (const [path, options] of endpoints) await expectRefused(path, { ...options, authorization });
    for (const path of ['/taxii2/', '/open/', `/open/collections/${ids.open}/objects/`]) {
      expect((await server.get(path, { as: null })).status).toBe(200);
      await expectRefused(path, { authorization });
    }
    expect((await server.get(`${at.rw}/objects/?match[id]=${object.id}`)).text).toBe('{"more":false}');
  });

  test('T-422: wrong passwords, other users and other spellings of the name do not log in', async () => {
    const attempts = [
      basic('member', 'wrong'),
      basic('nobody'),
      basic('member', ''),
      basic('', password),
      basic('MEMBER'),
      basic('member', `${password} `),
      basic('member', password.toUpperCase()),
      basic('member', `${password}\0`),
    ];
    for (const authorization of attempts) await expectRefused('/main/', { authorization });
    expect((await server.get('/main/', { authorization: basic('member') })).status).toBe(200);
  });

  test('T-422: a user who was disabled, and an old password, do not log in from that moment on', async () => {
    await createUser(store, 'leaving', password, []);
    const old = { authorization: basic('leaving') };
    const renewed = { authorization: basic('leaving', 'another long password') };
    expect((await server.get('/main/', old)).status).toBe(200);
    await setPassword(store, 'leaving', 'another long password');
    await expectRefused('/main/', old);
    expect((await server.get('/main/', renewed)).status).toBe(200);
    await setDisabled(store, 'leaving', true);
    await expectRefused('/main/', renewed);
  });

  test('T-422: a user who is disabled while the body arrives has published nothing', async () => {
    await createUser(store, 'uploading', password, ['publisher']);
    const login = { Authorization: basic('uploading'), 'Content-Type': taxii, 'Transfer-Encoding': 'chunked' };
    const late = newIdentity();
    const text = `{"objects":[${JSON.stringify(late)}]}`;
    const connection = openConnection(server.url);
    const head = rawRequest(`POST ${at.rw}/objects/`, { ...login, Expect: '100-continue' });
    connection.send(head);
    // Whoever is asked to send the body has been let in.
    expect((await connection.next())?.status).toBe(100);
    await setDisabled(store, 'uploading', true);
    connection.send(`${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`);
    expect((await connection.next())?.status).toBe(401);
    connection.close();
    expect((await server.get(`${at.rw}/objects/${late.id}/`)).status).toBe(404);
  });

  test('credentials that were left empty are none: public collections are read, others are 401', async () => {
    for (const authorization of ['', 'Basic', 'Basic ', 'Basic Og==', 'Bearer', 'Bearer ', 'Token']) {
      await expectRefused('/main/', { authorization });
      expect((await server.get('/open/', { authorization })).status).toBe(200);
    }
    const headers = { 'X-Api-Key': '' };
    await expectRefused('/main/', { as: null, headers });
    expect((await server.get('/open/', { as: null, headers })).status).toBe(200);
  });

  test('Authorization given twice is a 400, since who is asking depends on which one counts', async () => {
    for (const path of ['/open/', '/main/', '/']) {
      const fields = `Host: a\r\nAuthorization: ${basic('member')}\r\nauthorization: ${basic('boss')}\r\n`;
      const answer = await sendRaw(server.url, `GET ${path} HTTP/1.1\r\n${fields}\r\n`);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([400, taxii]);
      expect(JSON.parse(answer.text)).toMatchObject({
        error_code: 'malformed-request',
        description: 'The Authorization header is given 2 times: give it once.',
      });
    }
  });

  test('T-425: a malformed Authorization is 401, also where none is needed', async () => {
    const encoded = basic('member').slice('Basic '.length);
    const malformed = [
      'Digest',
      'Basic !!!!',
      `Basic ${Buffer.from('member').toString('base64')}`,
      `Basic ${encoded} ${encoded}`,
      `Basic${encoded}`,
      encoded,
      'Digest username="member"',
      'Bearer a b',
      `Basic ${'A'.repeat(60_000)}`,
      'Basic \u00e4\u00f6\u00fc',
      `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0x00]).toString('base64')}`,
    ];
    for (const authorization of malformed) {
      await expectRefused('/main/', { authorization });
      await expectRefused('/open/', { authorization });
    }
  });

  test('T-427: case does not matter in the name of the scheme', async () => {
    const encoded = basic('member').slice('Basic '.length);
    for (const scheme of ['basic', 'BASIC', 'bAsIc']) {
      expect((await server.get('/main/', { authorization: `${scheme} ${encoded}` })).status).toBe(200);
    }
    expect((await server.get('/main/', { authorization: `Basic   ${encoded}` })).status).toBe(200);
  });

  test('T-423: names and passwords beyond ASCII and with colons work', async () => {
    await createUser(store, 'zhang.wei', '密码: très long 🔑:', []);
    expect((await server.get('/main/', { authorization: basic('zhang.wei', '密码: très long 🔑:') })).status).toBe(200);
    await createUser(store, 'latin', 'caf\u00e9 au lait, please', []);
    const latin = `Basic ${Buffer.from('latin:caf\u00e9 au lait, please', 'latin1').toString('base64')}`;
    expect((await server.get('/main/', { authorization: latin })).status).toBe(200);
  });

  test('T-423: the empty login that clients without one send counts as none', async () => {
    for (const authorization of [basic('', ''), basic('None', 'None')]) {
      expect((await server.get('/open/', { authorization })).status).toBe(200);
      await expectRefused('/main/', { authorization });
    }
  });

  test('T-420: a token logs in as its user until it is revoked or has expired', async () => {
    const now = Date.now() * 1000;
    const token = await createToken(store, 'reader', now);
    const bearer = { authorization: `Bearer ${token}` };
    expect((await server.get('/main/', bearer)).status).toBe(200);
    expectError(await server.publish([newIdentity()], undefined, bearer), 403, 'not-permitted');
    const [kept] = await listTokens(store, 'reader');
    await revokeToken(store, String(kept?.id));
    await expectRefused('/main/', bearer);
    const expired = await createToken(store, 'reader', now, now - 1);
    await expectRefused('/main/', { authorization: `Bearer ${expired}` });
    await expectRefused('/main/', { authorization: `Bearer ${token.slice(0, -1)}` });
  });
});
