import { describe, expect, test } from '@jest/globals';
import { faults } from './faults.ts';
import { runSchedule } from './schedule.ts';
import type { Fault } from './server.ts';

const schedules = Number(process.env.HUIJU_TEST_SCHEDULES ?? 800);
// The seed of the first schedule; the others follow it. A failure names its own.
const firstSeed = Number(process.env.HUIJU_TEST_SEED ?? 1);
const traceLines = 60;

/** Runs schedules up to the first that fails. Resolves to its seed and reason; undefined: none fails. */
async function findFailure(count: number, fault?: Fault): Promise<{ seed: number; reason: unknown } | undefined> {
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    try {
      await runSchedule(seed, fault);
    } catch (reason) {
      return { seed, reason };
    }
  }
  return undefined;
}

/** What the last moments of a schedule were. */
async function traceOf(seed: number): Promise<string> {
  const lines: string[] = [];
  await runSchedule(seed, {}, (line) => lines.push(line)).catch(() => {});
  return lines.slice(-traceLines).join('\n');
}

describe("the MongoDB store's algorithm on a model of MongoDB", () => {
  test(`keeps its promises in ${schedules} schedules`, async () => {
    const failure = await findFailure(schedules);
    if (failure === undefined) return;
    const { seed, reason } = failure;
    const again = `HUIJU_TEST_SEED=${seed} HUIJU_TEST_SCHEDULES=1`;
    throw new Error(`schedule ${seed} (${again}): ${reason}\n${await traceOf(seed)}`, { cause: reason });
  }, 3_600_000);

  test('is the same schedule for the same seed', async () => {
    const runs = [[], []] as string[][];
    for (const lines of runs) await runSchedule(firstSeed, {}, (line) => lines.push(line)).catch(() => {});
    expect(runs[0]?.length).toBeGreaterThan(50);
    expect(runs[1]).toEqual(runs[0]);
  });

  test.each(Object.entries(faults))(
    'finds this fault: %s',
    async (_, fault) => {
      const failure = await findFailure(1_000, fault);
      expect(failure?.reason).toMatchObject({ name: 'Violation' });
    },
    600_000,
  );
});
