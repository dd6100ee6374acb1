/** One thing that is wrong, or doubtful, about an object. */
export interface Issue {
  /** Names the rule, `STIX-2.9-ref-type` for example. Stable: programs may rely on it. */
  readonly code: string;
  /** JSON Pointer (RFC 6901) into the object; empty for the object itself. */
  readonly path: string;
  /** One sentence: what is wrong and what would be right. */
  readonly message: string;
}

/** `code at /path: message`, on one line. */
export function formatIssue({ code, path, message }: Issue): string {
  return `${code}${path === '' ? '' : ` at ${path}`}: ${message}`;
}

/** About an object that is longer than is taken. */
export function tooLongIssue(maxObjectLength: number): Issue {
  return {
    code: 'object-too-long',
    path: '',
    message: `The object is longer than ${maxObjectLength} bytes; split it.`,
  };
}
