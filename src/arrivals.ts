/**
 * Which requests have arrived together: by one look of the event loop for events. The client of each had begun to send it
 * before that look, so an answer to it need not be newer than anything that was found out since.
 *
 * That holds for a request with which what is read from its connection begins, not for one that follows another there: the
 * bytes of a connection are read when it is its turn, and some may have come since the look.
 */

import { performance } from 'node:perf_hooks';

/** Names a look for events. */
type Look = Readonly<Record<'loopCount' | 'events', number>>;

export interface Arrivals {
  /** To be called when a request is handled that follows nothing on its connection, as soon as it is read. */
  begin(): void;
  /** To be called when another one is handled, perhaps in the same moment. */
  end(): void;
  /**
   * The look by which the request came that is being handled; undefined: it is handled later, it follows another one, or
   * what is being done is none.
   */
  find(): Look | undefined;
}

export function createArrivals(): Arrivals {
  let isFirst = false;
  const end = (): void => {
    isFirst = false;
  };
  return {
    begin() {
      isFirst = true;
      // A tick set by a microtask comes when no microtask is left: before anything else that arrives is looked at.
      queueMicrotask(() => process.nextTick(end));
    },
    end,
    // libuv counts loops before it looks, and events when all of a look are handled, of which a loop can have several.
    find: () => (isFirst ? performance.nodeTiming.uvMetricsInfo : undefined),
  };
}

export function isSameLook(one: Look | undefined, other: Look | undefined): boolean {
  return one !== undefined && one.loopCount === other?.loopCount && one.events === other.events;
}
