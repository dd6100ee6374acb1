/** Reads what comes in once, standard input for example: a bundle, envelope, single object or NDJSON, packed or not. */

import { systemReasonOf } from '../errors.ts';
import { ScanError } from '../stix/scan.ts';
import { isUnreadable, readTexts } from './object-texts.ts';
import { type Source, SourceError } from './source.ts';

export interface StreamSourceOptions {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** How messages name it, `standard input` for example. */
  readonly name: string;
  /** Bytes of one object; longer ones are unreadable. */
  readonly maxObjectLength: number;
}

/** A source that can be walked once, and has no position: what comes in next time is something else. */
export function createStreamSource({ chunks, name, maxObjectLength }: StreamSourceOptions): Source {
  return {
    walk: async function* (_from, signal) {
      try {
        for await (const piece of readTexts(chunks, { maxObjectLength, isLive: true })) {
          signal.throwIfAborted();
          yield isUnreadable(piece) ? piece : { ...piece, position: {} };
        }
      } catch (error) {
        if (signal.aborted || error instanceof SourceError) throw error;
        const reason = error instanceof ScanError ? error.message : systemReasonOf(error);
        throw new SourceError(`${name} is broken: ${reason}. What was whole before is kept`, 'never', undefined, {
          cause: error,
        });
      }
    },
  };
}
