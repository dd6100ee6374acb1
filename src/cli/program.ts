/** The command line: what commands there are, and what becomes of their errors. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError, type Option } from 'commander';
import { describeFailure } from '../errors.ts';
import { suggest } from '../nearest.ts';
import { SourceError } from '../sync/source.ts';
import { exitCodeOf, Interrupted } from './signals.ts';

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
  feed: async (program) => (await import('./feed.ts')).registerFeed(program),
  extension: async (program) => (await import('./extension.ts')).registerExtensionCommand(program),
  access: async (program) => (await import('./access.ts')).registerAccess(program),
  backup: async (program) => (await import('./backup.ts')).registerBackup(program),
  restore: async (program) => (await import('./restore.ts')).registerRestore(program),
  store: async (program) => (await import('./store.ts')).registerStore(program),
  check: async (program) => (await import('./check.ts')).registerCheck(program),
};

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}

function* allCommands(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* allCommands(child);
}

/** Commander takes the value for a part of the name where an unknown option is written with `=`. */
function suggestOption(text: string, program: Command): string {
  const typed = /^error: unknown option '(--[^=']+)=/.exec(text)?.[1];
  if (typed === undefined) return text;
  const known = [...allCommands(program)].flatMap(({ options }) => options.map(({ long }) => long ?? ''));
  return `error: unknown option '${typed}'${suggest(typed, known)}\n`;
}

/** What a command takes besides arguments, for who gave it one too many. */
function describeOptions({ options }: Command): string {
  const flags = options.map((option) => option.flags).join(', ');
  return flags === '' ? '' : `; its options are ${flags}`;
}

function refuseExcess(called: Command): void {
  const { registeredArguments, args } = called;
  const excess = args[registeredArguments.length];
  if (excess === undefined || registeredArguments.at(-1)?.variadic === true) return;
  const taken = registeredArguments.map((argument) => argument.name()).join(' and ') || 'no arguments';
  const name = `${called.parent?.name() === 'huiju' ? '' : `${called.parent?.name()} `}${called.name()}`;
  called.error(`error: too many arguments: ${name} takes ${taken}, not '${excess}'${describeOptions(called)}`);
}

/**
 * Looks for missing options and for excess arguments last. Commander does it first, and would tell somebody who has
 * misspelt a required option only that it is missing.
 */
function checkLast(program: Command): void {
  const required = new Set<Option>();
  for (const command of allCommands(program)) {
    command.allowExcessArguments();
    for (const option of command.options.filter(({ mandatory }) => mandatory)) {
      required.add(option.makeOptionMandatory(false));
    }
  }
  program.hook('preAction', (_program, called) => {
    refuseExcess(called);
    const missing = called.options.find(
      (option) => required.has(option) && called.getOptionValue(option.attributeName()) === undefined,
    );
    if (missing !== undefined) called.error(`error: required option '${missing.flags}' not specified`);
  });
}

/** The program with the command that is called; with all of them when it is none of these, for help and suggestions. */
export async function loadProgram(called: string | undefined): Promise<Command> {
  const program = new Command('huiju')
    .description('A STIX/TAXII 2.1 server, and the sharing community around it')
    .version(readVersion())
    // Commands inherit what stands before them: run() decides on exit codes, and errors have one look.
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(suggestOption(text, program).replace(/^error: /, 'huiju: ')),
    })
    .showHelpAfterError('See --help.');
  const register = called !== undefined && Object.hasOwn(commands, called) ? commands[called] : undefined;
  for (const add of register === undefined ? Object.values(commands) : [register]) await add(program);
  checkLast(program);
  return program;
}

/** Runs a command to its end and sets the exit code: 1 when it failed, 2 called wrongly, 130 and alike for signals. */
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
    const text = error instanceof Interrupted || error instanceof SourceError ? error.message : describeFailure(error);
    process.stderr.write(`huiju: ${text}\n`);
    process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : failed;
  }
}
