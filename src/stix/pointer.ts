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
  return typeof value === 'string' ? JSON.stringify(shortened(value, 80)) : String(value);
}

/** The pointer that goes from the object through these names and indices. */
export function pointerTo(steps: readonly (string | number)[]): string {
  if (steps.length === 0) return '';
  return shortened(steps.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''), 1024);
}

/** What the pointer leads to; undefined when it leads nowhere. */
function follow(document: unknown, pointer: string): unknown {
  let value = document;
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** What stands at the place, as an issue shows it; undefined where nothing does, or a list or dictionary with content. */
export function valueAt(document: unknown, pointer: string): string | undefined {
  const value = pointer === '' ? undefined : follow(document, pointer);
  if (typeof value !== 'object' || value === null) return value === undefined ? undefined : quoted(value);
  for (const _member in value) return undefined;
  return Array.isArray(value) ? '[]' : '{}';
}
