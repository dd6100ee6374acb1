/**
 * Promise 1, on any store: a server is killed at random moments while clients publish, again and again. What a 202
 * answered for is there with its text, nothing is there by half, and every status speaks of what is there.
 */

import { describe, expect, test } from '@jest/globals';
import { createRandom } from '../hostile/generator.ts';
import { below, type Client, checkStatuses, publishUntilOver, type Reference, readAll } from './clients.ts';
import { type Deployment, kept, type StoreKind, startDeployment } from './deployment.ts';
import { judgeCollection, judgeEnds, judgeStatuses } from './judge.ts';
import { Ledger } from './ledger.ts';
import { seed } from './races.ts';

const kills = Number(process.env.HUIJU_TEST_KILLS ?? 3);
/** Milliseconds to the kill, at most; mostly from the first answer of the round on, else from its beginning. */
const longest = 300;

async function publishAndKill(client: Client, deployment: Deployment): Promise<void> {
  const { ledger, random } = client;
  const before = random() < 0.8 ? ledger.acknowledged.length : -1;
  let isOver = false;
  const writers = [1, 3, 30, 250].map((size) => publishUntilOver({ ...client, isOver: () => isOver }, kept, size));
  do await new Promise((resolve) => setTimeout(resolve, below(random, longest)));
  while (ledger.acknowledged.length <= before);
  const replacing = deployment.replace(0);
  isOver = true;
  await Promise.all([replacing, ...writers]);
}

async function readStatuses({ openStore }: Deployment): Promise<string[]> {
  const store = await openStore();
  const texts: string[] = [];
  for await (const part of store.readSnapshot()) if (part.part === 'status') texts.push(part.text);
  await store.close();
  return texts;
}

async function crash(deployment: Deployment, random: () => number): Promise<void> {
  const ledger = new Ledger();
  const client: Client = { deployment, ledger, random, isOver: () => true };
  let reference: Reference = { texts: [], records: [] };
  for (let round = 1; round <= kills; round += 1) {
    const statuses = ledger.statuses.length;
    await publishAndKill(client, deployment);
    // What was there before is read again at the end.
    const last = reference.records.at(-1)?.split(' ').at(-1);
    const news = await readAll(client, kept, 'all', last);
    reference = { texts: [...reference.texts, ...news.texts], records: [...reference.records, ...news.records] };
    await checkStatuses(client, ledger.statuses.slice(statuses));
    expect({ round, wrong: judgeCollection(reference, ledger.acknowledged) }).toEqual({ round, wrong: [] });
    expect({ round, faults: ledger.faults }).toEqual({ round, faults: [] });
  }
  expect(await readAll(client, kept, 'all')).toEqual(reference);
  expect(judgeEnds(reference, 'first', await readAll(client, kept, 'first'))).toEqual([]);
  expect(judgeEnds(reference, 'last', await readAll(client, kept, 'last'))).toEqual([]);
  const texts = await readStatuses(deployment);
  expect(texts.length).toBeGreaterThanOrEqual(ledger.statuses.length);
  expect(judgeStatuses(texts, reference)).toEqual([]);
  expect(ledger.faults).toEqual([]);
  expect(ledger.acknowledged.length).toBeGreaterThan(0);
}

/** Runs the crashes over a kind of store. */
export function describeCrashes(kind: StoreKind): void {
  describe(`promise 1 on ${kind.name}: seed ${seed}`, () => {
    test(
      `what was acknowledged is there after each of ${kills} kills in mid-batch, and nothing by half`,
      async () => {
        const deployment = await startDeployment(kind, 1);
        try {
          await crash(deployment, createRandom(seed));
        } finally {
          await deployment.close();
        }
      },
      60_000 + kills * 15_000,
    );
  });
}
