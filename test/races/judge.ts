/** Holds what pollers saw, and what is there at the end, against what was acknowledged. Answers in words, [] is good. */

import type { Reference, Sightings } from './clients.ts';
import type { Acknowledged } from './ledger.ts';

interface Held {
  readonly id: string;
  readonly version: string;
  readonly dateAdded: string;
  readonly text: string;
}

const shown = 5;

function few(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`${items.length} ${title}: ${items.slice(0, shown).join('; ')}`];
}

export function heldIn({ texts, records }: Reference): Held[] {
  return records.map((record, place) => {
    const [id = '', version = '', dateAdded = ''] = record.split(' ');
    return { id, version, dateAdded, text: texts[place] ?? '' };
  });
}

const nameOf = ({ id, version }: { readonly id: string; readonly version: string }) => `${id} ${version}`;

function placesOf(held: readonly Held[]): Map<string, number> {
  return new Map(held.map((version, place) => [nameOf(version), place]));
}

/** Whether everything that was acknowledged is there, once and with its text. */
export function judgeCollection(reference: Reference, acknowledged: readonly Acknowledged[]): string[] {
  const held = heldIn(reference);
  const places = placesOf(held);
  const lost = acknowledged.filter((version) => !places.has(nameOf(version)));
  const changed = acknowledged.filter(({ text, ...name }) => {
    const place = places.get(nameOf(name));
    return place !== undefined && held[place]?.text !== text;
  });
  const notRising = held.filter(({ dateAdded }, place) => dateAdded <= (held[place - 1]?.dateAdded ?? ''));
  // Objects that have modified are held under it, others under their date_added.
  const misnamed = held.filter(({ text, version, dateAdded, id }) => {
    const object = text === '' ? {} : (JSON.parse(text) as { id?: string; modified?: string });
    return object.id !== id || version !== (object.modified ?? dateAdded);
  });
  return [
    ...few('texts or records alone', reference.texts.length === held.length ? [] : [String(held.length)]),
    ...few('acknowledged versions are lost', lost.map(nameOf)),
    ...few('acknowledged versions have another text', changed.map(nameOf)),
    ...few(
      'versions are there twice',
      held.filter((version, place) => places.get(nameOf(version)) !== place).map(nameOf),
    ),
    ...few(
      'times do not rise',
      notRising.map(({ dateAdded }) => dateAdded),
    ),
    ...few('records do not fit their objects', misnamed.map(nameOf)),
  ];
}

/** Whether what is served as `first` or `last` are the first or last versions of all, in the same order. */
export function judgeEnds(all: Reference, end: 'first' | 'last', served: Reference): string[] {
  const chosen = new Map<string, Held>();
  const held = heldIn(all);
  for (const version of held) {
    const known = chosen.get(version.id);
    const isFurther = known === undefined || version.version < known.version === (end === 'first');
    if (isFurther) chosen.set(version.id, version);
  }
  const expected = held.filter((version) => chosen.get(version.id) === version);
  const wrong = heldIn(served).filter(
    (version, place) => nameOf(version) !== nameOf(expected[place] ?? { id: '', version: '' }),
  );
  const missing = expected.slice(served.records.length);
  return few(`versions are not served as ${end} as they should`, [...wrong, ...missing].map(nameOf));
}

/** For each count of acknowledged versions, how much of the collection held them all. */
function neededFor(held: readonly Held[], acknowledged: readonly Acknowledged[]): number[] {
  const places = placesOf(held);
  let needed = 0;
  return [
    0,
    ...acknowledged.map((version) => {
      needed = Math.max(needed, (places.get(nameOf(version)) ?? -1) + 1);
      return needed;
    }),
  ];
}

function judgeSight(
  { name, entries, checkpoints }: Sightings,
  reference: readonly string[],
  needed: readonly number[],
) {
  const stray = entries.findIndex((entry, place) => entry !== reference[place]);
  if (stray >= 0) {
    const kind =
      entries.indexOf(entries[stray] ?? '') < stray
        ? 'again'
        : reference.includes(entries[stray] ?? '')
          ? 'too early'
          : 'which is not there';
    return [`${name} saw at ${stray} of ${entries.length} ${kind}: ${entries[stray]}, in place of ${reference[stray]}`];
  }
  const late = checkpoints.filter(({ acknowledged, seen }) => seen < (needed[acknowledged] ?? 0));
  return few(
    `polls of ${name} did not reach what was acknowledged before`,
    late.map(({ seen, acknowledged }) => `${seen} of ${needed[acknowledged]}`),
  );
}

/**
 * Whether each poller saw the collection from its beginning, in its order, nothing twice and nothing left out; and at the
 * end of each poll all that had been acknowledged at its beginning. `isComplete`: it saw the collection to its end.
 */
export function judgeSightings(
  sightings: readonly Sightings[],
  reference: Reference,
  acknowledged: readonly Acknowledged[],
  isComplete: boolean,
): string[] {
  const needed = neededFor(heldIn(reference), acknowledged);
  return sightings.flatMap((seen) => {
    const expected = seen.name.includes('manifest') ? reference.records : reference.texts;
    const missing = isComplete && seen.entries.length < expected.length;
    return [
      ...judgeSight(seen, expected, needed),
      ...(missing ? [`${seen.name} saw ${seen.entries.length} of ${expected.length}`] : []),
    ];
  });
}

/** The same of a collection from which objects were deleted meanwhile: what remains was seen by all who read to the end. */
export function judgeChurned(
  { name, entries }: Sightings,
  { texts, records }: Reference,
  deleted: ReadonlySet<string>,
): string[] {
  const expected = name.includes('manifest') ? records : texts;
  const remaining = new Set(expected);
  const still = entries.filter((entry) => remaining.has(entry));
  const strays = entries.filter((entry) => !remaining.has(entry) && ![...deleted].some((id) => entry.includes(id)));
  const wrong = expected.findIndex((entry, place) => still[place] !== entry);
  return [
    ...few(`things seen by ${name} twice`, new Set(entries).size === entries.length ? [] : [String(entries.length)]),
    ...few(`things seen by ${name} are not there, and were not deleted`, strays),
    ...(wrong < 0 && still.length === expected.length
      ? []
      : [`${name} did not see what remains, from ${wrong} on: ${expected[wrong]}`]),
  ];
}

/** Whether the statuses that the store holds are complete and speak of versions that are there. */
export function judgeStatuses(texts: readonly string[], reference: Reference): string[] {
  const places = placesOf(heldIn(reference));
  const dangling = texts.filter((text) => {
    const { status, total_count, success_count, failure_count, successes = [], failures = [] } = JSON.parse(text);
    const isCounted = successes.length === success_count && failures.length === failure_count;
    const isThere = successes.every((success: { id: string; version: string }) => places.has(nameOf(success)));
    return status !== 'complete' || success_count + failure_count !== total_count || !isCounted || !isThere;
  });
  return few('statuses are not complete or speak of what is not there', dangling);
}
