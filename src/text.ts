/** Numbers as people read them. */

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
