/** Feeds as people and programs read them. Credentials are in neither. */

import { describePeer, type Feed, type Schedule } from '../sync/feed.ts';
import type { Counts, RunReport } from '../sync/feed-state.ts';
import type { FeedView } from '../sync/feeds.ts';
import type { QuarantineEntry } from '../sync/quarantine.ts';
import { maxFailures } from '../sync/schedule.ts';
import type { ApiRoot } from '../taxii/api-roots.ts';
import { formatBytes, formatCount, formatDuration, printable } from '../text.ts';

/** `30s`, `15m`, `1d`: in the largest unit of which it is a multiple. */
function formatSeconds(seconds: number): string {
  for (const [unit, length] of Object.entries({ d: 86_400, h: 3600, m: 60 })) {
    if (seconds > 0 && seconds % length === 0) return `${seconds / length}${unit}`;
  }
  return `${seconds}s`;
}

function describeSchedule(schedule: Schedule): string {
  if (schedule.kind === 'manual') return 'by hand';
  return schedule.kind === 'cron' ? `cron ${schedule.expression}` : `every ${formatSeconds(schedule.seconds)}`;
}

/** `ROOT/ALIAS` of a collection; its id when no file declares it. */
function nameOfCollection(roots: readonly ApiRoot[], id: string): string {
  for (const root of roots) {
    const found = root.collections.find((collection) => collection.id === id);
    if (found !== undefined) return `${root.name}/${found.alias ?? found.id}`;
  }
  return id;
}

function stateOf({ feed, state, isRunning }: FeedView): string {
  if (isRunning) return 'running';
  if (feed.paused) return 'paused';
  if (state.failures >= maxFailures) return 'failing, asked now and then';
  if (state.failures > 0) return 'failing';
  return state.lastRun === null ? 'new' : state.lastRun.outcome;
}

function describeLogin({ login }: Feed): string | null {
  if (login === null) return null;
  if (login.kind === 'basic') return `basic as ${login.user}`;
  return login.kind === 'bearer' ? 'bearer token' : `header ${login.header}`;
}

/** A run for programs. */
export function runResource({ beganAt, endedAt, outcome, error, counts, bytes }: RunReport) {
  const seconds = (Date.parse(endedAt) - Date.parse(beganAt)) / 1000;
  const rate = seconds > 0 ? Math.round((counts.added + counts.duplicate) / seconds) : null;
  return { began_at: beganAt, ended_at: endedAt, outcome, error, ...counts, bytes, objects_per_second: rate };
}

function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** A feed for programs. */
export function feedResource(view: FeedView, roots: readonly ApiRoot[]) {
  const { feed, state } = view;
  const ours = nameOfCollection(roots, feed.collection);
  const theirs = describePeer(feed.peer);
  return {
    name: feed.name,
    direction: feed.direction,
    from: feed.direction === 'pull' ? theirs : ours,
    to: feed.direction === 'pull' ? ours : theirs,
    schedule: describeSchedule(feed.schedule),
    jitter_seconds: feed.jitter,
    filters: feed.filters,
    full: feed.full,
    mirror_deletions_seconds: feed.mirrorEvery,
    ceiling: feed.ceiling,
    unmarked_as: feed.unmarkedAs,
    page_size: feed.pageSize,
    deadline_seconds: feed.deadline,
    allow_private: feed.allowPrivate,
    login: describeLogin(feed),
    tls: feed.tls,
    created_at: feed.createdAt,
    state: stateOf(view),
    paused: feed.paused,
    run: view.isRunning && state.run !== null ? runningResource(state.run) : null,
    next_run_at: isoOf(view.nextRunAt),
    last_run: state.lastRun === null ? null : runResource(state.lastRun),
    failures: state.failures,
    in_step_at: state.inStepAt,
    lag_seconds: view.lag === undefined ? null : Math.round(view.lag / 1000),
    last_date_added: state.lastDateAdded,
    mirrored_at: state.mirroredAt,
    totals: state.totals,
    quarantined: view.quarantined,
  };
}

function runningResource({ beganAt, holder, counts, bytes }: NonNullable<FeedView['state']['run']>) {
  return { began_at: beganAt, holder, ...counts, bytes };
}

const shorten = (time: string | null): string => time?.slice(0, 19).replace('T', ' ') ?? '-';

function formatLag(lag: number | undefined): string {
  return lag === undefined ? '-' : formatDuration(lag / 1000);
}

export const feedHeading = ['NAME', 'FROM', 'TO', 'STATE', 'LAST RUN', 'NEXT RUN', 'LAG', 'ADDED', 'QUARANTINE'];

/** A feed as a row of a table. */
export function feedRow(view: FeedView, roots: readonly ApiRoot[]): string[] {
  const { name, from, to, state } = feedResource(view, roots);
  return [
    name,
    printable(from),
    printable(to),
    state,
    shorten(view.state.lastRun?.endedAt ?? null),
    shorten(isoOf(view.nextRunAt)),
    formatLag(view.lag),
    String(view.state.totals.added),
    String(view.quarantined),
  ];
}

function describeCounts({ added, duplicate, refused, withheld, gone }: Counts): string {
  return `${added} added, ${duplicate} duplicate, ${refused} refused, ${withheld} withheld, ${gone} gone`;
}

function describeRate(run: RunReport): string {
  const { bytes, objects_per_second: rate } = runResource(run);
  return `${formatBytes(bytes)}${rate === null ? '' : `, ${formatCount(rate, 'object')}/s`}`;
}

function describeStep({ state, lag }: FeedView): string {
  if (state.inStepAt === null) return 'not yet in step';
  return `in step at ${shorten(state.inStepAt)}, ${formatLag(lag)} ago`;
}

/** A feed in lines, a name and what is to be said of it on each. */
export function feedLines(view: FeedView, roots: readonly ApiRoot[]): string[] {
  const { feed, state } = view;
  const resource = feedResource(view, roots);
  const { types, ids, versions, specVersions, addedAfter } = feed.filters;
  const entries: readonly (readonly [string, string | null])[] = [
    ['Feed', feed.name],
    ['From', resource.from],
    ['To', resource.to],
    ['Login', resource.login ?? 'none'],
    ['Schedule', `${resource.schedule}${feed.jitter > 0 ? `, up to ${formatSeconds(feed.jitter)} later` : ''}`],
    [
      'Asks for',
      [
        types?.join(', ') ?? 'every type',
        ...(ids === undefined ? [] : [`${formatCount(ids.length, 'id')}`]),
        `${versions} versions`,
        ...(specVersions === undefined ? [] : [`STIX ${specVersions.join(', ')}`]),
        ...(addedAfter === undefined ? [] : [`added after ${addedAfter}`]),
        ...(feed.full ? ['everything at each run'] : []),
      ].join(', '),
    ],
    ['Deletions', feed.mirrorEvery === null ? 'not mirrored' : `mirrored every ${formatSeconds(feed.mirrorEvery)}`],
    ['Ceiling', feed.ceiling ?? 'that of the collection'],
    ['Unmarked as', feed.unmarkedAs],
    ['Deadline', formatSeconds(feed.deadline)],
    ['State', resource.state],
    [
      'Running',
      view.isRunning && state.run !== null
        ? `${describeCounts(state.run.counts)}, since ${shorten(state.run.beganAt)}`
        : null,
    ],
    ['Next run', shorten(resource.next_run_at)],
    [
      'Last run',
      state.lastRun === null
        ? '-'
        : `${state.lastRun.outcome}: ${describeCounts(state.lastRun.counts)}, ${describeRate(state.lastRun)}, ${shorten(state.lastRun.endedAt)}`,
    ],
    ['Last error', state.lastRun?.error ?? null],
    ['Failures', state.failures === 0 ? null : `${state.failures} in a row`],
    ['In step', describeStep(view)],
    ['Newest', state.lastDateAdded],
    ['In all', describeCounts(state.totals)],
    ['Quarantine', `${view.quarantined}`],
  ];
  return entries.flatMap(([name, text]) => (text === null ? [] : [`${name.padEnd(12)}${printable(text)}`]));
}

export const runHeading = [
  'BEGAN',
  'TOOK',
  'OUTCOME',
  'ADDED',
  'DUPLICATE',
  'REFUSED',
  'WITHHELD',
  'GONE',
  'BYTES',
  'ERROR',
];

/** A run as a row of a table. */
export function runRow({ beganAt, endedAt, outcome, counts, bytes, error }: RunReport): string[] {
  const { added, duplicate, refused, withheld, gone } = counts;
  return [
    shorten(beganAt),
    formatDuration((Date.parse(endedAt) - Date.parse(beganAt)) / 1000),
    outcome,
    ...[added, duplicate, refused, withheld, gone].map(String),
    formatBytes(bytes),
    printable(error ?? ''),
  ];
}

/** An entry of the quarantine for programs, without its text. */
export function entryResource({ key, id, version, errors, firstAt, lastAt, times, isCut }: QuarantineEntry) {
  return { key, id, version, errors, first_at: firstAt, last_at: lastAt, times, whole: !isCut };
}

export const entryHeading = ['KEY', 'ID', 'VERSION', 'LAST REFUSED', 'TIMES', 'WHY'];

/** An entry as a row of a table. */
export function entryRow({ key, id, version, lastAt, times, errors }: QuarantineEntry): string[] {
  const [first] = errors;
  const why = first === undefined ? '' : `${first.code}: ${first.message}`;
  return [key.slice(0, 12), id ?? '-', version ?? '-', shorten(lastAt), String(times), why].map(printable);
}
