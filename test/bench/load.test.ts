/** The load generator must not count what is no right answer. */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { askOnce, check, formatRequest, type Load, openConnection, run } from '../../bench/load.ts';

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  closing.push(() => server.close().closeAllConnections());
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function answering(status: number, body: string): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(body) }).end(body);
  };
}

function loadOf(port: number, requests: number, connections = 2): Load {
  let left = requests;
  const next = () => (left-- > 0 ? formatRequest('/') : undefined);
  return { port, connections, next, expected: { status: 200, least: 4, most: 6 } };
}

describe('run', () => {
  test('asks as often as it is told, on as many connections, and keeps them', async () => {
    const sockets = new Set<unknown>();
    let requests = 0;
    const port = await listen((request, response) => {
      sockets.add(request.socket);
      requests += 1;
      answering(200, 'right')(request, response);
    });
    const { latencies } = await run(loadOf(port, 50, 3));
    expect([requests, latencies.length, sockets.size]).toEqual([50, 50, 3]);
  });

  test.each([
    ['another status', 503, 'right'],
    ['a body that is too short', 200, 'bad'],
    ['a body that is too long', 200, 'too long'],
  ])('ends at %s and says what came', async (_what, status, body) => {
    const port = await listen(answering(status, body));
    await expect(run(loadOf(port, 10))).rejects.toThrow(body);
  });

  test('ends when the server closes the connection in the middle of an answer', async () => {
    const port = await listen((_request, response) => {
      response.writeHead(200, { 'Content-Length': 5 });
      response.write('ri', () => response.destroy());
    });
    await expect(run(loadOf(port, 10))).rejects.toThrow('closed the connection');
  });

  test('ends at an answer whose length is not told', async () => {
    const port = await listen((_request, response) => {
      response.write('ri');
      response.end('ght');
    });
    await expect(run(loadOf(port, 10))).rejects.toThrow('without Content-Length');
  });

  test('ends at bytes that nobody asked for', async () => {
    const port = await listen((_request, response) => {
      response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrightHTTP/1.1 200 OK\r\n');
    });
    await expect(run(loadOf(port, 10))).rejects.toThrow('more bytes than the answer has');
  });

  test('ends when nobody listens', async () => {
    const port = await listen(answering(200, 'right'));
    for (const close of closing.splice(0)) close();
    await expect(run(loadOf(port, 10))).rejects.toThrow('ECONNREFUSED');
  });
});

test('an answer in many pieces is put together', async () => {
  const port = await listen((_request, response) => {
    response.writeHead(200, { 'Content-Length': 6 });
    const pieces = ['ab', 'cd', 'ef'];
    const send = (): void => {
      const piece = pieces.shift();
      if (piece === undefined) response.end();
      else response.write(piece, () => setImmediate(send));
    };
    send();
  });
  const answer = await askOnce(port, formatRequest('/'));
  expect([answer.status, answer.length, answer.body().toString()]).toEqual([200, 6, 'abcdef']);
});

test('a request with a body is a POST with its length, and with a method what that says', () => {
  expect(formatRequest('/a', { X: 'y' }, Buffer.from('{}')).toString()).toBe(
    'POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\r\nContent-Length: 2\r\n\r\n{}',
  );
  expect(formatRequest('/a', {}, undefined, 'DELETE').toString()).toBe('DELETE /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
});

test('a connection is used for one request after the other', async () => {
  let count = 0;
  const port = await listen((request, response) => answering(200, `n${count++}`)(request, response));
  const connection = await openConnection(port);
  const bodies = [];
  for (let asked = 0; asked < 3; asked += 1) {
    const answer = await connection.ask(formatRequest('/'));
    bodies.push(check(answer, { status: 200, least: 2, most: 2 }).body().toString());
  }
  connection.close();
  expect(bodies).toEqual(['n0', 'n1', 'n2']);
});
