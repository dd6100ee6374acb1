// @ts-check
/** Makes `dist`, the product, from the sources. Run it as `npm run build`, which finds the pinned Node. */

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.js';
import { hashSources } from './prepare.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const generated = ['validators.generated.js', 'validators.generated.d.ts'];

/** @param {string} target */
function compile(target) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', target, '--noEmitOnError'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('tsc found the mistakes above');
}

// The compiler neither emits JavaScript that it was given nor declarations.
/** @param {string} target */
function copyGenerated(target) {
  mkdirSync(join(target, 'stix'), { recursive: true });
  for (const name of generated) {
    const source = join(root, 'src', 'stix', name);
    if (existsSync(source)) copyFileSync(source, join(target, 'stix', name));
  }
}

/**
 * Puts the finished folder in place of the old one by renaming, so that nobody ever loads half a build.
 * @param {string} target
 */
function replaceDist(target) {
  const old = `${dist}.old-${process.pid}`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(target, dist);
  rmSync(old, { recursive: true, force: true });
}

function removeLeftovers() {
  for (const name of readdirSync(root)) {
    if (/^dist\.(?:new|old)-\d+$/.test(name)) rmSync(join(root, name), { recursive: true, force: true });
  }
}

async function build() {
  removeLeftovers();
  // Taken first: a source that changes meanwhile leaves the build stale, not wrongly fresh.
  const stamp = hashSources();
  const target = `${dist}.new-${process.pid}`;
  const { compileSchemas } = await import('./compile-schemas.js');
  await compileSchemas();
  compile(target);
  copyGenerated(target);
  writeFileSync(join(target, '.stamp'), stamp);
  replaceDist(target);
}

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`huiju: The build needs Node 24, this is ${process.versions.node}; run it as: npm run build`);
  process.exitCode = 1;
} else {
  await withLock(join(root, '.build.lock'), build).catch((error) => {
    console.error(`huiju: ${error.message}`);
    process.exitCode = 1;
  });
}
