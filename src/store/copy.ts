/** Copies a store to another place and kind, and compares what was read with what is there then. */

import { hash } from 'node:crypto';
import { OperatorError, TaxiiError } from '../errors.ts';
import { createTally, type PartCounts, shapes } from './backup-file.ts';
import { restoreStore, type StoreLocation } from './open-store.ts';
import type { SnapshotPart, Store } from './store.ts';

type Kind = SnapshotPart['part'];

/** What a snapshot holds. Two are equal when everything but the numbers of `seq`, which are a store's own, is the same. */
export interface SnapshotSummary {
  readonly counts: PartCounts;
  /** For each kind of part the sum of the SHA-256 of its parts, modulo 2^256: stores read them in orders of their own. */
  readonly sums: ReadonlyMap<Kind, bigint>;
}

const modulus = 1n << 256n;

/** One text for one content, in whatever order a store gives the fields. */
function canonicalText(part: SnapshotPart): string {
  const fields = Object.keys(shapes[part.part]).filter((name) => name !== 'seq');
  const values: ReadonlyMap<string, unknown> = new Map(Object.entries(part));
  const texts = part.part === 'record' ? Object.entries(part.keys).sort(([a], [b]) => (a < b ? -1 : 1)) : [];
  return JSON.stringify([
    part.part,
    texts,
    ...fields.filter((name) => name !== 'keys').map((name) => values.get(name)),
  ]);
}

/** Sums up a snapshot while its parts go by. */
function createSummary() {
  const tally = createTally();
  const sums = new Map<Kind, bigint>();
  return {
    /** Hands the parts on, and counts them in. */
    async *pass(parts: AsyncIterable<SnapshotPart>): AsyncGenerator<SnapshotPart> {
      for await (const part of parts) {
        tally.add(part);
        if (part.part !== 'sequence') {
          const digest = BigInt(`0x${hash('sha256', canonicalText(part))}`);
          sums.set(part.part, ((sums.get(part.part) ?? 0n) + digest) % modulus);
        }
        yield part;
      }
    },
    findIncomplete: tally.findIncomplete,
    summary: { counts: tally.counts, sums } satisfies SnapshotSummary,
  };
}

/** What differs, in words; undefined: nothing. */
function findDifference(read: SnapshotSummary, written: SnapshotSummary): OperatorError | undefined {
  for (const kind of Object.keys(shapes) as (keyof PartCounts)[]) {
    if (kind === 'sequence' || kind === 'file') continue;
    const [there, here] = [read.counts[kind], written.counts[kind]];
    if (there === here && read.sums.get(kind) === written.sums.get(kind)) continue;
    const fault =
      there !== here
        ? `${there} parts of the kind ${kind} were read, and ${here} are in it`
        : `its ${here} parts of the kind ${kind} are not those that were read`;
    return new OperatorError(
      `the copy differs from what it is of: ${fault}. Nothing of it was kept: check disks and memory there, and copy again`,
    );
  }
  return undefined;
}

/** Hands parts on, and may look at them: while they are copied, and while they are read back. */
export type Watch = (phase: 'copy' | 'verify', parts: AsyncIterable<SnapshotPart>) => AsyncIterable<SnapshotPart>;

/**
 * Makes a store at `to` of all that `from` holds, reads it back, and compares the two; only then can it be opened. A copy
 * that was broken off is gone on with by the next one that has the same `copyOf`, the name of `from`. Throws OperatorError when
 * there is a store, or, and then it leaves nothing, when the copy is not the same.
 */
export async function copyStore(
  from: Pick<Store, 'readSnapshot'>,
  to: StoreLocation,
  copyOf: string,
  watch: Watch = (_phase, parts) => parts,
): Promise<SnapshotSummary> {
  const read = createSummary();
  const written = createSummary();
  async function* readWhole(): AsyncGenerator<SnapshotPart> {
    yield* read.pass(watch('copy', from.readSnapshot()));
    const collection = read.findIncomplete();
    if (collection === undefined) return;
    throw new OperatorError(
      `the collection ${collection} has not the objects that it counts: some were deleted while they were read, or ${copyOf} is damaged. Copy again`,
    );
  }
  const verify = async (parts: AsyncIterable<SnapshotPart>) => {
    const all = written.pass(watch('verify', parts));
    while ((await all.next()).done !== true);
    return findDifference(read.summary, written.summary);
  };
  try {
    await restoreStore(to, readWhole(), { copyOf, verify });
    return read.summary;
  } catch (error) {
    if (!(error instanceof TaxiiError)) throw error;
    throw new OperatorError(`${error.message} Then copy again, which goes on with what is there.`);
  }
}

/** One number for everything, in hexadecimal digits: equal for equal stores. */
export function digestOf({ sums }: SnapshotSummary): string {
  const sum = [...sums.values()].reduce((total, one) => total + one, 0n) % modulus;
  return sum.toString(16).padStart(64, '0');
}
