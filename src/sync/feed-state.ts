/**
 * What a feed has done and where it stands: records of kind `feed-state`, by name. Only the run that holds the lock in it
 * writes it, each time under compare-and-set: a run that lost its lock, to another process after a long pause for
 * example, fails at its next write and stops. Nothing rests on the lock's time: what two runs store at once is there once.
 */

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { codeOf } from '../errors.ts';
import { isObject } from '../stix/json-value.ts';
import type { RecordSource, Store, StoredRecord } from '../store/store.ts';
import type { Clock } from './clock.ts';
import type { Position } from './source.ts';

export const stateKind = 'feed-state';

/** What became of objects. */
export interface Counts {
  /** Stored, or taken by who they were sent to. */
  readonly added: number;
  readonly duplicate: number;
  /** Put into quarantine, or beyond what it holds. */
  readonly refused: number;
  /** Left out: deleted here before, or on their way back to where they came from. */
  readonly withheld: number;
  /** Deleted here, since the upstream has them no more. */
  readonly gone: number;
}

export const noCounts: Counts = { added: 0, duplicate: 0, refused: 0, withheld: 0, gone: 0 };

export function addCounts(a: Counts, b: Partial<Counts>): Counts {
  return {
    added: a.added + (b.added ?? 0),
    duplicate: a.duplicate + (b.duplicate ?? 0),
    refused: a.refused + (b.refused ?? 0),
    withheld: a.withheld + (b.withheld ?? 0),
    gone: a.gone + (b.gone ?? 0),
  };
}

/** The run under way, which is the lock. */
export interface CurrentRun {
  readonly token: string;
  readonly holder: string;
  /** When it may be taken for dead, unless it says more. */
  readonly until: string;
  readonly beganAt: string;
  readonly counts: Counts;
  /** Bytes that were read or sent. */
  readonly bytes: number;
}

export interface RunReport {
  readonly beganAt: string;
  readonly endedAt: string;
  /** `stopped`: by the operator, the end of the server or its deadline; the next run goes on. */
  readonly outcome: 'completed' | 'stopped' | 'failed';
  /** Why it did not complete. */
  readonly error: string | null;
  readonly counts: Counts;
  readonly bytes: number;
}

export interface FeedState {
  /** A new walk begins here; null: at the beginning. */
  readonly position: Position | null;
  /** The walk of the feed that the position belongs to. */
  readonly walk: number;
  readonly totals: Counts;
  readonly run: CurrentRun | null;
  readonly lastRun: RunReport | null;
  /** Null: not by itself. */
  readonly nextRunAt: string | null;
  /** Runs that failed since the last one that did not. */
  readonly failures: number;
  /** The upstream's date_added of the last object that is here, or ours of the last that is there. */
  readonly lastDateAdded: string | null;
  /** Everything that the other end had then has come over. */
  readonly inStepAt: string | null;
  readonly mirroredAt: string | null;
}

const emptyState: FeedState = {
  position: null,
  walk: 0,
  totals: noCounts,
  run: null,
  lastRun: null,
  nextRunAt: null,
  failures: 0,
  lastDateAdded: null,
  inStepAt: null,
  mirroredAt: null,
};

/** How long a lock is believed without a sign of life. */
const lease = 60_000;
/** How far clocks of machines may differ. What lies farther ahead was written by a clock that was wrong. */
const mostSkew = 600_000;
/** Seconds since the epoch at which this process began, the same in all its threads but for rounding. */
const boot = Math.round(Date.now() / 1000 - process.uptime());
const self = `${hostname()}:${process.pid}:${boot}`;
/** Two starts further apart than this are two. */
const bootTolerance = 5;

function parseState({ id, document }: StoredRecord): FeedState {
  if (!isObject(document) || !isObject(document.totals)) throw new Error(`The stored state of feed ${id} is damaged.`);
  return { ...emptyState, ...document };
}

interface Held {
  readonly state: FeedState;
  /** 0: there is no record yet. */
  readonly revision: number;
}

async function readState(store: RecordSource, name: string): Promise<Held> {
  const record = await store.findRecord(stateKind, name);
  return record === undefined
    ? { state: emptyState, revision: 0 }
    : { state: parseState(record), revision: record.revision };
}

/** Where a feed stands; of one that never ran, nowhere. */
export async function getState(store: RecordSource, name: string): Promise<FeedState> {
  return (await readState(store, name)).state;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return codeOf(error) === 'EPERM';
  }
}

/** Whether a holder is a process of this machine that has ended: killed, it could not let go of its lock. */
function hasEnded(holder: string): boolean {
  const [host, pid, bootOfHolder] = holder.split(':');
  if (host !== hostname()) return false;
  // In a container the number is the same after each start.
  if (Number(pid) === process.pid) return Math.abs(Number(bootOfHolder) - boot) > bootTolerance;
  return !isAlive(Number(pid));
}

/** Whether a run holds the feed at this time, as far as can be told. */
export function isRunning({ run }: FeedState, now: number): boolean {
  const left = run === null ? 0 : Date.parse(run.until) - now;
  return run !== null && left > 0 && left <= lease + mostSkew && !hasEnded(run.holder);
}

/** When the next run is to be, in milliseconds; undefined: nothing was planned, or by a clock that was set back since. */
export function plannedAt({ nextRunAt, lastRun }: FeedState, now: number): number | undefined {
  const isAhead = lastRun !== null && Date.parse(lastRun.endedAt) > now + mostSkew;
  return nextRunAt === null || isAhead ? undefined : Date.parse(nextRunAt);
}

/** Another run has the feed; this one has to stop. */
export class LostLock extends Error {
  constructor(name: string) {
    super(`another run of the feed ${name} has begun`);
    this.name = 'LostLock';
  }
}

/** A feed that is held by this run. */
export interface Session {
  readonly name: string;
  readonly state: () => FeedState;
  /** Writes the state and makes the lock last; one write after the other. Throws LostLock. */
  readonly update: (change: (state: FeedState) => Partial<FeedState>) => Promise<void>;
}

export interface SessionDeps {
  readonly store: Store;
  readonly clock: Clock;
}

function createSession({ store, clock }: SessionDeps, name: string, token: string, begun: Held): Session {
  let held = begun;
  let writing: Promise<void> = Promise.resolve();

  /** After a write of which nobody knows whether it took effect. */
  async function recover(): Promise<void> {
    const read = await readState(store, name);
    if (read.state.run?.token !== token) throw new LostLock(name);
    held = read;
  }

  async function write(change: (state: FeedState) => Partial<FeedState>): Promise<void> {
    const until = new Date(clock.now() + lease).toISOString();
    const { run } = held.state;
    if (run === null) throw new LostLock(name);
    const state = { ...held.state, run: { ...run, until } };
    const next = { ...state, ...change(state) };
    if (!(await store.putRecord(stateKind, name, held.revision, next, {}))) throw new LostLock(name);
    held = { state: next, revision: held.revision + 1 };
  }

  return {
    name,
    state: () => held.state,
    update(change) {
      const turn = writing.then(() => write(change));
      writing = turn.catch((error: unknown) =>
        error instanceof LostLock ? undefined : recover().catch(() => undefined),
      );
      return turn;
    },
  };
}

/** Takes the feed for a run; undefined: another run has it, or it is not wanted as it stands. */
export async function openSession(
  deps: SessionDeps,
  name: string,
  isWanted: (state: FeedState) => boolean = () => true,
): Promise<Session | undefined> {
  const { store, clock } = deps;
  const { state, revision } = await readState(store, name);
  if (isRunning(state, clock.now()) || !isWanted(state)) return undefined;
  const token = randomUUID();
  const beganAt = new Date(clock.now()).toISOString();
  const until = new Date(clock.now() + lease).toISOString();
  const run: CurrentRun = { token, holder: self, until, beganAt, counts: noCounts, bytes: 0 };
  const taken = { ...state, run };
  if (!(await store.putRecord(stateKind, name, revision, taken, {}))) return undefined;
  return createSession(deps, name, token, { state: taken, revision: revision + 1 });
}

/**
 * Changes the state of a feed that does not run. Resolves to false when it runs, or began to.
 */
export async function changeIdleState(
  { store, clock }: SessionDeps,
  name: string,
  change: (state: FeedState) => Partial<FeedState>,
): Promise<boolean> {
  const { state, revision } = await readState(store, name);
  if (isRunning(state, clock.now())) return false;
  return store.putRecord(stateKind, name, revision, { ...state, ...change(state) }, {});
}
