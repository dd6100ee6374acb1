/** What there is to ask for in a collection that was made to be measured. */

import type { Micros, NewVersion } from '../src/store/store.ts';
import { types } from './objects.ts';

export interface Known {
  readonly id: string;
  readonly version: string;
  readonly versionKey: string;
}

/** Dates are those of objects that follow one another. */
export interface Facts {
  readonly begin: Micros;
  readonly end: Micros;
  readonly middle: readonly Micros[];
  readonly deep: readonly Micros[];
  readonly objects: readonly Known[];
}

/** Learns the facts of a collection of so many versions while it is being made. */
export class FactFinder {
  readonly #count: number;
  readonly #dates: Record<'middle' | 'deep', Micros[]> = { middle: [], deep: [] };
  readonly #objects: Known[] = [];
  #place = 0;
  #begin: Micros | undefined;
  #end: Micros = 0;

  constructor(count: number) {
    this.#count = count;
  }

  add({ id, type, version, versionKey }: NewVersion, dateAdded: Micros): void {
    this.#begin ??= dateAdded;
    this.#end = dateAdded;
    const behind = this.#count - this.#place;
    // The deepest pages have to be full ones, and in the first ten thousand objects the middle is near both ends.
    if (behind > 1500 && behind <= 2100) this.#dates.deep.push(dateAdded);
    const middle = this.#count * 0.4;
    if (behind > 1500 && this.#place >= middle && this.#place < middle + 5000) {
      this.#dates.middle.push(dateAdded);
      if (type !== types.rare) this.#objects.push({ id, version: version ?? '', versionKey: versionKey ?? '' });
    }
    this.#place += 1;
  }

  get facts(): Facts {
    return { begin: this.#begin ?? 0, end: this.#end, ...this.#dates, objects: this.#objects };
  }
}
