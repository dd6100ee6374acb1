/** What products do, through the libraries on which they are built, called as they call them. */

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { root } from '../support/huiju.ts';
import { findClientPython } from '../support/python.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { runDriver, type Seen } from './driver.ts';

const driver = join(root, 'test', 'clients', 'products.py');
const found = await findClientPython();
const missing = 'missing' in found ? found.missing : undefined;

describeWith('clients', missing, 'products on taxii2-client and requests', () => {
  let server: RunningServer;
  let seen: Seen;

  beforeAll(async () => {
    if (!('python' in found)) return;
    // So small that who fills requests to the limit needs several, and who asks for no limit has to page.
    server = await runServer({ env: { HUIJU_MAX_CONTENT_LENGTH: '16KiB', HUIJU_PAGE_SIZE: '3' } });
    seen = await runDriver(server, [found.python, '-B', driver]);
  });

  afterAll(() => server?.stop());

  test('OpenCTI connector: walks an API root, and in the next run gets what is new, with the cursor it kept', () => {
    expect(seen('opencti_connector')).toEqual({ all: true, each: [1], late: true, cursor_left_behind: true });
  });

  test('OpenCTI connector: walks the collection that it knows by API root and title', () => {
    expect(seen('opencti_connector_one_collection')).toEqual({ all: true, each: [1] });
  });

  test('OpenCTI connector: logs in with every form of credentials that it has', () => {
    expect(seen('opencti_connector_logins')).toEqual({
      use_token: 5,
      use_apikey: 5,
      token_as_password: 5,
      token_as_user: 5,
      none: [],
    });
  });

  test('OpenCTI taxii-post: publishes a bundle of one object after the other', () => {
    expect(seen('opencti_taxii_post')).toEqual([1, 2, 3].map(() => [202, 1]));
  });

  test('Cortex XSOAR: fetches page by page, then from the last modified it saw', () => {
    expect(seen('xsoar_feed')).toEqual({
      all: true,
      late: true,
      nothing_of_that_type: [],
      token: 6,
      header: 6,
      taxii_2_0: 406,
    });
  });

  test('misp-modules: imports a collection by its URL up to its own limit', () => {
    expect(seen('misp_modules')).toEqual({ limited: 3, types: true, ids: true, later: [] });
  });

  test('MISP taxii_push: publishes envelopes as full as the API root allows', () => {
    expect(seen('misp_taxii_push')).toEqual({ failures: 0, several: true, within: true, stored: 100 });
  });

  test('Splunk CTIS app: publishes a bundle and reads the verdicts', () => {
    expect(seen('splunk_ctis_app')).toEqual({ status: 'complete', successes: true });
  });

  test('Google SecOps: collects the indicators of collections that it knows by title', () => {
    expect(seen('google_secops')).toEqual({ all: true, each: [1] });
  });

  test('FortiSOAR: walks every collection; its health check needs Accept as a custom header', () => {
    expect(seen('fortisoar')).toEqual({ all: true, each: [1], health: 406, health_with_custom_header: 200 });
  });
});
