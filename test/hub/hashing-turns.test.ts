import { describe, expect, test } from '@jest/globals';
import { type Asker, createHashingTurns } from '../../src/hub/hashing-turns.ts';
import { networkOf } from '../../src/hub/network.ts';

const tooMany = { code: 'too-many-logins', status: 429, headers: { 'Retry-After': '5' } };

/** Turns one at a time, the first of which is taken. `order` has who had a turn, `release` ends the running one. */
function start(maxWaiting: number) {
  const turns = createHashingTurns({ atOnce: 1, maxWaiting });
  const order: string[] = [];
  let release = (): void => undefined;
  const ask = (label: string, asker: Partial<Asker> = {}): Promise<void> =>
    turns.run({ network: label, name: label, isFamiliar: false, ...asker }, async () => {
      order.push(label);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
  const all: Promise<unknown>[] = [ask('first')];
  return {
    order,
    ask: (label: string, asker?: Partial<Asker>) => {
      const run = ask(label, asker);
      all.push(run.catch(() => undefined));
      return run;
    },
    finish: async () => {
      for (let done = 0; done < order.length; done += 1) {
        release();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(all);
      return order;
    },
  };
}

describe('turns for hashing', () => {
  test.each([
    ['network', { network: '192.0.2.1' }],
    ['name', { name: 'member' }],
  ])('many of one %s wait behind those of others, whoever came first', async (_what, shared) => {
    const { ask, finish } = start(10);
    for (const label of ['a1', 'a2', 'a3']) void ask(label, shared);
    void ask('b');
    void ask('c');
    expect(await finish()).toEqual(['first', 'a1', 'b', 'c', 'a2', 'a3']);
  });

  test('credentials that were good lately go first, among themselves in the same order', async () => {
    const { ask, finish } = start(10);
    void ask('new');
    for (const label of ['a1', 'a2']) void ask(label, { name: 'a', isFamiliar: true });
    void ask('b', { isFamiliar: true });
    expect(await finish()).toEqual(['first', 'a1', 'b', 'new', 'a2']);
  });

  test('one that is good is not behind wrong ones of its own name', async () => {
    const { ask, finish } = start(10);
    for (const label of ['wrong1', 'wrong2']) void ask(label, { name: 'member' });
    void ask('right', { name: 'member', isFamiliar: true });
    expect(await finish()).toEqual(['first', 'right', 'wrong1', 'wrong2']);
  });

  test('when no place is left, the last of the many gives its own to others, and is told so', async () => {
    const { ask, finish } = start(3);
    const [one, two, three, four] = ['a1', 'a2', 'a3', 'a4'].map((label) => ask(label, { network: 'a' }));
    await expect(four).rejects.toMatchObject(tooMany);
    const other = ask('b');
    await expect(three).rejects.toMatchObject(tooMany);
    void ask('c');
    await expect(two).rejects.toMatchObject(tooMany);
    await expect(ask('d')).rejects.toMatchObject(tooMany);
    expect(await finish()).toEqual(['first', 'a1', 'b', 'c']);
    await expect(Promise.all([one, other])).resolves.toBeDefined();
  });

  test('a turn whose work fails is handed on, and never are there more than are allowed', async () => {
    const turns = createHashingTurns({ atOnce: 2, maxWaiting: 50 });
    let running = 0;
    let most = 0;
    const asker = { network: '', name: '', isFamiliar: false };
    const work = async (fails: boolean) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (fails) throw new Error('broken');
    };
    const runs = Array.from({ length: 20 }, (_, n) =>
      turns.run(asker, () => work(n % 2 === 0)).catch((error: Error) => error.message),
    );
    const outcomes = await Promise.all(runs);
    expect(outcomes.filter((outcome) => outcome === 'broken')).toHaveLength(10);
    expect(most).toBe(2);
  });

  test('who comes at the moment at which a turn is handed on does not slip in', async () => {
    const turns = createHashingTurns({ atOnce: 1, maxWaiting: 5 });
    const asker = { network: '', name: '', isFamiliar: false };
    let finish = (): void => undefined;
    const work = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const order: string[] = [];
    const runs = [turns.run(asker, () => work)];
    const next = turns.run(asker, async () => {
      order.push('begin');
      await new Promise((resolve) => setImmediate(resolve));
      order.push('end');
    });
    const late = work.then(() => turns.run(asker, async () => order.push('late')));
    finish();
    await Promise.all([...runs, next, late]);
    expect(order).toEqual(['begin', 'end', 'late']);
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1'],
  ['2001:DB8:0:01::5', '2001:db8:0:1'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['', ''],
])('the network of %j is %j', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
