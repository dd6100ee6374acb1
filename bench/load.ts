/**
 * The load generator: HTTP on raw sockets, so that asking costs little beside answering. An answer that is not what it
 * should be ends the run: numbers of wrong answers are worth nothing.
 */

import { createConnection, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly head: string;
  /** Bytes of the body. */
  readonly length: number;
  /** Milliseconds from the first byte of the request to the last one of the answer. */
  readonly time: number;
  readonly body: () => Buffer;
}

/** A keep-alive connection: one request at a time. */
export interface Connection {
  ask(request: Buffer): Promise<Answer>;
  close(): void;
}

/** What every answer of a load has to be. */
export interface Expected {
  readonly status: number;
  /** Bytes of the body. */
  readonly least: number;
  readonly most: number;
}

export interface Load {
  readonly port: number;
  readonly connections: number;
  /** The next request of whichever connection is free; undefined: the load is over. */
  readonly next: () => Buffer | undefined;
  readonly expected: Expected;
}

export interface Outcome {
  /** Milliseconds of each request. */
  readonly latencies: readonly number[];
  readonly seconds: number;
}

const headEnd = Buffer.from('\r\n\r\n');

/** The bytes of a request. With a body it is a POST unless `method` says otherwise. */
export function formatRequest(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer | undefined = undefined,
  method: string = body === undefined ? 'GET' : 'POST',
): Buffer {
  const all = { Host: '127.0.0.1', ...headers, ...(body !== undefined && { 'Content-Length': String(body.length) }) };
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${fields.join('')}\r\n`);
  return body === undefined ? head : Buffer.concat([head, body]);
}

/** The head of the answer that the bytes begin with, and where it ends in full; undefined: the head is not whole. */
function readHead(bytes: Buffer): { head: string; bodyAt: number; end: number } | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length: ${head}`);
  return { head, bodyAt: end + headEnd.length, end: end + headEnd.length + Number(length) };
}

/** Collects the bytes of one answer. Returns it when it is whole. */
function createCollector(start: number) {
  let chunks: Buffer[] = [];
  let received = 0;
  let found: ReturnType<typeof readHead>;
  const whole = (): Buffer => {
    if (chunks.length > 1) chunks = [Buffer.concat(chunks)];
    return chunks[0] ?? Buffer.alloc(0);
  };
  return (chunk: Buffer): Answer | undefined => {
    chunks.push(chunk);
    received += chunk.length;
    found ??= readHead(whole());
    if (found === undefined || received < found.end) return undefined;
    if (received > found.end) throw new Error(`more bytes than the answer has: ${found.head}`);
    const { head, bodyAt, end } = found;
    const status = Number(head.slice(9, 12));
    const time = performance.now() - start;
    return { status, head, length: end - bodyAt, time, body: () => whole().subarray(bodyAt) };
  };
}

function connect(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket.off('error', reject)));
    socket.once('error', reject);
  });
}

/** Opens a connection to a server of this machine. It is closed when an answer cannot be read. */
export async function openConnection(port: number): Promise<Connection> {
  const socket = await connect(port);
  let waiting: { settle: (answer: Answer) => void; fail: (error: unknown) => void } | undefined;
  let collect = createCollector(0);
  const end = (error: unknown): void => {
    socket.destroy();
    waiting?.fail(error);
    waiting = undefined;
  };
  socket.on('data', (chunk) => {
    try {
      const answer = collect(chunk);
      if (answer === undefined) return;
      const { settle } = waiting ?? {};
      waiting = undefined;
      settle?.(answer);
    } catch (error) {
      end(error);
    }
  });
  socket.on('error', end).on('close', () => end(new Error('the server closed the connection before its answer')));
  return {
    ask: (request) =>
      new Promise((settle, fail) => {
        if (socket.destroyed) return fail(new Error('the server has closed the connection'));
        waiting = { settle, fail };
        collect = createCollector(performance.now());
        socket.write(request);
      }),
    close: () => {
      socket.end();
    },
  };
}

/** Throws unless the answer is what it should be. */
export function check(answer: Answer, { status, least, most }: Expected): Answer {
  const { length } = answer;
  if (answer.status === status && length >= least && length <= most) return answer;
  const start = answer.body().toString('utf8', 0, 300);
  throw new Error(`expected ${status} with ${least} to ${most} bytes, got ${length} bytes: ${answer.head}\n${start}`);
}

/** Opens a connection, asks once and closes it. */
export async function askOnce(port: number, request: Buffer): Promise<Answer> {
  const connection = await openConnection(port);
  try {
    return await connection.ask(request);
  } finally {
    connection.close();
  }
}

/** Keeps the connections busy until the load is over. Rejects at the first answer that is not as expected. */
export async function run({ port, connections, next, expected }: Load): Promise<Outcome> {
  const opened = await Promise.all(Array.from({ length: connections }, () => openConnection(port)));
  const latencies: number[] = [];
  const start = performance.now();
  const work = async (connection: Connection): Promise<void> => {
    for (let request = next(); request !== undefined; request = next()) {
      latencies.push(check(await connection.ask(request), expected).time);
    }
  };
  try {
    await Promise.all(opened.map(work));
    return { latencies, seconds: (performance.now() - start) / 1000 };
  } finally {
    for (const connection of opened) connection.close();
  }
}
