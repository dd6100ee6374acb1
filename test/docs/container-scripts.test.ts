/** The scripts that containers run: the health check against real servers, the replica set's against a model of mongosh. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { useTempFolder } from '../store/temp-folder.ts';
import { root, runProgram } from '../support/huiju.ts';
import { type RunningServer, runServer } from '../support/run-server.ts';
import { readDocument } from './readme.ts';

const pathOf = useTempFolder();

describe('docker/healthcheck.js', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer();
  });
  afterAll(() => server?.stop());

  const check = (url: string, env: Readonly<Record<string, string>> = {}) =>
    runProgram(process.execPath, [join(root, 'docker', 'healthcheck.js')], {
      env: { HUIJU_PORT: new URL(url).port, ...env },
    });

  test('succeeds while the server is ready', async () => {
    expect(await check(server.url)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('fails with the reason when nothing answers', async () => {
    const { url, stop } = await runServer();
    await stop();
    expect(await check(url)).toMatchObject({ code: 1, stdout: expect.stringContaining('ECONNREFUSED') });
  });

  test('fails when the server is alive and not ready', async () => {
    const unready = createServer((_request, response) => {
      response.writeHead(503).end();
    });
    await new Promise<void>((resolve) => {
      unready.listen(0, '127.0.0.1', resolve);
    });
    try {
      const { port } = unready.address() as AddressInfo;
      expect(await check(`http://127.0.0.1:${port}`)).toMatchObject({ code: 1, stdout: '/readyz answers 503\n' });
    } finally {
      unready.close();
    }
  });

  test('speaks TLS where the server does, whatever name the certificate has', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'taxii.example.org' }]);
    writeFileSync(pathOf('one.crt'), cert);
    writeFileSync(pathOf('one.key'), key);
    const env = { HUIJU_TLS_CERT: pathOf('one.crt'), HUIJU_TLS_KEY: pathOf('one.key') };
    const secure = await runServer({ env });
    try {
      expect(await check(secure.url, env)).toMatchObject({ code: 0, stdout: '' });
      expect(await check(secure.url)).toMatchObject({ code: 1 });
    } finally {
      await secure.stop();
    }
  });
});

const secrets: Readonly<Record<string, string>> = {
  '/run/secrets/mongodb-root-password': 'root-password\n',
  '/run/secrets/huiju-store': 'mongodb://huiju:pass%2Fword@mongodb:27017/huiju?replicaSet=rs0\n',
};

/** A mongod as the script sees it: it refuses connections at first, and becomes primary some time after it was initiated. */
class Mongod {
  /** The URLs of its connections. */
  readonly calls: string[] = [];
  readonly users = new Map<string, string>();
  config: unknown;
  refusals = 0;
  untilPrimary = 3;
  isPrimary = false;

  readonly Mongo = (() => {
    const mongod = this;
    return class {
      constructor(url: string) {
        if (mongod.refusals-- > 0) throw new Error('connection refused');
        mongod.calls.push(url);
      }
      getDB = (name: string) => mongod.database(name);
    };
  })();

  database(name: string): object {
    return {
      getSiblingDB: (other: string) => this.database(other),
      auth: (user: string, password: string) => {
        if (user !== 'root' || password !== 'root-password') throw new Error('Authentication failed.');
      },
      hello: () => {
        this.isPrimary = this.config !== undefined && this.untilPrimary-- <= 0;
        return { ...(this.config === undefined ? {} : { setName: 'rs0' }), isWritablePrimary: this.isPrimary };
      },
      adminCommand: ({ replSetInitiate }: { replSetInitiate: unknown }) => {
        if (this.config !== undefined) throw new Error('already initialized');
        this.config = replSetInitiate;
      },
      getUser: (user: string) => (this.users.has(`${name}.${user}`) ? { user } : null),
      createUser: ({ user, pwd, roles }: { user: string; pwd: string; roles: string[] }) => {
        if (!this.isPrimary) throw new Error('not primary');
        if (this.users.has(`${name}.${user}`)) throw new Error('already exists');
        this.users.set(`${name}.${user}`, `${pwd} ${roles}`);
      },
      updateUser: (user: string, { pwd, roles }: { pwd: string; roles: string[] }) => {
        if (!this.users.has(`${name}.${user}`)) throw new Error('not found');
        this.users.set(`${name}.${user}`, `${pwd} ${roles}`);
      },
    };
  }
}

describe('docker/replica-set.js', () => {
  const require = createRequire(import.meta.url);

  /** Runs the script; resolves to what it printed and how long it slept. */
  function run({ Mongo }: Mongod, files = secrets): { printed: string; slept: number } {
    let printed = '';
    let slept = 0;
    const context = createContext({
      Mongo,
      print: (text: string) => {
        printed += text;
      },
      sleep: (milliseconds: number) => {
        slept += milliseconds;
      },
      require: (name: string) => (name === 'node:fs' ? { readFileSync: (path: string) => files[path] } : require(name)),
    });
    runInContext(readDocument('docker/replica-set.js'), context);
    return { printed, slept };
  }

  test('initiates the set, waits for its primary and makes the user of the URL', () => {
    const mongod = new Mongod();
    mongod.refusals = 2;
    // Two refusals, then three times no primary yet: no attempt to make the user fails.
    expect(run(mongod)).toEqual({ printed: expect.stringContaining('has a primary'), slept: 4000 });
    expect(mongod.config).toEqual({ _id: 'rs0', members: [{ _id: 0, host: 'mongodb:27017' }] });
    expect([...mongod.users]).toEqual([['huiju.huiju', 'pass/word readWrite']]);
  });

  test('changes nothing the second time', () => {
    const mongod = new Mongod();
    run(mongod);
    const before = [mongod.config, [...mongod.users]];
    expect(run(mongod)).toMatchObject({ slept: 0 });
    expect([mongod.config, [...mongod.users]]).toEqual(before);
  });

  test('gives the user the password that the secret has now', () => {
    const mongod = new Mongod();
    run(mongod);
    const store = '/run/secrets/huiju-store';
    run(mongod, { ...secrets, [store]: 'mongodb://huiju:other@mongodb:27017/huiju?replicaSet=rs0' });
    expect([...mongod.users]).toEqual([['huiju.huiju', 'other readWrite']]);
  });

  test('gives up in the end, and says why without a password', () => {
    const mongod = new Mongod();
    const wrong = { ...secrets, '/run/secrets/mongodb-root-password': 'mistyped' };
    expect(() => run(mongod, wrong)).toThrow(/^not ready after 90 attempts: Authentication failed\.$/);
    expect(mongod.calls).toHaveLength(90);
  });

  test('reads only secrets that its service has', () => {
    const read = [...readDocument('docker/replica-set.js').matchAll(/readSecret\('([^']+)'\)/g)].map(
      ([, name]) => name,
    );
    expect(read.sort()).toEqual(
      Object.keys(secrets)
        .map((path) => path.split('/').at(-1))
        .sort(),
    );
  });
});
