/**
 * Several processes that serve on one port and one store, and the one that watches over them: it starts them, restarts
 * those that die, and writes down what they log. Connections are accepted here and dealt out in turn (`node:cluster`), so
 * that a few connections that are kept open are spread as evenly as many; a request costs nothing here, but for its line
 * of the log. The kernel's SO_REUSEPORT deals by a hash of the addresses: of two pollers both may land on one process.
 *
 * A process ends by itself when this one dies, however it dies: node:cluster sees to it.
 */

import cluster, { type Worker } from 'node:cluster';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OperatorError } from './errors.ts';
import type { Log } from './log.ts';
import type { RunningServer } from './server.ts';
import type { Settings } from './settings.ts';
import { threadUrl } from './thread-url.ts';

/** What a process is told. The first message is `serve`; they take effect one after the other. */
export type ToProcess =
  | { readonly do: 'serve'; readonly worker: number; readonly settings: Settings; readonly logTo: number }
  | { readonly do: 'reload'; readonly settings: Settings }
  | { readonly do: 'end' };

/** What a process tells. */
export type FromProcess =
  | { readonly is: 'serving'; readonly url: string; readonly adminPassword?: string }
  | { readonly is: 'reloaded' }
  /** It could not start. */
  | { readonly is: 'failed'; readonly description: string };

/** Where a process has the pipe of its log: after the three that every process has. */
const logDescriptor = 3;
/**
 * Pages are short-lived buffers. V8 lets them fill 64 MB before it begins anew, which is more than processors cache; at
 * 16 MB a page costs a quarter less, and the process takes less memory. `short-lived.ts` says what the other option is
 * for. `npm start` and the Dockerfile say the same.
 */
const nodeOptions = ['--max-semi-space-size=16', '--expose-gc'];
/** A longer line of the log is left out; of what a process prints besides, so much is kept. */
const maxLine = 1024 * 1024;
const maxPrinted = 8 * 1024;

/** A process that served so long did not die of its start. */
const calmMs = 60_000;
const leastPauseMs = 250;
const longestPauseMs = 30_000;

/** Milliseconds until a process is started again that has served for `livedMs`, after a pause of `previous` before that. */
export function nextPause(previous: number, livedMs: number): number {
  return livedMs >= calmMs ? 0 : Math.min(Math.max(previous * 2, leastPauseMs), longestPauseMs);
}

/** Hands on what comes in whole lines, several at a time. A line that is too long, or has no end, is left out. */
export function relayLines(stream: Readable, write: (lines: string) => void): void {
  let parts: Buffer[] = [];
  let length = 0;
  let isTooLong = false;

  function take(bytes: Buffer): void {
    const end = bytes.lastIndexOf('\n') + 1;
    if (end > 0) {
      const last = bytes.subarray(0, end);
      write((parts.length === 0 ? last : Buffer.concat([...parts, last])).toString());
      parts = [];
      length = 0;
    }
    if (end < bytes.length) parts.push(bytes.subarray(end));
    length += bytes.length - end;
    isTooLong = length > maxLine;
    if (isTooLong) parts = [];
  }

  stream.on('data', (chunk: Buffer) => {
    const from = isTooLong ? chunk.indexOf('\n') + 1 : 0;
    if (isTooLong && from === 0) return;
    if (isTooLong) length = 0;
    take(chunk.subarray(from));
  });
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of what it printed that is not its log: why it died, when it could say so. */
  readonly printed: string;
}

interface ServingProcess {
  /** Resolves when it serves. Rejects with an OperatorError when it cannot, or dies before it does. */
  readonly serving: Promise<Extract<FromProcess, { is: 'serving' }>>;
  /** Resolves when it is gone and everything that it wrote was read. */
  readonly ended: Promise<Ended>;
  /** Resolves when it does what the settings say, or is gone. */
  reload(settings: Settings): Promise<void>;
  /** Tells it to end when its running requests have finished. */
  end(): void;
}

interface Closable {
  close(): void;
}

function isClosable(value: unknown): value is Closable {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function';
}

/** The process that each connection was handed to last. */
const holders = new WeakMap<Closable, Worker>();

/**
 * Returns what closes the connection that was on its way to a process when it died. node:cluster hands on one at a time,
 * and keeps it open until the process has it: its client would wait for ever. One that arrived is closed here already.
 */
function watchHandedOn(worker: Worker): () => void {
  let last: Closable | undefined;
  const { process: child } = worker;
  child.send = new Proxy(child.send, {
    apply: (send, self, given: unknown[]) => {
      const [, handle] = given;
      if (isClosable(handle)) {
        last = handle;
        holders.set(handle, worker);
      }
      return Reflect.apply(send, self, given);
    },
  });
  return () => {
    // A process that ends gives it back, and then it is another's.
    if (last !== undefined && holders.get(last) === worker) last.close();
  };
}

function keepPrinted(stream: Readable): () => string {
  let printed = '';
  stream.on('data', (chunk: Buffer) => {
    printed = (printed + chunk.toString()).slice(-maxPrinted);
  });
  return () => printed.trim();
}

function whenEnded({ process: child }: Worker, printed: () => string): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, printed: printed() }));
    child.once('error', (error) => resolve({ code: null, signal: null, printed: error.message }));
  });
}

function describeEnd({ code, signal, printed }: Ended): string {
  return `a serving process ended at its start (${signal ?? `exit code ${code}`})${printed === '' ? '' : `:\n${printed}`}`;
}

/** Starts one. Lines of its log go to `write`. */
function startProcess(worker: number, settings: Settings, write: (lines: string) => void): ServingProcess {
  const started = cluster.fork();
  const [, , printed, logged] = started.process.stdio as readonly Readable[];
  if (logged !== undefined) relayLines(logged, write);
  const closeHandedOn = watchHandedOn(started);
  const ended = whenEnded(started, printed === undefined ? () => '' : keepPrinted(printed));
  void ended.then(closeHandedOn);
  // A process that has just died hears nothing: that is told by its end.
  const tell = (message: ToProcess): void => void started.process.send(message, () => undefined);
  const serving = new Promise<Extract<FromProcess, { is: 'serving' }>>((resolve, reject) => {
    started.on('message', (message: FromProcess) => {
      if (message.is === 'serving') resolve(message);
      if (message.is === 'failed') reject(new OperatorError(message.description));
    });
    void ended.then((end) => reject(new OperatorError(describeEnd(end))));
  });
  // Who waits for it hears of it; who ended it meanwhile does not.
  serving.catch(() => undefined);
  tell({ do: 'serve', worker, settings, logTo: logDescriptor });
  return {
    serving,
    ended,
    reload: async (newer) => {
      const reloaded = new Promise<void>((resolve) => {
        started.on('message', (message: FromProcess) => message.is === 'reloaded' && resolve());
      });
      tell({ do: 'reload', settings: newer });
      await Promise.race([reloaded, ended]);
    },
    end: () => tell({ do: 'end' }),
  };
}

function configureCluster(): void {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: fileURLToPath(threadUrl('./serving-process', import.meta.url)),
    args: [],
    // What is given to this process counts more.
    execArgv: [...nodeOptions, ...process.execArgv],
    // The settings hold bytes.
    serialization: 'advanced',
    // Of its own it has the pipe of its log, and one for what a crash prints.
    stdio: ['ignore', 'inherit', 'pipe', 'pipe', 'ipc'],
  });
}

/**
 * Starts `config.workers` processes. It resolves when all of them serve; when one cannot, none is left, and it throws why.
 * From then on one that dies is replaced, at once or after a pause that grows while it dies again and again. `write` gets
 * the lines of their logs. There is one supervisor in a process.
 */
export async function startSupervisor(
  settings: Settings,
  log: Log,
  write: (lines: string) => void,
): Promise<RunningServer> {
  configureCluster();
  const ending = new AbortController();
  const processes = new Map<number, ServingProcess>();
  const watched: Promise<void>[] = [];
  let current = settings;

  function start(worker: number): ServingProcess {
    const started = startProcess(worker, current, write);
    processes.set(worker, started);
    return started;
  }

  async function startAgain(worker: number, pause: number): Promise<ServingProcess | undefined> {
    // It rejects when the server ends: then nothing is started any more.
    const isEnding = await wait(pause, false, { signal: ending.signal }).catch(() => true);
    return isEnding ? undefined : start(worker);
  }

  /** Keeps one running until the end. */
  async function watch(worker: number, first: ServingProcess): Promise<void> {
    let pause = 0;
    for (let running: ServingProcess | undefined = first; running !== undefined; ) {
      const began = performance.now();
      const reason = running.serving.then(
        () => undefined,
        ({ message }: Error) => message,
      );
      const { code, signal, printed } = await running.ended;
      if (ending.signal.aborted) return;
      pause = nextPause(pause, performance.now() - began);
      const fault = { worker, code, signal, ...(printed !== '' && { printed }), reason: await reason, pause };
      log.error(fault, 'a serving process ended by itself; another takes its place');
      running = await startAgain(worker, pause);
    }
  }

  async function close(): Promise<void> {
    ending.abort();
    for (const running of processes.values()) running.end();
    await Promise.all([...processes.values()].map(({ ended }) => ended));
    await Promise.all(watched);
  }

  async function startFirst(worker: number) {
    const started = start(worker);
    const told = await started.serving;
    watched.push(watch(worker, started));
    return told;
  }

  try {
    // The first finds out whether the store can be opened and the port be had, and makes the admin.
    const { url, adminPassword } = await startFirst(1);
    const others = Array.from({ length: settings.config.workers - 1 }, (_, index) => startFirst(index + 2));
    await Promise.all(others);
    return {
      url,
      roots: settings.roots.map(({ name }) => name),
      adminPassword,
      reload: async (newer) => {
        current = newer;
        await Promise.all([...processes.values()].map((running) => running.reload(newer)));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
