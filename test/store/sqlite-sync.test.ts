import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { describeWith } from '../support/skip.ts';
import { useTempFolder } from './temp-folder.ts';

const script = fileURLToPath(new URL('./sync-process.ts', import.meta.url));
const missing =
  spawnSync('strace', ['-f', '-e', 'trace=none', 'true']).status === 0
    ? undefined
    : 'strace is missing or may not trace here';

describeWith('strace', missing, 'the system calls of a commit', () => {
  const pathOf = useTempFolder();

  /** What was done to the log between the words that the process said: `write` and `sync`, in order. */
  async function traceWords(): Promise<ReadonlyMap<string, string[]>> {
    const trace = pathOf('trace');
    const what = 'trace=write,pwrite64,fsync,fdatasync';
    const command = [...['-f', '-y', '-e', what, '-o', trace], process.execPath, script, pathOf('sync.db')];
    const child = spawn('strace', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    for await (const _word of createInterface(child.stdout)) child.stdin.write('\n');
    await exited;
    const found = new Map<string, string[]>();
    let calls: string[] = [];
    for (const line of readFileSync(trace, 'utf8').split('\n')) {
      const word = /write\(1<.*, "(\w+)\\n"/.exec(line)?.[1];
      if (word !== undefined) {
        found.set(word, calls);
        calls = [];
      } else if (/ f(?:data)?sync\(.*sync\.db-wal/.test(line)) calls.push('sync');
      else if (/ pwrite64\(.*sync\.db-wal/.test(line) && calls.at(-1) !== 'write') calls.push('write');
    }
    return found;
  }

  test('entries of the access log wait for no disk, what is committed with them or after them does', async () => {
    const calls = await traceWords();
    expect([...calls.keys()]).toEqual(['ready', 'logged', 'both', 'put']);
    expect(calls.get('logged')).toEqual(['write']);
    expect(calls.get('both')?.slice(-2)).toEqual(['write', 'sync']);
    expect(calls.get('put')).toEqual(['write', 'sync']);
  });
});
