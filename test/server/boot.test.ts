/** What a start costs: nothing that grows with the store, and nothing for what is not used. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { newIdentity } from '../support/taxii-server.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'huiju-boot-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a server on an embedded store loads neither the driver of MongoDB nor, outside its threads, the validators', async () => {
  const hook = join(folder, 'hook.cjs');
  const loaded = join(folder, 'loaded');
  writeFileSync(
    hook,
    `if (require('node:worker_threads').isMainThread) process.on('exit', () =>
       require('node:fs').writeFileSync(${JSON.stringify(loaded)}, Object.keys(require.cache).join('\\n')));`,
  );
  const server = await runServer({ env: { NODE_OPTIONS: `--require=${hook}` } });
  expect(await server.stop()).toBe(0);
  const packages = new Set(
    readFileSync(loaded, 'utf8')
      .split('\n')
      .map((path) => /.*\/node_modules\/([^/]+)\//.exec(path)?.[1]),
  );
  expect([...packages]).toEqual(expect.arrayContaining(['express', 'better-sqlite3']));
  for (const unused of ['mongodb', 'bson', 'ajv']) expect([...packages]).not.toContain(unused);
});

/** Makes a store of so many objects, and resolves to its bytes. */
async function fill(path: string, count: number): Promise<number> {
  const store = await openStore({ kind: 'sqlite', path });
  const collection = '5d1f7c1e-5b0f-4f0e-9a63-0d6a3b0c2a02';
  for (let first = 0; first < count; first += 1000) {
    const versions = Array.from({ length: 1000 }, () => {
      const identity = newIdentity({ description: 'x'.repeat(1000) });
      return {
        text: JSON.stringify(identity),
        id: identity.id,
        type: 'identity',
        specVersion: '2.1',
        version: String(identity.modified),
        versionKey: String(identity.modified).slice(0, 19),
        digest: null,
      };
    });
    await store.addObjects(collection, 'ada', versions);
  }
  await store.close();
  return statSync(path).size;
}

/** Bytes that the process has read, wherever from. */
function bytesRead({ pid }: RunningServer): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

async function readAtStart(name: string): Promise<number> {
  const server = await runServer({ folder: join(folder, name) });
  const read = bytesRead(server);
  await server.stop();
  return read;
}

const missing = existsSync('/proc/self/io') ? undefined : 'this system does not count what a process reads';

describeWith('proc', missing, 'the bytes that a start reads', () => {
  test('are as many for a large store as for a small one', async () => {
    const small = await fill(join(folder, 'small', 'huiju.db'), 1000);
    const large = await fill(join(folder, 'large', 'huiju.db'), 20_000);
    // The first start of each makes the admin; it is not counted.
    for (const name of ['small', 'large']) await readAtStart(name);
    const more = (await readAtStart('large')) - (await readAtStart('small'));
    expect(large - small).toBeGreaterThan(20_000_000);
    expect(more).toBeLessThan(1_000_000);
  });
});
