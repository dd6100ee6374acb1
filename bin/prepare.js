// @ts-check
/**
 * Brings a checkout to where it can run: installs the dependencies when the lockfile asks for others, builds when the
 * sources have changed since. Says what it does on standard error, and nothing when nothing is to be done. Plain
 * JavaScript without dependencies, for Node 18 or later: it runs before anything else is there.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const pinnedNode = join(modules, 'node', 'bin', 'node');
const installStamp = join(modules, '.huiju-stamp');
const buildStamp = join(root, 'dist', '.stamp');
const validators = join(root, 'src', 'stix', 'validators.generated.js');
const keptOutput = 32 * 1024;

/** A signal has ended the work: nothing is wrong, and the next start does it again. */
class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super('interrupted; the next start goes on');
    /** As shells count it: 130 for Ctrl-C. */
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`huiju: ${text}\n`);
}

/** @param {string} path */
function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

// What decides the content of node_modules, and no more: a changed script is no reason to install again.
function hashDependencies() {
  const { dependencies, devDependencies, optionalDependencies, overrides, allowScripts } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const wanted = JSON.stringify([dependencies, devDependencies, optionalDependencies, overrides, allowScripts]);
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(`${process.platform} ${process.arch} ${wanted}\n`).update(lockfile).digest('hex');
}

/** @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** The hash of everything that `dist` is made of. Equal hashes: a build would yield the same again. */
export function hashSources() {
  const single = [
    'tsconfig.json',
    'tsconfig.build.json',
    'bin/compile-schemas.js',
    'bin/predicates.ts',
    'bin/build.js',
    'package-lock.json',
  ];
  const files = [...filesBelow(join(root, 'src')), ...filesBelow(join(root, 'schemas'))]
    .filter((path) => !path.startsWith(validators))
    .concat(single.map((name) => join(root, name)).filter((path) => existsSync(path)))
    .sort();
  const hash = createHash('sha256');
  for (const path of files) {
    const content = readFileSync(path);
    hash.update(`${relative(root, path).split(sep).join('/')} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

function isInstalled() {
  return readIfThere(installStamp) === hashDependencies();
}

function isBuilt() {
  return existsSync(validators) && readIfThere(buildStamp) === hashSources();
}

/**
 * Runs `work` under a line that says what it is: on a terminal with a spinner, elsewhere a line now and then.
 * @param {string} what
 * @param {Promise<void>} work
 * @param {() => string} progress
 */
async function showProgress(what, work, progress) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const terminal = process.stderr.isTTY === true;
  let frame = 0;
  const draw = () => {
    const spinner = '|/-\\'[frame++ % 4];
    process.stderr.write(`\r\x1b[Khuiju: ${spinner} ${what} ${progress()}`);
  };
  if (!terminal) say(what);
  const timer = terminal
    ? setInterval(draw, 250)
    : setInterval(() => say(`${what}: ${progress()} after ${seconds()} s`), 10_000);
  try {
    await work;
    if (terminal) process.stderr.write('\r\x1b[K');
    say(`${what}: done in ${seconds()} s`);
  } finally {
    if (terminal) process.stderr.write('\r\x1b[K');
    clearInterval(timer);
  }
}

/** @type {readonly NodeJS.Signals[]} */
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * The signal that ended a child, told by itself or by its shell. Ctrl-C goes to all of a terminal's processes, and the end of
 * a child can be heard of first.
 * @param {number | null} code
 * @param {NodeJS.Signals | null} signal
 */
function findEnding(code, signal) {
  return endingSignals.find((ending) => ending === signal || code === 128 + constants.signals[ending]);
}

/**
 * Passes signals on to a child, so that no npm goes on in a folder whose lock is free. Returns what ends that
 * and tells the signal that came.
 * @param {import('node:child_process').ChildProcess} child
 */
function passSignals(child) {
  /** @type {NodeJS.Signals | undefined} */
  let received;
  /** @param {NodeJS.Signals} signal */
  const pass = (signal) => {
    received = signal;
    child.kill(signal);
  };
  for (const signal of endingSignals) process.on(signal, pass);
  return () => {
    for (const signal of endingSignals) process.off(signal, pass);
    return received;
  };
}

/**
 * Runs a program to its end. Its output is shown only if it fails.
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {string} failure what to say then
 * @returns {Promise<void>}
 */
function runQuietly(program, args, env, failure) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const stopPassing = passSignals(child);
    let output = '';
    /** @param {Buffer} chunk */
    const keep = (chunk) => {
      output = (output + chunk.toString()).slice(-keptOutput);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => reject(new Error(`${failure}: ${error.message}`)));
    child.once('close', (code, signal) => {
      const received = stopPassing() ?? findEnding(code, signal);
      if (received !== undefined) reject(new Interrupted(received));
      else if (code === 0) resolve();
      else
        reject(new Error(`${output}\nhuiju: ${failure} (${signal ?? `exit code ${code}`}); the reason stands above`));
    });
  });
}

// npm must not run on the Node that lies in the folder it is about to delete.
function environmentForInstall() {
  const inside = join(modules, '.bin');
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== inside);
  return { ...process.env, PATH: path.join(delimiter) };
}

function installedShare() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = Object.keys(packages).filter((path) => path !== '' && packages[path].optional !== true);
  return () => {
    const there = wanted.filter((path) => existsSync(join(root, path, 'package.json'))).length;
    return `${Math.floor((100 * there) / wanted.length)} %`;
  };
}

/** @param {NodeJS.ProcessEnv} env */
function isNpmThere(env) {
  return (env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'npm')));
}

// npm ci empties the folder before it fills it, and it follows a link: another tree would lose its dependencies.
function refuseLinkedModules() {
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  const target = readlinkSync(modules);
  throw new Error(
    `${modules} is a symbolic link to ${target}, which npm ci would empty; remove the link, then try again`,
  );
}

async function install() {
  refuseLinkedModules();
  const env = environmentForInstall();
  if (!isNpmThere(env)) throw new Error('npm is not on the PATH; install Node.js with npm, then try again');
  rmSync(installStamp, { force: true });
  const wanted = hashDependencies();
  // The build needs the development dependencies, NODE_ENV=production or not.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const work = runQuietly('npm', args, env, 'npm ci failed');
  await showProgress('Installing dependencies (npm ci)', work, installedShare());
  writeFileSync(installStamp, wanted);
}

/**
 * The Node 24 that this checkout pins, else the running one if it is new enough.
 * @returns {string}
 */
function findNode() {
  if (existsSync(pinnedNode)) return pinnedNode;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new Error(
    `Node 24 is missing in ${relative(root, pinnedNode)}; it is put there by an install script, so allow these in npm's configuration (ignore-scripts=false), run npm ci, then try again`,
  );
}

async function build() {
  const work = runQuietly(findNode(), [join(root, 'bin', 'build.js')], process.env, 'The build failed');
  await showProgress('Building', work, () => '');
}

/**
 * Installs and builds what is missing or stale in this checkout. Interrupted work is done again; of several at once
 * one works and the others wait. Throws with a message for the operator; what a signal has ended, with an `exitCode`.
 */
export async function prepare() {
  if (isInstalled() && isBuilt()) return;
  const tellWaiting = () => say('Another process is installing or building here; waiting for it');
  await withLock(
    join(root, '.prepare.lock'),
    async () => {
      if (!isInstalled()) await install();
      if (!isBuilt()) await build();
    },
    tellWaiting,
  );
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  prepare().catch((error) => {
    say(error.message);
    process.exitCode = error.exitCode ?? 1;
  });
}
