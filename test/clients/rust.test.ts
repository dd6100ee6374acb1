import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { describeWith } from '../support/skip.ts';
import { findRustDriver } from './cargo.ts';
import { runDriver, type Seen } from './driver.ts';

const found = await findRustDriver();
const missing = 'missing' in found ? found.missing : undefined;

describeWith('rust', missing, 'the TAXII client of the Rust crate stix2', () => {
  let server: RunningServer;
  let seen: Seen;

  beforeAll(async () => {
    if (!('binary' in found)) return;
    server = await runServer();
    seen = await runDriver(server, [found.binary]);
  });

  afterAll(() => server?.stop());

  test('discovers the server, an API root and its collections', () => {
    expect(seen('discovery')).toEqual({
      title: 'Threat information sharing hub',
      roots: 3,
      versions: ['application/taxii+json;version=2.1'],
      collections: 4,
      collection: 'Indicators',
    });
  });

  test('publishes a bundle with two Content-Type headers, and reads the status', () => {
    expect(seen('publish')).toEqual({ status: 'complete', total: 8, failures: [], again: 8 });
  });

  test('is told what is wrong with the empty lists that it writes', () => {
    expect(seen('empty_list')).toEqual([
      expect.stringMatching(/^STIX-2\.12-empty-list at \/external_references \(\[\]\): /),
    ]);
  });

  test('pages with raw brackets and colons, and two Accept headers', () => {
    expect(seen('pages')).toEqual([3, 3, 1]);
  });

  test('reads the manifest of all versions of a type', () => {
    expect(seen('manifest')).toBe(7);
  });

  test('reads a collection as a store: rights, objects, types, versions', () => {
    expect(seen('store')).toEqual({
      rights: [true, false],
      all: 7,
      of_type: 1,
      modified: '2024-01-02T00:00:00.500Z',
      versions: 2,
      missing: true,
    });
  });

  test('deletes an object', () => {
    expect(seen('delete')).toBe(0);
  });

  test('is told that its login is wrong', () => {
    expect(seen('refusal')).toContain('401');
  });
});
