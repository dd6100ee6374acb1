/** Numbers as people read and write them, and what others wrote made fit to be shown. */

const byteUnits = ['KiB', 'MiB', 'GiB', 'TiB'];

/** `812 B`, `3.4 KiB`, `74 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const larger of byteUnits) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return `${unit === 'B' || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${unit}`;
}

/** `0:42`, `12:05`, `3:00:07`. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const pad = (number: number): string => String(number).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return `${hours > 0 ? `${hours}:${pad(minutes)}` : minutes}:${pad(whole % 60)}`;
}

/** `1 object`, `12,345 objects`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

/** What others wrote, as it may be shown: characters that steer a terminal or cannot be seen are `?`. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\u2028\u2029]/gu, '?');
}

const spanUnits = new Map([
  ['d', 86_400_000_000],
  ['h', 3_600_000_000],
  ['m', 60_000_000],
]);

/** The microseconds of a time span such as `30d`, `12h` or `45m`; undefined when it is none. */
export function findSpan(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (spanUnits.get(unit) ?? 0);
}

/** `30d`, `12h`, `45m`: in the largest unit of which it is a multiple. */
export function formatSpan(micros: number): string {
  const [unit, length] = [...spanUnits].find(([, each]) => micros % each === 0) ?? ['m', 60_000_000];
  return `${Math.round(micros / length)}${unit}`;
}
