/** One thing that is wrong, or doubtful, about an object. */
export interface Issue {
  /** Names the rule, `STIX-2.9-ref-type` for example. Stable: programs may rely on it. */
  readonly code: string;
  /** JSON Pointer (RFC 6901) into the object; empty for the object itself. */
  readonly path: string;
  /** One sentence: what is wrong and what would be right. */
  readonly message: string;
}
