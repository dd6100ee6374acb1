/** Pushing to a collection of a TAXII server (TAXII 2.1 §5.4), within what it takes, and asking until it has dealt with it. */

import type { Clock } from './clock.ts';
import { findName } from './object-names.ts';
import type { Refusal, Target } from './push.ts';
import { SourceError } from './source.ts';
import type { CollectionPlace, TaxiiClient } from './taxii-client.ts';
import type { StatusResource } from './taxii-resources.ts';

export interface TaxiiTargetOptions {
  readonly client: TaxiiClient;
  readonly clock: Clock;
  readonly place: CollectionPlace;
  readonly name: string;
  /** Bytes of a body that the server takes. */
  readonly maxContentLength: number;
}

/** Bytes and objects of an envelope, however much the server takes: what fails is sent again. */
const maxEnvelope = 4 * 1024 * 1024;
const maxObjects = 1000;
/** `{"objects":[]}` and some room. */
const envelopeFrame = 64;
const tries = 4;
const firstPause = 1_000;
const longestPause = 10_000;
/** Retry-After that is waited for within a run; later ones end it. */
const longestRetryAfter = 60_000;

/** Places of consecutive texts that fit into one envelope; one that is too long stands alone. */
function* portions(texts: readonly string[], maxBytes: number): Generator<number[]> {
  let places: number[] = [];
  let bytes = 0;
  for (const [place, text] of texts.entries()) {
    const length = Buffer.byteLength(text) + 1;
    if (places.length > 0 && (bytes + length > maxBytes || places.length >= maxObjects)) {
      yield places;
      places = [];
      bytes = 0;
    }
    places.push(place);
    bytes += length;
  }
  if (places.length > 0) yield places;
}

/**
 * Which of the texts a status speaks of. A server that does not say which it refused is taken by its count, as far as it
 * can be right.
 */
function refusalsOf(status: StatusResource, texts: readonly string[], places: readonly number[]): Refusal[] {
  const left = new Map(places.map((place) => [place, findName(texts[place] ?? '')]));
  const failures = status.failures.slice(0, places.length);
  const refusals = failures.map(({ id, version, message }): Refusal => {
    const same = [...left].filter(([, name]) => name?.id === id);
    const [place] = same.find(([, name]) => name?.version === version) ?? same[0] ?? [-1];
    left.delete(place);
    return { index: place, code: 'refused', message: message === '' ? 'the server gave no reason' : message };
  });
  const unnamed = Math.min(status.failureCount, places.length) - refusals.length;
  if (unnamed <= 0) return refusals;
  const message = `the server refused ${unnamed} objects and does not say which (status ${status.id})`;
  return [...refusals, ...Array.from({ length: unnamed }, () => ({ index: -1, code: 'refused', message }))];
}

/** A target that posts to a collection. */
export function createTaxiiTarget({ client, clock, place, name, maxContentLength }: TaxiiTargetOptions): Target {
  const maxBytes = Math.min(maxContentLength, maxEnvelope) - envelopeFrame;

  /** Tries again what may be over soon. An envelope that arrived twice is stored once. */
  async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        const mayPass = error instanceof SourceError && error.retry === 'later';
        if (!mayPass || attempt >= tries || (error.retryAfter ?? 0) > longestRetryAfter) throw error;
        const pause = firstPause * 2 ** attempt * (0.5 + clock.random());
        await clock.wait(Math.max(pause, error.retryAfter ?? 0), signal);
        signal.throwIfAborted();
      }
    }
  }

  async function complete(posted: StatusResource, signal: AbortSignal): Promise<StatusResource> {
    let status = posted;
    for (let pause = firstPause; status.status === 'pending'; pause = Math.min(pause * 2, longestPause)) {
      await clock.wait(pause, signal);
      signal.throwIfAborted();
      status = await patiently(() => client.getStatus(place.root, posted.id, signal), signal);
    }
    return status;
  }

  async function post(texts: readonly string[], places: readonly number[], signal: AbortSignal): Promise<Refusal[]> {
    const envelope = `{"objects":[${places.map((at) => texts[at]).join(',')}]}`;
    try {
      const posted = await patiently(() => client.addObjects(place, envelope, signal), signal);
      return refusalsOf(await complete(posted, signal), texts, places);
    } catch (error) {
      if (!(error instanceof SourceError) || error.status !== 413) throw error;
      const [only] = places;
      if (places.length === 1 && only !== undefined) {
        return [{ index: only, code: 'content-too-large', message: error.message }];
      }
      const half = places.length >> 1;
      return [
        ...(await post(texts, places.slice(0, half), signal)),
        ...(await post(texts, places.slice(half), signal)),
      ];
    }
  }

  return {
    name,
    async send(texts, signal) {
      const refusals: Refusal[] = [];
      for (const places of portions(texts, maxBytes)) {
        signal.throwIfAborted();
        const [only] = places;
        const length = only === undefined ? 0 : Buffer.byteLength(texts[only] ?? '') + envelopeFrame;
        if (only !== undefined && length > maxContentLength) {
          const message = `the object has ${length} bytes, the server takes ${maxContentLength} at most`;
          refusals.push({ index: only, code: 'content-too-large', message });
        } else refusals.push(...(await post(texts, places, signal)));
      }
      return refusals;
    },
  };
}
