/** Several processes that serve one store, which can be killed one by one, and of which each is replaced. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config.ts';
import { createUser } from '../../src/hub/users.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { pidsOf } from '../support/server-log.ts';
import { basic } from '../support/taxii-server.ts';

/** A kind of store that the suites of this folder run over. */
export interface StoreKind {
  readonly name: string;
  /** The HUIJU_STORE of a new, empty store; `folder` is there for its files, and removed later. */
  newLocation(folder: string): Promise<string>;
}

export const sqliteKind: StoreKind = {
  name: 'SQLite',
  newLocation: async (folder) => `sqlite:${join(folder, 'huiju.db')}`,
};

/** Collections of the root `race`: nothing is ever deleted from the first. */
export const kept = '/race/collections/kept/';
export const churned = '/race/collections/churned/';

const rights = { read: ['members'], write: ['role:publisher'] };
const declaration = {
  api_root: 'race',
  title: 'Races',
  default: true,
  collections: [
    { id: '0d1f7c1e-5b0f-4f0e-9a63-0d6a3b0c2a01', alias: 'kept', title: 'Kept', ...rights },
    { id: '0d1f7c1e-5b0f-4f0e-9a63-0d6a3b0c2a02', alias: 'churned', title: 'Churned', ...rights },
  ],
};

const password = 'correct horse battery staple';
/** Those who publish. All of them may read. */
export const publishers = ['ada', 'bob', 'cyd'] as const;

/** The Authorization header of a user. */
export function loginOf(user: string): string {
  return basic(user, password);
}

export interface Deployment {
  /** What configures the processes, for `loadConfig`. */
  readonly env: Readonly<Record<string, string>>;
  /** URL of a process that runs now; waits while none does. */
  pick(random: () => number): Promise<string>;
  /** Ends one process as a power failure does, at once, and starts another in its place. */
  replace(place: number): Promise<void>;
  /** Opens the store beside the processes. */
  openStore(): Promise<Store>;
  /** Ends everything and removes what it made. */
  close(): Promise<void>;
}

/** Makes a store with the users of this file, for a HUIJU_STORE. */
export async function prepareStore(env: Readonly<Record<string, string>>): Promise<void> {
  const store = await openStore(loadConfig(env).store);
  try {
    await createUser(store, 'root', password, ['admin']);
    for (const name of publishers) await createUser(store, name, password, ['publisher']);
  } finally {
    await store.close();
  }
}

/** Writes the collections of this file into a folder, and returns what points a server there. */
export async function declareCollections(folder: string): Promise<Readonly<Record<string, string>>> {
  await writeFile(join(folder, 'race.json'), JSON.stringify(declaration));
  return { HUIJU_COLLECTIONS: folder, HUIJU_LOG_LEVEL: 'warn' };
}

/** A new store with the users and collections of this file. */
async function settle(kind: StoreKind): Promise<{ folder: string; env: Readonly<Record<string, string>> }> {
  const folder = await mkdtemp(join(tmpdir(), 'huiju-races-'));
  const env = {
    ...(await declareCollections(folder)),
    HUIJU_STORE: await kind.newLocation(folder),
  };
  await prepareStore(env);
  return { folder, env };
}

/** So many servers of one process each. */
export async function startDeployment(kind: StoreKind, processes: number): Promise<Deployment> {
  const { folder, env } = await settle(kind);
  const start = () => runServer({ folder, env });
  const servers: (RunningServer | undefined)[] = await Promise.all(Array.from({ length: processes }, start));
  let starting: Promise<unknown> = Promise.resolve();
  let isClosed = false;

  return {
    env,
    async pick(random) {
      for (;;) {
        // Clients that are left over from a failed test end here.
        if (isClosed) throw new Error('the deployment is closed');
        const running = servers.filter((server) => server !== undefined);
        const chosen = running[Math.floor(random() * running.length)];
        if (chosen !== undefined) return chosen.url;
        await starting;
      }
    },
    async replace(place) {
      const server = servers[place];
      servers[place] = undefined;
      const started = (async () => {
        await server?.kill();
        servers[place] = await start();
      })();
      starting = started;
      await started;
    },
    openStore: () => openStore(loadConfig(env).store),
    async close() {
      isClosed = true;
      await Promise.all(servers.map((server) => server?.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One server of so many processes (HUIJU_WORKERS). One that is killed is replaced by its supervisor. */
export async function startWorkers(kind: StoreKind, processes: number): Promise<Deployment> {
  const { folder, env } = await settle(kind);
  // The log tells which processes there are.
  const server = await runServer({
    folder,
    env: { ...env, HUIJU_WORKERS: String(processes), HUIJU_LOG_LEVEL: 'info' },
  });
  let isClosed = false;
  return {
    env,
    async pick() {
      if (isClosed) throw new Error('the deployment is closed');
      return server.url;
    },
    async replace(place) {
      const name = `worker ${place + 1}`;
      const pids = await pidsOf(server, 1, name);
      process.kill(pids.at(-1) ?? 0, 'SIGKILL');
      await pidsOf(server, pids.length + 1, name);
    },
    openStore: () => openStore(loadConfig(env).store),
    async close() {
      isClosed = true;
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
