/** Clients that drip, stall, leave or come in crowds. */

import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createArrivals } from '../../src/arrivals.ts';
import {
  allowHalfOpen,
  awaitTurn,
  excuseWaiting,
  limitConnections,
  watchDeparture,
} from '../../src/http/connections.ts';
import { defaultLimits } from '../../src/http/limits.ts';
import { createOutbox } from '../../src/http/outbox.ts';
import { firstOf } from '../../src/http/patience.ts';
import { expectError, idsOf } from '../conformance/answers.ts';
import { rawRequest } from '../support/raw-http.ts';
import { basic, newIdentity, startTaxiiServer, type TestServer, taxii } from '../support/taxii-server.ts';
import { drip, login, objects, open, opened, settled, upload } from './slow-bodies.ts';

describe('a client that sends too slowly', () => {
  let server: TestServer;
  const pace = { grace: 600, bytesPerSecond: 2000 };
  beforeAll(async () => {
    server = await startTaxiiServer({}, undefined, { headersTimeout: 300, pace });
  });
  afterAll(() => server.close());

  test.each([
    ['stops', ''],
    ['drips', ' '],
  ])('a body that %s ends with 408, and nothing of it is stored', async (_how, bytes) => {
    const object = newIdentity();
    const connection = open(server);
    const begin = `{"objects":[${JSON.stringify(object)}`;
    connection.send(rawRequest(`POST ${objects}`, upload, `${begin.length.toString(16)}\r\n${begin}\r\n`));
    if (bytes !== '') drip(connection, bytes);
    const answer = await connection.next();
    expect([answer?.status, answer?.headers.get('content-type')]).toEqual([408, taxii]);
    expect(JSON.parse(answer?.text ?? '{}')).toMatchObject({ error_code: 'request-timeout', http_status: '408' });
    expect(await connection.next()).toBeUndefined();
    expectError(await server.get(`${objects}${object.id}/`), 404, 'not-found');
  });

  test('a packed body that stops ends with 408 too', async () => {
    const connection = open(server);
    const packed = rawRequest(`POST ${objects}`, { ...upload, 'Content-Encoding': 'gzip' }, '2\r\n\x1f\x8b\r\n');
    connection.send(Buffer.from(packed, 'latin1'));
    expect((await connection.next())?.status).toBe(408);
  });

  test('a slow body that keeps the pace may take much longer than the grace', async () => {
    const object = newIdentity();
    const connection = open(server);
    const begin = `{"objects":[${JSON.stringify(object)}`;
    connection.send(rawRequest(`POST ${objects}`, upload, `${begin.length.toString(16)}\r\n${begin}\r\n`));
    // 100 bytes at least every 20 ms, for three times the grace.
    const start = performance.now();
    const dripping = drip(connection, ' '.repeat(400));
    while (performance.now() < start + 3 * pace.grace) await server.get('/main/');
    dripping.close();
    connection.send('2\r\n]}\r\n0\r\n\r\n');
    expect((await connection.next())?.status).toBe(202);
    expect(idsOf(await server.get(`${objects}${object.id}/`))).toEqual([object.id]);
  });

  test('a body that nobody asked for and that never ends loses its connection', async () => {
    for (const line of [`GET ${objects}`, 'POST /nowhere/', `PUT ${objects}`]) {
      const connection = open(server);
      connection.send(rawRequest(line, upload, '1\r\nx\r\n'));
      drip(connection, 'x');
      expect((await connection.next())?.headers.get('content-type')).toBe(taxii);
      expect(await connection.next()).toBeUndefined();
    }
  });

  test('request lines and header fields that drip end with 408', async () => {
    for (const begin of ['GE', 'GET /taxii2/ HTTP/1.1\r\nHost: a\r\n', rawRequest('GET /taxii2/').slice(0, -2)]) {
      const connection = open(server);
      connection.send(begin);
      expect((await connection.next())?.status).toBe(408);
    }
  });

  test('hanging up in the middle of a body or of an answer disturbs nobody', async () => {
    const [object] = [newIdentity({ description: 'd'.repeat(1_000_000) })];
    await server.publish([object]);
    const half = rawRequest(`POST ${objects}`, { ...upload }, `100000\r\n{"objects":[${'{},'.repeat(10_000)}`);
    for (let round = 0; round < 30; round += 1) {
      const connection = open(server);
      connection.send(round % 2 === 0 ? half : rawRequest(`GET ${objects}`, login));
      if (round % 3 === 0) await server.get('/main/');
      if (round % 4 === 0) connection.close();
      else connection.leave();
    }
    expect((await server.get('/taxii2/')).status).toBe(200);
    expect(idsOf(await server.get(`${objects}${object?.id}/`))).toEqual([object?.id]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** A bare server on a free port with this handler. */
async function startBare(
  handler: RequestListener,
  prepare: (server: Server) => void = () => undefined,
): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  prepare(server);
  opened.push({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A client that asks and then reads nothing. */
function askAndIgnore(port: number, request = rawRequest('GET /')): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  opened.push({ close: () => socket.destroy() });
  socket.pause().write(request);
  return socket;
}

describe('a client that does not read', () => {
  // More than the kernel keeps for both ends of a connection.
  const large = Buffer.alloc(32 * 1024 * 1024, 'x');

  function startAnswering(limits: Parameters<typeof createOutbox>[0]) {
    const outbox = createOutbox(limits);
    const answers: ServerResponse[] = [];
    const closed: ServerResponse[] = [];
    const port = startBare((_request, response) => {
      answers.push(response.once('close', () => closed.push(response)));
      outbox.deliver(response, 200, [], [large]);
    });
    return { port, answers, closed };
  }

  test('its answer is cut off when it stands still for longer than the grace', async () => {
    const { port, answers } = startAnswering({ ...defaultLimits, pace: { grace: 100, bytesPerSecond: 1e9 } });
    askAndIgnore(await port);
    await until(() => answers[0]?.closed === true);
    expect(answers[0]?.writableFinished).toBe(false);
  });

  test('its answer is not cut off when it reads again in time for its pace, however long the grace was over', async () => {
    const pace = { grace: 20, bytesPerSecond: 50 * 1024 };
    const { port, answers } = startAnswering({ ...defaultLimits, pace });
    const socket = askAndIgnore(await port);
    await until(() => answers.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 10 * pace.grace));
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    socket.resume();
    await until(() => socket.closed || received > large.length);
    expect(received).toBeGreaterThan(large.length);
  });

  test('when too much waits, the answer that stands still longest goes, and others stay', async () => {
    const { port, answers, closed } = startAnswering({ ...defaultLimits, unreadBytes: 2.5 * large.length });
    const listening = await port;
    for (const count of [1, 2, 3]) {
      askAndIgnore(listening);
      await until(() => answers.length === count);
    }
    await until(() => closed.length > 0);
    expect(closed).toHaveLength(1);
    expect(answers.slice(1)).toContain(answers.find((answer) => !answer.closed));
    const reading = await fetch(`http://127.0.0.1:${listening}/`);
    expect((await reading.arrayBuffer()).byteLength).toBe(large.length);
  });

  test('it is ended also when its answers are small, which nobody watches one by one', async () => {
    const limits = { ...defaultLimits, pace: { grace: 50, bytesPerSecond: 1e9 } };
    const sockets: Socket[] = [];
    const answer: RequestListener = (request, response) =>
      excuseWaiting(request as never, response as never, () => response.end(Buffer.alloc(60_000)));
    const port = await startBare(answer, (server) => {
      limitConnections(server, limits);
      server.on('connection', (socket) => sockets.push(socket));
    });
    askAndIgnore(port, rawRequest('GET /').repeat(500));
    await until(() => sockets[0]?.closed === true);
    expect(sockets[0]?.bytesWritten).toBeLessThan(500 * 60_000);
  });

  test('two answers are packed at a time; others are not, or wait for their turn where they must be', async () => {
    const { pack } = createOutbox(defaultLimits);
    const body = [Buffer.alloc(500_000, 'x'), Buffer.alloc(500_000, 'y')];
    const running = [pack(body, 'gzip', false), pack(body, 'br', false)];
    expect([pack(body, 'gzip', false), pack(body, 'br', false)]).toEqual([undefined, undefined]);
    const waiting = pack(body, 'gzip', true);
    expect(gunzipSync((await waiting) ?? '')).toEqual(Buffer.concat(body));
    const [zipped, brotli] = await Promise.all(running);
    expect(gunzipSync(zipped ?? '')).toEqual(Buffer.concat(body));
    expect(brotliDecompressSync(brotli ?? '')).toEqual(Buffer.concat(body));
    const again = pack(body, 'gzip', false);
    expect(await again).toEqual(zipped);
  });

  test('an answer that cannot be given any more ends its connection, and nothing else', async () => {
    const outbox = createOutbox(defaultLimits);
    const port = await startBare((request, response) => {
      if (request.url === '/late') response.flushHeaders();
      expect(() => outbox.deliver(response, 200, [], [Buffer.alloc(2000)])).not.toThrow();
    });
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return (await answer.text()).length;
    };
    await expect(get('/late')).rejects.toThrow();
    expect(await get('/')).toBe(2000);
  });

  test('an answer of many parts and steps arrives whole', async () => {
    const outbox = createOutbox(defaultLimits);
    const parts = [1, 70_000, 262_144, 3, 1_000_000, 2].map((length, n) => Buffer.alloc(length, 97 + n));
    const port = await startBare((_request, response) => outbox.deliver(response, 200, ['X-Field', 'one'], parts));
    for (let round = 0; round < 3; round += 1) {
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      const body = Buffer.from(await answer.arrayBuffer());
      expect([answer.headers.get('x-field'), body.equals(Buffer.concat(parts))]).toEqual(['one', true]);
    }
  });

  test('requests that are sent all at once are handled one by one', async () => {
    let running = 0;
    let most = 0;
    let handled = 0;
    const awaitOwn = awaitTurn(createArrivals());
    const port = await startBare((request, response) => {
      awaitOwn(request as never, response as never, () => {
        running += 1;
        most = Math.max(most, running);
        response.prependOnceListener('finish', () => {
          running -= 1;
          handled += 1;
        });
        setImmediate(() => response.end('x'.repeat(100_000)));
      });
    });
    const socket = askAndIgnore(port, rawRequest('GET /').repeat(200));
    socket.resume();
    await until(() => handled === 200);
    expect(most).toBe(1);
  });
});

describe('a client that closes its side', () => {
  async function startSearching(halfOpenTimeout: number) {
    const searches: { response: ServerResponse; hasLeft: () => boolean }[] = [];
    const search: RequestListener = async (request, response) => {
      if (request.url === '/late') await until(() => request.socket.readableEnded);
      searches.push({ response, hasLeft: watchDeparture(request, response, halfOpenTimeout) });
    };
    return { port: await startBare(search, allowHalfOpen), searches };
  }

  test('is taken for one that has left after a while, its connection still open', async () => {
    const { port, searches } = await startSearching(50);
    const early = askAndIgnore(port);
    await until(() => searches.length === 1);
    early.end();
    askAndIgnore(port, rawRequest('GET /late')).end();
    await until(() => searches.length === 2 && searches.every(({ hasLeft }) => hasLeft()));
    expect(searches.map(({ response }) => response.closed)).toEqual([false, false]);
  });

  test('is not until then, but at once when its connection is gone', async () => {
    const { port, searches } = await startSearching(1e9);
    askAndIgnore(port).end();
    await until(() => searches[0]?.response.req.socket.readableEnded === true);
    await settled();
    expect(searches[0]?.hasLeft()).toBe(false);
    const gone = askAndIgnore(port);
    await until(() => searches.length === 2);
    gone.resetAndDestroy();
    await until(() => searches[1]?.hasLeft() === true);
  });
});

test('of a body that was refused only some megabytes are read', async () => {
  const server = await startTaxiiServer();
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => undefined);
  opened.push({ close: () => socket.destroy() });
  const total = 256 * 1024 * 1024;
  socket.write(rawRequest('POST /nowhere/', { 'Content-Length': String(total) }));
  const chunk = Buffer.alloc(1024 * 1024);
  while (!socket.destroyed && socket.bytesWritten < total) {
    if (!socket.write(chunk)) await firstOf(socket, ['drain', 'close'], 60_000);
  }
  expect(socket.bytesWritten).toBeLessThan(total / 2);
  await server.close();
});

test('a connection that sends requests without end and reads no answer is ended, the others are served', async () => {
  const server = await startTaxiiServer();
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.pause();
  const block = 'GET /taxii2/ HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000);
  for (let sent = 0; sent < 50; sent += 1) socket.write(block);
  socket.resume();
  await closed;
  expect((await server.get('/taxii2/')).status).toBe(200);
  await server.close();
});

test('who waits for an answer for long is not ended, who does nothing between two requests is', async () => {
  const pace = { grace: 60, bytesPerSecond: 1 };
  const server = await startTaxiiServer({}, undefined, { pace, keepAliveTimeout: 300, headersTimeout: 30_000 });
  // Passwords are checked two at a time, so that these wait for several times the grace.
  const waiting = ['member', 'other', 'reader', 'curator', 'feeder', 'boss'].map((user) => {
    const connection = open(server);
    connection.send(rawRequest('GET /main/', { Authorization: basic(user) }));
    return connection;
  });
  for (const connection of waiting) {
    expect((await connection.next())?.status).toBe(200);
    expect(await connection.next()).toBeUndefined();
  }
  await server.close();
});

test('asking for CONNECT and hanging up disturbs nobody', async () => {
  const server = await startTaxiiServer();
  const { port } = new URL(server.url);
  for (let round = 0; round < 20; round += 1) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(rawRequest('CONNECT example.com:443'));
    if (round % 2 === 0) await once(socket, 'data');
    socket.resetAndDestroy();
  }
  expect((await server.get('/taxii2/')).status).toBe(200);
  await server.close();
});

describe('many at once', () => {
  test('2,000 open connections that do nothing do not hurt', async () => {
    const server = await startTaxiiServer();
    const idle = Array.from({ length: 2000 }, (_, number) => {
      const connection = open(server);
      if (number % 3 === 0) connection.send('GET /taxii2/ HTTP/1.1\r\nHo');
      if (number % 3 === 1) connection.send(rawRequest('GET /taxii2/', login));
      return connection;
    });
    for (const [number, connection] of idle.entries()) {
      if (number % 3 === 1) expect((await connection.next())?.status).toBe(200);
    }
    expect((await server.publish([newIdentity()])).status).toBe(202);
    expect(idsOf(await server.get(objects))).toHaveLength(1);
    for (const connection of idle) connection.close();
    await server.close();
  });

  test('when connections run out, those between two requests make room for new ones', async () => {
    const server = await startTaxiiServer({}, undefined, { maxConnections: 20 });
    for (let round = 0; round < 60; round += 1) {
      const kept = open(server);
      kept.send(rawRequest('GET /main/', login));
      expect((await kept.next())?.status).toBe(200);
    }
    await server.close();
  });
});
