/**
 * Promise 2, on any store: several server processes, publishers, and pollers of three kinds, most of which change the
 * process from request to request. In the end every poller has seen exactly what is there, in its order.
 */

import { describe, expect, test } from '@jest/globals';
import { createRandom } from '../hostile/generator.ts';
import {
  below,
  type Client,
  churnUntilOver,
  follow,
  publishUntilOver,
  readAll,
  type Sightings,
  walkUntilOver,
} from './clients.ts';
import { churned, type Deployment, kept, type StoreKind, startDeployment, startWorkers } from './deployment.ts';
import { judgeChurned, judgeCollection, judgeEnds, judgeSightings } from './judge.ts';
import { Ledger } from './ledger.ts';

const seconds = Number(process.env.HUIJU_TEST_RACE_SECONDS ?? 5);
export const seed = Number(process.env.HUIJU_TEST_SEED ?? Date.now() % 1_000_000_000);
/** For processes to start, and for everything to be read and compared when the race is over. */
const margin = 120_000;

/** How processes are put together, and in which groups they are killed: of each one at a time, and never all. */
export interface Arrangement {
  readonly name: string;
  readonly killers: readonly (readonly number[])[];
  start(kind: StoreKind): Promise<Deployment>;
}

/** Often two of them are down at a time. */
const servers: Arrangement = {
  name: '4 processes',
  killers: [
    [0, 1],
    [2, 3],
  ],
  start: (kind) => startDeployment(kind, 4),
};

/** Processes of one server, which share its port. */
export const workers: Arrangement = {
  name: 'HUIJU_WORKERS=2',
  killers: [[0, 1]],
  start: (kind) => startWorkers(kind, 2),
};

/** Kills one of these processes after the other until the race is over. Resolves to how many. */
async function killUntilOver(
  { random, isOver }: Client,
  deployment: Deployment,
  places: readonly number[],
): Promise<number> {
  let kills = 0;
  while (!isOver()) {
    await new Promise((resolve) => setTimeout(resolve, below(random, 500)));
    await deployment.replace(places[kills % places.length] ?? 0);
    kills += 1;
  }
  return kills;
}

/** What is known after a race of one of its collections. */
interface Outcome {
  readonly ledger: Ledger;
  readonly followers: readonly Sightings[];
  readonly walks: readonly Sightings[];
}

interface Race {
  readonly kept: Outcome;
  readonly churned: Outcome;
  readonly deleted: ReadonlySet<string>;
  readonly kills: readonly number[];
}

async function run(deployment: Deployment, random: () => number, killers: Arrangement['killers']): Promise<Race> {
  const end = performance.now() + seconds * 1000;
  const [keeping, churning] = [new Ledger(), new Ledger()];
  let isOver = false;
  const writer = (ledger: Ledger): Client => ({ deployment, ledger, random, isOver: () => performance.now() > end });
  const poller = (ledger: Ledger): Client => ({ deployment, ledger, random, isOver: () => isOver });
  const settled = (ledger: Ledger): Client => ({ ...poller(ledger), deployment: settleDown(deployment, random) });

  const writing = Promise.all([
    churnUntilOver(writer(churning), churned),
    Promise.all(killers.map((places) => killUntilOver(writer(keeping), deployment, places))),
    ...[1, 3, 30, 200].map((size) => publishUntilOver(writer(keeping), kept, size)),
  ]).finally(() => {
    isOver = true;
  });
  const [[deleted, kills], followers, walks, follower, churnedWalks] = await Promise.all([
    writing,
    Promise.all([
      follow(poller(keeping), kept, 'objects', 'next'),
      follow(poller(keeping), kept, 'manifest', 'added_after'),
      follow(settled(keeping), kept, 'objects', 'added_after'),
    ]),
    walkUntilOver(poller(keeping), kept, 'manifest'),
    follow(poller(churning), churned, 'manifest', 'added_after'),
    walkUntilOver(settled(churning), churned, 'objects'),
  ]);
  const outcome = { ledger: churning, followers: [follower], walks: churnedWalks };
  return { kept: { ledger: keeping, followers, walks }, churned: outcome, deleted, kills };
}

/** Where nothing is deleted every poller saw the same. */
async function expectAllSeen(deployment: Deployment, { ledger, followers, walks }: Outcome): Promise<void> {
  const reader: Client = { deployment, ledger, random: createRandom(seed), isOver: () => true };
  const { acknowledged } = ledger;
  const all = await readAll(reader, kept, 'all');
  expect(judgeCollection(all, acknowledged)).toEqual([]);
  expect(judgeSightings([...followers, ...walks.slice(-1)], all, acknowledged, true)).toEqual([]);
  expect(judgeSightings(walks, all, acknowledged, false)).toEqual([]);
  expect(judgeEnds(all, 'first', await readAll(reader, kept, 'first'))).toEqual([]);
  expect(judgeEnds(all, 'last', await readAll(reader, kept, 'last'))).toEqual([]);
  expect(ledger.faults).toEqual([]);
  // A race in which nothing happened proves nothing.
  expect(acknowledged.length).toBeGreaterThan(20);
}

async function expectRestSeen(
  deployment: Deployment,
  { ledger, followers, walks }: Outcome,
  deleted: ReadonlySet<string>,
): Promise<void> {
  const reader: Client = { deployment, ledger, random: createRandom(seed), isOver: () => true };
  const rest = await readAll(reader, churned, 'all');
  const undeleted = ledger.acknowledged.filter(({ id }) => !deleted.has(id));
  expect(judgeCollection(rest, undeleted)).toEqual([]);
  expect(rest.records.filter((record) => deleted.has(record.split(' ')[0] ?? ''))).toEqual([]);
  const complete = [...followers, ...walks.slice(-1)];
  expect(complete.flatMap((seen) => judgeChurned(seen, rest, deleted))).toEqual([]);
  expect(ledger.faults).toEqual([]);
  expect(deleted.size).toBeGreaterThan(0);
}

async function race(deployment: Deployment, killers: Arrangement['killers']): Promise<void> {
  const outcome = await run(deployment, createRandom(seed), killers);
  await expectAllSeen(deployment, outcome.kept);
  await expectRestSeen(deployment, outcome.churned, outcome.deleted);
  expect(outcome.kills.every((kills) => kills > 0)).toBe(true);
}

/** A view of the deployment that stays with one process. */
function settleDown(deployment: Deployment, random: () => number): Pick<Deployment, 'pick'> {
  const place = random();
  return { pick: () => deployment.pick(() => place) };
}

/** Runs the race over a kind of store. */
export function describeRaces(kind: StoreKind, { name, killers, start }: Arrangement = servers): void {
  describe(`promise 2 on ${kind.name}: ${name}, ${seconds} s, seed ${seed}`, () => {
    test.each([
      ['every poller sees each acknowledged version once and in order', []],
      ['the same while processes are killed in mid-batch and started again', killers],
    ])(
      '%s',
      async (_title, killing) => {
        const deployment = await start(kind);
        try {
          await race(deployment, killing);
        } finally {
          await deployment.close();
        }
      },
      2 * seconds * 1000 + margin,
    );
  });
}
