/** Places in objects: the names that lead to a value. */

import { isObject } from './json-value.ts';
import type { StixObject } from './object-types.ts';

/** Names from the object inwards; `*` stands for each item of a list. */
export type Place = readonly string[];

export function placeOf(text: string): Place {
  return text.split('/');
}

/** The properties of an object in which these places are. */
export function propertiesOf(places: readonly Place[]): string[] {
  return [...new Set(places.flatMap(([first]) => first ?? []))];
}

type Path = readonly (string | number)[];
export type Visit = (value: unknown, path: Path) => void;

function walk(value: unknown, place: Place, depth: number, path: (string | number)[], visit: Visit): void {
  const name = place[depth];
  if (name === undefined) visit(value, path);
  else if (name !== '*') {
    const member = isObject(value) ? value[name] : undefined;
    if (member !== undefined) walk(member, place, depth + 1, path, visit);
  } else if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      path[depth] = index;
      walk(value[index], place, depth + 1, path, visit);
    }
  }
}

/**
 * Calls `visit` with what stands at the place, if anything does. The path is only good during the call. The names are
 * those of standards: none is also one that every JavaScript object has.
 */
export function visitPlace(object: StixObject, place: Place, visit: Visit): void {
  // Most objects lack most properties.
  const [first] = place;
  if (first !== undefined && object[first] !== undefined) walk(object, place, 0, [...place], visit);
}
