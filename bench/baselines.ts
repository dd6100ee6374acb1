/**
 * What the product is measured against, each a process of its own: `node bench/baselines.ts ROLE STORE COUNT`. A request
 * is `/SHAPE/N`: the n-th question of a shape, by its place in the list. Nothing of them checks who asks.
 */

import cluster from 'node:cluster';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { openStore } from '../src/store/open-store.ts';
import type { ObjectQuery, Store } from '../src/store/store.ts';
import { collection, openDataSet } from './data-set.ts';
import { createQuestions, type Shape, shapes } from './questions.ts';

const [role = '', count = '', server] = process.argv.slice(2);
const type = 'application/taxii+json;version=2.1';
const maxBytes = 16 * 1024 ** 2;
const empty = Buffer.from('{"more":false}');

async function readPage(store: Store, { limit, texts: isOfTexts }: Shape, query: ObjectQuery): Promise<Buffer> {
  if (!isOfTexts) return Buffer.from(JSON.stringify(await store.findRecords(collection, query, { limit })));
  const { texts, more } = await store.findObjects(collection, query, { limit, maxBytes });
  return Buffer.concat([Buffer.from(`{"more":${more},"objects":[`), texts, Buffer.from(']}')]);
}

async function openPages(): Promise<(url: string) => Promise<Buffer>> {
  const data = await openDataSet(Number(count), server);
  const store = await openStore(data.location);
  const questions = shapes.map((shape) => createQuestions(data.facts, shape));
  return (url) => {
    const [, shape = '', n = ''] = url.split('/');
    const question = questions[Number(shape)]?.(Number(n));
    if (question === undefined) throw new Error(`there is no shape ${shape}`);
    return readPage(store, shapes[Number(shape)] as Shape, question.query);
  };
}

async function listenWithPages(): Promise<RequestListener> {
  const find = await openPages();
  return async (request, response) => {
    const page = await find(request.url ?? '');
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': page.length }).end(page);
  };
}

const roles: Readonly<Record<string, () => Promise<RequestListener>>> = {
  /** Bare node:http that sends the same bytes, read by the same SQL. */
  sql: listenWithPages,
  /** The same from two processes on one port. */
  pair: listenWithPages,
  /** Bare node:http that sends a page that lies ready. */
  buffer: async () => {
    const find = await openPages();
    const pages = new Map<string, Buffer>();
    return async (request, response) => {
      const page = pages.get(request.url ?? '') ?? (await find(request.url ?? ''));
      pages.set(request.url ?? '', page);
      response.writeHead(200, { 'Content-Type': type, 'Content-Length': page.length }).end(page);
    };
  },
  /** Bare node:http that sends a constant. */
  constant: async () => (_request, response) => {
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': empty.length }).end(empty);
  },
  /** What is written without a second thought: rows parsed, an envelope made, res.json. */
  express: async () => {
    const find = await openPages();
    const app = express();
    app.use(async (request, response) => {
      response.json(JSON.parse((await find(request.url)).toString()));
    });
    return app;
  },
};

function tell(port: number): void {
  process.stdout.write(`http://127.0.0.1:${port}\n`);
}

async function listen(): Promise<void> {
  const listener = await roles[role]?.();
  if (listener === undefined) throw new Error(`there is no baseline ${role}`);
  const listening = createServer(listener).listen(0, '127.0.0.1', () => {
    if (cluster.isPrimary) tell((listening.address() as AddressInfo).port);
  });
}

function fork(processes: number): void {
  let ready = 0;
  cluster.on('listening', (_worker, { port }) => {
    ready += 1;
    if (ready === processes) tell(port);
  });
  for (let n = 0; n < processes; n += 1) cluster.fork();
}

if (role === 'pair' && cluster.isPrimary) fork(2);
else await listen();
process.once('disconnect', () => process.exit());
