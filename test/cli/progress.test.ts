import { describe, expect, test } from '@jest/globals';
import { startProgress } from '../../src/cli/progress.ts';

const mebibyte = 1024 ** 2;

/** A display and a clock, and what was written at which second. */
function watch(isTTY: boolean, columns = 200) {
  const written: string[] = [];
  let time = 0;
  const display = { isTTY, columns, write: (text: string) => written.push(text) };
  return {
    written,
    start: (total?: number) => startProgress('import', total, display, () => time),
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
  };
}

describe('progress', () => {
  test('elsewhere than on a terminal is a plain line every ten seconds', () => {
    const { written, start, pass } = watch(false);
    const progress = start(100 * mebibyte);
    for (let second = 1; second <= 25; second += 1) {
      pass(1000);
      progress.update(second * mebibyte, `${second} objects`);
    }
    progress.stop();
    expect(written).toEqual([
      'huiju: import: 10 %, 10 objects, 10.0 MiB of 100 MiB, 1.0 MiB/s, 1:30 left\n',
      'huiju: import: 20 %, 20 objects, 20.0 MiB of 100 MiB, 1.0 MiB/s, 1:20 left\n',
    ]);
  });

  test('on a terminal is one line with a bar, drawn anew and wiped at the end', () => {
    const { written, start, pass } = watch(true);
    const progress = start(10 * mebibyte);
    for (const done of [1, 5]) {
      pass(2500);
      progress.update(done * mebibyte, '7 objects');
    }
    progress.stop();
    progress.stop();
    expect(written).toEqual([
      '\r\u001b[K[=         ] import: 10 %, 7 objects, 1.0 MiB of 10.0 MiB, 410 KiB/s, 0:23 left',
      '\r\u001b[K[=====     ] import: 50 %, 7 objects, 5.0 MiB of 10.0 MiB, 1.0 MiB/s, 0:05 left',
      '\r\u001b[K',
    ]);
  });

  test('without a total says what is done, not what is left', () => {
    const { written, start, pass } = watch(false);
    const progress = start();
    pass(10_000);
    progress.update(mebibyte, '3 objects');
    expect(written).toEqual(['huiju: import: 3 objects, 1.0 MiB, 102 KiB/s\n']);
  });

  test.each([
    [80, 'import: 21 %, 32,800 objects, 10.5 MiB of 50.0 MiB, 4.2 MiB/s, 0:10 left'],
    [60, 'import: 21 %, 32,800 objects, 4.2 MiB/s, 0:10 left'],
    [45, 'import: 21 %, 32,800 objects, 0:10 left'],
  ])('keeps the time left on a terminal of %i columns', (columns, line) => {
    const { written, start, pass } = watch(true, columns);
    const progress = start(50 * mebibyte);
    pass(2500);
    progress.update(10.5 * mebibyte, '32,800 objects');
    expect(written).toEqual([`\r\u001b[K${line}`]);
  });

  test('is not wider than the terminal, where it could not be wiped', () => {
    const { written, start, pass } = watch(true, 40);
    const progress = start(mebibyte);
    pass(5000);
    progress.update(mebibyte / 2, 'a note that is longer than the terminal is wide');
    expect(written.map((text) => text.replace('\r\u001b[K', '').length)).toEqual([39]);
  });
});
