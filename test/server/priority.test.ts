import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';
import { startChecker } from '../../src/taxii/checker.ts';
import { root, runProgram } from '../support/huiju.ts';
import { describeWith } from '../support/skip.ts';

const elsewhere = process.platform === 'linux' ? undefined : 'threads have priorities on Linux alone';

/** The nice values of this process's threads (proc(5), the 19th field). */
function nicesOfThreads(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

describeWith('linux', elsewhere, 'who steps back', () => {
  test('a thread goes to the nice value that it names, and never forward', async () => {
    const module = pathToFileURL(`${root}/src/priority.ts`).href;
    const script = `import { getPriority } from 'node:os'; import { stepBack } from '${module}';
      const seen = [15, 17, 16].map((nice) => (stepBack(nice), getPriority(0))); console.log(seen.join());`;
    const { stdout, code } = await runProgram(process.execPath, ['--input-type=module', '-e', script]);
    expect([code, stdout.trim()]).toEqual([0, '15,17,17']);
  });

  test('threads that check objects leave the core to requests', async () => {
    const own = getPriority(0);
    const before = nicesOfThreads().filter((nice) => nice >= own + 10).length;
    const checker = startChecker(2);
    const terms = { policy: 'spec', language: 'en', registered: { revision: 0, extensions: [] } } as const;
    const slice = { lines: Buffer.from('{}\n'), count: 1, startLines: Uint32Array.of(1) };
    await Promise.all([checker.check(slice, terms), checker.check(slice, terms)]);
    expect(nicesOfThreads().filter((nice) => nice >= 10).length).toBeGreaterThanOrEqual(before + 2);
    await checker.close();
    expect(getPriority(0)).toBe(own);
  });
});
