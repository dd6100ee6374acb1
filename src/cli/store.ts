/** `huiju store copy`: everything of one store into another, of the same kind or not. */

import { Argument, type Command } from 'commander';
import { parseStore, parseStoreFile } from '../config.ts';
import { OperatorError } from '../errors.ts';
import type { PartCounts } from '../store/backup-file.ts';
import { copyStore, digestOf, type Watch } from '../store/copy.ts';
import { hasStore, nameOfStore, openStore, type StoreLocation } from '../store/open-store.ts';
import type { CollectionState, SnapshotPart, Store } from '../store/store.ts';
import { formatCount } from '../text.ts';
import { printLine } from './output.ts';
import { realPathOf } from './real-path.ts';
import { showParts } from './show-parts.ts';
import { Interrupted, untilSignal } from './signals.ts';

/** A value of HUIJU_STORE, or after an `@` the file that holds one: other users see the arguments of a command. */
function readLocation(name: string, text: string): StoreLocation {
  const parsed = text.startsWith('@') ? parseStoreFile(text.slice(1)) : parseStore(text);
  if ('value' in parsed) return parsed.value;
  const shown = text.startsWith('@') ? ` is ${text}:` : '';
  throw new OperatorError(`${name}${shown} ${parsed.fault}`);
}

/** The name under which an unfinished copy is known again, wherever the command runs. */
async function identify(from: StoreLocation): Promise<string> {
  return from.kind === 'sqlite' ? await realPathOf(from.path) : nameOfStore(from);
}

async function openExisting(from: StoreLocation): Promise<Store> {
  // Not made here: a slip of the pen would copy nothing, successfully.
  if (!(await hasStore(from)))
    throw new OperatorError(`there is no store at ${nameOfStore(from)}: name the one to copy`);
  return openStore(from);
}

function describe({ object, collection, tombstone, record, status, access }: PartCounts): string {
  return [
    formatCount(object, 'object'),
    formatCount(collection, 'collection'),
    formatCount(tombstone, 'tombstone'),
    formatCount(record, 'record'),
    formatCount(status, 'status resource'),
    `${formatCount(access, 'line')} of the access log`,
  ].join(', ');
}

/** Collections that have changed since they were copied. */
async function countChanged(store: Store, copied: ReadonlyMap<string, number>): Promise<number> {
  const states = await store.listCollectionStates();
  return states.filter(({ collection, generation }) => copied.get(collection) !== generation).length;
}

const sumBytes = (states: readonly CollectionState[]) => states.reduce((sum, { bytes }) => sum + bytes, 0);

async function runCopy(from: StoreLocation, to: StoreLocation, signal: AbortSignal): Promise<string[]> {
  const store = await openExisting(from);
  try {
    const total = sumBytes(await store.listCollectionStates());
    const generations = new Map<string, number>();
    async function* noteStates(parts: AsyncIterable<SnapshotPart>): AsyncGenerator<SnapshotPart> {
      for await (const part of parts) {
        if (part.part === 'collection') generations.set(part.collection, part.generation);
        yield part;
      }
    }
    const watch: Watch = (phase, parts) =>
      showParts(phase, total, phase === 'copy' ? noteStates(parts) : parts, signal);
    const summary = await copyStore(store, to, await identify(from), watch);
    const changed = await countChanged(store, generations);
    return [
      `copied ${nameOfStore(from)} to ${nameOfStore(to)}: ${describe(summary.counts)}`,
      `read back and the same, sum of SHA-256 ${digestOf(summary)}`,
      ...(changed === 0
        ? []
        : [
            `${formatCount(changed, 'collection')} of ${nameOfStore(from)} changed meanwhile: that is not in the copy. To move without a gap, stop its servers and copy again into an empty place`,
          ]),
    ];
  } finally {
    await store.close();
  }
}

async function copy(fromText: string, toText: string): Promise<void> {
  const from = readLocation('FROM', fromText);
  const to = readLocation('TO', toText);
  try {
    for (const line of await untilSignal((signal) => runCopy(from, to, signal))) printLine(line);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new Interrupted(error.signal, 'the same command goes on with what was copied');
  }
}

export function registerStore(program: Command): void {
  const store = program.command('store').description('move what is kept from one place to another');
  store
    .command('copy')
    .description('copy everything into an empty place, of the same kind of store or not, and compare')
    .addArgument(
      new Argument('<from>', 'the store to copy, as in HUIJU_STORE, or @FILE that holds that; it may be in use'),
    )
    .addArgument(
      new Argument('<to>', 'the empty place, in the same form; it can be opened when it is complete and compared'),
    )
    .action(copy);
}
