/**
 * What the product is measured against, each a process of its own: `node bench/baselines.ts ROLE STORE QUERY`. It tells
 * the port on standard output. Nothing of them checks who asks.
 */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { openStore } from '../src/store/open-store.ts';
import type { ObjectQuery, Store } from '../src/store/store.ts';
import { collection } from './data-set.ts';

const [role = '', path = '', question = '{}'] = process.argv.slice(2);
const { query, limit } = JSON.parse(question) as { query: ObjectQuery; limit: number };
const type = 'application/taxii+json;version=2.1';
const maxBytes = 16 * 1024 ** 2;

async function readPage(store: Store): Promise<Buffer> {
  const { texts, more } = await store.findObjects(collection, query, { limit, maxBytes });
  return Buffer.concat([Buffer.from(`{"more":${more},"objects":[`), texts, Buffer.from(']}')]);
}

const roles: Readonly<Record<string, () => Promise<RequestListener>>> = {
  /** Bare node:http that sends the same bytes, read by the same SQL. */
  sql: async () => {
    const store = await openStore({ kind: 'sqlite', path });
    return async (_request, response) => {
      const page = await readPage(store);
      response.writeHead(200, { 'Content-Type': type, 'Content-Length': page.length }).end(page);
    };
  },
  /** Bare node:http that sends a page that lies ready. */
  buffer: async () => {
    const store = await openStore({ kind: 'sqlite', path });
    const page = await readPage(store);
    return (_request, response) => {
      response.writeHead(200, { 'Content-Type': type, 'Content-Length': page.length }).end(page);
    };
  },
  /** Bare node:http that sends a constant. */
  constant: async () => {
    const page = Buffer.from('{"more":false}');
    return (_request, response) => {
      response.writeHead(200, { 'Content-Type': type, 'Content-Length': page.length }).end(page);
    };
  },
  /** What is written without a second thought: rows parsed, an envelope made, res.json. */
  express: async () => {
    const store = await openStore({ kind: 'sqlite', path });
    const app = express();
    app.use(async (_request, response) => {
      const page = await readPage(store);
      response.json(JSON.parse(page.toString()));
    });
    return app;
  },
};

const listener = await roles[role]?.();
if (listener === undefined) throw new Error(`there is no baseline ${role}`);
const server = createServer(listener).listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
