/**
 * Virtual time. Whatever happens in a schedule is an event at a time that a seeded generator has drawn, so the seed alone
 * says in which order the commands of all processes take effect, who is paused or killed, and what the clocks say.
 */

/** What a schedule must never show. */
export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Violation';
  }
}

/** Ends what a killed process was doing. Whatever it does about it has no effect any more. */
export class Killed extends Error {
  constructor() {
    super('the process was killed');
    this.name = 'Killed';
  }
}

function networkError(): Error {
  const error = new Error('connection closed');
  // As the driver names it.
  error.name = 'MongoNetworkError';
  return error;
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How rough a schedule is: chances per command. */
export interface Weather {
  readonly error: number;
  readonly pause: number;
  readonly kill: number;
  readonly clockJump: number;
}

const calm: Weather = { error: 0, pause: 0, kill: 0, clockJump: 0 };
// Beyond the patience of everyone.
const longestPauseMs = 30_000;
// The time of the first event, in microseconds.
const epochMicros = 1_700_000_000_000_000;
const hourMicros = 3_600_000_000;

/** A server process: it has its own clock, can be paused and killed. */
export interface Process {
  readonly name: string;
  /** How fast its time runs: what seems a long wait to one is none to the other. */
  readonly rate: number;
  isDead: boolean;
  pausedUntil: number;
  clockOffset: number;
  /** Ends each of its commands and pauses under way. */
  readonly underWay: Set<(error: Error) => void>;
}

/** A command to the database: steps that take effect one by one, each atomic, and then an answer. */
export interface Command<T> {
  readonly label: string;
  readonly steps: readonly (() => void)[];
  /** Milliseconds between two steps at most, in place of what is usual. */
  readonly pause?: number;
  /** Calls back when what the steps did is durable; with an error when it is not and never will be. */
  settle(done: (error?: Error) => void): void;
  answer(): T;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly label: string;
  readonly run: () => void;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export type Scheduler = ReturnType<typeof createScheduler>;

/** Creates the virtual time of a schedule. `trace` is told of each event. */
export function createScheduler(seed: number, trace?: (line: string) => void) {
  const random = createRandom(seed);
  const events: Event[] = [];
  let weather = calm;
  let now = 0;
  let order = 0;
  let hasWoken = false;

  const chance = (probability: number) => probability > 0 && random() < probability;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  /** A whole number from `low` to `high`. */
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));

  function after(ms: number, label: string, run: () => void): void {
    order += 1;
    events.push({ at: now + ms, order, label, run });
  }

  function takeNext(): Event | undefined {
    let least = 0;
    for (let n = 1; n < events.length; n += 1) {
      const [a, b] = [events[n] as Event, events[least] as Event];
      if (a.at < b.at || (a.at === b.at && a.order < b.order)) least = n;
    }
    const last = events.pop();
    const next = events[least];
    if (last === undefined || next === undefined) return last;
    events[least] = last;
    return next;
  }

  function latency(): number {
    if (chance(weather.pause)) return random() * longestPauseMs;
    return random() < 0.85 ? random() * 3 : random() * 60;
  }

  /** Lets a process go on, when it is not paused. */
  function wake(process: Process, label: string, resume: () => void): void {
    const ms = process.pausedUntil - now;
    if (process.isDead) return;
    if (ms > 0) {
      after(ms, label, () => wake(process, label, resume));
      return;
    }
    hasWoken = true;
    resume();
  }

  function kill(process: Process): void {
    trace?.(`${now.toFixed(2)} ${process.name} is killed`);
    process.isDead = true;
    hasWoken = true;
    for (const end of process.underWay) end(new Killed());
  }

  function disturb(process: Process): void {
    if (chance(weather.clockJump)) process.clockOffset = between(-hourMicros, hourMicros);
    if (chance(weather.pause)) process.pausedUntil = now + random() * longestPauseMs;
    if (chance(weather.kill)) after(random() * 10, `kill ${process.name}`, () => kill(process));
  }

  /** Something that a process waits for: it ends once, by `begin` or by the death of the process. */
  function suspend<T>(process: Process, begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void) {
    if (process.isDead) return Promise.reject(new Killed());
    return new Promise<T>((resolve, reject) => {
      const end = (error: Error) => {
        process.underWay.delete(end);
        reject(error);
      };
      process.underWay.add(end);
      const finish = (value: T) => {
        process.underWay.delete(end);
        resolve(value);
      };
      begin(finish, end);
    });
  }

  /** Runs the steps from `at` on, then `done`. What was sent takes effect whatever becomes of the sender. */
  function runSteps(command: Pick<Command<unknown>, 'label' | 'steps' | 'pause'>, at: number, done: () => void): void {
    const { label, steps, pause } = command;
    const step = steps[at];
    if (step === undefined) {
      done();
      return;
    }
    const ms = pause === undefined || at === 0 ? latency() : random() * pause;
    after(ms, `${label} ${at + 1}/${steps.length}`, () => {
      step();
      runSteps(command, at + 1, done);
    });
  }

  function send<T>(process: Process, command: Command<T>): Promise<T> {
    const { label, steps, settle, answer } = command;
    disturb(process);
    const name = `${process.name} ${label}`;
    return suspend<T>(process, (resolve, reject) => {
      const fails = chance(weather.error);
      // Of a command whose answer is lost none, some or all steps take effect, before or after the sender knows.
      const effective = fails ? steps.slice(0, between(0, steps.length)) : steps;
      if (fails) after(latency(), `${name} fails`, () => wake(process, name, () => reject(networkError())));
      runSteps({ ...command, label: name, steps: effective }, 0, () => {
        if (fails) return settle(() => {});
        settle((error) => {
          const run = () => wake(process, name, () => (error === undefined ? resolve(answer()) : reject(error)));
          after(latency(), `${name} answers`, run);
        });
      });
    });
  }

  return {
    random,
    chance,
    pick,
    between,
    after,
    latency,
    send,
    time: () => now,
    setWeather(next: Weather): void {
      weather = next;
    },
    startProcess(name: string): Process {
      const clockOffset = chance(0.5) ? between(-hourMicros, hourMicros) : 0;
      const rate = pick([1, 1, 30, 1000]);
      return { name, rate, isDead: false, pausedUntil: 0, clockOffset, underWay: new Set() };
    },
    kill,
    /** Lets a client go on. */
    wakeUp(resume: () => void): void {
      hasWoken = true;
      resume();
    },
    sleep(process: Process, ms: number): Promise<void> {
      return suspend(process, (resolve) => {
        // Long pauses become longer, or else most of a schedule would be polling.
        const stretched = ms < 5 ? ms : ms * (1 + random() * 40);
        after(stretched, `${process.name} wakes up`, () => wake(process, `${process.name} wakes up`, () => resolve()));
      });
    },
    clockOf: ({ clockOffset }: Process) => Math.floor(epochMicros + now * 1000 + clockOffset),
    /** Runs events until `isDone`. */
    async run(isDone: () => boolean, most: number): Promise<void> {
      for (let count = 0; ; count += 1) {
        if (hasWoken || count === 0) {
          hasWoken = false;
          await nextTurn();
        }
        if (isDone()) return;
        const event = takeNext();
        if (event === undefined || count >= most) throw new Violation(`no progress after ${count} events`);
        now = event.at;
        trace?.(`${now.toFixed(2)} ${event.label}`);
        event.run();
      }
    },
  };
}
