import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { createHealthRouter } from '../../src/http/health.ts';
import { createLog } from '../../src/log.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { useTempFolder } from '../store/temp-folder.ts';
import { runServer } from '../support/run-server.ts';
import { ask } from '../support/taxii-server.ts';

const pathOf = useTempFolder();
const probe = { as: null, accept: null };

/** Asks the routes alone, with a store that answers or is closed, in a server that stays or ends. */
async function readiness(state: { readonly closedStore: boolean; readonly isClosing: boolean }) {
  const store = await openSqliteStore({ path: pathOf(`health-${state.closedStore}-${state.isClosing}.db`) });
  if (state.closedStore) await store.close();
  const router = createHealthRouter({ store, log: createLog('silent'), isClosing: () => state.isClosing });
  const server = createServer(express().use(router)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const [ready, alive] = await Promise.all([ask(url, '/readyz', probe), ask(url, '/healthz', probe)]);
    return { ready: [ready.status, ready.json()], alive: [alive.status, alive.json()] };
  } finally {
    server.close();
    await store.close();
  }
}

describe('probes', () => {
  test('are answered without login, as JSON that nobody keeps, and leave no line in the log', async () => {
    const server = await runServer({ env: { HUIJU_LOG_LEVEL: 'trace' } });
    try {
      const answers = await Promise.all(
        ['/healthz', '/readyz', '/readyz/'].map((path) => ask(server.url, path, probe)),
      );
      expect(answers.map(({ status, text }) => [status, text])).toEqual([
        [200, '{"status":"alive"}'],
        [200, '{"status":"ready"}'],
        [200, '{"status":"ready"}'],
      ]);
      for (const { headers } of answers) {
        expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
      }
      expect((await ask(server.url, '/readyz', { ...probe, method: 'HEAD' })).text).toBe('');
      expect((await ask(server.url, '/nothing', probe)).status).toBe(401);
    } finally {
      await server.stop();
    }
    expect(server.output()).toContain('"path":"/nothing"');
    expect(server.output()).not.toMatch(/"path":"\/(?:healthz|readyz)/);
  });

  test('however many ask at once, the store is asked once, and again by who asks later', async () => {
    let asked = 0;
    let answer = (): void => undefined;
    const findStatus = (): Promise<undefined> => {
      asked += 1;
      return new Promise((resolve) => {
        answer = () => resolve(undefined);
      });
    };
    const router = createHealthRouter({ store: { findStatus }, log: createLog('silent'), isClosing: () => false });
    let arrived = 0;
    const app = express()
      .use((_request, _response, next) => {
        next();
        arrived += 1;
      })
      .use(router);
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const round of [1, 2]) {
      const probes = [1, 2, 3].map(() => ask(url, '/readyz', probe));
      while (arrived < 3 * round) await new Promise((resolve) => setImmediate(resolve));
      expect(asked).toBe(round);
      answer();
      for (const { status } of await Promise.all(probes)) expect(status).toBe(200);
    }
    server.close();
  });

  test('not ready: the server is ending', async () => {
    expect(await readiness({ closedStore: false, isClosing: true })).toEqual({
      ready: [503, { status: 'unavailable', reason: 'the server is ending' }],
      alive: [200, { status: 'alive' }],
    });
  });

  test('not ready: the store does not answer', async () => {
    expect(await readiness({ closedStore: true, isClosing: false })).toEqual({
      ready: [503, { status: 'unavailable', reason: 'the store does not answer' }],
      alive: [200, { status: 'alive' }],
    });
  });
});
