import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { createArrivals, isSameLook } from '../../src/arrivals.ts';
import { awaitTurn, endLateBodies } from '../../src/http/connections.ts';

const heads = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (length: number) => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

async function createSecret(): Promise<ServerOptions> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
  return { key, cert };
}

/** Keeps the event loop busy, while what is sent arrives. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('requests that have arrived together', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** A server that says of each request by which look it came, and clients of it that are connected. */
  async function open(clients: number, secret?: ServerOptions) {
    const arrivals = createArrivals();
    const chain = [awaitTurn(arrivals), endLateBodies(arrivals)];
    const looks: ReturnType<typeof arrivals.find>[] = [];
    const later: ReturnType<typeof arrivals.find>[] = [];
    const handle: RequestListener = (request, response) => {
      const [first, second] = chain;
      first?.(request as never, response as never, () =>
        second?.(request as never, response as never, async () => {
          looks.push(arrivals.find());
          await Promise.resolve();
          looks.push(arrivals.find());
          response.end('x');
          setImmediate(() => later.push(arrivals.find()));
        }),
      );
    };
    const server = (secret === undefined ? createServer(handle) : createTlsServer(secret, handle)).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const sockets: Socket[] = [];
    for (let n = 0; n < clients; n += 1) {
      const socket =
        secret === undefined
          ? connect(port, '127.0.0.1')
          : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      await new Promise((resolve) => socket.once(secret === undefined ? 'connect' : 'secureConnect', resolve));
      socket.resume();
      sockets.push(socket);
    }
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    await pause(20);
    return { sockets, looks, later };
  }

  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await pause(1);
  }

  test('came by the same look, of which nothing is known any more when it is over', async () => {
    const { sockets, looks, later } = await open(5);
    for (const socket of sockets) socket.write(heads);
    block(20);
    await until(() => later.length === 5);
    expect(looks).toHaveLength(10);
    for (const look of looks) expect(isSameLook(look, looks[0])).toBe(true);
    expect(later).toEqual(Array(5).fill(undefined));
  });

  test('came by another look than those of later', async () => {
    const { sockets, looks } = await open(2);
    for (const socket of sockets) {
      const before = looks.length;
      socket.write(heads);
      await until(() => looks.length === before + 2);
    }
    expect(isSameLook(looks[0], looks[1])).toBe(true);
    expect(isSameLook(looks[1], looks[2])).toBe(false);
    expect(isSameLook(undefined, undefined)).toBe(false);
  });

  test('are looked for again when there are more than one look finds', async () => {
    const { sockets, looks } = await open(1_200);
    for (const socket of sockets) socket.write(heads);
    block(50);
    await until(() => looks.length === 2_400);
    expect(looks.every((look) => look !== undefined)).toBe(true);
    expect(new Set(looks.map((look) => JSON.stringify([look?.loopCount, look?.events]))).size).toBeGreaterThan(1);
  });

  test('are none that follow others on their connection', async () => {
    const { sockets, looks } = await open(1);
    sockets[0]?.write(heads.repeat(3));
    await until(() => looks.length === 6);
    expect(looks.slice(0, 2)).not.toContain(undefined);
    expect(looks.slice(2)).toEqual(Array(4).fill(undefined));
  });

  // Node's parser hands on the first 32 fields by themselves, and what is due then is done.
  test('are none that follow others, whatever is done between the two', async () => {
    const { sockets, looks } = await open(1);
    sockets[0]?.write(`${heads}GET / HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(100)}\r\n`);
    await until(() => looks.length === 4);
    expect(looks.slice(0, 2)).not.toContain(undefined);
    expect(looks.slice(2)).toEqual([undefined, undefined]);
  });

  test('are none that a handshake precedes', async () => {
    const { sockets, looks } = await open(1, await createSecret());
    for (let n = 1; n <= 2; n += 1) {
      sockets[0]?.write(heads);
      await until(() => looks.length === 2 * n);
      await pause(20);
    }
    expect(looks.slice(0, 2)).toEqual([undefined, undefined]);
    expect(looks.slice(2)).not.toContain(undefined);
  });

  test('are none that follow a body which was answered before it had come', async () => {
    const { sockets, looks } = await open(1);
    sockets[0]?.write(`${post(5)}ab`);
    await until(() => looks.length === 2);
    await pause(20);
    sockets[0]?.write(`cde${heads}`);
    await until(() => looks.length === 4);
    expect(looks.slice(2)).toEqual([undefined, undefined]);
  });
});
