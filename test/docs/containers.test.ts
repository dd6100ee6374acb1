/** Holds docker-compose.yml, the Dockerfile and docker/ to the code. No Docker is needed, and none is run. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadProgram } from '../../src/cli/program.ts';
import { examineConfig, variables } from '../../src/config.ts';
import { indexes } from '../../src/store/mongo/layout.ts';
import { root, runProgram } from '../support/huiju.ts';
import { describeWith } from '../support/skip.ts';
import { compose, composeText, composeWith, readDockerfile, type Service } from './containers.ts';
import { readDocument } from './readme.ts';

const services = Object.entries(compose.services);
const folder = mkdtempSync(join(tmpdir(), 'huiju-containers-'));
const { version, devDependencies } = JSON.parse(readDocument('package.json'));
const dockerfile = readDockerfile();
const [workdir = ''] = finals('WORKDIR');
const noOpenssl = await runProgram('openssl', ['version']).then(
  ({ code }) => (code === 0 ? undefined : 'openssl does not run'),
  () => 'there is no openssl',
);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the last stage, the image, says under a name. */
function finals(name: string): string[] {
  const last = dockerfile.at(-1)?.stage;
  return dockerfile.filter((one) => one.name === name && one.stage === last).map(({ rest }) => rest);
}

function serviceOf(name: string): Service {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`there is no service ${name}`);
  return service;
}

/** The mistakes of the server's configuration, with the secrets of this folder. */
function mistakesOf({ environment }: Service, secrets: string): string {
  const image = finals('ENV').flatMap((line) => line.split(' ').map((pair) => pair.split('=')));
  const own = Object.entries(environment).map(([name, value]) => [name, value.replace('/run/secrets', secrets)]);
  return examineConfig(Object.fromEntries([...image, ...own])).mistakes.join('\n');
}

describe.each(services)('the service %s', (_name, service) => {
  test('runs as a user who is not root, on a read-only root file system, without capabilities', () => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      user: expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/),
    });
  });

  test('has a log that does not grow for ever', () => {
    expect(service.logging).toEqual({ driver: 'local' });
  });

  test('gets passwords as secrets, by file, and declares each', () => {
    const secret = Object.entries(service.environment).filter(([name]) => /PASSWORD|SECRET|STORE|KEY/.test(name));
    for (const [name, path] of secret) {
      expect(name).toMatch(/_FILE$/);
      expect(service.secrets).toContain(basename(path));
      expect(path).toBe(`/run/secrets/${basename(path)}`);
    }
    expect(service.secrets.filter((name) => compose.secrets[name] === undefined)).toEqual([]);
  });

  test('mounts what is declared or is in the checkout, the latter read-only', () => {
    for (const volume of service.volumes) {
      const [source = '', target = '', mode] = volume.split(':');
      expect(target).toMatch(/^\//);
      if (source.startsWith('./')) expect([existsSync(join(root, source)), mode]).toEqual([true, 'ro']);
      else expect(compose.volumes).toHaveProperty(source);
    }
  });

  test('waits for services that can become what it waits for', () => {
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = serviceOf(name);
      if (condition === 'service_healthy') expect(other.healthcheck).toBeDefined();
      else if (condition === 'service_completed_successfully') expect(other.restart).toBe('no');
      else expect(condition).toBe('service_started');
    }
  });

  test('is in networks that are declared, the database in none that leads out', () => {
    expect(service.networks.filter((name) => name !== 'default' && !Object.hasOwn(compose.networks, name))).toEqual([]);
    if (service.image.startsWith('mongo:')) expect(service.networks).toEqual(['database']);
    expect(compose.networks.database).toEqual({ internal: true });
  });

  test('has only keys that are meant', () => {
    const keys = `image build user init restart read_only cap_drop security_opt logging stop_grace_period depends_on
      entrypoint command environment secrets ports volumes tmpfs networks healthcheck ulimits`.split(/\s+/);
    expect(Object.keys(service).filter((key) => !keys.includes(key))).toEqual([]);
  });
});

describe('the secrets', () => {
  const used = new Set(services.flatMap(([, { secrets }]) => secrets));
  const commands = composeText
    .split('\n')
    .filter((line) => /^# {3}\S/.test(line))
    .map((line) => line.slice(2));

  test('lie in a folder that comes neither into git nor into the image, and each is used', () => {
    const files = Object.entries(compose.secrets).map(([name, { file }]) => [name, file]);
    expect(files).toEqual([...used].sort().map((name) => [name, `./secrets/${name}`]));
    expect(readDocument('.gitignore').split('\n')).toContain('secrets/');
    const allowed = readDocument('.dockerignore').split('\n');
    expect([allowed.includes('*'), allowed.includes('!secrets')]).toEqual([true, false]);
  });

  test('are in no other place', () => {
    expect(composeText.replaceAll(/^#.*$/gm, '')).not.toMatch(/:\/\/[^\s/]*:[^\s/]*@|PASSWORD: /);
  });

  describeWith('openssl', noOpenssl, 'made as the file says', () => {
    const pathOf = (name: string) => join(folder, 'secrets', name);

    beforeAll(async () => {
      const { code, stderr } = await runProgram('sh', ['-ec', commands.join('\n')], { cwd: folder });
      if (code !== 0) throw new Error(stderr);
    });

    test('are all there, readable for the containers, in a folder that keeps others out', () => {
      expect((statSync(join(folder, 'secrets')).mode & 0o777).toString(8)).toBe('700');
      for (const name of used) expect([name, (statSync(pathOf(name)).mode & 0o777).toString(8)]).toEqual([name, '444']);
    });

    test('make a key file that mongod takes', () => {
      expect(readFileSync(pathOf('mongodb-keyfile'), 'utf8').replaceAll(/\s/g, '')).toMatch(/^[A-Za-z0-9+/=]{6,1024}$/);
    });

    test('name the database service, its replica set, and a user whose password is none that anybody knows', () => {
      const store = new URL(readFileSync(pathOf('huiju-store'), 'utf8').trim());
      expect(store).toMatchObject({ host: 'mongodb:27017', pathname: '/huiju', username: 'huiju' });
      expect(store.password).toMatch(/^[0-9a-f]{48}$/);
      const command = serviceOf('mongodb').command ?? [];
      expect(store.searchParams.get('replicaSet')).toBe(command[command.indexOf('--replSet') + 1]);
    });

    test('give a configuration without mistakes, as it stands and behind a proxy', () => {
      expect(mistakesOf(serviceOf('server'), join(folder, 'secrets'))).toBe('');
      const proxied = composeWith(/^ {6}HUIJU_(?:ALLOW_PLAIN_HTTP|PUBLIC_URL):/, /^ {6}# HUIJU_[A-Z_]+: /).services
        .server;
      expect(Object.keys(proxied?.environment ?? {})).toContain('HUIJU_TRUSTED_PROXY');
      expect(proxied && mistakesOf(proxied, join(folder, 'secrets'))).toBe('');
    });
  });
});

describe('the server', () => {
  const { ports = [], volumes, environment, stop_grace_period = '', image } = serviceOf('server');

  test('is published on loopback alone, with the port on which it listens', () => {
    expect(finals('EXPOSE')).toEqual([variables.HUIJU_PORT.fallback]);
    expect(ports).toEqual([`127.0.0.1:8080:${variables.HUIJU_PORT.fallback}`]);
    expect(environment.HUIJU_PUBLIC_URL).toBe('http://127.0.0.1:8080');
  });

  test('finds collections and data where it looks for them, and has a place for large bodies', () => {
    const targets = volumes.map((volume) => volume.split(':')[1]);
    const defaults = [variables.HUIJU_COLLECTIONS.fallback, posix.dirname(variables.HUIJU_STORE.fallback.slice(7))];
    expect(targets).toEqual(defaults.map((path) => posix.join(workdir, path)));
    expect(targets).toContain(environment.TMPDIR);
  });

  test('may finish its requests as long as under systemd', () => {
    const seconds = /TimeoutStopSec=(\d+)/.exec(readDocument('README.md'))?.[1];
    expect(stop_grace_period).toBe(`${seconds}s`);
  });

  test('is the version that is built', () => expect(image).toBe(`huiju:${version}`));
});

describe('the Dockerfile', () => {
  const copies = dockerfile.filter(({ name }) => name === 'COPY');
  /** Sources and target of a COPY, and whether they come from the stage before. */
  const parse = (rest: string) => {
    const words = rest.split(' ').filter((word) => !word.startsWith('--'));
    return { sources: words.slice(0, -1), target: words.at(-1) ?? '', isBuilt: rest.startsWith('--from=build ') };
  };

  test('is made of the Node that the package pins, in two stages', () => {
    const bases = dockerfile.filter(({ name }) => name === 'FROM').map(({ rest }) => rest);
    const base = `node:${devDependencies.node}-bookworm-slim`;
    expect(bases).toEqual([`${base} AS build`, base]);
    expect(finals('LABEL').join()).toContain(`base.name="docker.io/library/${base}"`);
  });

  test('copies what is in the checkout and not kept out of the context', () => {
    const allowed = readDocument('.dockerignore').split('\n');
    const sources = copies.map(({ rest }) => parse(rest)).flatMap(({ sources, isBuilt }) => (isBuilt ? [] : sources));
    expect(sources.filter((source) => !existsSync(join(root, source)))).toEqual([]);
    expect(sources.filter((source) => !allowed.includes(`!${source.split('/')[0]}`))).toEqual([]);
  });

  test('is not root, ends on a signal that the server hears, and runs commands that there are', async () => {
    expect([finals('USER'), finals('STOPSIGNAL')]).toEqual([[serviceOf('server').user], ['SIGTERM']]);
    const [program, command] = JSON.parse(finals('CMD')[0] ?? '');
    const commands = (await loadProgram(undefined)).commands.map((one) => one.name());
    expect([program, commands.includes(command)]).toEqual(['huiju', true]);
    expect(finals('LABEL').join()).toContain(`image.version="${version}"`);
  });

  test('puts into the image what the product needs to run', async () => {
    const inside = (path: string) => join(folder, 'image', posix.resolve(workdir, path));
    for (const { rest } of copies.filter(({ stage }) => stage === dockerfile.at(-1)?.stage)) {
      const { sources, target, isBuilt } = parse(rest);
      for (const source of sources) {
        const from = join(root, isBuilt ? source.replace(/^\/build\//, '') : source);
        const to = inside(target.endsWith('/') ? target + basename(source) : target);
        mkdirSync(posix.dirname(to), { recursive: true });
        if (basename(source) === 'node_modules') symlinkSync(from, to);
        else cpSync(from, to, { recursive: true });
      }
    }
    const [link, launcher = ''] = /ln -s (\S+) \/usr\/local\/bin\/huiju/.exec(finals('RUN').join()) ?? [];
    expect(link).toBeDefined();
    const env = { PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` };
    const { code, stdout, stderr } = await runProgram(inside(launcher), ['check'], { cwd: inside('.'), env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^3 API roots, /);
    const check = JSON.parse(/CMD (\[.*\])$/.exec(finals('HEALTHCHECK')[0] ?? '')?.[1] ?? '[]');
    expect([check[0], existsSync(inside(check[1]))]).toEqual(['node', true]);
  });
});

test.each(['docker-compose.yml', 'Dockerfile', 'docker/healthcheck.js', 'docker/replica-set.js', 'docs/scaling.md'])(
  '%s speaks of no variable that does not exist',
  (file) => {
    const spoken = new Set(readDocument(file).match(/\bHUIJU_[A-Z_]*[A-Z]/g));
    expect([...spoken].filter((name) => !Object.hasOwn(variables, name))).toEqual([]);
  },
);

test('docs/scaling.md balances over the processes that it starts, all with the same public URL', () => {
  const text = readDocument('docs/scaling.md');
  const matches = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, part = '']) => part);
  const ports = matches(/HUIJU_PORT=(\d+)/g);
  expect(ports.length).toBeGreaterThan(1);
  expect(matches(/server 127\.0\.0\.1:(\d+)/g)).toEqual(ports);
  expect(new Set(matches(/HUIJU_PUBLIC_URL=https:\/\/(\S+)/g))).toEqual(new Set(matches(/server_name (\S+);/g)));
});

test('docs/scaling.md names the indexes of the MongoDB store, the unique ones with the shard key first', () => {
  const text = readDocument('docs/scaling.md');
  const named = new Set([...text.matchAll(/`(by_[a-z]+)`/g)].map(([, name = '']) => name));
  expect([...named].sort()).toEqual(Object.keys(indexes.versions).sort());
  const unique = Object.values(indexes.versions).filter((index) => 'unique' in index);
  expect(unique.length).toBeGreaterThan(0);
  for (const { key } of unique) {
    expect(text).toContain(`(${Object.keys(key).join(', ')})`);
    // MongoDB keeps an index unique across shards only if it begins with the shard key.
    expect(Object.keys(key)[0]).toBe('collection');
  }
});
