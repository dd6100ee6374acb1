/** What probes ask, without login and without a trace in the log: is the process alive, can it serve. */

import { type Response, Router } from 'express';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';

export interface HealthDeps {
  readonly store: Pick<Store, 'findStatus'>;
  readonly log: Log;
  /** Whether the server is on its way down: what is under way finishes, nothing new should come. */
  readonly isClosing: () => boolean;
}

/** A probe gives up after a few seconds; an answer is worth more than the wait. */
const storeTimeout = 3000;

async function asks(store: HealthDeps['store']): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the store did not answer in time')), storeTimeout);
  });
  try {
    // The cheapest question there is: one look into an index.
    await Promise.race([store.findStatus('', ''), late]);
  } finally {
    clearTimeout(timer);
  }
}

function answer(response: Response, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.end(text);
}

/** `/healthz`: 200 while the process answers. `/readyz`: 200 when the store answers and the server stays; else 503. */
export function createHealthRouter({ store, log, isClosing }: HealthDeps): Router {
  // However many ask, the store is asked once at a time.
  let asking: Promise<void> | undefined;
  const ask = (): Promise<void> => {
    asking ??= asks(store).finally(() => {
      asking = undefined;
    });
    return asking;
  };

  const router = Router({ caseSensitive: true });
  router.get('/healthz', (_request, response) => answer(response, 200, { status: 'alive' }));
  router.get('/readyz', async (_request, response) => {
    if (isClosing()) {
      answer(response, 503, { status: 'unavailable', reason: 'the server is ending' });
      return;
    }
    try {
      await ask();
      answer(response, 200, { status: 'ready' });
    } catch (error) {
      log.warn({ err: error }, 'not ready: the store does not answer');
      answer(response, 503, { status: 'unavailable', reason: 'the store does not answer' });
    }
  });
  return router;
}
