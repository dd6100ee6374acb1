/** Large bodies: whose turn it is, and how long a slow client may keep it. */

import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defaultLimits, type HttpLimits } from '../../src/http/limits.ts';
import { createPatience } from '../../src/http/patience.ts';
import { createUploads, type Upload, type Uploads } from '../../src/http/uploads.ts';
import { type RawConnection, rawRequest } from '../support/raw-http.ts';
import { basic, newIdentity, startTaxiiServer, type TestServer } from '../support/taxii-server.ts';
import { drip, objects, open, opened, settled, upload } from './slow-bodies.ts';

/** Turns alone, without a server. */
function openUploads(limits: Partial<HttpLimits['uploads']>): Uploads['open'] {
  const uploads = { ...defaultLimits.uploads, freeBytes: 0, kept: 0, ...limits };
  return createUploads({ ...defaultLimits, uploads }).open;
}

describe('turns', () => {
  test("one user's uploads wait for each other, not the others for them; too many are told so", async () => {
    const limits = { ...defaultLimits.uploads, freeBytes: 100, perUser: 2, waitingPerUser: 3 };
    const server = await startTaxiiServer({}, undefined, { uploads: limits });
    const begin = `{"objects":[${JSON.stringify(newIdentity())}`;
    const start = (user: string) => {
      const connection = open(server);
      const head = rawRequest(`POST ${objects}`, { ...upload, Authorization: basic(user) });
      connection.send(`${head}${begin.length.toString(16)}\r\n${begin}\r\n`);
      return { connection, finish: () => connection.send('2\r\n]}\r\n0\r\n\r\n') };
    };
    const mine = Array.from({ length: 6 }, () => start('member'));
    const answers = mine.map(({ connection }) => connection.next());
    const refused = await Promise.race(answers);
    expect([refused?.status, refused?.headers.get('retry-after')]).toEqual([429, '10']);
    const theirs = start('other');
    theirs.finish();
    expect((await theirs.connection.next())?.status).toBe(202);
    // Small bodies never wait.
    expect((await server.get(objects, { body: '{"objects":[{}]}' })).status).toBe(202);
    for (const { finish } of mine) finish();
    const statuses = (await Promise.all(answers)).map((answer) => answer?.status).sort();
    expect(statuses).toEqual([202, 202, 202, 202, 202, 429]);
    await server.close();
  });

  test('who leaves while it waits gives its place up, and neither takes nor returns a turn', async () => {
    const openUpload = openUploads({ atOnce: 1, perUser: 1, waitingPerUser: 1 });
    const first = openUpload('a');
    await first.enter();
    first.abandon();
    const left = openUpload('a');
    const waiting = left.enter();
    left.abandon();
    await expect(waiting).rejects.toThrow('left before');
    left.leave();
    const second = openUpload('a');
    const entered = second.enter();
    await expect(openUpload('a').enter()).rejects.toThrow('More than 1');
    first.leave();
    await entered;
    const third = openUpload('b');
    const blocked = third.enter();
    third.abandon();
    await expect(blocked).rejects.toThrow('left before');
  });

  test('turns go to whoever has the fewest, and of these to whoever waits longest', async () => {
    const openUpload = openUploads({ atOnce: 3, perUser: 2, waitingPerUser: 9 });
    const order: string[] = [];
    const start = (user: string) => {
      const one = openUpload(user);
      void one.enter().then(() => order.push(user));
      return one;
    };
    const [a1, a2, , b1] = ['a', 'a', 'a', 'b', 'b', 'c'].map(start);
    await Promise.resolve();
    await settled();
    expect(order).toEqual(['a', 'a', 'b']);
    b1?.leave();
    b1?.leave();
    await settled();
    expect(order).toEqual(['a', 'a', 'b', 'b']);
    a1?.leave();
    a2?.leave();
    await settled();
    expect(order).toEqual(['a', 'a', 'b', 'b', 'c', 'a']);
  });

  test('a turn that is given back twice is one turn', async () => {
    const openUpload = openUploads({ atOnce: 9, perUser: 2, waitingPerUser: 9 });
    const [first, ...others] = Array.from({ length: 4 }, () => openUpload('a'));
    const entered: number[] = [];
    await first?.enter();
    for (const [place, one] of others.entries()) void one.enter().then(() => entered.push(place));
    first?.leave();
    first?.leave();
    await settled();
    expect(entered).toEqual([0, 1]);
  });

  test('the last turns are for users who hold none', async () => {
    const openUpload = openUploads({ atOnce: 4, perUser: 4, kept: 2, waitingPerUser: 9 });
    const order: string[] = [];
    const start = (user: string) => {
      const one = openUpload(user);
      void one.enter().then(() => order.push(user));
      return one;
    };
    const [first] = ['a', 'a', 'a', 'b', 'c', 'b', 'd'].map(start);
    await settled();
    expect(order).toEqual(['a', 'a', 'b', 'c']);
    first?.leave();
    await settled();
    expect(order).toEqual(['a', 'a', 'b', 'c', 'd']);
  });
});

describe('a user who holds turns with slow uploads while others wait', () => {
  const contested = { grace: 300, bytesPerSecond: 100_000 };
  const uploads = { ...defaultLimits.uploads, freeBytes: 100, atOnce: 4, perUser: 3, kept: 0, contested };
  const pace = { grace: 20_000, bytesPerSecond: 10 };
  const begin = `{"objects":[${JSON.stringify(newIdentity())}`;
  const end = '2\r\n]}\r\n0\r\n\r\n';
  let server: TestServer;
  beforeAll(async () => {
    server = await startTaxiiServer({}, undefined, { pace, uploads });
  });
  afterAll(() => server.close());

  /** A body that is sent to its end but for the last chunk, and drips from then on. */
  async function start(user: string, login = basic(user)): Promise<{ connection: RawConnection; finish(): void }> {
    // Logged in, so that bodies get their turns in the order in which they come.
    expect((await server.get('/main/', { authorization: login })).status).toBe(200);
    const connection = open(server);
    const head = rawRequest(`POST ${objects}`, { ...upload, Authorization: login, Expect: '100-continue' });
    connection.send(head);
    expect((await connection.next())?.status).toBe(100);
    connection.send(`${begin.length.toString(16)}\r\n${begin}\r\n`);
    const dripping = drip(connection, ' ');
    return {
      connection,
      finish: () => {
        dripping.close();
        connection.send(end);
      },
    };
  }

  test('hands one over to who has fewer: the slowest ends with 408, and the rest go on', async () => {
    const mine = [await start('member'), await start('member'), await start('member')];
    const other = await start('other');
    const answers = mine.map(({ connection }) => connection.next());
    const newcomer = await start('curator');
    newcomer.finish();
    expect((await newcomer.connection.next())?.status).toBe(202);
    const ended = await Promise.race(answers);
    expect(ended?.status).toBe(408);
    expect(JSON.parse(ended?.text ?? '{}')).toMatchObject({
      error_code: 'request-timeout',
      description: expect.stringContaining('under 100000 bytes per second while others wait'),
    });
    for (const one of [...mine, other]) one.finish();
    const statuses = (await Promise.all(answers)).map((answer) => answer?.status).sort();
    expect([statuses, (await other.connection.next())?.status]).toEqual([[202, 202, 408], 202]);
  });

  test('nobody has to hurry for who waits for turns of its own', async () => {
    const mine = [await start('member'), await start('member'), await start('member'), await start('member')];
    const other = await start('other');
    const clock = performance.now();
    while (performance.now() < clock + 3 * contested.grace) await server.get('/main/');
    for (const one of [...mine, other]) one.finish();
    for (const { connection } of [...mine, other]) expect((await connection.next())?.status).toBe(202);
  });

  test('uploads that keep the pace, and those for which the server is late, are never ended', async () => {
    const few = createUploads({ pace, uploads: { ...uploads, atOnce: 2 } });
    const line = new EventEmitter();
    const [quick, late, slow] = ['a', 'a', 'b'].map((user) => few.open(user));
    await quick?.enter();
    await late?.enter();
    let isServed = false;
    void slow?.enter().then(() => {
      isServed = true;
    });
    const clock = performance.now();
    while (performance.now() < clock + 4 * contested.grace) {
      const waiting = quick?.patience.wait(line, ['readable']);
      const waitingShortly = late?.patience.soFar().waited === 0 && late.patience.wait(line, ['readable']);
      setTimeout(() => line.emit('readable'), 1);
      expect([await waiting, await waitingShortly]).not.toContain(undefined);
      quick?.patience.earn(20_000);
    }
    expect(isServed).toBe(false);
    await expect(quick?.enter()).resolves.toBeUndefined();
    late?.leave();
    await settled();
    expect(isServed).toBe(true);
  });

  /** Uploads that have their turns and send nothing; `ended` has those whose time was declared to be up. */
  async function stall(limits: Partial<typeof uploads>, users: readonly string[]) {
    const { open: openUpload } = createUploads({ pace, uploads: { ...uploads, ...limits } });
    const ended: { readonly user: string; readonly one: Upload }[] = [];
    for (const user of users) {
      const one = openUpload(user);
      await one.enter();
      void one.patience.wait(new EventEmitter(), []).then(() => ended.push({ user, one }));
      opened.push({ close: () => one.patience.end() });
    }
    return { openUpload, ended };
  }

  async function forSpans(count: number): Promise<void> {
    const clock = performance.now();
    while (performance.now() < clock + count * contested.grace) await settled();
  }

  test('of who has as many turns nobody takes one; who has fewer takes it from whoever has most', async () => {
    const { openUpload, ended } = await stall({ atOnce: 5, perUser: 5 }, ['c', 'a', 'b', 'b', 'a']);
    void openUpload('a').enter();
    await forSpans(3);
    expect(ended).toEqual([]);
    await openUpload('d').enter();
    await settled();
    // The turn of the one, and then that of the other, who has more than the first is left with.
    expect(ended.map(({ user }) => user).sort()).toEqual(['a', 'b']);
    for (const { one } of ended) {
      expect(one.tooSlow()).toMatchObject({
        code: 'request-timeout',
        message: expect.stringContaining('others wait'),
      });
      await expect(one.enter()).rejects.toMatchObject({ code: 'request-timeout' });
    }
  });

  test('no turn is taken for who could not have it, since the last ones are kept', async () => {
    const { openUpload, ended } = await stall({ atOnce: 6, kept: 2 }, ['a', 'a', 'a', 'b', 'c']);
    void openUpload('b').enter();
    await forSpans(3);
    expect(ended).toEqual([]);
  });
});

test('time that a client has earned is at most the grace', async () => {
  const patience = createPatience({ grace: 20, bytesPerSecond: 1000 });
  patience.earn(1_000_000);
  expect(await patience.wait(new EventEmitter(), ['readable'])).toBe(false);
});

test('a client whose time was declared to be up is not waited for again', async () => {
  const patience = createPatience({ grace: 1_000_000, bytesPerSecond: 1 });
  patience.end();
  expect(await patience.wait(new EventEmitter(), ['readable'])).toBe(false);
});
