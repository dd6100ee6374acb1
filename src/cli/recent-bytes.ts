/** The bytes of an input that were read last, to point into them at what is wrong. */

/** Older ones are given up: an object with that much white space around it is shown by its line alone. */
const maxKept = 64 * 1024 * 1024;

export class RecentBytes {
  /** The first bytes of the input. */
  beginning: Uint8Array = new Uint8Array();
  readonly #chunks: Uint8Array[] = [];
  #start = 0;
  #end = 0;

  /** Takes the next bytes; they must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (this.#end === 0) this.beginning = chunk;
    this.#chunks.push(chunk);
    this.#end += chunk.length;
    this.forget(this.#end - maxKept);
  }

  /** Gives up what ends before this place in the input. */
  forget(offset: number): void {
    let [first] = this.#chunks;
    while (first !== undefined && this.#start + first.length <= offset) {
      this.#start += first.length;
      this.#chunks.shift();
      [first] = this.#chunks;
    }
  }

  /** The text between two places in the input; undefined when it is not kept any more. */
  find(offset: number, end: number = this.#end): string | undefined {
    if (offset < this.#start) return undefined;
    return Buffer.concat(this.#chunks)
      .subarray(offset - this.#start, end - this.#start)
      .toString();
  }
}
