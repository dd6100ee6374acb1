/** Merges sources that are each in order of date_added, reading only about as many rows as are taken. */

import type { Micros } from '../store.ts';

/** What is read of a version to choose it. The last four are read only where an index does not decide alone. */
export type KeyRow = readonly [
  seq: number,
  dateAdded: Micros,
  length: number,
  type?: string,
  versionKey?: string,
  isLast?: number,
  isFirst?: number,
];

/** The next rows of one source: added strictly after `after`, ascending, at most `count`. */
export type Source = (after: Micros, count: number) => readonly KeyRow[];

interface Stream {
  readonly source: Source;
  rows: readonly KeyRow[];
  at: number;
  batch: number;
  /** Whether the source had fewer rows than asked for: then there are no more. */
  ended: boolean;
}

function dateAt(stream: Stream | undefined): Micros {
  return stream?.rows[stream.at]?.[1] ?? Number.POSITIVE_INFINITY;
}

/** Restores the order of a binary heap below `index`: the stream with the earliest row stands first. */
function sink(heap: Stream[], index: number): void {
  const stream = heap[index];
  if (stream === undefined) return;
  let hole = index;
  for (;;) {
    const left = 2 * hole + 1;
    const child = dateAt(heap[left + 1]) < dateAt(heap[left]) ? left + 1 : left;
    const earlier = heap[child];
    if (earlier === undefined || dateAt(earlier) >= dateAt(stream)) break;
    heap[hole] = earlier;
    hole = child;
  }
  heap[hole] = stream;
}

function read(stream: Stream, after: Micros): void {
  stream.rows = stream.source(after, stream.batch);
  stream.ended = stream.rows.length < stream.batch;
  stream.at = 0;
}

/**
 * Returns a function that takes the next row of all sources together, ascending by date_added; undefined at the end.
 * About `expected` rows will be taken: a hint for the size of batches. No row may be in two sources.
 */
export function mergeByDateAdded(
  sources: readonly Source[],
  after: Micros,
  expected: number,
): () => KeyRow | undefined {
  const batch = Math.ceil(expected / sources.length) + 1;
  const heap: Stream[] = sources.map((source) => ({ source, rows: [], at: 0, batch, ended: false }));
  for (const stream of heap) read(stream, after);
  for (let index = heap.length >> 1; index >= 0; index -= 1) sink(heap, index);
  let wanted = expected;
  let isTaken = false;

  function advance(stream: Stream): void {
    const row = stream.rows[stream.at];
    stream.at += 1;
    wanted -= 1;
    if (row !== undefined && stream.at === stream.rows.length && !stream.ended) {
      stream.batch = Math.max(2, Math.min(2 * stream.batch, wanted));
      read(stream, row[1]);
    }
    sink(heap, 0);
  }

  // The row taken before is left only now, so that nothing is read behind the last row that anybody wants.
  return function take() {
    const [stream] = heap;
    if (stream !== undefined && isTaken) advance(stream);
    isTaken = true;
    return heap[0]?.rows[heap[0].at];
  };
}
