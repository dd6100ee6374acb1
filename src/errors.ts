/**
 * Every error Huiju answers with, by its `error_code` (TAXII 2.1 §3.6.1). The README lists the same codes; a test
 * compares the two.
 */
export const errorCodes = {
  'malformed-request': { status: 400, title: 'Malformed request' },
  'malformed-parameter': { status: 400, title: 'Malformed query parameter' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'login-required': { status: 401, title: 'Authentication required' },
  'not-permitted': { status: 403, title: 'Not permitted' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'not-acceptable': { status: 406, title: 'Not acceptable' },
  'request-timeout': { status: 408, title: 'Request timeout' },
  'content-too-large': { status: 413, title: 'Content too large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'invalid-envelope': { status: 422, title: 'Not an envelope' },
  'too-many-logins': { status: 429, title: 'Too many logins at once' },
  'too-many-uploads': { status: 429, title: 'Too many uploads at once' },
  'headers-too-large': { status: 431, title: 'Header fields too large' },
  'internal-error': { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/**
 * An answer other than success, in the words of the TAXII error message. Operations throw it; `http/error-handler.ts`
 * alone turns it into a response. `description` names what was wrong, where, and what would work.
 */
export class TaxiiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  /** Response headers that belong to this answer, `Allow` for example. */
  readonly headers: Readonly<Record<string, string | string[]>>;

  constructor(code: ErrorCode, description: string, headers: Readonly<Record<string, string | string[]>> = {}) {
    super(description);
    this.name = 'TaxiiError';
    this.code = code;
    this.status = errorCodes[code].status;
    this.title = errorCodes[code].title;
    this.headers = headers;
  }
}

/** A mistake of the operator (configuration, command line, files). Shown as it is, without a stack. */
export class OperatorError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OperatorError';
  }
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return String(hasMessage ? error.message : error);
}

/** What an error says to the operator: its message, or why the system refused; the stack only of one that nobody foresaw. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('syscall' in error) return 'path' in error ? `${error.path}: ${systemReasonOf(error)}` : error.message;
  const isForeseen = error instanceof OperatorError || error instanceof TaxiiError;
  return isForeseen ? error.message : `internal error: ${error.stack ?? error.message}`;
}

/** The code that Node's own errors carry, `ENOENT` for example; undefined for others. */
export function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  EEXIST: 'there is something of that name already; give another',
  ENOTDIR: 'a part of the path is no folder',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EMFILE: 'too many files are open',
};

/** Why the operating system refused, in words rather than codes; of other errors the message. */
export function systemReasonOf(error: unknown): string {
  return systemReasons[codeOf(error) ?? ''] ?? messageOf(error);
}

/** The text of an OperatorError about any number of mistakes: one on its line, several below each other. */
export function listMistakes(mistakes: readonly string[]): string {
  if (mistakes.length === 1) return mistakes.join();
  return [`${mistakes.length} mistakes:`, ...mistakes].join('\n  ');
}
