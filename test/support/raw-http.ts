/** HTTP spoken byte by byte, where Node's client would tidy up what it sends or hide what it receives. */

import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of repeated fields the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

export interface RawConnection {
  send(bytes: string | Buffer): void;
  /** The next answer on this connection; undefined when the server has closed it. `noBody`: for HEAD and the like. */
  next(options?: { readonly noBody?: boolean }): Promise<RawAnswer | undefined>;
  /** All further bytes, until the server closes the connection. */
  rest(): Promise<Buffer>;
  /** Sends nothing more, and still receives. */
  end(): void;
  /** Closes, once everything was sent. */
  leave(): void;
  close(): void;
}

const headEnd = '\r\n\r\n';

function parseHead(head: string): Omit<RawAnswer, 'text'> {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const fields = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 1),
  ]);
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Map(fields.map(([name = '', value = '']) => [name, value.trim()])),
  };
}

/** Takes one whole answer off the front of the bytes; undefined while it is not complete. Answers have a length. */
function takeAnswer(bytes: Buffer, noBody: boolean): { answer: RawAnswer; rest: Buffer } | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = parseHead(bytes.toString('latin1', 0, end));
  const from = end + headEnd.length;
  const length = noBody ? 0 : Number(head.headers.get('content-length') ?? 0);
  if (bytes.length < from + length) return undefined;
  const text = bytes.toString('utf8', from, from + length);
  return { answer: { ...head, text }, rest: bytes.subarray(from + length) };
}

/** Opens a connection to the server of this URL. */
export function openConnection(url: string): RawConnection {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  let bytes: Buffer = Buffer.alloc(0);
  let closed = false;
  let wake = (): void => undefined;
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    wake();
  });
  const over = (): void => {
    closed = true;
    wake();
  };
  socket.on('end', over).on('close', over).on('error', over);
  return {
    send: (sent) => {
      socket.write(sent);
    },
    end: () => {
      socket.end();
    },
    leave: () => socket.destroySoon(),
    next: async ({ noBody = false } = {}) => {
      for (;;) {
        const taken = takeAnswer(bytes, noBody);
        if (taken !== undefined) {
          bytes = taken.rest;
          return taken.answer;
        }
        if (closed) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    rest: async () => {
      while (!closed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return bytes;
    },
    close: () => socket.destroy(),
  };
}

/** Sends bytes on a connection of their own and gives the first answer; fails when there is none. */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const connection = openConnection(url);
  try {
    connection.send(bytes);
    const answer = await connection.next();
    if (answer === undefined) throw new Error('the server closed the connection without an answer');
    return answer;
  } finally {
    connection.close();
  }
}

/** The text of a request: its first line, header fields and body, `Host` included. */
export function rawRequest(line: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const fields = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${fields.join('')}\r\n${body}`;
}
