/** The command line: what commands there are, and what becomes of their errors. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { OperatorError, TaxiiError } from '../errors.ts';

const failed = 1;
const wrongUsage = 2;

// Loaded when called for: `huiju token create` does not wait for the HTTP server and the validators.
const commands: Readonly<Record<string, (program: Command) => Promise<void>>> = {
  serve: async (program) => (await import('./serve.ts')).registerServe(program),
  import: async (program) => (await import('./import.ts')).registerImport(program),
  export: async (program) => (await import('./export.ts')).registerExport(program),
  validate: async (program) => (await import('./validate.ts')).registerValidate(program),
  user: async (program) => (await import('./user.ts')).registerUser(program),
  token: async (program) => (await import('./token.ts')).registerToken(program),
  collection: async (program) => (await import('./collection.ts')).registerCollection(program),
  access: async (program) => (await import('./access.ts')).registerAccess(program),
  backup: async (program) => (await import('./backup.ts')).registerBackup(program),
  restore: async (program) => (await import('./restore.ts')).registerRestore(program),
  check: async (program) => (await import('./check.ts')).registerCheck(program),
};

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}

/** The program with the command that is called; with all of them when it is none of these, for help and suggestions. */
export async function loadProgram(called: string | undefined): Promise<Command> {
  const program = new Command('huiju')
    .description('A STIX/TAXII 2.1 server, and the sharing community around it')
    .version(readVersion())
    // Commands inherit what stands before them: run() decides on exit codes, and errors have one look.
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'huiju: ')) })
    .showHelpAfterError('See --help.');
  const register = called !== undefined && Object.hasOwn(commands, called) ? commands[called] : undefined;
  for (const add of register === undefined ? Object.values(commands) : [register]) await add(program);
  return program;
}

/** What an error says to the operator: its message; the stack only of one that nobody foresaw. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isForeseen = error instanceof OperatorError || error instanceof TaxiiError || 'syscall' in error;
  return isForeseen ? error.message : `internal error: ${error.stack ?? error.message}`;
}

/** Runs a command to its end and sets the exit code: 1 when it failed, 2 when it was called wrongly. */
export async function run(args: readonly string[]): Promise<void> {
  try {
    const program = await loadProgram(args[0]);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version come as errors too. Commander has written the message.
      process.exitCode = error.exitCode === 0 ? 0 : wrongUsage;
      return;
    }
    process.stderr.write(`huiju: ${describe(error)}\n`);
    process.exitCode = failed;
  }
}
