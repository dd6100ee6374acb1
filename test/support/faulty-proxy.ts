/** A TCP proxy in front of a MongoDB that fails on demand. It reads as much of OP_MSG as it takes to know a command. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { BSON } from 'mongodb';

/** How it fails, until it is told otherwise. */
export type NetworkFault =
  /** Nothing. */
  | 'none'
  /** Connections are cut, and new ones too: nobody is there. */
  | 'away'
  /** Requests do not reach the database; they arrive when the fault ends. */
  | 'requests-stall'
  /** The database works, and its answers do not come back; they arrive when the fault ends. */
  | 'answers-stall'
  /** The same, but what was on its way never arrives: connections of before stay dead. */
  | 'silent'
  /** Writes are answered as a secondary answers them. */
  | 'not-primary'
  /** Each write cuts its connection, before the database has seen it. */
  | 'cut-before-writes'
  /** Each write is carried out, and cuts its connection in place of the answer. */
  | 'cut-after-writes';

export interface FaultyProxy {
  /** URL of a database behind it. */
  urlOf(url: string): string;
  set(fault: NetworkFault): void;
  /** How often a fault has met a message. */
  readonly met: number;
  close(): Promise<void>;
}

const opMsg = 2013;
const headerLength = 16;
const writeFaults: ReadonlySet<NetworkFault> = new Set(['not-primary', 'cut-before-writes', 'cut-after-writes']);
const writes: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'findAndModify']);

/** Calls `onMessage` with each whole message of the wire protocol. */
function splitMessages(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0);
      onMessage(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  };
}

/** The name of a command is the first one of its first section: behind the flags, the kind, a length and a type. */
function commandOf(message: Buffer): string {
  if (message.readInt32LE(12) !== opMsg) return '';
  const start = headerLength + 4 + 1 + 4 + 1;
  return message.toString('utf8', start, message.indexOf(0, start));
}

function answerTo(request: Buffer, document: object): Buffer {
  const body = BSON.serialize(document);
  const head = Buffer.alloc(headerLength + 5);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(request.readInt32LE(4), 8);
  head.writeInt32LE(opMsg, 12);
  return Buffer.concat([head, body]);
}

const notPrimary = { ok: 0, errmsg: 'not primary', code: 10107, codeName: 'NotWritablePrimary' };

/** Starts a proxy to the server that a URL names. Whoever starts it closes it. */
export async function startFaultyProxy(engineUrl: string): Promise<FaultyProxy> {
  const [, host = '', port = ''] = /^mongodb:\/\/([^/:,]+):(\d+)/.exec(engineUrl) ?? [];
  const links = new Set<{ cut(): void; release(): void }>();
  let fault: NetworkFault = 'none';
  let met = 0;

  function link(client: Socket): void {
    const server = connect({ host, port: Number(port) });
    let held: (() => void)[] = [];
    let isDead = false;
    const doomed = new Set<number>();
    const cut = () => {
      client.destroy();
      server.destroy();
      links.delete(own);
    };
    const own = {
      cut,
      release() {
        const waiting = held;
        held = [];
        for (const send of waiting) send();
      },
    };
    links.add(own);

    /** What becomes of a write; the rest passes. */
    function failWrite(message: Buffer): void {
      met += 1;
      if (fault === 'not-primary') client.write(answerTo(message, notPrimary));
      else if (fault === 'cut-before-writes') cut();
      else {
        doomed.add(message.readInt32LE(4));
        server.write(message);
      }
    }

    function forwardRequest(message: Buffer): void {
      isDead ||= fault === 'silent';
      if (isDead) met += 1;
      else if (fault === 'requests-stall') {
        met += 1;
        held.push(() => server.write(message));
      } else if (writeFaults.has(fault) && writes.has(commandOf(message))) failWrite(message);
      else server.write(message);
    }

    function forwardAnswer(message: Buffer): void {
      isDead ||= fault === 'silent';
      if (isDead) met += 1;
      else if (doomed.has(message.readInt32LE(8))) cut();
      else if (fault === 'answers-stall') {
        met += 1;
        held.push(() => client.write(message));
      } else client.write(message);
    }

    client.on('data', splitMessages(forwardRequest)).on('error', cut).on('close', cut);
    server.on('data', splitMessages(forwardAnswer)).on('error', cut).on('close', cut);
  }

  const listener = createServer((client) => {
    if (fault === 'away') {
      met += 1;
      client.on('error', () => {}).destroy();
    } else link(client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port: ownPort } = listener.address() as AddressInfo;

  return {
    // A replica set would name its members, and the driver go to them.
    urlOf: (url) =>
      `mongodb://127.0.0.1:${ownPort}/${/^mongodb:\/\/[^/]+\/([^?]*)/.exec(url)?.[1]}?directConnection=true`,
    set(next) {
      fault = next;
      if (fault === 'away') for (const each of links) each.cut();
      if (fault === 'none') for (const each of links) each.release();
    },
    get met() {
      return met;
    },
    async close() {
      for (const each of links) each.cut();
      listener.close();
      await once(listener, 'close');
    },
  };
}
