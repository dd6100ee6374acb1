/** Bytes kept of a text that is too long: enough to find the id of an object. */
const headLength = 4096;

/** Bytes of a text that is gathered in pieces, up to a limit. Of a longer one its beginning is kept. */
export class CompactText {
  #bytes = Buffer.allocUnsafe(8192);
  #length = 0;
  #tooLong = false;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get tooLong(): boolean {
    return this.#tooLong;
  }

  /** What was gathered; valid until the next change. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#tooLong ? Math.min(this.#length, headLength) : this.#length);
  }

  append(chunk: Uint8Array, from: number, to: number): void {
    if (this.#tooLong || from === to) return;
    this.#tooLong = this.#length + to - from > this.#limit;
    const end = this.#tooLong ? Math.min(to, from + Math.max(headLength - this.#length, 0)) : to;
    this.#reserve(this.#length + end - from);
    if (end - from < 24) {
      // Faster than a view of the chunk.
      for (let index = from; index < end; index += 1) this.#bytes[this.#length++] = chunk[index] as number;
      return;
    }
    this.#bytes.set(chunk.subarray(from, end), this.#length);
    this.#length += end - from;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(length, Math.min(this.#bytes.length * 2, this.#limit)));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  clear(): void {
    this.#length = 0;
    this.#tooLong = false;
  }
}
