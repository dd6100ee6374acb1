/** One schedule: clients that publish, delete and poll by several server processes, and what befalls these. */

import { TaxiiError } from '../../src/errors.ts';
import type { Delivery, NewVersion, ObjectQuery, VersionSelector } from '../../src/store/store.ts';
import { all, first, last, observable, time, version } from '../store/versions.ts';
import { createModelDatabase } from './model-database.ts';
import { createOracle } from './oracle.ts';
import { createScheduler, Killed, Violation, type Weather } from './scheduler.ts';
import { type Fault, type Server, SnapshotError, startServer } from './server.ts';

const idOf = (type: string, n: number) => `${type}--00000000-0000-4000-8000-00000000000${n}`;
const objectIds = [idOf('indicator', 1), idOf('malware', 2), idOf('indicator', 3)];
const observableId = idOf('domain-name', 4);
const everyId = [...objectIds, observableId];

/** Few versions of few objects, so that they meet: older and newer ones, with conflicts, two creators, revocations. */
const pool: readonly NewVersion[] = objectIds.flatMap((id) =>
  [1, 2, 3, 4].flatMap((n) => [
    ...Array.from({ length: 5 }, () => version(id, time(n))),
    version(id, time(n), { name: 'other content' }),
    ...(n === 3 ? [version(id, time(n), { revoked: true })] : []),
    ...(n === 2 ? [version(id, time(n), { created_by_ref: idOf('identity', 9) })] : []),
  ]),
);
const observables = ['a', 'b', 'c'].map((value) => observable(observableId, { value }));
const published = new Set([...pool, ...observables].map(({ id, text }) => `${id} ${text}`));
const flush = version(idOf('indicator', 8), time(1));
published.add(`${flush.id} ${flush.text}`);

const identityOf = ({ versionKey, digest }: NewVersion) => versionKey ?? `#${digest}`;

// No schedule that makes progress comes near it.
const mostEvents = 60_000;

function isExpected(error: unknown): boolean {
  // What a snapshot is read by is as the driver throws it; `ask` would have made another error of everything else.
  if (error instanceof SnapshotError) return true;
  return error instanceof Killed || (error instanceof TaxiiError && error.code === 'unavailable');
}

/** Runs a schedule. Throws a Violation when something is shown that must not be. */
export async function runSchedule(seed: number, fault: Fault = {}, trace?: (line: string) => void): Promise<void> {
  const scheduler = createScheduler(seed, trace);
  const { chance, pick, between, random } = scheduler;
  const oracle = createOracle((id, text) => published.has(`${id} ${text}`));
  const { unenforced = [], isHasty = false } = fault;
  const { observe, moment } = oracle;
  const model = createModelDatabase(scheduler, { unenforced, isHasty, observe, moment });
  const hasDeletions = chance(0.6);
  const isCaching = chance(0.4);
  const servers: Server[] = [];
  let failure: unknown;
  let isOver = false;
  /** What pollers have in the end is compared with what there is: by then everybody knows the primary. */
  let isEnding = false;

  const start = () => {
    const server = startServer(scheduler, model, fault, `server ${servers.length + 1}`);
    servers.push(server);
    return server;
  };
  const alive = (): Server => {
    const living = servers.filter(({ process }) => !process.isDead);
    return living.length > 0 ? pick(living) : start();
  };
  for (let n = between(2, 3); n > 0; n -= 1) start();

  /** From when on the answers of a server may be right. */
  const momentOf = ({ process }: Server) => model.findMoment(process) ?? moment();

  function drawWeather(): Weather {
    const rough = (probability: number) => (chance(0.5) ? probability * random() : 0);
    return { error: rough(0.03), pause: rough(0.03), kill: rough(0.02), clockJump: rough(0.1) };
  }

  /** Repeats what a client does until it is answered: after an error it cannot know whether it was done. */
  async function insist(attempt: (server: Server) => Promise<void>): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await attempt(alive());
      } catch (error) {
        if (isOver || !isExpected(error)) throw error;
        if (tries > 20) throw new Violation(`a client is refused again and again: ${error}`);
      }
    }
  }

  function drawVersions(ofObservables: number): NewVersion[] {
    const about = chance(0.5) ? pool.filter(({ id }) => id === objectIds[0]) : pool;
    return Array.from({ length: between(1, 4) }, () => pick(chance(ofObservables) ? observables : about));
  }

  /** What a feed says of versions that it brings, one of those that never delete. */
  const ofFeed: Delivery = { withholdDeleted: { exceptBy: 'a feed' } };

  async function publish(submitter: string): Promise<void> {
    const delivery = chance(0.3) ? ofFeed : {};
    // A deletion of one keeps all others of it away.
    const versions = drawVersions(delivery === ofFeed ? 0.4 : 0.15);
    await insist(async (server) => {
      const begun = momentOf(server);
      trace?.(
        `${submitter} adds ${versions.map(({ id, version }) => `${id} ${version}`).join(', ')} by ${server.process.name}`,
      );
      const outcomes = await server.add(submitter, versions, delivery);
      trace?.(
        `${submitter} is answered ${outcomes.map(({ outcome, dateAdded }) => `${outcome} ${dateAdded}`).join(', ')}`,
      );
      if (outcomes.length !== versions.length) throw new Violation('outcomes are missing');
      versions.forEach((each, n) => {
        const outcome = outcomes[n];
        if (outcome === undefined) throw new Violation('an outcome is missing');
        const isBrought = delivery.withholdDeleted !== undefined;
        oracle.checkOutcome(begun, { ...each, identity: identityOf(each), isBrought }, outcome);
      });
    });
  }

  let deletions = 0;
  async function remove(): Promise<void> {
    const id = pick(everyId);
    const selector: VersionSelector = chance(0.5) ? all : pick([first, last]);
    await insist(async (server) => {
      deletions += 1;
      const by = `deleter ${deletions}`;
      const begun = momentOf(server);
      trace?.(`${by} deletes ${JSON.stringify(selector)} of ${id} by ${server.process.name}`);
      const result = await server.remove(id, selector, by);
      trace?.(`${by} is answered ${JSON.stringify(result)}`);
      if (result.outcome === 'unknown-object') oracle.checkUnknown(begun, id);
      if (result.outcome === 'deleted' && selector.all) oracle.checkDeleted(begun, id, by, result.versions);
      if (result.outcome !== 'deleted' || result.versions === 0) return;
      const changes = await server.findChanges(0, mostEvents);
      if (!changes.some((change) => change.op === 'delete' && change.deletedBy === by))
        throw new Violation(`nothing tells that ${by} has deleted versions of ${id}`);
    });
  }

  async function expire(): Promise<void> {
    const count = between(1, 4);
    await insist(async (server) => {
      trace?.(`${count} versions are to expire by ${server.process.name}`);
      await server.expire(count);
      trace?.(`${server.process.name} says that ${count} have expired`);
    });
  }

  async function runWriter(name: string): Promise<void> {
    for (let n = between(1, 4); n > 0; n -= 1)
      await (hasDeletions && chance(0.4) ? pick([remove, remove, expire])() : publish(name));
  }

  function drawQuery(): ObjectQuery {
    const versions = [pick([all, last, last, first, { ...first, last: true }])];
    return {
      versions,
      ...(chance(0.3) && { types: pick([['indicator'], ['malware', 'domain-name'], ['indicator', 'malware']]) }),
      ...(chance(0.15) && { ids: [pick(everyId), objectIds[0] ?? ''] }),
    };
  }

  /** Pages by generation and question, as every process may keep them. */
  const cache = new Map<string, Awaited<ReturnType<Server['read']>>>();

  /** Reads a page, or takes one that was kept: pages of one generation are the same. */
  async function readCached(server: Server, ...question: Parameters<Server['read']>): ReturnType<Server['read']> {
    if (!isCaching) return server.read(...question);
    const generation = await server.getGeneration();
    const name = JSON.stringify([generation, question]);
    const kept = cache.get(name);
    if (kept !== undefined && chance(0.7)) return kept;
    const page = await server.read(...question);
    if ((await server.getGeneration()) !== generation) return page;
    if (kept !== undefined && kept.slots.join() !== page.slots.join())
      throw new Violation(`two pages of generation ${generation}: ${kept.slots.join()} and ${page.slots.join()}`);
    cache.set(name, page);
    return page;
  }

  /** A client that follows the changes, and one that takes snapshots. */
  function createFollower() {
    const present = new Set<number>();
    let position = 0;

    async function follow(): Promise<void> {
      const limit = between(1, 5);
      await insist(async (server) => {
        for (const change of await server.findChanges(position, limit)) {
          if (change.seq <= position) throw new Violation(`change ${change.seq} comes after ${position}`);
          position = change.seq;
          if (change.op === 'add') present.add(change.dateAdded);
          else present.delete(change.dateAdded);
        }
      });
    }

    async function run(): Promise<void> {
      for (let n = between(3, 8); n > 0; n -= 1) {
        await follow();
        if (chance(0.5)) await insist(async (server) => oracle.checkSnapshot(await server.readSnapshot()));
        await new Promise<void>((resolve) =>
          scheduler.after(random() * 100, 'the follower goes on', () => scheduler.wakeUp(resolve)),
        );
      }
    }

    async function finish(): Promise<void> {
      for (let before = -1; before < position; ) {
        before = position;
        await follow();
      }
      const got = [...present].sort((a, b) => a - b).join();
      if (got !== oracle.slots().join()) throw new Violation(`the follower has ${got}, and there is ${oracle.slots()}`);
    }

    return { run, finish };
  }

  /** A client that polls: page by page, all at once behind what it has, or everything from the beginning. */
  function createPoller(name: string, kind: 'next' | 'added_after' | 'walk') {
    const query = drawQuery();
    const limit = between(1, 4);
    const maxBytes = chance(0.2) ? 400 : 100_000;
    const wanted = pick(['texts', 'records'] as const);
    let seen: number[] = [];

    async function readPage(): Promise<boolean> {
      const after = seen.at(-1) ?? -1;
      let more = false;
      await insist(async (server) => {
        const begun = momentOf(server);
        const page = await readCached(server, { ...query, addedAfter: after }, { limit, maxBytes }, wanted);
        trace?.(`${name} has read ${page.slots.join(', ')}${page.more ? ' and more' : ''} after ${after}`);
        oracle.checkPage({ query, after, begun, ...page });
        seen.push(...page.slots);
        more = page.more;
      });
      return more;
    }

    async function visit(): Promise<void> {
      if (kind === 'walk') seen = [];
      while ((await readPage()) && kind !== 'next');
    }

    async function run(): Promise<void> {
      const pause = pick([5, 30, 300]);
      for (let n = between(3, 8); n > 0; n -= 1) {
        await visit();
        await new Promise<void>((resolve) =>
          scheduler.after(random() * pause, `${name} polls`, () => scheduler.wakeUp(resolve)),
        );
      }
    }

    /** Reads to the end, and compares what the client has in the end with what there is. */
    async function finish(): Promise<void> {
      if (kind === 'walk') seen = [];
      while (await readPage());
      const got = new Set(seen);
      const due = oracle.select(query);
      const isWalk = kind === 'walk';
      const missed = due.find(
        ({ slot, id }) => !got.has(slot) && (isWalk || query.versions[0]?.all || !oracle.wasTouchedByDeletion(id)),
      );
      if (missed !== undefined)
        throw new Violation(`${name} never got slot ${missed.slot} of ${missed.id} by ${JSON.stringify(query)}`);
      if (isWalk && seen.length !== due.length)
        throw new Violation(`${name} walks over ${seen.join(', ')} and not ${due.map(({ slot }) => slot).join(', ')}`);
    }

    return { run, finish };
  }

  const writers = Array.from({ length: between(2, 4) }, (_, n) => `writer ${n + 1}`);
  const pollers = [
    ...(['next', 'added_after', 'walk'] as const).map((kind) => createPoller(`poller by ${kind}`, kind)),
    ...(chance(0.5) ? [createFollower()] : []),
  ];

  /** Runs them all to their end. */
  async function runAll(strands: readonly (() => Promise<void>)[]): Promise<void> {
    let running = strands.length;
    for (const strand of strands)
      strand()
        .catch((error) => {
          failure ??= error;
        })
        .finally(() => {
          running -= 1;
        });
    await scheduler.run(() => failure !== undefined || running === 0, mostEvents);
    if (failure !== undefined) throw failure;
  }

  try {
    scheduler.setWeather(drawWeather());
    scheduler.after(between(50, 2_000), 'the weather clears up', () =>
      scheduler.setWeather({ error: 0, pause: 0, kill: 0, clockJump: 0 }),
    );
    for (let n = chance(0.3) ? between(1, 3) : 0; n > 0; n -= 1)
      scheduler.after(random() * 500, 'failover', () => isEnding || model.failOver());
    await runAll([...writers.map((name) => () => runWriter(name)), ...pollers.map(({ run }) => run)]);
    isEnding = true;
    model.endFailovers();
    // Whoever writes next finishes what the dead have left lying.
    await runAll([() => insist(async (server) => void (await server.add('last writer', [flush])))]);
    oracle.checkQuiet();
    await runAll(pollers.map(({ finish }) => finish));
  } finally {
    isOver = true;
    for (const { process } of servers) scheduler.kill(process);
  }
}
