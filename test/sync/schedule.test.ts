import { describe, expect, test } from '@jest/globals';
import { assertCron, type Ending, firstRunAt, maxFailures, nextRunAt } from '../../src/sync/schedule.ts';

const minute = 60_000;
const hour = 60 * minute;
const now = Date.parse('2026-03-04T05:06:07.000Z');
const well: Ending = { failures: 0, isFinal: false, isUnfinished: false, retryAfter: undefined };
const hourly = { schedule: { kind: 'every', seconds: 3600 }, jitter: 0 } as const;
const daily = { schedule: { kind: 'cron', expression: '30 6 * * *' }, jitter: 0 } as const;
const middle = (): number => 0.5;
const nextAfter = (
  ending: Partial<Ending>,
  feed: Parameters<typeof nextRunAt>[0] = hourly,
  random = middle,
): number | undefined => nextRunAt(feed, now - minute, now, { ...well, ...ending }, random);

describe('the next run', () => {
  test('begins an interval after the last one began, at once when that took longer', () => {
    expect(nextAfter({})).toBe(now - minute + hour);
    expect(nextRunAt(hourly, now - 2 * hour, now, well, middle)).toBe(now);
  });

  test('does not begin by a clock that was set back while the last one ran', () => {
    expect(nextRunAt(hourly, now + 8760 * hour, now, well, middle)).toBe(now + hour);
    expect(nextRunAt(daily, now + 8760 * hour, now, well, middle)).toBe(Date.parse('2026-03-04T06:30:00Z'));
  });

  test('begins when the cron expression says, in UTC', () => {
    expect(nextAfter({}, daily)).toBe(Date.parse('2026-03-04T06:30:00Z'));
    expect(firstRunAt(daily, now, middle)).toBe(Date.parse('2026-03-04T06:30:00Z'));
  });

  test('begins later by chance, within the jitter', () => {
    const jittery = { ...hourly, jitter: 600 };
    expect(nextAfter({}, jittery, () => 0)).toBe(now + 59 * minute);
    expect(nextAfter({}, jittery, () => 0.999)).toBeLessThan(now + 69 * minute);
    expect(nextAfter({}, jittery)).toBe(now + 64 * minute);
  });

  test('does not come for a feed that runs by hand', () => {
    const manual = { schedule: { kind: 'manual' }, jitter: 0 } as const;
    expect(nextAfter({}, manual)).toBeUndefined();
    expect(nextAfter({ failures: 3, retryAfter: 5 }, manual)).toBeUndefined();
    expect(firstRunAt(manual, now, middle)).toBeUndefined();
  });

  test('comes later after each failure, and seldom when the circuit is open', () => {
    const pauses = Array.from({ length: 12 }, (_, index) => ((nextAfter({ failures: index + 1 }) ?? 0) - now) / 1000);
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 900, 1800, 3600, 7200, 14_400, 21_600]);
  });

  test('comes as seldom when somebody has to change something first', () => {
    expect(nextAfter({ failures: 1, isFinal: true })).toBe(nextAfter({ failures: maxFailures }));
  });

  test('after failures is spread by chance', () => {
    expect(nextAfter({ failures: 1 }, hourly, () => 0)).toBe(now + 7_500);
    expect(nextAfter({ failures: 1 }, hourly, () => 1)).toBe(now + 12_500);
  });

  test('obeys Retry-After, but not for longer than a week', () => {
    expect(nextAfter({ failures: 1, retryAfter: 10 * minute })).toBe(now + 10 * minute);
    expect(nextAfter({ failures: 1, retryAfter: 1000 * 24 * hour })).toBe(now + 7 * 24 * hour);
  });

  test('comes soon for one that was stopped in mid-walk', () => {
    expect(nextAfter({ isUnfinished: true }, daily)).toBe(now + 5000);
  });
});

test('a cron expression that is none, or never comes, is refused with the reason', () => {
  expect(() => assertCron('every day')).toThrow('"every day" is no cron expression');
  expect(() => assertCron('0 0 30 2 *')).toThrow('never comes');
  expect(() => assertCron('*/5 * * * *')).not.toThrow();
});
