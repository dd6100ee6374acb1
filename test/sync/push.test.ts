import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { getState, noCounts } from '../../src/sync/feed-state.ts';
import { createFolderTarget } from '../../src/sync/folder-target.ts';
import type { Target } from '../../src/sync/push.ts';
import { walkQuarantine } from '../../src/sync/quarantine.ts';
import { runFeed, usualRun } from '../../src/sync/run.ts';
import { SourceError } from '../../src/sync/source.ts';
import type { TaxiiClient } from '../../src/sync/taxii-client.ts';
import type { StatusResource } from '../../src/sync/taxii-resources.ts';
import { createTaxiiTarget } from '../../src/sync/taxii-target.ts';
import { useStore } from '../hub/use-store.ts';
import { newId, observable, time, version } from '../store/versions.ts';
import { newIdentity } from '../support/taxii-server.ts';
import { collect } from './collect.ts';
import { batch, createLab, fakeSource, type Lab } from './feed-lab.ts';

const { store } = useStore();
const never = new AbortController().signal;
const labs: Lab[] = [];

function newLab(): Lab {
  const lab = createLab(store());
  labs.push(lab);
  return lab;
}

afterAll(() => labs[0]?.close());

const upstream = 'https://up.example/root/collections/1/';

/** Publishes by way of a feed, from `upstream`. */
async function fill(lab: Lab, objects: readonly object[]): Promise<void> {
  lab.follow(fakeSource([batch(1, objects)]));
  await runFeed(lab.deps, await lab.addFeed(), usualRun, never);
}

/** A target that keeps what it gets, and throws the errors that it is given first. */
function collector(name = 'https://down.example/root/collections/2/', errors: Error[] = []) {
  const got: string[] = [];
  const target: Target = {
    name,
    async send(texts) {
      const error = errors.shift();
      if (error !== undefined) throw error;
      got.push(...texts);
      return [];
    },
  };
  return { target, got };
}

describe('a run that pushes', () => {
  test('sends what the collection has, the text as it is, then only what is new', async () => {
    const lab = newLab();
    const objects = [newIdentity({ x_number: 12345678901234567890n.toString() }), newIdentity(), newIdentity()];
    await fill(lab, objects);
    const { target, got } = collector();
    lab.pushTo(target);
    const feed = await lab.addFeed({ pageSize: 2 }, 'push');
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { ...noCounts, added: 3 } });
    expect(got).toEqual(objects.map((object) => JSON.stringify(object)));
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: noCounts });
    const more = newIdentity();
    await fill(lab, [more]);
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { added: 1 } });
    expect(got.at(-1)).toBe(JSON.stringify(more));
  });

  test('moves its position only when what it sent has arrived', async () => {
    const lab = newLab();
    const objects = [newIdentity(), newIdentity()];
    await fill(lab, objects);
    const { target, got } = collector(undefined, [new SourceError('cut', 'later')]);
    lab.pushTo(target);
    const feed = await lab.addFeed({}, 'push');
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ outcome: 'failed' });
    expect((await getState(store(), feed.name)).position).toBeNull();
    await runFeed(lab.deps, feed, usualRun, never);
    expect(got).toHaveLength(2);
  });

  test('sends nothing back to where it came from', async () => {
    const lab = newLab();
    await fill(lab, [newIdentity()]);
    const own = version(newId('identity'), time(1));
    await store().addObjects(lab.collection.id, 'alice', [own]);
    const { target, got } = collector(upstream);
    lab.pushTo(target);
    const feed = await lab.addFeed({}, 'push');
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      counts: { ...noCounts, added: 1, withheld: 1 },
    });
    expect(got).toEqual([own.text]);
  });

  test('sends its own version of an object that has none, though a later one came from there', async () => {
    const lab = newLab();
    const own = observable(newId('ipv4-addr'), { value: '198.51.100.7' });
    await store().addObjects(lab.collection.id, 'alice', [own]);
    await fill(lab, [{ ...JSON.parse(own.text), x_more: 1 }]);
    const { target, got } = collector(upstream);
    lab.pushTo(target);
    const feed = await lab.addFeed({}, 'push');
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({ counts: { added: 1, withheld: 1 } });
    expect(got).toEqual([own.text]);
  });

  test('sends only the versions that it is to send', async () => {
    const lab = newLab();
    const object = newIdentity();
    await fill(lab, [object]);
    const { target, got } = collector();
    lab.pushTo(target);
    const other = await lab.addFeed({ filters: { versions: '1999-01-01T00:00:00Z' } }, 'push');
    await runFeed(lab.deps, other, usualRun, never);
    expect(got).toEqual([]);
    const exact = await lab.addFeed({ filters: { versions: `last,${object.modified}` } }, 'push');
    await runFeed(lab.deps, exact, usualRun, never);
    expect(got).toEqual([JSON.stringify(object)]);
  });

  test('sends only the types that it is to send', async () => {
    const lab = newLab();
    await fill(lab, [newIdentity()]);
    const { target, got } = collector();
    lab.pushTo(target);
    await runFeed(
      lab.deps,
      await lab.addFeed({ filters: { versions: 'all', types: ['malware'] } }, 'push'),
      usualRun,
      never,
    );
    expect(got).toEqual([]);
  });
});

describe('the TAXII target', () => {
  const complete: StatusResource = {
    id: 's',
    status: 'complete',
    totalCount: 0,
    successCount: 0,
    failureCount: 0,
    pendingCount: 0,
    failures: [],
  };
  /** A client whose posts do what they are told, one after the other; then they are complete. */
  function server(posts: (StatusResource | Error)[] = [], statuses: StatusResource[] = []) {
    const bodies: { objects: { id: string }[] }[] = [];
    const client = {
      async addObjects(_place: unknown, envelope: string) {
        const answer = posts.shift() ?? complete;
        if (answer instanceof Error) throw answer;
        bodies.push(JSON.parse(envelope));
        return answer;
      },
      getStatus: async () => statuses.shift() ?? complete,
    } as unknown as TaxiiClient;
    const waits: number[] = [];
    const clock = { now: () => 0, random: () => 0.5, wait: async (ms: number) => void waits.push(ms) };
    const open = (maxContentLength = 1_000_000) =>
      createTaxiiTarget({
        client,
        clock,
        place: { root: new URL('https://down.example/root/'), collection: '2' },
        name: 'down',
        maxContentLength,
      });
    return { bodies, waits, open };
  }
  const texts = [newIdentity(), newIdentity(), newIdentity()].map((object) => JSON.stringify(object));
  const later = (retryAfter?: number) => new SourceError('busy', 'later', retryAfter);

  test('keeps each envelope within what the server takes', async () => {
    const { bodies, open } = server();
    const most = Buffer.byteLength(`{"objects":[${texts.slice(0, 2).join(',')}]}`) + 64;
    expect(await open(most).send(texts, never)).toEqual([]);
    expect(bodies.map(({ objects }) => objects.length)).toEqual([2, 1]);
  });

  test('puts a thousand objects and 4 MiB into an envelope at most, whatever the server takes', async () => {
    const { bodies, open } = server();
    await open(1e9).send(
      Array.from({ length: 1001 }, () => texts[0] ?? ''),
      never,
    );
    expect(bodies.map(({ objects }) => objects.length)).toEqual([1000, 1]);
    bodies.length = 0;
    const large = JSON.stringify(newIdentity({ description: 'x'.repeat(3 * 1024 * 1024) }));
    await open(1e9).send([large, large], never);
    expect(bodies).toHaveLength(2);
  });

  test('refuses an object that is too long by itself, and sends the others', async () => {
    const long = JSON.stringify(newIdentity({ description: 'x'.repeat(3000) }));
    const { bodies, open } = server();
    const refusals = await open(2000).send([texts[0] ?? '', long, texts[1] ?? ''], never);
    expect(refusals).toEqual([{ index: 1, code: 'content-too-large', message: expect.stringContaining('2000') }]);
    expect(bodies.flatMap(({ objects }) => objects)).toHaveLength(2);
  });

  test('halves what a server finds too large in spite of what it said', async () => {
    const tooLarge = () => new SourceError('413', 'never', undefined, { status: 413 });
    const { bodies, open } = server([tooLarge()]);
    expect(await open().send(texts, never)).toEqual([]);
    expect(bodies.map(({ objects }) => objects.length)).toEqual([1, 2]);
  });

  test('asks for the status until it is complete, and says which were refused', async () => {
    const [first, second] = texts.map((text): { id: string; modified: string } => JSON.parse(text));
    const failures = [{ id: second?.id ?? '', version: second?.modified ?? '', message: 'no room' }];
    const pending = { ...complete, status: 'pending' } as const;
    const { open, waits } = server([pending], [pending, { ...complete, failureCount: 1, failures }]);
    expect(await open().send(texts, never)).toEqual([{ index: 1, code: 'refused', message: 'no room' }]);
    expect(waits).toEqual([1000, 2000]);
    expect(first).toBeDefined();
  });

  test('counts refusals that the server does not name', async () => {
    const { open } = server([{ ...complete, failureCount: 2 }]);
    const refusals = await open().send(texts, never);
    expect(refusals.map(({ index }) => index)).toEqual([-1, -1]);
  });

  test('believes no more refusals than there were objects', async () => {
    const failures = Array.from({ length: 5000 }, () => ({ id: 'identity--1', version: '', message: 'no' }));
    for (const status of [
      { ...complete, failureCount: Number.MAX_SAFE_INTEGER },
      { ...complete, failureCount: 5000, failures },
    ]) {
      expect(await server([status]).open().send(texts, never)).toHaveLength(texts.length);
    }
  });

  test('tries again what may pass, and waits as long as it is asked to', async () => {
    const { open, waits, bodies } = server([later(), later(30_000)]);
    await open().send(texts, never);
    expect(waits).toEqual([2000, 30_000]);
    expect(bodies).toHaveLength(1);
  });

  test.each([
    ['it does not pass', [later(), later(), later(), later()]],
    ['it is to wait for long', [later(3_600_000)]],
    ['nothing but a person helps', [new SourceError('401', 'never', undefined, { status: 401 })]],
  ])('gives up when %s', async (_when, errors) => {
    const { open, bodies } = server(errors);
    await expect(open().send(texts, never)).rejects.toThrow(SourceError);
    expect(bodies).toEqual([]);
  });

  test('what was refused is in the quarantine of the feed', async () => {
    const lab = newLab();
    const objects = [newIdentity(), newIdentity()];
    await fill(lab, objects);
    const failures = [{ id: objects[0]?.id ?? '', version: String(objects[0]?.modified), message: 'not here' }];
    lab.pushTo(server([{ ...complete, failureCount: 1, failures }]).open());
    const feed = await lab.addFeed({}, 'push');
    expect(await runFeed(lab.deps, feed, usualRun, never)).toMatchObject({
      counts: { ...noCounts, added: 1, refused: 1 },
    });
    const [entry] = await collect(walkQuarantine(store(), feed.name));
    expect(entry).toMatchObject({ id: objects[0]?.id, errors: [{ code: 'refused', message: 'not here' }] });
  });
});

describe('the folder target', () => {
  test('writes one whole bundle for each batch, and nothing else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'huiju-push-'));
    try {
      const texts = [JSON.stringify(newIdentity()), JSON.stringify(newIdentity())];
      const target = createFolderTarget(folder, 'out', () => 0);
      await target.send(texts, never);
      // The same again, after a kill for example, is the same file.
      await target.send(texts, never);
      const files = await readdir(folder);
      expect(files).toHaveLength(1);
      const bundle = JSON.parse(await readFile(join(folder, files[0] ?? ''), 'utf8'));
      expect(bundle).toEqual({
        type: 'bundle',
        id: expect.stringMatching(/^bundle--[0-9a-f-]{36}$/),
        objects: texts.map((text) => JSON.parse(text)),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('says which folder is not there', async () => {
    const target = createFolderTarget('/nowhere/at/all', 'out', () => 0);
    await expect(target.send(['{}'], never)).rejects.toThrow('/nowhere/at/all: there is no such file or folder');
  });
});
