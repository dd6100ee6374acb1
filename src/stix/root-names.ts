/** Bytes of a name, with its quotes; TAXII 2.1 §7.1.1 allows 250 characters. */
const maxNameLength = 2000;
/** An envelope has three members, a bundle four, custom ones come on top. */
const maxMembers = 1000;

const noBytes = Buffer.alloc(0);

/** The names of the root object's members: each may lie in several chunks, and occur once. */
export class RootNames {
  #text: Buffer = noBytes;
  readonly #known = new Set<string>();
  readonly #fault: (what: string) => Error;

  /** `fault` makes the error that is thrown when a name is too long, one too many, or there already. */
  constructor(fault: (what: string) => Error) {
    this.#fault = fault;
  }

  /** Takes some bytes of the JSON string that is a name. */
  add(bytes: Uint8Array): void {
    this.#text = Buffer.concat([this.#text, bytes]);
    if (this.#text.length > maxNameLength) {
      throw this.#fault(`a member name of the root object is longer than ${maxNameLength} bytes`);
    }
  }

  /** The name that was added, as it is spelled without escapes. */
  take(): string {
    const name = JSON.parse(this.#text.toString()) as string;
    this.#text = noBytes;
    if (this.#known.has(name)) throw this.#fault(`the member ${JSON.stringify(name.slice(0, 100))} occurs twice`);
    if (this.#known.size === maxMembers) throw this.#fault(`the root object has more than ${maxMembers} members`);
    this.#known.add(name);
    return name;
  }
}
