/**
 * Promise 1 where the network or the database lets the store down: requests get a 503 in time, nothing that was acknowledged
 * is lost or stored twice, and the service returns by itself.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createRandom } from '../hostile/generator.ts';
import { type Client, checkStatuses, readAll } from '../races/clients.ts';
import { declareCollections, kept, loginOf, prepareStore } from '../races/deployment.ts';
import { judgeCollection } from '../races/judge.ts';
import { Ledger } from '../races/ledger.ts';
import { seed } from '../races/races.ts';
import { type FaultyProxy, type NetworkFault, startFaultyProxy } from '../support/faulty-proxy.ts';
import { type Engine, findEngine, findUnfitForProxy, startEngine } from '../support/mongodb.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { type Answer, ask, taxii } from '../support/taxii-server.ts';

const found = findEngine();
const patience = 10_000;
const unfit = findUnfitForProxy(found);

describeWith('mongodb', unfit, 'promise 1 while MongoDB fails', () => {
  let engine: Engine;
  let proxy: FaultyProxy;
  let folder: string;
  let server: RunningServer;
  let client: Client;
  const ledger = new Ledger();
  const random = createRandom(seed);

  beforeAll(async () => {
    if ('missing' in found) throw new Error(found.missing);
    engine = await startEngine(found);
    const url = engine.newUrl();
    proxy = await startFaultyProxy(url);
    folder = await mkdtemp(join(tmpdir(), 'huiju-faults-'));
    const env = { ...(await declareCollections(folder)), HUIJU_STORE: proxy.urlOf(url) };
    await prepareStore(env);
    server = await runServer({ folder, env });
    client = { deployment: { pick: async () => server.url }, ledger, random, isOver: () => false };
  });
  afterAll(async () => {
    await server?.kill();
    await proxy?.close();
    await engine?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function publish(size: number): Promise<Answer> {
    const batch = Array.from({ length: size }, () => ledger.next(random));
    for (const object of batch) ledger.willSend(object);
    const body = `{"objects":[${batch.map(({ text }) => text).join()}]}`;
    const answer = await ask(server.url, `${kept}objects/`, { authorization: loginOf('ada'), body });
    if (answer.status === 202) ledger.acknowledge(batch, 'ada', answer.text);
    return answer;
  }

  const read = (user: string) => ask(server.url, `${kept}objects/?limit=5`, { authorization: loginOf(user) });

  /** What a request gets within the time that is promised. */
  async function inTime(answer: Promise<Answer>): Promise<Answer> {
    const began = performance.now();
    const given = await answer;
    expect(performance.now() - began).toBeLessThan(patience);
    return given;
  }

  function expectUnavailable(answer: Answer): void {
    expect([answer.status, answer.headers['content-type']]).toEqual([503, taxii]);
    expect(answer.json()).toMatchObject({ error_code: 'unavailable', http_status: '503' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  }

  async function expectSound(): Promise<void> {
    expect(judgeCollection(await readAll(client, kept, 'all'), ledger.acknowledged)).toEqual([]);
    expect(ledger.faults).toEqual([]);
  }

  /** Returns to normal within the time, without help. */
  async function expectBack(): Promise<void> {
    const back = Date.now() + patience;
    while ((await publish(20)).status !== 202) expect(Date.now()).toBeLessThan(back);
    while ((await ask(server.url, '/readyz')).status !== 200) expect(Date.now()).toBeLessThan(back);
    for (const size of [1, 200]) expect((await publish(size)).status).toBe(202);
    await expectSound();
    await checkStatuses(client, ledger.statuses.slice(-20));
  }

  test.each<NetworkFault>(['away', 'requests-stall', 'answers-stall', 'silent'])(
    'with a database that is %s everything is a 503 in time, and then as before',
    async (fault) => {
      for (const size of [1, 200]) expect((await publish(size)).status).toBe(202);
      await read('bob');
      const under = Array.from({ length: 5 }, () => publish(20));
      proxy.set(fault);
      // Two of a user whose login is known, one of a user whose login must be looked up.
      const answers = await Promise.all([publish(50), publish(1), read('bob'), read('cyd')].map(inTime));
      answers.forEach(expectUnavailable);
      const early = await Promise.all(under.map(inTime));
      early.filter(({ status }) => status !== 202).forEach(expectUnavailable);
      expect((await inTime(ask(server.url, '/readyz', { as: null }))).status).toBe(503);
      expect((await inTime(ask(server.url, '/healthz', { as: null }))).status).toBe(200);
      proxy.set('none');
      await expectBack();
    },
  );

  test.each<NetworkFault>(['not-primary', 'cut-before-writes', 'cut-after-writes'])(
    'with writes that meet %s publications are a 503 in time, reads go on, and then all is as before',
    async (fault) => {
      expect((await publish(20)).status).toBe(202);
      proxy.set(fault);
      const { met } = proxy;
      const answers = await Promise.all([publish(50), publish(1)].map(inTime));
      answers.forEach(expectUnavailable);
      expect(proxy.met).toBeGreaterThan(met);
      const page = await inTime(read('bob'));
      expect(page.status).toBe(200);
      expect((await ask(server.url, '/readyz', { as: null })).status).toBe(200);
      proxy.set('none');
      await expectBack();
    },
  );

  test('connections that are cut over and over while clients publish lose and double nothing', async () => {
    const faults: readonly NetworkFault[] = ['away', 'cut-after-writes', 'not-primary', 'cut-before-writes'];
    const { acknowledged } = ledger;
    let isOver = false;
    const publishing = [1, 2, 3].map(async () => {
      while (!isOver) {
        const answer = await inTime(publish(10));
        if (answer.status !== 202) expectUnavailable(answer);
      }
    });
    const storm = async () => {
      for (const fault of faults) {
        const { met } = proxy;
        proxy.set(fault);
        // Each lasts until it was met.
        while (proxy.met === met) await read('bob');
        proxy.set('none');
        const { length } = acknowledged;
        const back = Date.now() + 2 * patience;
        while (acknowledged.length === length && Date.now() < back) await read('bob');
        expect(acknowledged.length).toBeGreaterThan(length);
      }
    };
    await storm().finally(() => {
      isOver = true;
      proxy.set('none');
    });
    await Promise.all(publishing);
    await expectBack();
  }, 120_000);
});
