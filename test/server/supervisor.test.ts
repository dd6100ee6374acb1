import { createServer } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { limitConnections } from '../../src/http/connections.ts';
import { defaultLimits, shareLimits } from '../../src/http/limits.ts';
import { nextPause, relayLines } from '../../src/supervisor.ts';
import { countCheckers } from '../../src/taxii/checker.ts';

async function relay(...chunks: readonly string[]): Promise<string[]> {
  const stream = new PassThrough();
  const written: string[] = [];
  relayLines(stream, (lines) => void written.push(lines));
  for (const chunk of chunks) {
    stream.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  stream.end();
  await new Promise((resolve) => stream.once('end', resolve));
  return written;
}

describe('lines of a process', () => {
  test('are handed on whole, however they arrive', async () => {
    expect(await relay('one\ntw', 'o\nthr', 'ee', '\n')).toEqual(['one\n', 'two\n', 'three\n']);
  });

  test('are left out when the process died within them', async () => {
    expect(await relay('one\ntw')).toEqual(['one\n']);
  });

  test('are left out when they have no end in sight, and the next ones come', async () => {
    const endless = 'x'.repeat(600 * 1024);
    expect(await relay(endless, endless, 'end\none\n', 'two\n')).toEqual(['one\n', 'two\n']);
  });
});

describe('a process that died', () => {
  test('is replaced at once when it had served for long', () => {
    expect(nextPause(30_000, 60_000)).toBe(0);
  });

  test('is replaced after pauses that grow, up to half a minute, while it dies again and again', () => {
    const pauses = [0];
    for (let death = 0; death < 9; death += 1) pauses.push(nextPause(pauses.at(-1) ?? 0, 10));
    expect(pauses).toEqual([0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });
});

test('several processes have together the places that one would have', () => {
  const { uploads, maxConnections, unreadBytes, pace } = shareLimits(defaultLimits, 4);
  expect({ ...uploads, maxConnections, unreadBytes, pace }).toEqual({
    ...defaultLimits.uploads,
    atOnce: 8,
    perUser: 2,
    kept: 2,
    waitingPerUser: 16,
    maxConnections: 2048,
    unreadBytes: 64 * 1024 * 1024,
    pace: defaultLimits.pace,
  });
});

test('a full process drops connections, so that two do not hand them to each other for ever', () => {
  const server = createServer();
  limitConnections(server, defaultLimits);
  expect(server).toMatchObject({ maxConnections: defaultLimits.maxConnections, dropMaxConnection: true });
});

test('a place that cannot be divided any more is one for each process', () => {
  const { uploads } = shareLimits(defaultLimits, 64);
  expect([uploads.atOnce, uploads.perUser, uploads.kept, uploads.waitingPerUser]).toEqual([1, 1, 1, 1]);
});

test.each([
  [1, 2, 1],
  [1, 4, 3],
  [1, 32, 4],
  [2, 2, 1],
  [4, 16, 3],
  [64, 8, 1],
])('each of %d processes on %d cores checks in %d threads', (processes, cores, threads) => {
  expect(countCheckers(processes, cores)).toBe(threads);
});
