/** Rows as text with aligned columns; the first row is the heading. */
function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** Writes a line to standard output. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Each unit of it as JSON escapes it. */
function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** JSON for programs that a terminal can show too: what would steer it or cannot be seen is escaped. */
export function formatJson(value: object): string {
  return JSON.stringify(value, null, 2).replace(/[^\P{C}\n]|[\u2028\u2029]/gu, escapeUnits);
}

/** Writes a list: as JSON for programs, else its rows as a table. */
export function printList(
  items: readonly object[],
  asJson: boolean,
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  printLine(asJson ? formatJson(items) : formatTable([heading, ...rows]));
}
