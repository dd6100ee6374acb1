/** Builds the Rust driver with the cargo that is on the PATH. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { environment, root } from '../support/huiju.ts';

const folder = join(root, 'test', 'clients', 'rust');
const longestBuildMs = 300_000;

export type Binary = { readonly binary: string } | { readonly missing: string };

function reasonOf(error: unknown): string {
  const { code, killed, stderr } = error as { code?: unknown; killed?: boolean; stderr?: string };
  if (code === 'ENOENT') return 'cargo is not on the PATH';
  if (killed === true) return `cargo needed more than ${longestBuildMs / 60_000} minutes`;
  const said = (stderr ?? '').split('\n').filter((line) => /^(?:error|Caused by|\s+\S)/.test(line));
  return `cargo could not build the Rust client: ${said[0] ?? String(error)}`;
}

/**
 * The driver of the Rust client, built from the crates of `rust/Cargo.lock` when it is missing or out of date: a minute
 * the first time. Without cargo, the crates or what they need, what is missing. Cargo itself keeps two builds apart.
 */
export async function findRustDriver(): Promise<Binary> {
  try {
    const options = { cwd: folder, env: environment(), timeout: longestBuildMs, maxBuffer: 16 * 1024 * 1024 };
    await promisify(execFile)('cargo', ['build', '--locked', '--quiet', '--target-dir', 'target'], options);
    return { binary: join(folder, 'target', 'debug', 'taxii-driver') };
  } catch (error) {
    return { missing: reasonOf(error) };
  }
}
