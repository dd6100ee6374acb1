/**
 * Characters of UTF-8 that take several bytes (RFC 3629 §4), one byte at a time, for texts that arrive in pieces. A
 * place says what is still due of the character that is being read.
 */

/** The character is complete. */
export const wholeCharacter = 0;
/** The byte can't stand there. */
export const brokenCharacter = -1;

const oneDue = 1;
const twoDue = 2;
const threeDue = 3;
// After these first bytes the second has a narrower range: without overlong forms, surrogates, and what is past U+10FFFF.
const afterE0 = 4;
const afterEd = 5;
const afterF0 = 6;
const afterF4 = 7;

// By place, 0 to 7.
const bytesDue = [0, 1, 2, 3, 2, 2, 3, 3] as const;
const lowest = [0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80] as const;
const highest = [0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f] as const;

/** The place after a first byte that is not ASCII; `brokenCharacter` when no character begins with it. */
export function beginCharacter(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return brokenCharacter;
  if (byte < 0xe0) return oneDue;
  if (byte < 0xf0) return byte === 0xe0 ? afterE0 : byte === 0xed ? afterEd : twoDue;
  return byte === 0xf0 ? afterF0 : byte === 0xf4 ? afterF4 : threeDue;
}

/** The place after one more byte of a character that is not whole. */
export function continueCharacter(place: number, byte: number): number {
  if (byte < (lowest[place] as number) || byte > (highest[place] as number)) return brokenCharacter;
  return (bytesDue[place] as number) - 1;
}
