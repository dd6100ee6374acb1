/**
 * The grammar of numbers (RFC 8259 §6), one byte at a time, for texts that arrive in pieces. A place says what of the
 * number was read: its sign, its integer, and so on.
 */

/** The byte before was the number's last: this one belongs to what follows. */
export const afterNumber = 0;
/** Something else must stand there: what, says `expectedIn`. */
export const brokenNumber = -1;

const sign = 1;
const zero = 2;
const integer = 3;
const point = 4;
const fraction = 5;
const exponentMark = 6;
const exponentSign = 7;
const exponent = 8;

// By place, 0 to 8: where a digit leads. Nothing but a point or an exponent may follow a zero at the beginning.
const digitLeadsTo = [
  integer,
  integer,
  afterNumber,
  integer,
  fraction,
  fraction,
  exponent,
  exponent,
  exponent,
] as const;

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** The place after a number's first byte; `brokenNumber` when no number begins with it. */
export function beginNumber(byte: number): number {
  if (byte === 0x2d) return sign;
  if (byte === 0x30) return zero;
  return isDigit(byte) ? integer : brokenNumber;
}

/** The place after one more byte of a number. */
export function continueNumber(place: number, byte: number): number {
  if (place === sign && byte === 0x30) return zero;
  if (isDigit(byte)) return digitLeadsTo[place] as number;
  switch (place) {
    case exponentMark:
      return byte === 0x2b || byte === 0x2d ? exponentSign : brokenNumber;
    case sign:
    case point:
    case exponentSign:
      return brokenNumber;
    case exponent:
      return afterNumber;
  }
  if (byte === 0x65 || byte === 0x45) return exponentMark;
  return byte === 0x2e && place !== fraction ? point : afterNumber;
}

/** What must stand at a place where the number is not complete. */
export function expectedIn(place: number): string {
  return place === sign || place === point ? 'a digit' : 'an exponent';
}
