/**
 * Patterns of the schemas that are tested so often that they are written by hand. The characters of a UUID are as good
 * as random, and a regular expression, which compares them with one range after the other, guesses most of them wrong;
 * a table needs no guess.
 */

const letter = 1;
const digit = 2;
const hexDigit = 4;
const hyphen = 8;
const underscore = 16;
const uuidVersion = 32;
const uuidVariant = 64;

const classes = new Uint8Array(128);
function mark(characters: string, bit: number): void {
  for (const character of characters) classes[character.charCodeAt(0)] = bit | (classes[character.charCodeAt(0)] ?? 0);
}
mark('abcdefghijklmnopqrstuvwxyz', letter);
mark('0123456789', digit);
mark('0123456789abcdefABCDEF', hexDigit);
mark('-', hyphen);
mark('_', underscore);
mark('12345678', uuidVersion);
mark('89abAB', uuidVariant);

function classAt(text: string, index: number): number {
  return classes[text.charCodeAt(index)] ?? 0;
}

/** Whether each character from `start` to `end` is of one of the classes. */
function consistsOf(text: string, start: number, end: number, allowed: number): boolean {
  for (let index = start; index < end; index += 1) if ((classAt(text, index) & allowed) === 0) return false;
  return true;
}

const uuidClasses = Uint8Array.from('xxxxxxxx-xxxx-vxxx-rxxx-xxxxxxxxxxxx', (place) =>
  place === 'x' ? hexDigit : place === '-' ? hyphen : place === 'v' ? uuidVersion : uuidVariant,
);

function isUuidAt(text: string, start: number): boolean {
  for (let index = 0; index < uuidClasses.length; index += 1) {
    if ((classAt(text, start + index) & (uuidClasses[index] ?? 0)) === 0) return false;
  }
  return true;
}

/** The pattern of schemas/common/identifier.json. */
export function isIdentifier(text: string): boolean {
  const uuid = text.length - uuidClasses.length;
  const end = uuid - 2;
  // From 3 to 250 characters, the first a letter, the last none of the two hyphens that follow.
  if (end < 3 || end > 250 || (classAt(text, 0) & letter) === 0) return false;
  if ((classAt(text, end - 1) & (letter | digit)) === 0 || !text.startsWith('--', end)) return false;
  return consistsOf(text, 1, end, letter | digit | hyphen) && isUuidAt(text, uuid);
}

/** The pattern of schemas/common/property-name.json. */
export function isPropertyName(text: string): boolean {
  if (text.length < 3 || text.length > 250) return text === 'id';
  return (classAt(text, 0) & letter) !== 0 && consistsOf(text, 1, text.length, letter | digit | underscore);
}
