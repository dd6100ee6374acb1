/** An import holds a slice of its file at a time, however long the file is. */

import { randomUUID } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { newVersioned } from '../support/stix-objects.ts';
import { useHuiju } from './use-huiju.ts';

const { huiju, pathOf } = useHuiju();
const mebibyte = 1024 ** 2;

/** Makes a process say, when it ends, how much memory it ever had, in KiB. */
const sayMemory = `data:text/javascript,${encodeURIComponent(
  'process.on("exit", () => process.stderr.write("peak " + process.resourceUsage().maxRSS + "\\n"));',
)}`;

/** Writes a bundle of so many bytes, at least, piece by piece; returns how many objects it has. */
function writeBundle(path: string, length: number): number {
  const description = '0123456789abcdef'.repeat(256);
  const file = openSync(path, 'w');
  let written = writeSync(file, `{"type":"bundle","id":"bundle--${randomUUID()}","objects":[`);
  let count = 0;
  for (; written < length; count += 1) {
    const text = JSON.stringify(newVersioned('campaign', { name: `Campaign ${count}`, description }));
    written += writeSync(file, `${count === 0 ? '' : ',\n'}${text}`);
  }
  writeSync(file, ']}\n');
  closeSync(file);
  return count;
}

async function peakOfImport(name: string, length: number): Promise<number> {
  const path = pathOf(name);
  const count = writeBundle(path, length);
  const options = { env: { NODE_OPTIONS: `--import=${sayMemory}`, HUIJU_STORE: `sqlite:${pathOf(`${name}.db`)}` } };
  const { code, stdout, stderr } = await huiju(['import', path, '--collection', 'hub/groups'], options);
  expect(stdout).toContain(`${count} added, 0 duplicate, 0 failed`.replace(/\B(?=(?:\d{3})+ added)/, ','));
  expect(code).toBe(0);
  const peaks = [...stderr.matchAll(/^peak (\d+)$/gm)].map(([, kibibytes]) => Number(kibibytes) * 1024);
  return Math.max(...peaks);
}

test('an import of a long file takes hardly more memory than one of a short file', async () => {
  const short = await peakOfImport('short', 16 * mebibyte);
  const long = await peakOfImport('long', 80 * mebibyte);
  expect(long - short).toBeLessThan(40 * mebibyte);
}, 120_000);
