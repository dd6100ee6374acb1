/** JSON Pointers (RFC 6901) and short quotations, for what is said about objects. */

/** At most so many characters of a publisher's text are repeated in a report. */
const maxQuotation = 256;

/** The text itself when it is short, else its beginning. */
export function shortened(text: string, length = maxQuotation): string {
  if (text.length <= length) return text.toWellFormed();
  return `${text.slice(0, length - 1).toWellFormed()}…`;
}

/** A value as a message quotes it: JSON, shortened. */
export function quoted(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'string' ? `"${shortened(value, 80)}"` : String(value);
}

/** The pointer that goes from the object through these names and indices. */
export function pointerTo(steps: readonly (string | number)[]): string {
  return shortened(steps.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''), 1024);
}
