/** Runs a client in a language of its own against a server, and hands what it saw to the tests. */

import { runProgram } from '../support/huiju.ts';
import type { RunningServer } from '../support/run-server.ts';

interface Line {
  readonly subject: string;
  readonly saw?: unknown;
  readonly error?: string;
}

/** What a client saw of a subject. Throws the client's own error when it failed there. */
export type Seen = (subject: string) => unknown;

async function addUser(server: RunningServer, name: string, ...roles: readonly string[]): Promise<[string, string]> {
  const password = `${name}-password`;
  const args = ['user', 'add', name, ...roles.flatMap((role) => ['--role', role]), '--password-stdin'];
  const { code, stderr } = await server.huiju(args, { input: password });
  if (code !== 0) throw new Error(stderr);
  return [name, password];
}

/**
 * Runs a driver, a program that takes the URL, a publisher's name and password, a reader's, and the publisher's token,
 * and prints a JSON line for each subject. A server takes one driver, since the users are added here.
 */
export async function runDriver(server: RunningServer, command: readonly [string, ...string[]]): Promise<Seen> {
  const publisher = await addUser(server, 'pia', 'publisher');
  const reader = await addUser(server, 'ron');
  const { stdout: token } = await server.huiju(['token', 'create', 'pia']);
  const [file, ...args] = command;
  const result = await runProgram(file, [...args, server.url, ...publisher, ...reader, token.trim()]);
  if (result.code !== 0) throw new Error(result.stderr);
  const lines = result.stdout
    .trim()
    .split('\n')
    .map((line): Line => JSON.parse(line));
  return (subject) => {
    const line = lines.find((candidate) => candidate.subject === subject);
    if (line === undefined) throw new Error(`the driver said nothing of ${subject}`);
    if (line.error !== undefined) throw new Error(line.error);
    return line.saw;
  };
}
