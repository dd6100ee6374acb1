import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { root } from '../support/huiju.ts';
import { findClientPython } from '../support/python.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { runDriver, type Seen } from './driver.ts';

const driver = join(root, 'test', 'clients', 'other_clients.py');
const found = await findClientPython();
const missing = 'missing' in found ? found.missing : undefined;

describeWith('clients', missing, 'cytaxii2 and cc-taxii2-client', () => {
  let server: RunningServer;
  let seen: Seen;

  beforeAll(async () => {
    if (!('python' in found)) return;
    server = await runServer();
    seen = await runDriver(server, [found.python, '-B', driver]);
  });

  afterAll(() => server?.stop());

  test('cytaxii2: publishes a bundle', () => {
    expect(seen('cytaxii2_inbox')).toEqual([true, 202, 9]);
  });

  test('cytaxii2: finds the default API root and its collections', () => {
    expect(seen('cytaxii2_discovery')).toEqual({
      title: 'Threat information sharing hub',
      root: 'Threat information sharing hub',
      collections: 4,
      collection: 'Indicators',
    });
  });

  test('cytaxii2: polls page by page, by type, by id and by date', () => {
    expect(seen('cytaxii2_poll')).toEqual({ sizes: [4, 4, 1], of_type: true, by_id: true, later: { more: false } });
  });

  test('cytaxii2: reads why a login was refused', () => {
    expect(seen('cytaxii2_refusal')).toEqual([false, 401, '401']);
  });

  test('cc-taxii2-client: polls one page or all, by type and by date', () => {
    expect(seen('cc_taxii2_client')).toEqual({ collections: true, one_page: true, pages: true, later: [] });
  });
});
