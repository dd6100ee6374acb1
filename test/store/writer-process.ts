/**
 * A process of its own that writes into a store: `node writer-process.ts STORE COLLECTION BATCHES`, the store a path
 * or a URL. It prints the ids of
 * each batch on one line once they are acknowledged.
 */

import { openStore } from '../../src/store/open-store.ts';
import { objects } from './versions.ts';

const [path = '', collection = '', batches = ''] = process.argv.slice(2);
const store = await openStore(path.startsWith('mongodb:') ? { kind: 'mongodb', url: path } : { kind: 'sqlite', path });
for (let n = 0; n < Number(batches); n += 1) {
  const versions = objects(5);
  await store.addObjects(collection, 'user', versions);
  process.stdout.write(`${versions.map(({ id }) => id).join(' ')}\n`);
}
await store.close();
