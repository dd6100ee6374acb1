/**
 * Times as the two standards write them. They stay text: STIX gives them any number of fraction digits, so a number or
 * a `Date` would round them. What is compared is a version key; what is computed with is whole microseconds.
 */

import type { Micros } from '../store/store.ts';

// STIX 2.1 §2.16: RFC 3339 with upper-case T and Z, no offset, at least one fraction digit after a dot.
// Any number of fraction digits is legal; more than 64 say nothing, and versions are shown in many places.
const stixTimestamp = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,64})?Z$/;
const secondsLength = '2016-01-20T12:31:12'.length;
// RFC 3339 §5.6 as clients send it: any offset, lower case too.
const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

const daysInMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeapYear(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function isRealDate(year: number, month: number, day: number): boolean {
  const days = month === 2 && isLeapYear(year) ? 29 : daysInMonth[month - 1];
  return days !== undefined && day >= 1 && day <= days;
}

// A leap second is legal where one can be: at the end of a UTC minute (RFC 3339 §5.7).
function isRealTime(hour: number, minute: number, second: number): boolean {
  return hour <= 23 && minute <= 59 && second <= 60;
}

/** The number that two digits make. */
function pairAt(text: string, start: number): number {
  return (text.charCodeAt(start) - 0x30) * 10 + text.charCodeAt(start + 1) - 0x30;
}

/**
 * The normalised form of a STIX timestamp: without the `Z` and without trailing zeros of the fraction. Two timestamps
 * are the same instant if and only if their keys are equal, and keys compared as text are ordered as instants are.
 * Undefined when the text is not a STIX timestamp or not a real date.
 */
export function findVersionKey(timestamp: string): string | undefined {
  if (!stixTimestamp.test(timestamp)) return undefined;
  const year = pairAt(timestamp, 0) * 100 + pairAt(timestamp, 2);
  if (!isRealDate(year, pairAt(timestamp, 5), pairAt(timestamp, 8))) return undefined;
  if (!isRealTime(pairAt(timestamp, 11), pairAt(timestamp, 14), pairAt(timestamp, 17))) return undefined;
  // Without the Z and the zeros before it; of a fraction of zeros its dot goes too.
  let end = timestamp.length - 1;
  while (end > secondsLength && timestamp[end - 1] === '0') end -= 1;
  return timestamp.slice(0, end === secondsLength + 1 ? secondsLength : end);
}

/**
 * The instant that an RFC 3339 time with zero to nine fraction digits and any offset names, rounded down to
 * microseconds; undefined when it is none. Rounding down keeps "strictly later than" exact, since date_added is whole.
 */
export function findMicros(time: string): Micros | undefined {
  const match = rfc3339.exec(time);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (!isRealDate(year, month, day) || !isRealTime(hour, minute, second)) return undefined;
  const [fraction = '', sign, offsetHour = '0', offsetMinute = '0'] = match.slice(7);
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined;
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -60 : 60);
  const date = new Date(0);
  // setUTCFullYear, since Date.UTC reads the years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
  return seconds * 1_000_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** The time by the system's clock. */
export function microsNow(): Micros {
  return Date.now() * 1000;
}

/** A TAXII timestamp (TAXII 2.1 §2): UTC with exactly six fraction digits. */
export function formatMicros(micros: Micros): string {
  const fraction = ((micros % 1_000_000) + 1_000_000) % 1_000_000;
  const seconds = new Date((micros - fraction) / 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(fraction).padStart(6, '0')}Z`;
}

/** The version key of an object that has no version of its own: its date_added. */
export function versionKeyOfMicros(micros: Micros): string {
  return findVersionKey(formatMicros(micros)) as string;
}
