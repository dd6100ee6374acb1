/** What cannot be in a feed: every setting that is taken does something. */

import { listMistakes, messageOf, OperatorError } from '../errors.ts';
import { defaultSettings, type FeedDocument, type Peer } from './feed.ts';
import { parsePeerUrl } from './peer-url.ts';
import { assertCron } from './schedule.ts';

const longestUrl = 1000;
const mostNames = 100;
const leastDeadline = 10;
const mostPageSize = 10_000;

type Judged = Omit<FeedDocument, 'createdAt' | 'collection'>;

/** A fault, where there is one. */
type Rule = readonly [isBroken: boolean, fault: string];

function findUrlFault(text: string): string | undefined {
  if (text.length > longestUrl) return `the URL of a peer has ${longestUrl} characters at most`;
  try {
    parsePeerUrl(text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function findPeerFault(direction: FeedDocument['direction'], peer: Peer): string | undefined {
  const url = peer.kind === 'taxii' ? peer.root : peer.kind === 'web' ? peer.url : undefined;
  const fault = url === undefined ? undefined : findUrlFault(url);
  if (fault !== undefined) return fault;
  if (peer.kind === 'taxii' && /[?#]/.test(peer.root)) {
    return 'the URL of an API root has no query: a key in it goes into a header field, by --header';
  }
  if (direction === 'push' && (peer.kind === 'web' || peer.kind === 'stream')) {
    return 'a feed pushes to a TAXII collection or to a folder: name the collection with --target';
  }
  return undefined;
}

function rulesOfReading({ direction, peer, schedule, mirrorEvery, filters, pageSize }: Judged): readonly Rule[] {
  const isFile = direction === 'pull' && peer.kind !== 'taxii';
  const { versions, specVersions, addedAfter } = filters;
  const asksLikeTaxii = versions !== 'all' || addedAfter !== undefined || pageSize !== defaultSettings.pageSize;
  return [
    [
      isFile && asksLikeTaxii,
      'versions, a time of adding and pages are asked for from TAXII collections alone: files are read whole',
    ],
    [
      specVersions !== undefined && (isFile || direction === 'push'),
      'versions of STIX are asked for from TAXII collections alone: here is only STIX 2.1, and of files nothing else is taken',
    ],
    [
      Math.max(filters.types?.length ?? 0, filters.ids?.length ?? 0) > mostNames,
      `a feed asks for ${mostNames} ids and ${mostNames} types at most: more do not fit into a question`,
    ],
    [mirrorEvery !== null && (isFile || direction === 'push'), 'deletions are mirrored from TAXII collections alone'],
    [
      schedule.kind !== 'manual' && peer.kind === 'stream',
      'standard input is read by `huiju feed run` alone: give no schedule',
    ],
  ];
}

function rulesOfConnecting({ peer, login, allowPrivate, tls }: Judged): readonly Rule[] {
  const isLocal = peer.kind === 'folder' || peer.kind === 'stream';
  const connects = login !== null || allowPrivate || Object.keys(tls).length > 0;
  return [
    [
      isLocal && connects,
      'login, certificates and --allow-private are for URLs: a folder and standard input need none',
    ],
    [(tls.cert === undefined) !== (tls.key === undefined), 'client certificate and key go together'],
  ];
}

function rulesOfLimits({ direction, deadline, pageSize, ceiling, unmarkedAs }: Judged): readonly Rule[] {
  return [
    [deadline < leastDeadline, `the deadline is ${deadline} seconds: at least ${leastDeadline}`],
    [pageSize < 1 || pageSize > mostPageSize, `the page size is ${pageSize}: 1 to ${mostPageSize}`],
    [
      direction === 'push' && (ceiling !== null || unmarkedAs !== null),
      'ceiling and default marking are for what comes in: the collection has its own ceiling',
    ],
  ];
}

/** Throws OperatorError with all that is wrong with a feed. */
export function assertFeed(feed: Judged): void {
  if (feed.schedule.kind === 'cron') assertCron(feed.schedule.expression);
  const fault = findPeerFault(feed.direction, feed.peer);
  const rules = [...rulesOfLimits(feed), ...rulesOfReading(feed), ...rulesOfConnecting(feed)];
  const broken = rules.filter(([isBroken]) => isBroken).map(([, words]) => words);
  const faults = fault === undefined ? broken : [fault, ...broken];
  if (faults.length > 0) throw new OperatorError(listMistakes(faults));
}
