/**
 * Reads an envelope or bundle as it arrives, byte by byte, and hands out the text of each object with the white space
 * between tokens dropped. Nothing is parsed into values: what is stored is what was sent. The whole text is held to
 * RFC 8259 and UTF-8 on the way, so that a text which ends in an error never had a well-formed tail unread.
 */

/** What is wrong with a text, and where. */
export class ScanError extends Error {
  /** `syntax`: not JSON or not UTF-8. `shape`: JSON, but no envelope. `length`: the root object is too long. */
  readonly kind: 'syntax' | 'shape' | 'length';

  constructor(kind: ScanError['kind'], message: string) {
    super(message);
    this.name = 'ScanError';
    this.kind = kind;
  }
}

export interface ScannedObject {
  /** Compact UTF-8 text of one element of `objects`; only its first bytes when it is too long. Valid during the call. */
  readonly text: Buffer;
  readonly tooLong: boolean;
  /** Line of the input on which the element begins, from 1. */
  readonly line: number;
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
  readonly onObject: (object: ScannedObject) => void;
}

/** Bytes kept of an object that is too long: enough to find its id. */
const headLength = 4096;
/** Brackets that may be open at once. Objects may nest less (`maxDepth` in object-text.ts); this bounds memory. */
const maxOpenBrackets = 1_000_000;
/** Bytes of a name in the root object; TAXII 2.1 §7.1.1 allows 250 characters. */
const maxNameLength = 2000;
/** Names in the root object: an envelope has three, a bundle four, custom ones come on top. */
const maxRootMembers = 1000;

// What may come next. Numbers have a state for each place the grammar of RFC 8259 §6 distinguishes.
const start = 0;
const value = 1;
const firstItem = 2;
const firstName = 3;
const name = 4;
const colon = 5;
const afterValue = 6;
const done = 7;
const inString = 8;
const escaped = 9;
const hex = 10;
const minus = 11;
const zero = 12;
const integer = 13;
const point = 14;
const fraction = 15;
const exponentMark = 16;
const exponentSign = 17;
const exponent = 18;
const literal = 19;

const inObject = 1;
const inList = 2;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;

// RFC 8259 §8.1 lets a reader pass over it, and editors of some systems put it there.
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
const escapes = new Set(Buffer.from('"\\/bfnrt'));
const literals = new Map([
  [0x74, Buffer.from('true')],
  [0x66, Buffer.from('false')],
  [0x6e, Buffer.from('null')],
]);

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** Bytes of compact text, up to a limit; what comes after it is counted off, not kept. */
class CompactText {
  #bytes = Buffer.allocUnsafe(8192);
  #length = 0;
  #overflowed = false;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get tooLong(): boolean {
    return this.#overflowed;
  }

  get text(): Buffer {
    return this.#bytes.subarray(0, this.#overflowed ? Math.min(this.#length, headLength) : this.#length);
  }

  append(chunk: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (this.#overflowed || length === 0) return;
    const needed = this.#length + length;
    if (needed > this.#limit) {
      this.#overflowed = true;
      return;
    }
    if (needed > this.#bytes.length) this.#grow(needed);
    if (length < 24) {
      for (let index = from; index < to; index += 1) this.#bytes[this.#length++] = chunk[index] as number;
      return;
    }
    this.#bytes.set(chunk.subarray(from, to), this.#length);
    this.#length = needed;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafe(
      Math.min(Math.max(needed, this.#bytes.length * 2), Math.max(this.#limit, needed)),
    );
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  clear(): void {
    this.#length = 0;
    this.#overflowed = false;
  }
}

/**
 * A scanner for one text: an envelope, a bundle or, for those who want it, any single object (then `objects` of the
 * result is not `list` and `root` is the object).
 */
export function createScanner({ maxObjectLength, onObject }: ScanOptions): Scanner {
  let state = start;
  let markBytes = 0;
  let brackets = new Uint8Array(256);
  let depth = 0;
  // The list whose elements are handed out lies at depth 2, and only the root's own member `objects` opens it.
  let inObjects = false;
  let objects: ScanResult['objects'] = 'absent';
  let count = 0;

  let offset = 0;
  let line = 1;
  let lineStart = 0;
  let elementLine = 1;

  let stringIsName = false;
  let rootName: number[] | undefined;
  let pendingName: string | undefined;
  const rootNames = new Set<string>();
  let hexDigits = 0;
  let word = Buffer.alloc(0);
  let wordIndex = 0;
  // UTF-8 (RFC 3629 §4): continuation bytes still due, and the range of the next one.
  let continuation = 0;
  let lowest = 0x80;
  let highest = 0xbf;

  const root = new CompactText(maxObjectLength);
  const element = new CompactText(maxObjectLength);
  let output = root;

  function where(): string {
    return `line ${line}, column ${offset - lineStart + 1} (byte ${offset})`;
  }

  function refuse(what: string): never {
    throw new ScanError('syntax', `${what} at ${where()}`);
  }

  function describe(byte: number): string {
    return byte > 0x20 && byte < 0x7f
      ? `'${String.fromCharCode(byte)}'`
      : `byte 0x${byte.toString(16).padStart(2, '0')}`;
  }

  function open(kind: number): void {
    if (depth === maxOpenBrackets) refuse(`more than ${maxOpenBrackets} brackets are open`);
    if (depth === brackets.length) {
      const larger = new Uint8Array(Math.min(depth * 4, maxOpenBrackets));
      larger.set(brackets);
      brackets = larger;
    }
    brackets[depth] = kind;
    depth += 1;
  }

  function finishRootName(): void {
    let text: string;
    try {
      text = JSON.parse(Buffer.from(rootName as number[]).toString()) as string;
    } finally {
      rootName = undefined;
    }
    if (rootNames.has(text)) {
      throw new ScanError('shape', `the member ${JSON.stringify(text.slice(0, 100))} occurs twice at ${where()}`);
    }
    if (rootNames.size === maxRootMembers) {
      throw new ScanError('shape', `the root object has more than ${maxRootMembers} members at ${where()}`);
    }
    rootNames.add(text);
    pendingName = text;
  }

  // Called when a value begins, with the chunk's bytes up to it already put out.
  function beginValue(byte: number): void {
    if (depth === 1 && brackets[0] === inObject && pendingName === 'objects') {
      objects = byte === 0x5b ? 'list' : 'other';
    } else if (depth === 2 && inObjects) {
      output = element;
      element.clear();
      elementLine = line;
    }
  }

  // Called when a value is complete and put out.
  function endValue(): void {
    if (depth === 0) {
      state = done;
      return;
    }
    state = afterValue;
    if (depth === 2 && inObjects) {
      onObject({ text: element.text, tooLong: element.tooLong, line: elementLine });
      count += 1;
      output = root;
    }
  }

  function beginMultiByte(byte: number): void {
    lowest = 0x80;
    highest = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) continuation = 1;
    else if (byte >= 0xe0 && byte <= 0xef) {
      continuation = 2;
      if (byte === 0xe0) lowest = 0xa0;
      if (byte === 0xed) highest = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      continuation = 3;
      if (byte === 0xf0) lowest = 0x90;
      if (byte === 0xf4) highest = 0x8f;
    } else refuse(`invalid UTF-8 (${describe(byte)})`);
  }

  function continueMultiByte(byte: number): void {
    if (byte < lowest || byte > highest) refuse(`invalid UTF-8 (${describe(byte)})`);
    lowest = 0x80;
    highest = 0xbf;
    continuation -= 1;
  }

  function numberState(byte: number): number {
    switch (state) {
      case minus:
        if (byte === 0x30) return zero;
        return isDigit(byte) ? integer : refuse(`expected a digit, found ${describe(byte)}`);
      case integer:
        if (isDigit(byte)) return integer;
        break;
      case point:
        return isDigit(byte) ? fraction : refuse(`expected a digit, found ${describe(byte)}`);
      case fraction:
        if (isDigit(byte)) return fraction;
        break;
      case exponentMark:
        if (byte === 0x2b || byte === 0x2d) return exponentSign;
        return isDigit(byte) ? exponent : refuse(`expected an exponent, found ${describe(byte)}`);
      case exponentSign:
      case exponent:
        if (isDigit(byte)) return exponent;
        if (state === exponentSign) refuse(`expected an exponent, found ${describe(byte)}`);
        return afterValue;
    }
    if (byte === 0x2e && (state === zero || state === integer)) return point;
    if (byte === 0x65 || byte === 0x45) return exponentMark;
    return afterValue;
  }

  function startValue(byte: number): void {
    if (byte === 0x7b || byte === 0x5b) {
      if (objects === 'list' && depth === 1 && pendingName === 'objects') inObjects = true;
      open(byte === 0x7b ? inObject : inList);
      state = byte === 0x7b ? firstName : firstItem;
    } else if (byte === quote) {
      stringIsName = false;
      state = inString;
    } else if (byte === 0x2d) state = minus;
    else if (byte === 0x30) state = zero;
    else if (isDigit(byte)) state = integer;
    else {
      const expected = literals.get(byte);
      if (expected === undefined) refuse(`expected a value, found ${describe(byte)}`);
      word = expected as Buffer<ArrayBuffer>;
      wordIndex = 1;
      state = literal;
    }
  }

  function startName(): void {
    stringIsName = true;
    state = inString;
    if (depth === 1 && brackets[0] === inObject) rootName = [quote];
  }

  function close(byte: number): void {
    const kind = byte === 0x7d ? inObject : inList;
    if (brackets[depth - 1] !== kind) refuse(`expected ${kind === inList ? "'}'" : "']'"}, found ${describe(byte)}`);
    depth -= 1;
    if (depth === 1 && inObjects) inObjects = false;
  }

  function push(chunk: Uint8Array): void {
    const length = chunk.length;
    const base = offset;
    // Start of the bytes of this chunk that are not put out yet.
    let run = 0;
    let index = 0;

    while (index < length) {
      let byte = chunk[index] as number;

      if (state === inString) {
        const from = index;
        if (continuation === 0) {
          while (byte !== quote && byte !== backslash && byte >= 0x20 && byte < 0x80) {
            index += 1;
            if (index === length) break;
            byte = chunk[index] as number;
          }
          if (rootName !== undefined) collectName(chunk, from, index);
          if (index === length) break;
        }
        offset = base + index;
        if (continuation > 0) continueMultiByte(byte);
        else if (byte === quote) {
          if (rootName !== undefined) {
            rootName.push(quote);
            finishRootName();
          }
          index += 1;
          if (stringIsName) state = colon;
          else {
            output.append(chunk, run, index);
            run = index;
            endValue();
          }
          continue;
        } else if (byte === backslash) state = escaped;
        else if (byte < 0x20) refuse(`a control character (${describe(byte)}) must be escaped in a string`);
        else beginMultiByte(byte);
        rootName?.push(byte);
        index += 1;
        continue;
      }

      offset = base + index;
      switch (state) {
        case escaped:
          if (byte === 0x75) {
            hexDigits = 0;
            state = hex;
          } else if (escapes.has(byte)) state = inString;
          else refuse(`unknown escape \\${String.fromCharCode(byte)}`);
          rootName?.push(byte);
          index += 1;
          continue;
        case hex:
          if (!isHexDigit(byte)) refuse(`expected a hexadecimal digit, found ${describe(byte)}`);
          hexDigits += 1;
          if (hexDigits === 4) state = inString;
          rootName?.push(byte);
          index += 1;
          continue;
        case literal:
          if (byte !== word[wordIndex]) refuse(`expected ${word.toString()}, found ${describe(byte)}`);
          wordIndex += 1;
          index += 1;
          if (wordIndex === word.length) {
            output.append(chunk, run, index);
            run = index;
            endValue();
          }
          continue;
        case minus:
        case zero:
        case integer:
        case point:
        case fraction:
        case exponentMark:
        case exponentSign:
        case exponent: {
          const next = numberState(byte);
          if (next === afterValue) {
            output.append(chunk, run, index);
            run = index;
            endValue();
          } else {
            state = next;
            index += 1;
          }
          continue;
        }
      }

      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        output.append(chunk, run, index);
        do {
          if (byte === 0x0a) {
            line += 1;
            lineStart = base + index + 1;
          }
          index += 1;
          byte = chunk[index] as number;
        } while (index < length && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09));
        run = index;
        continue;
      }

      switch (state) {
        case start:
          if (byte === byteOrderMark[markBytes] && offset === markBytes) {
            markBytes += 1;
            run = index + 1;
            break;
          }
          if (markBytes === 1 || markBytes === 2) refuse('invalid UTF-8');
          if (byte === 0x5b || byte === quote || byte === 0x2d || isDigit(byte) || literals.has(byte)) {
            throw new ScanError('shape', 'the text must be a JSON object');
          }
          if (byte !== 0x7b) refuse(`expected '{', found ${describe(byte)}`);
          startValue(byte);
          break;
        case firstItem:
        case value:
          if (byte === 0x5d && state === firstItem) {
            close(byte);
            index += 1;
            output.append(chunk, run, index);
            run = index;
            endValue();
            continue;
          }
          output.append(chunk, run, index);
          run = index;
          beginValue(byte);
          startValue(byte);
          break;
        case firstName:
        case name:
          if (byte === quote) startName();
          else if (byte === 0x7d && state === firstName) {
            close(byte);
            index += 1;
            output.append(chunk, run, index);
            run = index;
            endValue();
            continue;
          } else refuse(`expected a member name, found ${describe(byte)}`);
          break;
        case colon:
          if (byte !== 0x3a) refuse(`expected ':', found ${describe(byte)}`);
          state = value;
          break;
        case afterValue:
          if (byte === comma) {
            // A comma between elements belongs to neither.
            if (depth === 2 && inObjects) run = index + 1;
            state = brackets[depth - 1] === inObject ? name : value;
          } else if (byte === 0x7d || byte === 0x5d) {
            close(byte);
            index += 1;
            output.append(chunk, run, index);
            run = index;
            endValue();
            continue;
          } else refuse(`expected ',' or the end of the ${inContainer()}, found ${describe(byte)}`);
          break;
        case done:
          refuse(`nothing may follow the end of the text, found ${describe(byte)}`);
      }
      index += 1;
    }
    output.append(chunk, run, length);
    offset = base + length;
  }

  function inContainer(): string {
    return brackets[depth - 1] === inObject ? 'object' : 'list';
  }

  function collectName(chunk: Uint8Array, from: number, to: number): void {
    const bytes = rootName as number[];
    if (bytes.length + to - from > maxNameLength) {
      throw new ScanError(
        'shape',
        `a member name of the root object is longer than ${maxNameLength} bytes at ${where()}`,
      );
    }
    for (let index = from; index < to; index += 1) bytes.push(chunk[index] as number);
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
    return { root: root.text.toString(), objects, count };
  }

  return { push, end };
}
