import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { defaultLimits } from '../../src/http/limits.ts';
import { createOutbox } from '../../src/http/outbox.ts';

const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const [short, long] = [Buffer.from('short'), Buffer.alloc(100 * 1024, 'x')];

describe('answers that were made in one moment', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** Requests of so many clients that wait for their answers, and what the clients have received. */
  async function ask(clients: number) {
    const waiting: { request: IncomingMessage; response: ServerResponse }[] = [];
    const server = createServer((request, response) => void waiting.push({ request, response })).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const received: string[] = [];
    const sockets: Socket[] = [];
    for (let n = 0; n < clients; n += 1) {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      socket.on('data', (chunk) => {
        received[n] = (received[n] ?? '') + chunk.toString();
      });
      socket.write(request);
      sockets.push(socket);
      while (waiting.length <= n) await pause(1);
    }
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const responses = waiting.map(({ response }) => response);
    const sent = () => responses.map(({ headersSent }) => headersSent);
    return { responses, received, sent, sockets };
  }

  const { deliver } = createOutbox(defaultLimits);

  test('leave together, in their order, and not at once', async () => {
    const { responses, received, sent } = await ask(3);
    for (const response of responses) deliver(response, 200, ['X-Field', 'one'], [short]);
    expect(sent()).toEqual([false, false, false]);
    await nextTurn();
    expect(sent()).toEqual([true, true, true]);
    while (received.length < 3 || received.includes('')) await pause(1);
    for (const text of received)
      expect(text).toMatch(/^HTTP\/1.1 200 OK\r\nX-Field: one\r\nContent-Length: 5\r\n[\s\S]*short$/);
  });

  test('wait for no more than 32', async () => {
    const { responses, sent } = await ask(33);
    for (const response of responses.slice(0, 31)) deliver(response, 200, [], [short]);
    expect(sent()).not.toContain(true);
    deliver(responses[31] as ServerResponse, 200, [], [short]);
    expect(sent().filter(Boolean)).toHaveLength(32);
    deliver(responses[32] as ServerResponse, 200, [], [short]);
    expect(sent().at(-1)).toBe(false);
    await nextTurn();
    expect(sent().at(-1)).toBe(true);
  });

  test('wait for no more than 256 KiB', async () => {
    const { responses, sent } = await ask(3);
    for (const response of responses.slice(0, 2)) deliver(response, 200, [], [long]);
    expect(sent()).toEqual([false, false, false]);
    deliver(responses[2] as ServerResponse, 200, [], [long]);
    expect(sent()).toEqual([true, true, true]);
  });

  test('wait no longer for others than some milliseconds', async () => {
    const { responses, sent } = await ask(2);
    const [first, second] = responses as [ServerResponse, ServerResponse];
    deliver(first, 200, [], [short]);
    for (const end = performance.now() + 5; performance.now() < end; );
    deliver(second, 200, [], [short]);
    expect(sent()).toEqual([true, true]);
  });

  test('leave although one of the clients has left', async () => {
    const { responses, received, sockets } = await ask(3);
    for (const response of responses) deliver(response, 200, [], [short]);
    sockets[1]?.destroy();
    responses[1]?.destroy();
    while (received[0] === undefined || received[2] === undefined) await pause(1);
    expect(received[1]).toBeUndefined();
  });

  test('have no length when they say that nothing has changed', async () => {
    const { responses, received } = await ask(1);
    deliver(responses[0] as ServerResponse, 304, ['ETag', '"x"'], []);
    while (received[0] === undefined) await pause(1);
    expect(received[0]).toMatch(/^HTTP\/1.1 304 Not Modified\r\nETag: "x"\r\n/);
    expect(received[0]).not.toMatch(/content-length|transfer-encoding/i);
  });
});
