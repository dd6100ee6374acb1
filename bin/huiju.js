#!/usr/bin/env node
// The launcher. Plain JavaScript without any syntax newer than Node 12, so that an old Node can say what is wrong.
// biome-ignore-all lint/style/useNodejsImportProtocol: Node 12 does not know node: names.

import { spawn } from 'child_process';
import { existsSync } from 'fs';
import { dirname, join } from 'path';
import { fileURLToPath } from 'url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, 'dist', 'main.js');
const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');
const version = Number(process.versions.node.split('.')[0]);
const neededToRun = 24;
const neededToPrepare = 18;
const tooOld = `Node ${neededToRun} or later is needed, this is ${process.versions.node}`;

// The published package carries no sources.
const isCheckout = existsSync(join(root, 'src', 'main.ts'));

function fail(message, exitCode) {
  process.stderr.write(`huiju: ${message}\n`);
  process.exitCode = exitCode || 1;
}

// A terminal sends Ctrl-C to launcher and child alike, `kill` only to the launcher; from here they look the same, so
// both are passed on. The program takes the same signal twice in a row for one.
function passSignals(child) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const handlers = signals.map((signal) => () => child.kill(signal));
  signals.forEach((signal, index) => {
    process.on(signal, handlers[index]);
  });
  return () => {
    signals.forEach((signal, index) => {
      process.off(signal, handlers[index]);
    });
  };
}

// The channel is never written to: it breaks when this process dies, however it dies, and the server ends on that.
function runUnderPinnedNode() {
  // As `npm start` does.
  const child = spawn(pinnedNode, ['--max-semi-space-size=16', '--expose-gc', program].concat(process.argv.slice(2)), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const stopPassing = passSignals(child);
  child.once('error', (error) => fail(`Cannot start ${pinnedNode}: ${error.message}`));
  child.once('exit', (code, signal) => {
    stopPassing();
    if (signal === null) process.exitCode = code;
    else process.kill(process.pid, signal);
  });
}

function prepareCheckout() {
  if (version < neededToPrepare) throw new Error(tooOld);
  return import('./prepare.js').then(({ prepare }) => prepare());
}

function start() {
  if (version >= neededToRun) return import('../dist/main.js');
  if (existsSync(pinnedNode)) return runUnderPinnedNode();
  return fail(tooOld);
}

const ready = isCheckout ? Promise.resolve().then(prepareCheckout) : Promise.resolve();
ready.then(start, (error) => fail(error.message, error.exitCode));
