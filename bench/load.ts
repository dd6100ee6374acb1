/** A client that keeps so many connections busy, and the processor time of whom it asks. */

import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  /** Of all connections together. */
  readonly requests: number;
}

export interface Outcome {
  /** Milliseconds of each request. */
  readonly latencies: readonly number[];
  readonly seconds: number;
  readonly bytes: number;
}

const headEnd = Buffer.from('\r\n\r\n');

/** The length of the answer at the beginning of the bytes; undefined when its head is not whole. */
function lengthOfAnswer(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  if (status !== 200) throw new Error(`asked for a page and got ${head.split('\r\n')[0]}`);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error('an answer without Content-Length');
  return end + headEnd.length + Number(length);
}

function runConnection(
  request: Buffer,
  port: number,
  take: () => boolean,
  done: (time: number, bytes: number) => void,
) {
  return new Promise<void>((resolve, reject) => {
    const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    let chunks: Buffer[] = [];
    let received = 0;
    let expected: number | undefined;
    let start = 0;
    const next = (): void => {
      if (!take()) {
        socket.end();
        resolve();
        return;
      }
      [chunks, received, expected, start] = [[], 0, undefined, performance.now()];
      socket.write(request);
    };
    socket.on('connect', next);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      try {
        expected ??= lengthOfAnswer(chunks.length === 1 ? chunk : Buffer.concat(chunks));
      } catch (error) {
        socket.destroy();
        reject(error);
        return;
      }
      if (expected === undefined || received < expected) return;
      done(performance.now() - start, received);
      next();
    });
  });
}

export async function run({ port, path, headers, connections, requests }: Load): Promise<Outcome> {
  const fields = Object.entries({ Host: `127.0.0.1:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\n${fields.join('')}\r\n`);
  const latencies: number[] = [];
  let left = requests;
  let bytes = 0;
  const take = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  const start = performance.now();
  const done = (time: number, length: number): void => {
    latencies.push(time);
    bytes += length;
  };
  await Promise.all(Array.from({ length: connections }, () => runConnection(request, port, take, done)));
  return { latencies, seconds: (performance.now() - start) / 1000, bytes };
}

/** Milliseconds of processor time that a process has used, all its threads together. Linux only. */
export function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  // In clock ticks, of which Linux shows 100 a second.
  return (user + system) * 10;
}

/** Resident megabytes of a process. */
export function residentMegabytes(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
  return (pages * 4096) / 1024 ** 2;
}
