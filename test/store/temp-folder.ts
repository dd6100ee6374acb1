import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';

/** A folder for the tests of one file; returns a function that names a path in it. */
export function useTempFolder(): (name: string) => string {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'huiju-store-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  return (name) => join(folder, name);
}
