import { describe, expect, test } from '@jest/globals';
import { formatForTerminal } from '../../src/log-terminal.ts';

const time = '2026-01-31T12:34:56.789Z';

function format(fields: object, hasColours = false): string {
  return formatForTerminal(JSON.stringify({ level: 'info', time, ...fields }), hasColours);
}

const request = {
  msg: 'request',
  method: 'GET',
  path: '/hub/collections/indicators/objects/',
  status: 200,
  user: 'alice',
  objects: 1000,
  bytes: 831_488,
  ms: 12.3,
};

describe('the log on a terminal', () => {
  test('is a line for each request: time, status, who, method, path, objects, bytes, milliseconds', () => {
    expect(format(request)).toMatch(
      /^\d\d:\d\d:56 {2}200 +alice +GET +\/hub\/collections\/indicators\/objects\/ +1,000 objects +812 KiB +12 ms\n$/,
    );
  });

  test('has its columns one below the other', () => {
    const other = format({ ...request, user: null, method: 'DELETE', path: '/', objects: 1, bytes: 0, ms: 1000 });
    expect(other).toHaveLength(format(request).length);
    expect(other.indexOf('/')).toBe(format(request).indexOf('/'));
  });

  test('says of a refused request why, with the id that the client was given', () => {
    const refused = { status: 404, error_id: 'the-id', error_code: 'not-found', description: 'There is nothing.' };
    expect(format({ ...request, ...refused }).split('\n')[1]).toBe('          not-found: There is nothing. the-id');
  });

  test('counts the bytes of what was published, and says that a client left', () => {
    expect(format({ ...request, method: 'POST', received: 2048 })).toContain('2.0 KiB');
    expect(format({ ...request, status: 'aborted' })).toMatch(/^\S+ {2}left /);
  });

  test('says which of several processes it was', () => {
    expect(format({ ...request, process: 'worker 2' })).toMatch(/^\d\d:\d\d:56 {2}worker 2 {4}200 +alice /);
    expect(format({ msg: 'ended', process: 'supervisor' })).toMatch(/ {2}supervisor {2}info {3}ended\n$/);
  });

  test('shows an error with its stack, other events with their fields', () => {
    const error = { level: 'error', msg: 'request failed', error_id: 'x', err: { stack: 'Error: no\n    at here' } };
    expect(format(error)).toMatch(/ {2}error {2}request failed {2}error_id=x\n {10}Error: no\n {14}at here\n$/);
    expect(format({ msg: 'ending', signal: 'SIGINT' })).toMatch(/ {2}info {3}ending {2}signal=SIGINT\n$/);
  });

  test('has colours by outcome, where they are wanted', () => {
    const colourOf = (status: number) =>
      format({ ...request, status }, true)
        .split('\u001b[')[3]
        ?.slice(0, 3);
    expect([200, 404, 503].map(colourOf)).toEqual(['32m', '33m', '31m']);
    expect(format(request)).not.toContain('\u001b');
  });

  test('lets nothing that a client sent steer the terminal', () => {
    const text = format({ ...request, path: '/\u001b[2J\u009b2J\n\u202e', user: 'a\r\u0007' });
    expect(text).toContain('/?[2J?2J??');
    expect(text).not.toMatch(/[^\P{C}\n]/u);
  });
});
