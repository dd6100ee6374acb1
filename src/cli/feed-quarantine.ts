/** `huiju feed quarantine`: what a feed could not bring over. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Command } from 'commander';
import { OperatorError, systemReasonOf } from '../errors.ts';
import { getFeed } from '../sync/feeds.ts';
import { retryQuarantine } from '../sync/operate.ts';
import { dropEntries, getEntry, type QuarantineEntry, walkQuarantine } from '../sync/quarantine.ts';
import { formatCount } from '../text.ts';
import { entryHeading, entryResource, entryRow } from './feed-views.ts';
import { formatJson, printLine, printList } from './output.ts';
import { feedName, type JsonOption, untilStopped, withFeeds, withRuns } from './with-feeds.ts';

async function printEntries(name: string, { json }: JsonOption): Promise<void> {
  await withFeeds(async (deps) => {
    await getFeed(deps, name);
    const resources: object[] = [];
    const rows: string[][] = [];
    for await (const entry of walkQuarantine(deps.store, name)) {
      resources.push(entryResource(entry));
      rows.push(entryRow(entry));
    }
    printList(resources, json === true, entryHeading, rows);
  });
}

async function printEntry(name: string, key: string): Promise<void> {
  await withFeeds(async (deps) => {
    await getFeed(deps, name);
    const entry = await getEntry(deps.store, name, key);
    printLine(formatJson({ ...entryResource(entry), text: entry.text }));
  });
}

async function retry(name: string, keys: readonly string[]): Promise<void> {
  const { done, refused, cut } = await withRuns((deps) =>
    untilStopped((signal) => retryQuarantine(deps, name, keys, signal)),
  );
  const rest = cut === 0 ? '' : `; of ${formatCount(cut, 'other')} only a part is kept: run the feed with --from-start`;
  printLine(`${done} taken, ${refused} refused again${rest}`);
  if (refused > 0) process.exitCode = 1;
}

interface Written {
  readonly written: number;
  /** Of which only a part is kept. */
  readonly leftOut: number;
}

/** Writes whole texts to a file or to standard output, as fast as it takes them. */
async function writeTexts(entries: AsyncIterable<QuarantineEntry>, file: string | undefined): Promise<Written> {
  const out = file === undefined ? process.stdout : createWriteStream(file, { flags: 'wx', mode: 0o600 });
  if (file !== undefined) {
    await once(out, 'open').catch((error: unknown) => {
      throw new OperatorError(`--out ${file}: ${systemReasonOf(error)}`);
    });
  }
  let written = 0;
  let leftOut = 0;
  for await (const { text, isCut } of entries) {
    if (isCut) leftOut += 1;
    else {
      if (!out.write(`${text}\n`)) await once(out, 'drain');
      written += 1;
    }
  }
  if (file !== undefined) await new Promise<void>((resolve) => out.end(() => resolve()));
  return { written, leftOut };
}

async function exportEntries(name: string, { out }: { readonly out?: string }): Promise<void> {
  await withFeeds(async (deps) => {
    await getFeed(deps, name);
    const { written, leftOut } = await writeTexts(walkQuarantine(deps.store, name), out);
    if (out !== undefined) printLine(`${formatCount(written, 'object')} written to ${out}`);
    if (leftOut > 0) process.stderr.write(`huiju: left out ${formatCount(leftOut, 'text')} kept only in part\n`);
  });
}

async function drop(name: string, prefixes: readonly string[], { all }: { readonly all?: true }): Promise<void> {
  if ((prefixes.length === 0) !== (all === true)) throw new OperatorError('name the entries to drop, or give --all');
  const dropped = await withFeeds(async (deps) => {
    await getFeed(deps, name);
    if (all) return dropEntries(deps.store, name);
    const entries = await Promise.all(prefixes.map((prefix) => getEntry(deps.store, name, prefix)));
    return dropEntries(
      deps.store,
      name,
      entries.map(({ key }) => key),
    );
  });
  printLine(`${formatCount(dropped, 'object')} dropped from the quarantine of ${name}.`);
}

/** Adds its commands to `huiju feed`. */
export function registerQuarantine(feed: Command): void {
  const quarantine = feed.command('quarantine').description('what a feed could not bring over, and why');
  quarantine
    .command('list')
    .description('list it')
    .argument(...feedName)
    .option('--json', 'as JSON')
    .action(printEntries);
  quarantine
    .command('show')
    .description('print an entry with its text')
    .argument(...feedName)
    .argument('<key>', 'its key, or the beginning of it')
    .action(printEntry);
  quarantine
    .command('retry')
    .description('try again, all or some; what is taken leaves the quarantine')
    .argument(...feedName)
    .argument('[key...]', 'keys, or their beginnings')
    .action(retry);
  quarantine
    .command('export')
    .description('write the texts, one object a line')
    .argument(...feedName)
    .option('--out <file>', 'to this new file in place of standard output')
    .action(exportEntries);
  quarantine
    .command('drop')
    .description('forget entries')
    .argument(...feedName)
    .argument('[key...]', 'keys, or their beginnings')
    .option('--all', 'all of them')
    .action(drop);
}
