/** `huiju feed`: following and feeding other servers. */

import { type Command, InvalidArgumentError } from 'commander';
import { OperatorError } from '../errors.ts';
import { getSecretKeys, readSecretKeys } from '../hub/secrets.ts';
import { defaultSettings } from '../sync/feed.ts';
import { listRuns } from '../sync/feed-history.ts';
import { addFeed, editFeed, getFeed, listFeeds, pauseFeed, removeFeed, resumeFeed, showFeed } from '../sync/feeds.ts';
import { usualShare } from '../sync/mirror.ts';
import { discover, runNow, testFeed } from '../sync/operate.ts';
import { resealLogins } from '../sync/reseal.ts';
import { describeRun } from '../sync/run.ts';
import type { Discovered } from '../sync/taxii-discovery.ts';
import { formatCount, printable } from '../text.ts';
import {
  addSecretOptions,
  addSettingOptions,
  type EndOptions,
  readEnds,
  readLogin,
  readSettings,
  readTlsFiles,
  type SecretOptions,
  type SettingOptions,
} from './feed-options.ts';
import { registerQuarantine } from './feed-quarantine.ts';
import { feedHeading, feedLines, feedResource, feedRow, runHeading, runResource, runRow } from './feed-views.ts';
import { formatJson, printLine, printList } from './output.ts';
import { startProgress } from './progress.ts';
import { feedName, type JsonOption, untilStopped, withFeeds, withRuns } from './with-feeds.ts';

async function add(name: string, options: EndOptions & SettingOptions): Promise<void> {
  await withFeeds(async (deps) => {
    const settings = await readSettings(options, defaultSettings);
    await addFeed(deps, { name, ...readEnds(options, deps.roots), settings });
  });
  printLine(`Feed ${name} is added; \`huiju feed test ${name}\` tries it.`);
}

async function edit(name: string, options: SettingOptions): Promise<void> {
  await withFeeds(async (deps) => editFeed(deps, name, await readSettings(options, await getFeed(deps, name))));
  printLine(`Feed ${name} is changed.`);
}

async function printFeeds({ json }: JsonOption): Promise<void> {
  await withFeeds(async (deps) => {
    const views = await listFeeds(deps);
    const resources = views.map((view) => feedResource(view, deps.roots));
    printList(
      resources,
      json === true,
      feedHeading,
      views.map((view) => feedRow(view, deps.roots)),
    );
  });
}

async function printFeed(name: string, { json }: JsonOption): Promise<void> {
  await withFeeds(async (deps) => {
    const view = await showFeed(deps, name);
    if (json) printLine(formatJson(feedResource(view, deps.roots)));
    else for (const line of feedLines(view, deps.roots)) printLine(line);
  });
}

async function printHistory(name: string, { json }: JsonOption): Promise<void> {
  await withFeeds(async (deps) => {
    await getFeed(deps, name);
    const runs = await listRuns(deps.store, name);
    printList(runs.map(runResource), json === true, runHeading, runs.map(runRow));
  });
}

async function reseal({ oldKeyFile }: { readonly oldKeyFile?: string }): Promise<void> {
  const { renewed, current, faults } = await withFeeds(async (deps, config) => {
    if (oldKeyFile !== undefined) return resealLogins(deps, await readSecretKeys(oldKeyFile));
    // A key that is made now would open nothing.
    return resealLogins({ ...deps, secretKeys: () => getSecretKeys(config.secretKeys, config.store) });
  });
  printLine(`${formatCount(renewed, 'login')} sealed anew with the first key; ${current} had been before.`);
  if (faults.length === 0) return;
  const kept = `${formatCount(faults.length, 'login')} cannot be opened and stayed as they were`;
  throw new OperatorError([`${kept}; --old-key-file names the file of their key:`, ...faults].join('\n  '));
}

interface RunCommandOptions {
  readonly fromStart?: true;
  readonly resurrect?: true;
  readonly compare?: true;
  readonly allowEmpty?: true;
  readonly allowShare?: number;
}

async function run(name: string, options: RunCommandOptions): Promise<void> {
  const { fromStart = false, resurrect = false, compare, allowEmpty = false, allowShare = usualShare } = options;
  const isAsked = compare === true || allowEmpty || options.allowShare !== undefined;
  const progress = startProgress(`feed ${name}`, undefined);
  const { feed, result } = await withRuns((deps) =>
    untilStopped((signal) =>
      runNow(
        deps,
        name,
        {
          fromStart,
          resurrect,
          ...(isAsked && { mirror: { allowEmpty, maxShare: allowShare } }),
          onProgress: ({ counts, bytes }) => {
            const { added, duplicate, refused } = counts;
            progress.update(
              bytes,
              `${formatCount(added + duplicate + refused, 'object')}, ${added} added, ${refused} refused`,
            );
          },
        },
        signal,
      ),
    ),
  ).finally(() => progress.stop());
  printLine(printable(describeRun(feed, result)));
  if (result.unforeseen !== undefined) throw result.unforeseen;
  if (result.outcome === 'failed') process.exitCode = 1;
}

async function test(name: string): Promise<void> {
  const trial = await withRuns((deps) => untilStopped((signal) => testFeed(deps, name, signal)));
  const [first, last] = trial.dates;
  const dates = first === undefined ? '' : `, added there from ${first} to ${last ?? first}`;
  const found =
    trial.direction === 'push'
      ? 'it may be written'
      : `${formatCount(trial.objects, 'object')} in the first page${dates}`;
  printLine(printable(`${trial.peer}: ${found}`));
}

function discoveredRows({ roots }: Discovered): string[][] {
  return roots.flatMap(({ url, fault, collections }) => {
    if (fault !== undefined) return [[url.href, '-', '-', printable(fault)]];
    return collections.map(({ id, title, canRead, canWrite }) => {
      const rights = [...(canRead ? ['read'] : []), ...(canWrite ? ['write'] : [])].join(', ') || 'neither';
      return [url.href, printable(id), printable(title), rights];
    });
  });
}

async function printDiscovered(url: string, options: SecretOptions & JsonOption): Promise<void> {
  const [login, tls] = [await readLogin(options), readTlsFiles(options)];
  const request = { url, allowPrivate: options.allowPrivate === true, ...(login && { login }), tls };
  const discovered = await untilStopped((signal) => discover(request, signal));
  if (options.json) printLine(formatJson(discovered));
  else printList([], false, ['API ROOT', 'COLLECTION', 'TITLE', 'YOU MAY'], discoveredRows(discovered));
}

function parsePercent(text: string): number {
  const percent = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (percent >= 1 && percent <= 100) return percent;
  throw new InvalidArgumentError('Give a whole number of percent, 1 to 100.');
}

function registerChanges(feed: Command): void {
  const adding = feed
    .command('add')
    .description('add a feed between a collection here and a TAXII server, a file on the web or a folder')
    .argument(...feedName)
    .requiredOption('--from <end>', 'where objects come from: a URL, a folder, - or [root/]collection')
    .requiredOption('--to <end>', 'where they go: [root/]collection, or a URL or folder to push to')
    .option('--source <collection>', 'with the URL of an API root in --from: its collection')
    .option('--target <collection>', 'with the URL of an API root in --to: its collection');
  addSettingOptions(adding).option('--paused', 'do not run it by itself yet').action(add);
  const editing = feed
    .command('edit')
    .description('change what a feed does; what is not given stays')
    .argument(...feedName);
  addSettingOptions(editing)
    .option('--incremental', 'read only what is new, in place of --full')
    .option('--refuse-private', 'take --allow-private back')
    .option('--no-login', 'log in no more')
    .action((name: string, options: SettingOptions & { incremental?: true; refusePrivate?: true }) =>
      edit(name, {
        ...options,
        ...(options.incremental && { full: false }),
        ...(options.refusePrivate && { allowPrivate: false }),
      }),
    );
  const changes = [
    ['pause', 'keep a feed from running by itself; a run under way stops', pauseFeed, 'is paused'],
    ['resume', 'let a paused or failing feed run by itself again', resumeFeed, 'runs by its schedule again'],
    ['remove', 'remove a feed, its history and quarantine; the objects that it brought stay', removeFeed, 'is removed'],
  ] as const;
  for (const [command, description, change, said] of changes) {
    feed
      .command(command)
      .description(description)
      .argument(...feedName)
      .action(async (name: string) => {
        await withFeeds((deps) => change(deps, name));
        printLine(`Feed ${name} ${said}.`);
      });
  }
}

export function registerFeed(program: Command): void {
  const feed = program.command('feed').description('follow other servers, and feed them');
  registerChanges(feed);
  feed
    .command('reseal')
    .description('seal the logins of all feeds with the key as it is now')
    .option('--old-key-file <file>', 'file of the key that has sealed them')
    .action(reseal);
  feed.command('list').description('list the feeds').option('--json', 'as JSON').action(printFeeds);
  feed
    .command('show')
    .description('show a feed and where it stands')
    .argument(...feedName)
    .option('--json', 'as JSON')
    .action(printFeed);
  feed
    .command('history')
    .description('list the last runs of a feed that brought something or failed, the newest first')
    .argument(...feedName)
    .option('--json', 'as JSON')
    .action(printHistory);
  feed
    .command('run')
    .description('run a feed now and wait for its end')
    .argument(...feedName)
    .option('--from-start', 'read everything anew; what is here already is a duplicate')
    .option('--resurrect', 'let come back what was deleted here')
    .option('--compare', 'compare with the upstream now, when deletions are mirrored')
    .option('--allow-empty', 'compare, and delete everything if the upstream is empty')
    .option(
      '--allow-share <percent>',
      'compare, and delete up to this share of what the feed has brought',
      parsePercent,
    )
    .action(run);
  feed
    .command('test')
    .description('reach the other end of a feed and read a first page, without keeping anything')
    .argument(...feedName)
    .action(test);
  addSecretOptions(
    feed
      .command('discover')
      .description('list API roots and collections of a TAXII server, and which may be read')
      .argument('<url>', 'the server, its discovery URL, or an API root'),
  )
    .option('--json', 'as JSON')
    .action(printDiscovered);
  registerQuarantine(feed);
}
