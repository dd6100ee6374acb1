/** What `huiju feed add` and `edit` take, made into what the operations ask for. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf, OperatorError, systemReasonOf } from '../errors.ts';
import { type TlpLevel, tlpLevels } from '../stix/markings.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { FeedDocument, FeedFilters, Peer, Schedule, SealedLogin, TlsFiles } from '../sync/feed.ts';
import type { FeedChange, NewLogin } from '../sync/feeds.ts';
import type { ApiRoot } from '../taxii/api-roots.ts';
import { parseSpecVersions, parseVersions } from '../taxii/query.ts';
import { findCollection } from './find-collection.ts';
import { readPassword } from './password-input.ts';
import { findTime } from './when.ts';

export interface SecretOptions {
  readonly user?: string;
  readonly header?: string;
  readonly passwordStdin?: true;
  readonly passwordEnv?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly allowPrivate?: boolean;
}

export interface SettingOptions extends SecretOptions {
  readonly every?: number | 'none';
  readonly cron?: string;
  readonly jitter?: number;
  readonly type?: readonly string[];
  readonly id?: readonly string[];
  readonly addedAfter?: string;
  readonly versions?: string;
  readonly specVersion?: readonly string[];
  readonly full?: boolean;
  readonly mirrorDeletions?: number | 'none';
  readonly ceiling?: TlpLevel | 'none';
  readonly unmarkedAs?: TlpLevel | 'none';
  readonly pageSize?: number;
  readonly deadline?: number;
  readonly paused?: true;
  readonly login?: false;
}

export interface EndOptions {
  readonly from: string;
  readonly to: string;
  readonly source?: string;
  readonly target?: string;
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `30s`, `15m`, `12h` or `1d`. */
function parseSeconds(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(amount) * (units[unit] ?? 0);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError('Give a time span such as 30s, 15m, 12h or 1d.');
}

function orNone<T>(parse: (text: string) => T): (text: string) => T | 'none' {
  return (text) => (text === 'none' ? 'none' : parse(text));
}

function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number.');
}

function parseNames(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',')].filter((name) => name !== '');
}

/** What `parse` throws for a request, in the words of an option. */
function checked<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

function parseWhich(text: string): string {
  checked(text, parseVersions);
  return text;
}

function parseSpecification(text: string): string[] {
  return text === 'all' ? [text] : checked(text, parseSpecVersions);
}

function parseTime(text: string): string {
  const time = findTime(text);
  if (time !== undefined) return formatMicros(time);
  throw new InvalidArgumentError('Give a date or an RFC 3339 time such as 2026-01-31T00:00:00Z.');
}

/** The options by which a peer is logged in to and connected to. */
export function addSecretOptions(command: Command): Command {
  return command
    .option('--user <name>', 'log in with Basic as this user; the password comes by one of the next three')
    .option('--header <name>', 'log in with a header field of this name, whose value comes by one of the next three')
    .option(
      '--password-stdin',
      'read password or token from standard input; without --user and --header it is a Bearer token',
    )
    .option('--password-env <variable>', 'take password or token from this environment variable')
    .option('--password-file <file>', 'take password or token from the first line of this file')
    .option('--ca <file>', 'PEM file of the certificate authorities to trust in place of the usual ones')
    .option('--cert <file>', 'PEM file of a client certificate; together with --key')
    .option('--key <file>', 'PEM file of its private key')
    .option(
      '--allow-private',
      'the other end may have a private, loopback or link-local address; where it redirects may not',
    );
}

/** The options that set how a feed works. */
export function addSettingOptions(command: Command): Command {
  const levels = [...tlpLevels, 'none'];
  addSecretOptions(
    command
      .option('--every <span>', 'run so often: 30s, 15m, 12h, 1d; none: only when told to', orNone(parseSeconds))
      .option('--cron <expression>', 'run at these times, in UTC')
      .option('--jitter <span>', 'begin up to so much later, each time by chance', parseSeconds)
      .option('--type <type>', 'only objects of these types, comma-separated; all for every type', parseNames)
      .option('--id <id>', 'only objects with these ids, comma-separated; all for every id', parseNames)
      .option('--added-after <time>', 'only what was added later; none: everything', orNone(parseTime))
      .option(
        '--versions <which>',
        'which versions of an object: all, or first, last and times, comma-separated',
        parseWhich,
      )
      .option(
        '--spec-version <version>',
        'only objects of these versions of STIX, comma-separated; all for every version',
        parseSpecification,
      )
      .option('--full', 'read everything anew at each run')
      .option(
        '--mirror-deletions <span>',
        'compare with the upstream so often, and delete what it has no more; none: never',
        orNone(parseSeconds),
      )
      .addOption(new Option('--ceiling <tlp>', 'refuse what is marked more strictly').choices(levels))
      .addOption(new Option('--unmarked-as <tlp>', 'what an object without a marking counts as').choices(levels))
      .option('--page-size <number>', 'objects to ask for at a time', parseWhole)
      .option('--deadline <span>', 'end a run after this time; the next one goes on', parseSeconds),
  );
  return command;
}

/** What comes by one of the three ways; undefined: by none. */
async function readSecret({ passwordStdin, passwordEnv, passwordFile }: SecretOptions): Promise<string | undefined> {
  const given = [passwordStdin, passwordEnv, passwordFile].filter((way) => way !== undefined);
  if (given.length > 1) {
    throw new OperatorError('--password-stdin, --password-env and --password-file exclude each other: give one');
  }
  if (passwordStdin) return readPassword(true);
  if (passwordEnv !== undefined) {
    const value = process.env[passwordEnv];
    if (value === undefined || value === '') throw new OperatorError(`--password-env: ${passwordEnv} is not set`);
    return value;
  }
  return passwordFile === undefined ? undefined : readFirstLine(passwordFile);
}

function readFirstLine(file: string): string {
  try {
    const [line = ''] = readFileSync(file, 'utf8').split(/\r?\n/, 1);
    if (line !== '') return line;
  } catch (error) {
    throw new OperatorError(`--password-file ${file}: ${systemReasonOf(error)}`);
  }
  throw new OperatorError(`--password-file ${file}: its first line is empty`);
}

/** The login that the options give; undefined: none. A new password alone is for the login that is there. */
export async function readLogin(
  options: SecretOptions,
  before: SealedLogin | null = null,
): Promise<NewLogin | undefined> {
  const { user, header } = options;
  if (user !== undefined && header !== undefined) throw new OperatorError('--user and --header exclude each other');
  const secret = await readSecret(options);
  if (secret === undefined) {
    if (user === undefined && header === undefined) return undefined;
    throw new OperatorError('the password is missing: give --password-stdin, --password-env or --password-file');
  }
  if (secret === '') throw new OperatorError('the password is empty');
  if (user !== undefined) return { kind: 'basic', user, secret };
  if (header !== undefined) return { kind: 'header', header, secret };
  return before === null ? { kind: 'bearer', secret } : { ...before, secret };
}

/** The files that the options give, on top of those before; absolute, since the server runs elsewhere. */
export function readTlsFiles({ ca, cert, key }: SecretOptions, before: TlsFiles = {}): TlsFiles {
  const files = new Map(Object.entries(before));
  for (const [name, file] of Object.entries({ ca, cert, key })) {
    if (file === 'none') files.delete(name);
    else if (file !== undefined) files.set(name, resolve(file));
  }
  return Object.fromEntries(files);
}

function readSchedule({ every, cron }: SettingOptions): Schedule | undefined {
  if (every !== undefined && cron !== undefined) throw new OperatorError('--every and --cron exclude each other');
  if (cron !== undefined) return { kind: 'cron', expression: cron };
  if (every === undefined) return undefined;
  return every === 'none' ? { kind: 'manual' } : { kind: 'every', seconds: every };
}

/** A list of names that an option gives, else that of before; `all` among them: no list. */
function changeNames(
  given: readonly string[] | undefined,
  before: readonly string[] | undefined,
): string[] | undefined {
  const names = given ?? before;
  return names === undefined || names.includes('all') ? undefined : [...new Set(names)];
}

function changeFilters(options: SettingOptions, before: FeedFilters): FeedFilters {
  const { type, id, versions, specVersion, addedAfter } = options;
  const [types, ids, specVersions, after] = [
    changeNames(type, before.types),
    changeNames(id, before.ids),
    changeNames(specVersion, before.specVersions),
    addedAfter ?? before.addedAfter,
  ];
  return {
    versions: versions ?? before.versions,
    ...(types && { types }),
    ...(ids && { ids }),
    ...(specVersions && { specVersions }),
    ...(after !== undefined && after !== 'none' && { addedAfter: after }),
  };
}

/** The settings that the options give, on top of what was there. */
export async function readSettings(
  options: SettingOptions,
  before: Pick<FeedDocument, 'filters' | 'login' | 'tls'>,
): Promise<FeedChange> {
  const { mirrorDeletions, ceiling, unmarkedAs, full, pageSize, deadline, jitter, allowPrivate } = options;
  const schedule = readSchedule(options);
  const login = options.login === false ? null : await readLogin(options, before.login);
  return {
    ...(schedule && { schedule }),
    ...(login !== undefined && { login }),
    tls: readTlsFiles(options, before.tls),
    ...(jitter !== undefined && { jitter }),
    ...(full !== undefined && { full }),
    ...(pageSize !== undefined && { pageSize }),
    ...(deadline !== undefined && { deadline }),
    ...(allowPrivate !== undefined && { allowPrivate }),
    ...(mirrorDeletions !== undefined && { mirrorEvery: orNull(mirrorDeletions) }),
    ...(ceiling !== undefined && { ceiling: orNull(ceiling) }),
    ...(unmarkedAs !== undefined && { unmarkedAs: orNull(unmarkedAs) }),
    filters: changeFilters(options, before.filters),
    ...(options.paused && { paused: true }),
  };
}

function orNull<T>(value: T | 'none'): T | null {
  return value === 'none' ? null : value;
}

const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Whether an end is outside: a URL, a path, or `-`. A collection of ours is none of them. */
function isOutside(end: string): boolean {
  return end === '-' || isUrl.test(end) || /^(?:\.{0,2}\/|\.{1,2}$)/.test(end);
}

function peerOf(end: string, collection: string | undefined, option: string): Peer {
  if (isUrl.test(end)) {
    if (collection !== undefined) return { kind: 'taxii', root: end.replace(/\/*$/, '/'), collection };
    if (!end.endsWith('/')) return { kind: 'web', url: end };
    throw new OperatorError(
      `${end} is an API root: name its collection with ${option}; \`huiju feed discover\` lists them. The URL of a file has no slash at its end`,
    );
  }
  if (collection !== undefined)
    throw new OperatorError(`${option} names a collection of a TAXII server, and ${end} is none`);
  return end === '-' ? { kind: 'stream' } : { kind: 'folder', path: resolve(end) };
}

/** Which way a feed goes, and its two ends. */
export function readEnds(
  { from, to, source, target }: EndOptions,
  roots: readonly ApiRoot[],
): Pick<FeedDocument, 'direction' | 'peer' | 'collection'> {
  if (isOutside(from) === isOutside(to)) {
    throw new OperatorError(
      'one end is a collection here, the other is outside: a URL, a folder such as ./inbox or /srv/inbox, or - for standard input',
    );
  }
  const pulls = isOutside(from);
  const wrong = pulls ? target : source;
  if (wrong !== undefined) {
    throw new OperatorError(
      pulls ? '--target is for feeds that push; use --source' : '--source is for feeds that pull; use --target',
    );
  }
  const peer = pulls ? peerOf(from, source, '--source') : peerOf(to, target, '--target');
  const { collection } = findCollection(roots, pulls ? to : from);
  return { direction: pulls ? 'pull' : 'push', peer, collection: collection.id };
}
