/**
 * Reads an envelope or bundle as it arrives, byte by byte, and hands out the text of each object with the white space
 * between tokens dropped. Nothing is parsed into values: what is stored is what was sent. The whole text is held to
 * RFC 8259 and UTF-8 on the way, so that a text which ends in an error never had a well-formed tail unread.
 */

import { CompactText } from './compact-text.ts';
import { afterNumber, beginNumber, brokenNumber, continueNumber, expectedIn, isDigit } from './number-text.ts';
import { RootNames } from './root-names.ts';
import { beginCharacter, brokenCharacter, continueCharacter, wholeCharacter } from './utf8.ts';

/** What is wrong with a text, and where. */
export class ScanError extends Error {
  /** `syntax`: not JSON or not UTF-8. `shape`: JSON, but no envelope. `length`: the root object is too long. */
  readonly kind: 'syntax' | 'shape' | 'length';
  /** The message without the place. */
  readonly what: string;
  /** Where the text goes wrong, if at one place; line and column from 1. */
  readonly place: { readonly line: number; readonly column: number; readonly byte: number } | undefined;

  constructor(kind: ScanError['kind'], what: string, place?: ScanError['place']) {
    super(place === undefined ? what : `${what} at line ${place.line}, column ${place.column} (byte ${place.byte})`);
    this.name = 'ScanError';
    this.kind = kind;
    this.what = what;
    this.place = place;
  }
}

export interface ScannedObject {
  /** Compact UTF-8 text of one element of `objects`; only its first bytes when it is too long. Valid during the call. */
  readonly text: Buffer;
  readonly tooLong: boolean;
  /** Line of the input on which the element begins, from 1. */
  readonly line: number;
}

/** Where an element stands in the input, beside its line. */
export interface ScannedPlace {
  /** Of its first character in its line, from 1; characters are code points. */
  readonly column: number;
  /** Byte at which it begins, and the one after its end. */
  readonly offset: number;
  readonly end: number;
}

export interface ScanResult {
  /** The root object as compact text, the elements of `objects` left out: `{"type":"bundle","objects":[]}`. */
  readonly root: string;
  /** What stands under `objects`. */
  readonly objects: 'absent' | 'list' | 'other';
  /** Number of elements handed out. */
  readonly count: number;
}

export interface Scanner {
  /** Takes the next bytes. Throws ScanError; after that the scanner is of no further use. */
  push(chunk: Uint8Array): void;
  /** The input is over. Throws ScanError when it stopped too early. */
  end(): ScanResult;
}

export interface ScanOptions {
  /** Bytes of one compact object, and of the root without its objects. */
  readonly maxObjectLength: number;
  readonly onObject: (object: ScannedObject, place: ScannedPlace) => void;
  /** Where the text begins, for one that is part of a larger input: its line, from 1, and the byte in the input. */
  readonly begin?: { readonly line: number; readonly offset: number };
}

/** Brackets that may be open at once. Objects may nest less (`maxDepth` in object-text.ts); this bounds memory. */
const maxOpenBrackets = 1_000_000;

// What may come next: between tokens, then inside of one.
const start = 0;
const value = 1;
const firstItem = 2;
const firstName = 3;
const name = 4;
const colon = 5;
const afterValue = 6;
const done = 7;
const inString = 8;
const inCharacter = 9;
const escaped = 10;
const inHex = 11;
const inNumber = 12;
const inLiteral = 13;

const lineFeed = 0x0a;
const quote = 0x22;
const comma = 0x2c;
const openList = 0x5b;
const backslash = 0x5c;
const closeList = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

// RFC 8259 §8.1 lets a reader pass over it, and editors of some systems put it there.
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
const escapes = new Set(Buffer.from('"\\/bfnrt'));
const literals = new Map<number, Buffer>(
  ['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]),
);
const noBytes = Buffer.alloc(0);

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === lineFeed || byte === 0x0d || byte === 0x09;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function describe(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte 0x${byte.toString(16).padStart(2, '0')}`;
}

/**
 * A scanner for one text: an envelope, a bundle or, for those who want it, any single object (then `objects` of the
 * result is not `list` and `root` is the object).
 */
export function createScanner({ maxObjectLength, onObject, begin }: ScanOptions): Scanner {
  let state = start;
  // Closing brackets that are due, the innermost last.
  let closers = new Uint8Array(256);
  let depth = 0;

  // Bytes of the chunks before, and the place of the byte at hand in the whole text.
  let base = begin?.offset ?? 0;
  let offset = base;
  let line = begin?.line ?? 1;
  // The place that column 1 would have if every character took one byte.
  let lineStart = base;
  // Bytes of the chunk up to here are put out already, or dropped.
  let settled = 0;

  // Inside of a token.
  let markBytes = 0;
  let characterPlace = wholeCharacter;
  let hexDigits = 0;
  let numberPlace = afterNumber;
  let literal: Buffer = noBytes;
  let literalBytes = 0;
  let stringIsName = false;

  // Whether the string is a name in the root, from which place in the chunk on, and the last of these names.
  let isRootName = false;
  let nameFrom = 0;
  let rootName: string | undefined;
  const rootNames = new RootNames((what) => fault('shape', what));

  // The list whose elements are handed out lies at depth 2, and only the root's own member `objects` opens it.
  let inObjects = false;
  let objects: ScanResult['objects'] = 'absent';
  let count = 0;
  let elementLine = 1;
  let elementColumn = 1;
  let elementOffset = 0;
  const root = new CompactText(maxObjectLength);
  const element = new CompactText(maxObjectLength);
  let output = root;

  function fault(kind: ScanError['kind'], what: string): ScanError {
    return new ScanError(kind, what, { line, column: offset - lineStart + 1, byte: offset });
  }

  function refuse(what: string): never {
    throw fault('syntax', what);
  }

  /** Puts out what was read of the chunk, up to `to`. */
  function settle(chunk: Uint8Array, to: number): void {
    output.append(chunk, settled, to);
    settled = to;
  }

  function openBracket(closer: number): void {
    if (depth === maxOpenBrackets) refuse(`more than ${maxOpenBrackets} brackets are open`);
    if (depth === closers.length) {
      const larger = new Uint8Array(Math.min(depth * 4, maxOpenBrackets));
      larger.set(closers);
      closers = larger;
    }
    closers[depth] = closer;
    depth += 1;
    state = closer === closeObject ? firstName : firstItem;
  }

  function isInObject(): boolean {
    return closers[depth - 1] === closeObject;
  }

  // The functions that read take the place of the byte at hand and return the place of the next one to look at.

  function closeBracket(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    if (byte !== closers[depth - 1]) refuse(`expected ${isInObject() ? "'}'" : "']'"}, found ${describe(byte)}`);
    depth -= 1;
    if (depth === 1) inObjects = false;
    return endValue(chunk, index + 1);
  }

  function beginValue(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    if (depth === 1 && rootName === 'objects') {
      objects = byte === openList ? 'list' : 'other';
      inObjects = objects === 'list';
    } else if (depth === 2 && inObjects) {
      settle(chunk, index);
      output = element;
      element.clear();
      elementLine = line;
      elementOffset = base + index;
      elementColumn = elementOffset - lineStart + 1;
    }
    beginToken(byte);
    return index + 1;
  }

  function beginToken(byte: number): void {
    if (byte === openObject) openBracket(closeObject);
    else if (byte === openList) openBracket(closeList);
    else if (byte === quote) {
      stringIsName = false;
      state = inString;
    } else {
      const word = literals.get(byte);
      numberPlace = beginNumber(byte);
      if (word === undefined && numberPlace === brokenNumber) refuse(`expected a value, found ${describe(byte)}`);
      state = word === undefined ? inNumber : inLiteral;
      literal = word ?? noBytes;
      literalBytes = 1;
    }
  }

  function endValue(chunk: Uint8Array, index: number): number {
    state = depth === 0 ? done : afterValue;
    if (depth === 2 && inObjects) {
      settle(chunk, index);
      onObject(
        { text: element.bytes, tooLong: element.tooLong, line: elementLine },
        { column: elementColumn, offset: elementOffset, end: base + index },
      );
      count += 1;
      output = root;
    }
    return index;
  }

  function beginName(index: number): number {
    stringIsName = true;
    state = inString;
    isRootName = depth === 1;
    nameFrom = index;
    return index + 1;
  }

  function readString(chunk: Uint8Array, from: number): number {
    let index = from;
    let byte = chunk[index] as number;
    while (byte !== quote && byte !== backslash && byte >= 0x20 && byte < 0x80) {
      index += 1;
      if (index === chunk.length) return index;
      byte = chunk[index] as number;
    }
    offset = base + index;
    if (byte === quote) return endString(chunk, index + 1);
    if (byte >= 0x80) return readCharacters(chunk, index);
    if (byte !== backslash) refuse(`a control character (${describe(byte)}) must be escaped in a string`);
    state = escaped;
    return index + 1;
  }

  function endString(chunk: Uint8Array, index: number): number {
    if (!stringIsName) return endValue(chunk, index);
    if (isRootName) {
      rootNames.add(chunk.subarray(nameFrom, index));
      rootName = rootNames.take();
      isRootName = false;
    }
    state = colon;
    return index;
  }

  /** Reads what is not ASCII, character after character. */
  function readCharacters(chunk: Uint8Array, from: number): number {
    let index = from;
    let place = characterPlace;
    for (; index < chunk.length; index += 1) {
      const byte = chunk[index] as number;
      if (place === wholeCharacter && byte < 0x80) break;
      const isFirst = place === wholeCharacter;
      place = isFirst ? beginCharacter(byte) : continueCharacter(place, byte);
      if (!isFirst) lineStart += 1;
      if (place !== brokenCharacter) continue;
      offset = base + index;
      refuse(`invalid UTF-8 (${describe(byte)})`);
    }
    characterPlace = place;
    state = place === wholeCharacter ? inString : inCharacter;
    return index;
  }

  function readEscape(byte: number): void {
    if (byte !== 0x75 && !escapes.has(byte)) refuse(`unknown escape \\${String.fromCharCode(byte)}`);
    hexDigits = 0;
    state = byte === 0x75 ? inHex : inString;
  }

  function readHexDigit(byte: number): void {
    if (!isHexDigit(byte)) refuse(`expected a hexadecimal digit, found ${describe(byte)}`);
    hexDigits += 1;
    if (hexDigits === 4) state = inString;
  }

  function readNumber(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    const place = continueNumber(numberPlace, byte);
    if (place === afterNumber) return endValue(chunk, index);
    if (place === brokenNumber) refuse(`expected ${expectedIn(numberPlace)}, found ${describe(byte)}`);
    numberPlace = place;
    return index + 1;
  }

  function readLiteral(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    if (byte !== literal[literalBytes]) refuse(`expected ${literal.toString()}, found ${describe(byte)}`);
    literalBytes += 1;
    return literalBytes === literal.length ? endValue(chunk, index + 1) : index + 1;
  }

  function skipSpace(chunk: Uint8Array, from: number): number {
    settle(chunk, from);
    let index = from;
    for (; index < chunk.length && isSpace(chunk[index] as number); index += 1) {
      if (chunk[index] !== lineFeed) continue;
      line += 1;
      lineStart = base + index + 1;
    }
    settled = index;
    return index;
  }

  function readStart(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    if (byte === byteOrderMark[markBytes] && offset === markBytes) {
      markBytes += 1;
      lineStart += 1;
      settled = index + 1;
      return index + 1;
    }
    if (markBytes === 1 || markBytes === 2) refuse('invalid UTF-8');
    if (byte === openList || byte === quote || literals.has(byte) || beginNumber(byte) !== brokenNumber) {
      throw new ScanError('shape', 'the text must be a JSON object');
    }
    if (byte !== openObject) refuse(`expected '{', found ${describe(byte)}`);
    return beginValue(chunk, index);
  }

  function readAfterValue(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    if (byte === closeObject || byte === closeList) return closeBracket(chunk, index);
    if (byte !== comma) {
      refuse(`expected ',' or the end of the ${isInObject() ? 'object' : 'list'}, found ${describe(byte)}`);
    }
    // A comma between elements belongs to neither.
    if (depth === 2 && inObjects) settled = index + 1;
    state = isInObject() ? name : value;
    return index + 1;
  }

  /** Reads on between tokens. */
  function readToken(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    if (isSpace(byte)) return skipSpace(chunk, index);
    switch (state) {
      case start:
        return readStart(chunk, index);
      case firstItem:
        return byte === closeList ? closeBracket(chunk, index) : beginValue(chunk, index);
      case value:
        return beginValue(chunk, index);
      case firstName:
      case name:
        if (byte === quote) return beginName(index);
        if (byte === closeObject && state === firstName) return closeBracket(chunk, index);
        return refuse(`expected a member name, found ${describe(byte)}`);
      case colon:
        if (byte !== 0x3a) refuse(`expected ':', found ${describe(byte)}`);
        state = value;
        return index + 1;
      case afterValue:
        return readAfterValue(chunk, index);
      default:
        return refuse(`nothing may follow the end of the text, found ${describe(byte)}`);
    }
  }

  function read(chunk: Uint8Array, index: number): number {
    const byte = chunk[index] as number;
    switch (state) {
      case inString:
        return readString(chunk, index);
      case inCharacter:
        return readCharacters(chunk, index);
      case escaped:
        readEscape(byte);
        return index + 1;
      case inHex:
        readHexDigit(byte);
        return index + 1;
      case inNumber:
        return readNumber(chunk, index);
      case inLiteral:
        return readLiteral(chunk, index);
      default:
        return readToken(chunk, index);
    }
  }

  function push(chunk: Uint8Array): void {
    settled = 0;
    nameFrom = 0;
    for (let index = 0; index < chunk.length; ) {
      offset = base + index;
      index = read(chunk, index);
    }
    if (isRootName) rootNames.add(chunk.subarray(nameFrom));
    settle(chunk, chunk.length);
    base += chunk.length;
    offset = base;
  }

  function end(): ScanResult {
    if (state === start) throw new ScanError('syntax', 'the text is empty');
    if (state !== done) refuse('the text ends too early');
    if (root.tooLong) {
      throw new ScanError(
        'length',
        `the object, without its list \`objects\`, is longer than ${maxObjectLength} bytes`,
      );
    }
    return { root: root.bytes.toString(), objects, count };
  }

  return { push, end };
}
