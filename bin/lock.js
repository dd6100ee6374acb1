// @ts-check
/** A lock between processes, as a file. Plain JavaScript: it runs before anything is installed. */

import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const heartbeatMs = 2_000;
const silentMs = 60_000;

/** @param {string} path @param {string} content */
function create(path, content) {
  try {
    writeFileSync(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * Whether the lock's owner died without removing it. The process id says so at once, but only on the owner's own
 * machine (a container is one too); otherwise, or when another process got that id, the missing heartbeat does.
 * @param {string} path
 */
function isAbandoned(path) {
  try {
    const [pid, host] = readFileSync(path, 'utf8').split(' ');
    if (host === hostname() && !isRunning(Number(pid))) return true;
    return Date.now() - statSync(path).mtimeMs > silentMs;
  } catch {
    return false; // Released this moment.
  }
}

/**
 * Removes an abandoned lock. A second lock around it, held for this one step, keeps two processes from removing one
 * after the other, where the later would remove the lock that the earlier has just taken.
 * @param {string} path
 */
function breakAbandoned(path) {
  const breaker = `${path}.break`;
  if (!create(breaker, '')) {
    const age = Date.now() - (statSync(breaker, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > silentMs) rmSync(breaker, { force: true });
    return;
  }
  try {
    if (isAbandoned(path)) rmSync(path, { force: true });
  } finally {
    rmSync(breaker, { force: true });
  }
}

/** @param {string} path */
function beat(path) {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // The folder is gone; whoever removed it ends the work too.
  }
}

/**
 * Runs `work` while no other process runs work under the same lock file, and resolves to its result. `onWait` is called
 * once when another process holds the lock. A lock whose owner was killed is taken over.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, onWait) {
  mkdirSync(dirname(path), { recursive: true });
  let told = onWait === undefined;
  while (!create(path, `${process.pid} ${hostname()}`)) {
    if (isAbandoned(path)) breakAbandoned(path);
    else if (!told) {
      onWait?.();
      told = true;
    }
    await sleep(50);
  }
  const heartbeat = setInterval(beat, heartbeatMs, path);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(path, { force: true });
  }
}
