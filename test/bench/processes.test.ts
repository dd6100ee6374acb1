import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { holdingsOf, processorTime, type Running, runToEnd, startProcess, treeOf } from '../../bench/processes.ts';
import { root } from '../support/huiju.ts';

const started: Running[] = [];

afterEach(async () => {
  for (const running of started.splice(0)) await running.stop();
});

/** A server that says what `script` does, and answers nothing. */
async function start(script: string): Promise<Running> {
  const listen = `require('node:net').createServer().listen(0, '127.0.0.1', function () {
    console.log('http://127.0.0.1:' + this.address().port);
  }); process.once('disconnect', () => process.exit());`;
  const running = await startProcess('a server', [process.execPath, '-e', `${script}\n${listen}`]);
  started.push(running);
  return running;
}

describe('a tree of processes', () => {
  const parent = `const { spawn } = require('node:child_process');
    spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });`;

  test('has the processes that were started below', async () => {
    const { pid } = await start(parent);
    const tree = treeOf(pid);
    expect([tree[0], tree.length]).toEqual([pid, 2]);
    expect(treeOf(tree[1] ?? 0)).toEqual([tree[1]]);
  });

  test('holds the memory, files and threads of all of them', async () => {
    const one = holdingsOf((await start('')).pid);
    const { pid } = await start(parent);
    // The child is there from the beginning, but takes a while to become what Node is.
    const isGrown = (): boolean => holdingsOf(pid).megabytes > one.megabytes * 1.5;
    while (!isGrown()) await new Promise((resolve) => setTimeout(resolve, 20));
    const two = holdingsOf(pid);
    expect(two.handles).toBeGreaterThan(one.handles);
    expect(two.threads).toBeGreaterThan(one.threads);
  });
});

test('the processor time of a process is that of all its threads', async () => {
  const work = 'const end = process.cpuUsage().user + 200000; while (process.cpuUsage().user < end);';
  const inThread = `new (require('node:worker_threads').Worker)(${JSON.stringify(
    `const end = process.threadCpuUsage().user + 200000; while (process.threadCpuUsage().user < end);
     require('node:worker_threads').parentPort.postMessage('done'); setInterval(() => {}, 1000);`,
  )}, { eval: true }).once('message', listen);`;
  const { pid } = await start(work);
  expect(processorTime([pid])).toBeGreaterThanOrEqual(200);
  const threaded = await startProcess('a server', [
    process.execPath,
    '-e',
    `process.once('disconnect', () => process.exit());
     function listen() { console.log('http://127.0.0.1:1'); setInterval(() => {}, 1000); }
     ${inThread}`,
  ]);
  started.push(threaded);
  expect(processorTime([threaded.pid])).toBeGreaterThanOrEqual(200);
});

test('lines of the log that tell of errors are counted, as the product writes them', async () => {
  const log = JSON.stringify(join(root, 'src', 'log.ts'));
  const quiet = await start(`import(${log}).then(({ createLog }) => {
    const log = createLog('info');
    setInterval(() => { log.info('fine'); log.warn('"level":"error" is only said here'); }, 1);
  });`);
  const failing = await start(`import(${log}).then(({ createLog }) => {
    const log = createLog('info');
    setInterval(() => log.error('wrong'), 1);
  });`);
  // Ends only when errors are counted; by then the other one has written as much.
  while (failing.faults() < 20) await new Promise((resolve) => setImmediate(resolve));
  expect(quiet.faults()).toBe(0);
});

describe('a command that is run to its end', () => {
  test('tells the most memory it had', async () => {
    const hold = (megabytes: number) => `const held = Buffer.alloc(${megabytes} * 1024 ** 2, 1);
      setTimeout(() => held.length, 200);`;
    const little = await runToEnd([process.execPath, '-e', hold(1)], {});
    const much = await runToEnd([process.execPath, '-e', hold(200)], {});
    expect(much.megabytes - little.megabytes).toBeGreaterThan(150);
  });

  test('fails with what it said', async () => {
    const failing = [process.execPath, '-e', "console.error('no such thing'); process.exit(3)"] as const;
    await expect(runToEnd(failing, {})).rejects.toThrow(/ended with 3:\nno such thing/);
  });
});

test('a server that cannot start is an error with what it said', async () => {
  const failing = [process.execPath, '-e', "console.error('in use'); process.exit(1)"] as const;
  await expect(startProcess('a server', failing)).rejects.toThrow('a server ended with 1:\nin use');
});
