/** Bodies that come in drips, on connections that end with their test. */

import { afterEach } from '@jest/globals';
import { openConnection, type RawConnection } from '../support/raw-http.ts';
import { basic, ids, type TestServer, taxii } from '../support/taxii-server.ts';

export const objects = `/main/collections/${ids.rw}/objects/`;
export const login = { Authorization: basic('member') };
export const upload = { ...login, 'Content-Type': taxii, 'Transfer-Encoding': 'chunked' };

/** What ends with the test. */
export const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

export function open(server: TestServer): RawConnection {
  const connection = openConnection(server.url);
  opened.push(connection);
  return connection;
}

/** Sends a chunk every few milliseconds until stopped. */
export function drip(connection: RawConnection, bytes: string): { close(): void } {
  const chunk = `${bytes.length.toString(16)}\r\n${bytes}\r\n`;
  const timer = setInterval(() => connection.send(chunk), 20);
  const dripping = { close: () => clearInterval(timer) };
  opened.push(dripping);
  return dripping;
}

export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
