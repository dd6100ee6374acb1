// One slip of the finger costs 1, whichever it is (Levenshtein).
function countSlips(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      const replaced = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const longest = 100;

/** The candidate that a mistyped word was most likely meant to be; undefined when none is near. */
export function findNearest(word: string, candidates: Iterable<string>): string | undefined {
  const typed = word.slice(0, longest).toLowerCase();
  let nearest: string | undefined;
  // More than two letters in five wrong is another word.
  let least = Math.floor(typed.length * 0.4) + 1;
  for (const candidate of candidates) {
    const slips = countSlips(typed, candidate.slice(0, longest).toLowerCase());
    if (slips >= least) continue;
    least = slips;
    nearest = candidate;
  }
  return nearest;
}

/** The items in the order of how near their names are to a word; equally near ones stay as they stand. */
export function sortByNearness<T>(word: string, items: readonly T[], nameOf: (item: T) => string): T[] {
  const typed = word.slice(0, longest).toLowerCase();
  const slips = new Map(items.map((item) => [item, countSlips(typed, nameOf(item).slice(0, longest).toLowerCase())]));
  return items.toSorted((a, b) => (slips.get(a) ?? 0) - (slips.get(b) ?? 0));
}

/** `; did you mean …?`, or nothing when no candidate is near. */
export function suggest(word: string, candidates: Iterable<string>): string {
  const nearest = findNearest(word, candidates);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
