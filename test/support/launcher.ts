/** Small checkouts and installations in which the launcher can be tried without installing or building for real. */

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { root } from './huiju.ts';

/** Writes a file and the folders above it. */
export function put(folder: string, path: string, content: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

function majorVersion(node: string): number {
  return Number(execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).split('.')[0]);
}

/** A Node on the PATH that can launch but not run the product: 18 or later and older than 24. */
export function findOlderNode(): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return candidates.filter(existsSync).find((node) => {
    const version = majorVersion(node);
    return version >= 18 && version < 24;
  });
}

/** Puts the Node that runs the tests where a checkout has its pinned one. */
export function pinNode(folder: string): void {
  mkdirSync(join(folder, 'node_modules', 'node', 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(folder, 'node_modules', 'node', 'bin', 'node'));
}

/** An installed package whose program is `main`: no sources, no pinned Node. */
export function makeInstallation(main: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'huiju-launch-'));
  put(folder, 'package.json', '{"name":"huiju","type":"module"}');
  put(folder, 'dist/main.js', main);
  mkdirSync(join(folder, 'bin'));
  copyFileSync(join(root, 'bin', 'huiju.js'), join(folder, 'bin', 'huiju.js'));
  return folder;
}

// Stands for bin/build.js: notes that it ran, and leaves what the real one leaves.
const buildStub = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { hashSources } from './prepare.js';
appendFileSync('builds.txt', 'built\\n');
mkdirSync('dist', { recursive: true });
writeFileSync('src/stix/validators.generated.js', '');
writeFileSync('dist/main.js', 'console.log("ran", ...process.argv.slice(2));');
writeFileSync('dist/.stamp', hashSources());
`;

/** A checkout where nothing is installed or built yet. */
export function makeCheckout(): string {
  const folder = makeInstallation('');
  put(folder, 'package-lock.json', JSON.stringify({ packages: { '': {}, 'node_modules/node': {} } }));
  put(folder, 'src/main.ts', '');
  put(folder, 'src/stix/issue.ts', '');
  put(folder, 'bin/build.js', buildStub);
  for (const name of ['prepare.js', 'lock.js']) copyFileSync(join(root, 'bin', name), join(folder, 'bin', name));
  return folder;
}

/**
 * A folder for the PATH with an `npm` that notes its arguments in `installs.txt`, runs the shell commands `work`, and
 * then leaves a pinned Node behind.
 */
export function makeNpm(folder: string, work = ''): string {
  const script = `#!/bin/sh
echo "$@" >> installs.txt
rm -rf node_modules; mkdir -p node_modules/node/bin
${work}
ln -s '${process.execPath}' node_modules/node/bin/node
`;
  put(folder, 'path/npm', script);
  chmodSync(join(folder, 'path', 'npm'), 0o755);
  return join(folder, 'path');
}
