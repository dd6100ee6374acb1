/** The protocol when two processes serve: connections, and so requests, go to one and the other in turn. */

import { useWorkers } from '../support/taxii-server.ts';

useWorkers(2);
const names = ['add-objects', 'authentication', 'delete', 'pagination', 'races', 'transport'];
for (const name of names) await import(new URL(`../conformance/${name}.test.ts`, import.meta.url).href);
