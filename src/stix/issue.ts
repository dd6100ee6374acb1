/** What verdicts consist of, in the languages they are given in. */

/** The languages of verdicts. */
export const languages = ['en', 'zh'] as const;
export type Language = (typeof languages)[number];

/** One sentence in each: what would be right and what to do. */
export type Text = Readonly<Record<Language, string>>;

/** A fault before its language is chosen. */
export interface Fault {
  readonly code: string;
  /** JSON Pointer. */
  readonly path: string;
  readonly text: Text;
}

/** One thing that is wrong, or doubtful, about an object. */
export interface Issue {
  /** Names the rule, `STIX-2.9-ref-type` for example. Stable: programs may rely on it. */
  readonly code: string;
  /** JSON Pointer (RFC 6901) into the object; empty for the object itself. */
  readonly path: string;
  /** What stands there, as JSON and shortened; absent for what is missing and for lists and dictionaries with content. */
  readonly value?: string;
  /** One sentence: what would be right and what to do. */
  readonly message: string;
}

/** `code at /path (value): message`, on one line. */
export function formatIssue({ code, path, value, message }: Issue): string {
  return `${code}${path === '' ? '' : ` at ${path}`}${value === undefined ? '' : ` (${value})`}: ${message}`;
}

/** About an object that is longer than is taken. */
export function tooLongIssue(maxObjectLength: number, language: Language = 'en'): Issue {
  const text: Text = {
    en: `The object is longer than ${maxObjectLength} bytes; split it.`,
    zh: `对象超过 ${maxObjectLength} 字节，请拆分。`,
  };
  return { code: 'object-too-long', path: '', message: text[language] };
}
