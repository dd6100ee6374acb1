/** How `npm run bench` is called. The benches themselves take minutes and are run by hand. */

import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { root, runProgram } from '../support/huiju.ts';

function bench(...args: readonly string[]) {
  return runProgram(process.execPath, [join(root, 'bench', 'main.ts'), ...args]);
}

test('--help tells the benches and the options', async () => {
  const { code, stdout } = await bench('--help');
  expect(code).toBe(0);
  for (const word of ['pages|polls|publish|validate|boot|soak', '--quick', '--large', '--store', '--data', '--out'])
    expect(stdout).toContain(word);
});

test.each([
  [['page'], 'there is no bench page'],
  [['--fast'], "Unknown option '--fast'"],
  [['--store', 'sqlite:x.db'], '--store takes the URL of a MongoDB server'],
])('%j is refused with what would be right', async (args, message) => {
  const { code, stdout, stderr } = await bench(...args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(message);
  expect(stderr).toContain('Usage: npm run bench');
});
