/** Where things stand in a JSON text, for what is said about a file that somebody wrote by hand. */

export interface Position {
  /** From 1, both. */
  readonly line: number;
  readonly column: number;
}

function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end;
}

function isName(text: string, after: number): boolean {
  let next = after;
  while (/\s/.test(text[next] ?? '')) next += 1;
  return text[next] === ':';
}

function below(pointer: string, step: string | number): string {
  return `${pointer}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** By JSON Pointer, the offset of each member's name and each item; of names that occur twice the last. */
function indexPointers(text: string): Map<string, number> {
  const offsets = new Map<string, number>([['', Math.max(text.search(/\S/), 0)]]);
  const open: { readonly pointer: string; item: number | undefined }[] = [];
  // The pointer of the value that comes next.
  let pending = '';
  for (let offset = 0; offset < text.length; offset += 1) {
    const character = text[offset] as string;
    if (/[\s:]/.test(character)) continue;
    const container = open.at(-1);
    if (character === '}' || character === ']') open.pop();
    else if (character === ',') {
      if (container?.item !== undefined) container.item += 1;
    } else {
      if (container?.item !== undefined) {
        pending = below(container.pointer, container.item);
        if (!offsets.has(pending)) offsets.set(pending, offset);
      }
      if (character === '{') open.push({ pointer: pending, item: undefined });
      else if (character === '[') open.push({ pointer: pending, item: 0 });
      else if (character === '"') {
        const end = endOfString(text, offset);
        if (container !== undefined && container.item === undefined && isName(text, end + 1)) {
          pending = below(container.pointer, JSON.parse(text.slice(offset, end + 1)) as string);
          offsets.set(pending, offset);
        }
        offset = end;
      }
    }
  }
  return offsets;
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/**
 * Finds places in a text that is JSON: for a JSON Pointer where the member or item begins; for one that leads nowhere
 * (a member that is missing) where the nearest thing around it does.
 */
export function createLocator(text: string): (pointer: string) => Position {
  let offsets: Map<string, number> | undefined;
  return (pointer) => {
    offsets ??= indexPointers(text);
    let found = pointer;
    while (!offsets.has(found)) found = found.slice(0, Math.max(found.lastIndexOf('/'), 0));
    return positionAt(text, offsets.get(found) ?? 0);
  };
}
